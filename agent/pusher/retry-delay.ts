import type { Random } from "../base/clock.ts";
import type { Rejection } from "../wire/answers.ts";

/** Why a destination is left alone for a while. */
export type PostponeReason = Exclude<Rejection, "compressed"> | "loop" | "send_timeout" | "silent";

/** Seconds until a destination is tried again, ±20 % (streaming.md §1.4). */
const POSTPONE_SEC: Readonly<Record<PostponeReason, number>> = {
  not_permitted: 60,
  own_guid: 3600,
  already_streaming: 120,
  busy: 120,
  internal: 300,
  initializing: 30,
  not_understood: 60,
  closed: 60,
  send_timeout: 60,
  // What made it silent may be over: the connection is new, and other parents go first.
  silent: 10,
  no_reply: 30,
  loop: 60,
};
/** The parent may not have noticed yet that our last connection is gone: so often it is asked again soon. */
const SOON_COUNT = 2;
const SOON_SEC = 10;
/** Many are told the same at once: they must not all come back at once. */
const SPREAD = 0.2;
/** Most seconds between attempts that fail; a larger configured delay stands. */
const DELAY_SEC_MAX = 60;

/** How long a destination is left alone, in ms. @param repeats answers of this kind in a row, this one included. */
export function postponeMs(reason: PostponeReason, repeats: number, random: Random): number {
  const isSoon = reason === "already_streaming" && repeats <= SOON_COUNT;
  const delaySec = isSoon ? SOON_SEC : POSTPONE_SEC[reason];
  return delaySec * 1000 * (1 - SPREAD + 2 * SPREAD * random());
}

/** A parent that restarts is back within this time, mostly. */
const RESTART_MS = 5000;

/**
 * Delays between attempts that fail. In the first seconds of an outage the configured delay or a little less, so that
 * a parent that is back within 5 s is found within 5 s and the delay; from then on they double up to a minute, ±20 % by
 * chance (streaming.md §2.5, §12).
 */
export class ReconnectDelay {
  private readonly random: Random;
  private firstMs: number;
  private stepMs: number;
  /** When the outage began; NaN = there is none. */
  private sinceMs = Number.NaN;

  constructor(delaySec: number, random: Random) {
    this.random = random;
    this.firstMs = delaySec * 1000;
    this.stepMs = this.firstMs;
  }

  configure(delaySec: number): void {
    this.firstMs = delaySec * 1000;
    this.reset();
  }

  /** The wait before the next attempt, in ms. @param nowMs monotonic. */
  nextMs(nowMs: number): number {
    if (Number.isNaN(this.sinceMs)) this.sinceMs = nowMs;
    if (nowMs - this.sinceMs < this.firstMs + RESTART_MS) return this.firstMs * (1 - SPREAD * this.random());
    this.stepMs = Math.min(2 * this.stepMs, Math.max(this.firstMs, DELAY_SEC_MAX * 1000));
    return this.stepMs * (1 - SPREAD + 2 * SPREAD * this.random());
  }

  /** A link has stood long enough. */
  reset(): void {
    this.stepMs = this.firstMs;
    this.sinceMs = Number.NaN;
  }
}
