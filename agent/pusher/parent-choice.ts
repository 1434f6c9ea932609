import type { Destination } from "../base/destination.ts";
import type { Host } from "../rrd/host.ts";
import type { AttemptLimits } from "./connection.ts";
import type { DestinationEntry } from "./destination-entry.ts";
import { DestinationList } from "./destination-list.ts";
import { probeParent } from "./parent-probe.ts";
import { rankParents } from "./parent-ranking.ts";
import type { DestinationStatus, PusherSettings, PusherWorld } from "./pusher-world.ts";
import { type PostponeReason, ReconnectDelay } from "./retry-delay.ts";

/** A shorter link says nothing about its parent. */
const GOOD_LINK_MS = 10_000;

/** Ticks come once a second; the one nearest to a time is meant. */
const HALF_TICK_MS = 500;

/** Which of its parents a link tries next, and when. Times are monotonic. */
export class ParentChoice {
  /** Why the present parent did not take the stream; empty if it did, or did not get so far. */
  reason: PostponeReason | "" = "";
  private readonly host: Pick<Host, "machineGuid">;
  private readonly world: PusherWorld;
  private readonly delay: ReconnectDelay;
  private list: DestinationList;
  private entry: DestinationEntry | null = null;
  private waitUntilMs = 0;
  /** Parents are being asked. */
  private asking: AbortController | null = null;

  /** @throws InputError when a destination cannot be read. */
  constructor(host: Pick<Host, "machineGuid">, settings: PusherSettings, world: PusherWorld) {
    this.host = host;
    this.world = world;
    this.delay = new ReconnectDelay(settings.reconnectDelaySec, world.random);
    this.list = new DestinationList(settings.destinations, settings.defaultPort);
  }

  /** The parent in use, or tried last; empty before the first. */
  get name(): string {
    return this.entry?.destination.name ?? "";
  }

  /** All parents in the configured order. */
  status(): DestinationStatus[] {
    const { clock } = this.world;
    return this.list.entries.map((entry) => entry.status(clock.nowUs(), clock.monotonicMs()));
  }

  /**
   * Every parent may be tried again. Where there is a choice, they are asked first what they have of the host.
   * @param ready called once {@link next} may be, unless {@link cancel} came first; at once if there is none.
   */
  beginRound(nowMs: number, ready: () => void): void {
    this.cancel();
    this.list.beginRound();
    const candidates = this.list.candidates(nowMs + HALF_TICK_MS);
    if (candidates.length < 2) {
      ready();
      return;
    }
    const asking = new AbortController();
    this.asking = asking;
    const { list, host, world } = this;
    const probes = candidates.map(({ destination }) => {
      return probeParent(destination, host.machineGuid, world, asking.signal);
    });
    void Promise.all(probes).then((results) => {
      if (this.asking !== asking) return;
      this.asking = null;
      const numbers = rankParents(results);
      list.rank(new Map(candidates.map((entry, index) => [entry, numbers[index]!])));
      ready();
    });
  }

  /** Nobody waits for a round any more. */
  cancel(): void {
    const { asking } = this;
    this.asking = null;
    asking?.abort();
  }

  /** The next round begins with this one, and goes on with the one in use. */
  beginReturn(preferred: DestinationEntry): void {
    this.cancel();
    this.list.beginReturn(preferred);
  }

  /** Parents that are preferred to the one in use, the best first. */
  get better(): readonly DestinationEntry[] {
    const { entries } = this.list;
    return this.entry === null ? [] : entries.slice(0, Math.max(0, entries.indexOf(this.entry)));
  }

  /** The next parent of this round, from now on the present one; null = none is left that may be tried. */
  next(nowMs: number): Destination | null {
    const entry = this.list.take(nowMs + HALF_TICK_MS);
    if (entry === null) return null;
    this.entry = entry;
    this.reason = "";
    entry.tried(this.world.clock.nowUs());
    return entry.destination;
  }

  /** Nothing is tried before this time. */
  wait(untilMs: number): void {
    this.waitUntilMs = untilMs;
  }

  /** The wait is over. */
  isDue(nowMs: number): boolean {
    return nowMs + HALF_TICK_MS >= this.waitUntilMs;
  }

  /** When the next round begins after one that failed. */
  nextRoundMs(nowMs: number): number {
    const { availableMs } = this.list;
    return availableMs > nowMs ? availableMs : this.delayedMs(nowMs);
  }

  /** When to try again after a link that broke soon. */
  delayedMs(nowMs: number): number {
    return nowMs + this.delay.nextMs(nowMs);
  }

  /** A connection to the present parent stands. */
  opened(): void {
    if (this.entry !== null) this.list.opened(this.entry);
  }

  /** It took the stream. */
  accepted(): void {
    this.entry?.accepted(this.world.clock.nowUs());
    this.reason = "";
  }

  /** The attempt failed, or the link has ended. @param problem empty: we closed it in order. */
  ended(problem: string): void {
    this.entry?.ended(problem);
  }

  /** The present parent is known as an agent of our kind, from this connection or one before. */
  get isOurs(): boolean {
    return this.entry?.isOurs ?? false;
  }

  /** It said so, or did not although it should have. */
  set isOurs(isOurs: boolean) {
    if (this.entry !== null) this.entry.isOurs = isOurs;
  }

  /** What the present parent is offered, and how long it may take to answer. */
  limits({ ring }: Pick<Host, "ring">, { timeoutSec, isReplicating }: PusherSettings): AttemptLimits {
    return { timeoutMs: timeoutSec * 1000, offered: this.entry?.offer(ring !== null, isReplicating) ?? 0 };
  }

  /** It cannot be offered anything, and is tried once more. */
  withdrawOffer(): void {
    if (this.entry !== null) this.list.withdrawOffer(this.entry);
  }

  /** It is left alone for a while. */
  postpone(reason: PostponeReason): void {
    const { clock, random } = this.world;
    this.reason = reason;
    this.entry?.postpone(reason, clock.monotonicMs(), random);
  }

  /** @returns whether it was a good link: after one we connect again at once (streaming.md §2.5). */
  wasGood(livedMs: number): boolean {
    const isGood = livedMs >= GOOD_LINK_MS;
    if (isGood) this.delay.reset();
    return isGood;
  }

  /** @returns whether there are other parents now. @throws InputError as the constructor; then nothing changes. */
  configure(settings: PusherSettings, before: PusherSettings): boolean {
    const list = new DestinationList(settings.destinations, settings.defaultPort);
    if (settings.reconnectDelaySec !== before.reconnectDelaySec) this.delay.configure(settings.reconnectDelaySec);
    const isOther = list.configured !== this.list.configured || settings.apiKey !== before.apiKey;
    if (isOther) {
      this.cancel();
      this.list = list;
      this.entry = null;
      this.reason = "";
      this.delay.reset();
    }
    return isOther;
  }
}
