const STEP_MS = 100;
/** A second's values that come this late may fall into the next one. */
const STALL_MS = 400;

/**
 * Notices when the machine itself stands still, which on a shared one happens: what agents did then says nothing about
 * them. It only looks at the time this process gets.
 */
export class StallWatch implements Disposable {
  private readonly timer: Timer;
  private readonly stalledAtSec: number[] = [];
  private lastMs = performance.now();

  constructor() {
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - this.lastMs > STEP_MS + STALL_MS) this.stalledAtSec.push(Math.ceil(Date.now() / 1000));
      this.lastMs = nowMs;
    }, STEP_MS);
  }

  /** The machine ran without a break in the seconds `[fromSec, toSec]`. */
  isQuietBetween(fromSec: number, toSec: number): boolean {
    return this.stalledAtSec.every((second) => second < fromSec || second > toSec);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }
}
