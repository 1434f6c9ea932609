import type { Random } from "../base/clock.ts";
import type { Destination } from "../base/destination.ts";
import type { Host } from "../rrd/host.ts";
import type { AttemptLimits } from "./connection.ts";
import { type DestinationEntry, DestinationList } from "./destination-list.ts";
import type { PusherSettings } from "./pusher-world.ts";
import { type PostponeReason, ReconnectDelay } from "./retry-delay.ts";

/** Ticks come once a second; the one nearest to a time is meant. */
const HALF_TICK_MS = 500;

/** Which of its parents a link tries next, and when. Times are monotonic. */
export class ParentChoice {
  /** Why the present parent did not take the stream; empty if it did, or did not get so far. */
  reason: PostponeReason | "" = "";
  private readonly random: Random;
  private readonly delay: ReconnectDelay;
  private list: DestinationList;
  private entry: DestinationEntry | null = null;
  private waitUntilMs = 0;

  /** @throws InputError when a destination cannot be read. */
  constructor(settings: PusherSettings, random: Random) {
    this.random = random;
    this.delay = new ReconnectDelay(settings.reconnectDelaySec, random);
    this.list = new DestinationList(settings.destinations, settings.defaultPort);
  }

  /** The parent in use, or tried last; empty before the first. */
  get name(): string {
    return this.entry?.destination.name ?? "";
  }

  /** All parents in their present order. */
  get names(): string[] {
    return this.list.names;
  }

  /** Every parent may be tried again. */
  beginRound(): void {
    this.list.beginRound();
  }

  /** The next parent of this round, from now on the present one; null = none is left that may be tried. */
  next(nowMs: number): Destination | null {
    const entry = this.list.take(nowMs + HALF_TICK_MS);
    if (entry === null) return null;
    this.entry = entry;
    this.reason = "";
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
    if (this.entry !== null) this.list.moveToEnd(this.entry);
  }

  /** It took the stream. */
  accepted(): void {
    this.entry?.accepted();
    this.reason = "";
  }

  /** What the present parent is offered, and how long it may take to answer. */
  limits({ ring }: Pick<Host, "ring">, { timeoutSec, isReplicating }: PusherSettings): AttemptLimits {
    return { timeoutMs: timeoutSec * 1000, offered: this.entry?.offer(ring !== null, isReplicating) ?? 0 };
  }

  /** It cannot be offered anything, and is tried once more. */
  withdrawOffer(): void {
    this.list.withdrawOffer();
  }

  /** It is left alone for a while. */
  postpone(reason: PostponeReason, nowMs: number): void {
    this.reason = reason;
    this.entry?.postpone(reason, nowMs, this.random);
  }

  /** The link has lived long enough to call it a good one. */
  succeeded(): void {
    this.delay.reset();
  }

  /** @returns whether there are other parents now. @throws InputError as the constructor; then nothing changes. */
  configure(settings: PusherSettings, before: PusherSettings): boolean {
    const list = new DestinationList(settings.destinations, settings.defaultPort);
    if (settings.reconnectDelaySec !== before.reconnectDelaySec) this.delay.configure(settings.reconnectDelaySec);
    const isOther = list.configured !== this.list.configured || settings.apiKey !== before.apiKey;
    if (isOther) {
      this.list = list;
      this.entry = null;
      this.reason = "";
      this.delay.reset();
    }
    return isOther;
  }
}
