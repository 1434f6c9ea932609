import type { DestinationEntry } from "./destination-entry.ts";
import type { ParentChoice } from "./parent-choice.ts";
import { probeParent } from "./parent-probe.ts";
import type { PusherWorld } from "./pusher-world.ts";

/** How often better parents are asked whether they are there; also how long a link stands before they are. */
const ASK_MS = 60_000;
const SPREAD = 0.2;
/** A parent that stands in gets this long for what it still fetches, once the link could go back. */
const DELIVER_MS_MAX = 600_000;
/** Each return takes longer than the one before, up to this many times, */
const PATIENCE_MAX = 16;
/** until a link to the preferred parent has stood for this long. */
const STEADY_MS = 600_000;

/** Whether a link should go back from a parent that stood in to one that is preferred to it. Times are monotonic. */
export class ParentReturn {
  private readonly machineGuid: string;
  private readonly choice: ParentChoice;
  private readonly world: PusherWorld;
  /** Since when each better parent has answered every time. */
  private readonly goodSinceMs = new Map<DestinationEntry, number>();
  private askMs = 0;
  private asking: AbortController | null = null;
  private patience = 1;

  constructor(machineGuid: string, choice: ParentChoice, world: PusherWorld) {
    this.machineGuid = machineGuid;
    this.choice = choice;
    this.world = world;
  }

  /** A link begins or ends: what was known of other parents is old. */
  restart(): void {
    this.asking?.abort();
    this.asking = null;
    this.goodSinceMs.clear();
    this.askMs = 0;
  }

  /**
   * Call once a second while connected.
   * @param livedMs of this link.
   * @param afterSec how long a better parent has to be there before the link goes back to it; 0 = never.
   * @param isDelivered the present parent has everything.
   * @returns the parent to go to now, or null.
   */
  due(nowMs: number, livedMs: number, afterSec: number, isDelivered: boolean): DestinationEntry | null {
    const { better } = this.choice;
    const afterMs = afterSec * 1000;
    if (better.length === 0 && livedMs >= Math.max(STEADY_MS, 2 * afterMs)) this.patience = 1;
    if (better.length === 0 || afterSec === 0 || livedMs < Math.min(ASK_MS, afterMs)) return null;
    if (nowMs >= this.askMs) {
      this.askMs = nowMs + Math.min(ASK_MS, afterMs / 2) * (1 - SPREAD + 2 * SPREAD * this.world.random());
      this.ask(better);
    }
    const needMs = afterMs * this.patience + (isDelivered ? 0 : DELIVER_MS_MAX);
    const found = better.find((entry) => nowMs - (this.goodSinceMs.get(entry) ?? nowMs) >= needMs) ?? null;
    // Should the link have to leave again soon, the next return takes twice as long.
    if (found !== null) this.patience = Math.min(PATIENCE_MAX, 2 * this.patience);
    return found;
  }

  private ask(better: readonly DestinationEntry[]): void {
    this.asking?.abort();
    const asking = new AbortController();
    this.asking = asking;
    const { clock } = this.world;
    for (const entry of better) {
      if (entry.postponedUntilMs > clock.monotonicMs()) {
        this.goodSinceMs.delete(entry);
        continue;
      }
      void probeParent(entry.destination, this.machineGuid, this.world, asking.signal).then(({ kind }) => {
        if (this.asking !== asking) return;
        if (kind === "unreachable" || kind === "unwilling") this.goodSinceMs.delete(entry);
        else if (!this.goodSinceMs.has(entry)) this.goodSinceMs.set(entry, clock.monotonicMs());
      });
    }
  }
}
