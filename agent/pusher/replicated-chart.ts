import type { Chart } from "../rrd/chart.ts";

export type Phase =
  /** Its definition waits to be written. */
  | "new"
  /** Defined; the parent is to ask for its past. */
  | "defined"
  /** Defined; the parent had time to ask and did not: it may have refused the chart. It may ask all the same. */
  | "unasked"
  /** Its values go out as they are collected. */
  | "live"
  /** The parent has its past, but it was not collected in this run: there is no state to go on from. */
  | "idle";

/** One chart as the parent of this connection knows it. */
export class ReplicatedChart {
  readonly chart: Chart;
  /** Changed by `WaitingCharts.enter` only. */
  phase: Phase = "new";
  /** {@link Chart.restarts} from which the parent goes on. */
  restarts = -1;
  /** It was defined on this connection, and perhaps is to be once more. */
  isOffered = false;
  /** Newest second that its definition offered, or that it was told of while it is idle; 0 = none. */
  offeredSec = 0;
  /** Position behind its newest definition. */
  definedBytes = 0;
  /** Seconds for which the parent could have asked for it. */
  waitedSec = 0;
  /** Values that wait in the ring, and when the first of them was collected; 0 = not known. */
  heldValues = 0;
  heldFromSec = 0;
  /** The chart's clock went back to here since the parent was told: what follows is told once more. */
  redoneSec = Number.POSITIVE_INFINITY;
  /** It was retired since it was offered: the parent need not have it any more. */
  wasRetired = false;

  constructor(chart: Chart) {
    this.chart = chart;
  }

  /** It is defined, and the parent has not asked for all of it. */
  get isWaiting(): boolean {
    return this.phase === "defined" || this.phase === "unasked";
  }

  /** Those of the held values that the ring has no place for any more: the parent let them wait for too long. */
  takeGone(): number {
    const { chart, heldFromSec, heldValues } = this;
    const goneSec = chart.firstEntrySec - heldFromSec;
    if (chart.slotsPassed <= chart.host.historyEntries || heldFromSec === 0 || goneSec <= 0) return 0;
    const goneValues = Math.round((heldValues * goneSec) / (chart.lastEntrySec - heldFromSec));
    // Less than one is none yet, and not forgotten.
    if (goneValues > 0) this.heldFromSec = chart.firstEntrySec;
    this.heldValues -= goneValues;
    return goneValues;
  }
}
