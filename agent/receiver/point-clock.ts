import { AHEAD_US_MAX } from "../rrd/interval.ts";

/** A slot of at most so many seconds that is over at our clock, or will be, may take a point of now. */
const SLOT_SEC_MAX = AHEAD_US_MAX / 1e6;

/** A clock that is ahead by no more than this is not ahead any more. */
const NEAR_SEC = 2;

/**
 * Dates the final points of one child. They lie at the child's own seconds, unless its clock is ahead of ours by more
 * than can be stored. Then ours counts, as for a child that sends what it collects: all are put back by the same whole
 * slots, until the child's own times are not ahead any more.
 */
export class PointClock {
  private aheadSec = 0;

  /**
   * Second at which a point is to be stored.
   * @param endSec its own. @param slotSec interval of its chart. @param senderNowSec clock of the child when it was
   * sent. @param nowUs our clock.
   */
  date(endSec: number, slotSec: number, senderNowSec: number, nowUs: number): number {
    const nowSec = Math.floor(nowUs / 1e6);
    const isAhead = (endSec - this.shift(slotSec)) * 1e6 > nowUs + AHEAD_US_MAX;
    if (isAhead) this.aheadSec = Math.max(endSec, senderNowSec) - nowSec;
    else if (Math.max(endSec, senderNowSec) <= nowSec + NEAR_SEC) this.aheadSec = 0;
    return endSec - this.shift(slotSec);
  }

  /** A point is not to lie before what it was made of, nor further ahead than can be stored. */
  private shift(slotSec: number): number {
    const round = slotSec <= SLOT_SEC_MAX ? Math.floor : Math.ceil;
    return round(this.aheadSec / Math.max(1, slotSec)) * Math.max(1, slotSec);
  }
}
