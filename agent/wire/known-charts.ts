import type { BeginHeads } from "./begin-heads.ts";
import { WireChart } from "./prediction.ts";
import type { StreamHandler } from "./stream-handler.ts";

/** Charts one connection can name; the database has its own, configurable limit below this. */
const CHARTS_MAX = 100_000;
/** Charts looked through for ones that are gone at the earliest. */
const SWEEP_AT = 1024;

/** The charts of one connection, by what the handler knows them as: one that cuts long ids has one for many of them. */
export class KnownCharts<Chart> {
  private readonly handler: StreamHandler<Chart>;
  private readonly begins: BeginHeads;
  private readonly charts = new Map<Chart, WireChart<Chart>>();
  private sweepAt = SWEEP_AT;

  /** @param begins where heads of their BEGIN lines are. */
  constructor(handler: StreamHandler<Chart>, begins: BeginHeads) {
    this.handler = handler;
    this.begins = begins;
  }

  /** The chart with an id, whether or not it was named on this connection. */
  find(id: string): WireChart<Chart> | null {
    const handle = this.handler.findChart(id);
    return handle === null ? null : this.of(handle, id);
  }

  /** @returns null when there are too many. */
  of(handle: Chart, id: string): WireChart<Chart> | null {
    let chart = this.charts.get(handle);
    if (chart === undefined) {
      if (this.charts.size >= this.sweepAt) this.sweep();
      if (this.charts.size >= CHARTS_MAX) return null;
      chart = new WireChart(handle, id);
      this.charts.set(handle, chart);
    }
    return chart;
  }

  /** A machine that runs for years makes and retires charts all the time. Heads of BEGIN lines are learned anew. */
  private sweep(): void {
    for (const [handle, chart] of this.charts) {
      chart.forgetBegin();
      chart.beginAt = -1;
      if (this.handler.isGone(handle)) this.charts.delete(handle);
    }
    this.begins.clear();
    this.sweepAt = Math.min(CHARTS_MAX, Math.max(SWEEP_AT, 2 * this.charts.size));
  }
}
