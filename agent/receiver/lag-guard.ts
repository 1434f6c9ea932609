/** Lag from which a chart's time is doubted (streaming.md §2.4), beside three of the host's intervals. */
const LAG_US_MIN = 5_000_000;
/** Lags are compared over windows of this length … */
const WINDOW_US = 20_000_000;
/** … and so many in a row that did not shrink the lag of the one before make at least a minute. */
const STUCK_WINDOWS = 3;
/** Less than this is not a shrinking. */
const SHRINK_US = 500_000;

/**
 * Watches how far behind our clock the samples of one connection are. A link that stalled delivers late and catches up:
 * each sample belongs to its own second and nothing is corrected. A lag that stays for a minute is a clock gone wrong.
 */
export class LagGuard {
  /** Charts that are behind our clock by more than this are doubted. */
  readonly lagUsMax: number;
  private windowEndUs = 0;
  /** Largest lag of the window at hand and of the one before; 0 = none was in doubt. */
  private largestUs = 0;
  private largestBeforeUs = 0;
  /** Windows in a row that did not shrink the lag. */
  private stuckWindows = 0;

  /** @param updateEverySec of the host. */
  constructor(updateEverySec: number) {
    this.lagUsMax = Math.max(LAG_US_MIN, 3e6 * updateEverySec);
  }

  /**
   * @param oldestUs the earliest time that a sample just received was given. @param nowUs our clock.
   * @returns true when charts that lag should take their time from our clock once.
   */
  isStuck(oldestUs: number, nowUs: number): boolean {
    const lagUs = nowUs - oldestUs;
    if (lagUs > this.lagUsMax && lagUs > this.largestUs) this.largestUs = lagUs;
    // A clock of ours that was put back starts a new window.
    if (nowUs < this.windowEndUs && nowUs >= this.windowEndUs - WINDOW_US) return false;
    if (this.windowEndUs !== 0 && this.endWindow()) return true;
    this.windowEndUs = nowUs + WINDOW_US;
    return false;
  }

  /** Compares the window that is over with the one before. @returns true when the lag stayed for long enough. */
  private endWindow(): boolean {
    const { largestUs, largestBeforeUs } = this;
    this.largestBeforeUs = largestUs;
    this.largestUs = 0;
    const isStuck = largestUs > 0 && largestBeforeUs > 0 && largestUs >= largestBeforeUs - SHRINK_US;
    this.stuckWindows = isStuck ? this.stuckWindows + 1 : 0;
    if (this.stuckWindows < STUCK_WINDOWS) return false;
    this.stuckWindows = 0;
    this.largestBeforeUs = 0;
    this.windowEndUs = 0;
    return true;
  }
}
