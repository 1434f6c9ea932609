import type { Clock } from "../base/clock.ts";

/** Values that may be open at first, at least, and at most: half of what all children together may be asked for. */
const OPEN_FIRST = 20_000;
const OPEN_MIN = 2000;
const OPEN_MAX = 200_000;
/** An answer that comes within this shows that the way has room for more; one that takes longer than that, for less. */
const SOON_MS = 250;
const LATE_MS = 1000;

/**
 * How much one child may be asked for at a time. Its live values wait behind its answers, so what counts is how long
 * these take: on a slow line less is asked for, and live values stay within about a second of their time.
 */
export class ReplayPace {
  /** Values of all open requests. */
  open = 0;
  private limit = OPEN_FIRST;
  /** When the limit was last another one. */
  private changedMs = Number.NEGATIVE_INFINITY;
  private readonly clock: Pick<Clock, "monotonicMs">;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.clock = clock;
  }

  /** More may be asked for. */
  get hasRoom(): boolean {
    return this.open < this.limit;
  }

  /** Values that one request should have at most. */
  get requestValues(): number {
    return Math.min(this.limit, OPEN_FIRST);
  }

  /** A request goes out. @returns when, for {@link give}. */
  take(values: number): number {
    this.open += values;
    return this.clock.monotonicMs();
  }

  /** Its answer is whole. @param takenMs what {@link take} returned. */
  give(values: number, takenMs: number): void {
    const nowMs = this.clock.monotonicMs();
    const tookMs = nowMs - takenMs;
    // What did not fill the way says nothing of its room.
    const wasFull = this.open >= this.limit / 2;
    this.open -= values;
    // What was asked for under an earlier limit says nothing of this one.
    if (takenMs < this.changedMs) return;
    if (tookMs > LATE_MS) this.limit = Math.max(OPEN_MIN, this.limit / 2);
    else if (tookMs < SOON_MS && wasFull) this.limit = Math.min(OPEN_MAX, this.limit * 2);
    else return;
    this.changedMs = nowMs;
  }
}
