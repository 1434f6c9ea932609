import { forgetState, restoreDimension, restoreTimes, storePast } from "../rrd/backfill.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { trustClock } from "../rrd/interval.ts";
import type { DimensionState, ReplayEnd, ReplayRow } from "../wire/stream-handler.ts";
import type { ReplayPlan } from "./replay-plan.ts";

/** A child whose clock is ahead of ours by more than this is dated by ours: its own would put values in the future. */
const AHEAD_SEC_MAX = 5;

/** Writes what a child replays into its host, and lets each chart go on where the child is (streaming.md §9). */
export class HostBackfill {
  /** The child's clock less ours when it said so last, s; NaN = it has not. */
  clockOffsetSec = Number.NaN;
  private readonly host: Host;
  private readonly plan: ReplayPlan;

  constructor(host: Host, plan: ReplayPlan) {
    this.host = host;
    this.plan = plan;
    trustClock(host, true);
  }

  /** Its times are taken from the child. */
  get isTrusting(): boolean {
    return !(this.clockOffsetSec > AHEAD_SEC_MAX);
  }

  definitionEnd(chart: Chart, firstSec: number, lastSec: number, childNowSec: number, nowUs: number): void {
    const nowSec = nowUs / 1e6;
    if (childNowSec > 0) this.clockOffsetSec = childNowSec - nowSec;
    trustClock(this.host, this.isTrusting);
    forgetState(chart);
    this.plan.defined(chart, firstSec, this.isTrusting ? lastSec : 0, Math.floor(nowSec));
  }

  replay(chart: Chart, row: ReplayRow, nowUs: number): void {
    if (!this.isTrusting) return;
    const { endSec, values, isReset } = row;
    storePast(chart, { endSec, values, isReset, isCorrection: endSec <= this.plan.correctsUpTo(chart) }, nowUs);
  }

  dimensionState(chart: Chart, index: number, state: DimensionState): void {
    if (this.isTrusting) restoreDimension(chart, index, state);
  }

  chartState(chart: Chart, collectedUs: number, updatedUs: number, nowUs: number): void {
    if (this.isTrusting && collectedUs > 0) restoreTimes(chart, collectedUs, updatedUs, nowUs);
  }

  replayEnd(chart: Chart, end: ReplayEnd): void {
    this.plan.answered(chart, end.isStreaming, end.beforeSec, this.isTrusting ? end.lastSec : 0);
  }

  /** The connection is over. */
  end(): void {
    this.plan.end();
    trustClock(this.host, false);
  }
}
