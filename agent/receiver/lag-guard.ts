/** Lag from which a chart's time is doubted (streaming.md §2.4), beside three of its intervals. */
const LAG_US_MIN = 5_000_000;
/** A lag that has not shrunk for this long is not a link that catches up. */
const PATIENCE_US = 60_000_000;
/** Less than this is not a shrinking. */
const SHRINK_US = 500_000;

/**
 * Watches how far behind our clock the samples of one connection are. A link that stalled delivers late and catches up:
 * each sample belongs to its own second and nothing is corrected. A lag that stays is a clock gone wrong.
 */
export class LagGuard {
  private readonly lagMaxUs: number;
  private smallestUs = Number.POSITIVE_INFINITY;
  private shrunkAtUs = 0;

  constructor(updateEverySec: number) {
    this.lagMaxUs = Math.max(LAG_US_MIN, 3e6 * updateEverySec);
  }

  /**
   * @param collectedUs time of the newest sample just received. @param nowUs our clock.
   * @returns true when the host should take its time from our clock once.
   */
  isStuck(collectedUs: number, nowUs: number): boolean {
    const lagUs = nowUs - collectedUs;
    if (lagUs <= this.lagMaxUs) {
      this.smallestUs = Number.POSITIVE_INFINITY;
      return false;
    }
    if (lagUs < this.smallestUs - SHRINK_US || this.smallestUs === Number.POSITIVE_INFINITY) {
      this.smallestUs = lagUs;
      this.shrunkAtUs = nowUs;
      return false;
    }
    if (nowUs - this.shrunkAtUs < PATIENCE_US) return false;
    this.smallestUs = Number.POSITIVE_INFINITY;
    return true;
  }
}
