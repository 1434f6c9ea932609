import type { Chart } from "./chart.ts";
import type { CollectedRow } from "./collected-row.ts";

/** Whoever streams a host on. Called inside the commit: it copies what it needs and never throws or blocks. */
export interface CommitListener {
  /**
   * One iteration of one chart, raw, before interpolation.
   * @param elapsedUs since the previous collection of this chart as its collector or sender measured it; 0 when nobody
   * did. @param advancedUs what the chart's own clock went on by; −1 = it did not, and the values are not stored.
   */
  commit(chart: Chart, row: CollectedRow, elapsedUs: number, advancedUs: number): void;
  /**
   * Final values of one second of a chart, which the ring will hold when the call is over, older or newer than others.
   * @returns false: it takes what was collected instead, and will be told of that.
   */
  point?(chart: Chart, timeSec: number, setCount: number): boolean;
  /** The chart was retired: no commit may follow that would tell. */
  retired?(chart: Chart): void;
  /** Whoever it sends to takes no older points of a chart that has newer ones. */
  readonly needsOrder?: boolean;
  /** Points of (afterSec, beforeSec] were stored that no commit has told of, nor need one follow. */
  past?(chart: Chart, afterSec: number, beforeSec: number): void;
}
