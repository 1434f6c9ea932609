import { AHEAD_US_MAX } from "../rrd/interval.ts";

/**
 * Dates the final points of one child. They lie at the child's own seconds, unless its clock is ahead of ours by more
 * than can be stored. Then ours counts, as for a child that sends what it collects: all are put back by the same whole
 * seconds, until the child's own times are not ahead any more.
 */
export class PointClock {
  private aheadSec = 0;

  /**
   * Second at which a point is to be stored.
   * @param endSec its own. @param senderNowSec clock of the child when it was sent. @param nowUs our clock.
   */
  date(endSec: number, senderNowSec: number, nowUs: number): number {
    const nowSec = Math.floor(nowUs / 1e6);
    const isAhead = (endSec - this.aheadSec) * 1e6 > nowUs + AHEAD_US_MAX;
    if (isAhead) this.aheadSec = Math.max(endSec, senderNowSec) - nowSec;
    else if (endSec <= nowSec) this.aheadSec = 0;
    return endSec - this.aheadSec;
  }
}
