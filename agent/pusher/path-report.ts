import type { SendBuffer } from "../base/send-buffer.ts";
import { completeToSec } from "../rrd/completeness.ts";
import type { Host } from "../rrd/host.ts";
import { hopAmounts, type PathHop } from "../rrd/path.ts";
import { type HopLine, hopLines, writtenLine } from "../wire/hop-lines.ts";
import type { LinkAccount } from "./link-account.ts";
import type { PusherWorld } from "./pusher-world.ts";
import type { WrittenRows } from "./written-rows.ts";

/** How often a parent of our kind is told. */
const EVERY_MS = 60_000;
/** News is told sooner, and so is what became of the first seconds of a connection; but not more often than this. */
const AGAIN_MS = 10_000;

/** What a link tells its parent of itself: what it has written, and the way its host's values come, hop by hop. */
export class PathReport {
  private readonly world: PusherWorld;
  private readonly buffer: SendBuffer;
  private toldMs = Number.NEGATIVE_INFINITY;
  /** Times on this connection. */
  private told = 0;
  /** What is news: another way below, and values that were lost or recovered. */
  private toldState = "";

  constructor(world: PusherWorld, buffer: SendBuffer) {
    this.world = world;
    this.buffer = buffer;
  }

  /** Another connection: its parent knows nothing. */
  restart(): void {
    this.toldMs = Number.NEGATIVE_INFINITY;
    this.told = 0;
  }

  /** Call once a second while the parent is one of our kind. @returns whether anything was appended. */
  tell(host: Host, account: LinkAccount, written: WrittenRows): boolean {
    const nowMs = this.world.clock.monotonicMs();
    if (nowMs - this.toldMs < AGAIN_MS) return false;
    const { lost, recovered } = account;
    const state = [host.path.version, recovered, ...Object.values(lost)].join(" ");
    if (this.told > 1 && state === this.toldState && nowMs - this.toldMs < EVERY_MS) return false;
    const text = writtenLine(written.rows, written.values) + hopLines(this.hopsOf(host, account));
    if (!this.buffer.append(Buffer.from(text))) return false;
    this.toldMs = nowMs;
    this.told++;
    this.toldState = state;
    return true;
  }

  /** Our own hop, and those below it. */
  private hopsOf(host: Host, account: LinkAccount): HopLine[] {
    const { clock, self } = this.world;
    const nowUs = clock.nowUs();
    const own: PathHop = {
      machineGuid: self.machineGuid,
      hostname: self.hostname(),
      values: account.balance(),
      completeToSec: completeToSec(host),
      toldUs: nowUs,
    };
    return [own, ...host.path.hops].map(({ machineGuid, hostname, values, completeToSec: toSec, toldUs }) => {
      const ageSec = Math.max(0, Math.round((nowUs - toldUs) / 1e6));
      return { machineGuid, hostname, ageSec, completeToSec: toSec, amounts: hopAmounts(values) };
    });
  }
}
