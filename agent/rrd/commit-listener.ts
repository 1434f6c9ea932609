import type { Chart } from "./chart.ts";
import type { CollectedRow } from "./collected-row.ts";

/** The last agent of the path on which a host is streamed, as far as whoever streams it on knows of it. */
export interface PathEnd {
  /** Whoever sends the host here wants to know what the end has stored. To be said once a second, or once to end it. */
  ask(isWanted: boolean): void;
  /**
   * A position, growing as long as this object lives: once {@link confirmed} has come there, the end has all that is
   * stored in the host now. NaN = that cannot be said now, as some of it is not on its way.
   */
  checkpoint(): number;
  readonly confirmed: number;
  /** How old what is fetched from the host, and comes to the end late, may be, s; 0 = not known. */
  readonly reachSec: number;
  /** Why nothing is confirmed now, in plain words; empty = it is. */
  readonly problem: string;
}

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
  /** Where the host goes from here. */
  readonly pathEnd?: PathEnd;
  /** Points of (afterSec, beforeSec] were stored that no commit has told of, nor need one follow. */
  past?(chart: Chart, afterSec: number, beforeSec: number): void;
}
