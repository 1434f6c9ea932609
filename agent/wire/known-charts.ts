import { WireChart } from "./prediction.ts";
import type { StreamHandler } from "./stream-handler.ts";

/** Charts one connection can name; the database has its own, configurable limit below this. */
const CHARTS_MAX = 100_000;

/** The charts of one connection, by what the handler knows them as: one that cuts long ids has one for many of them. */
export class KnownCharts<Chart> {
  private readonly handler: StreamHandler<Chart>;
  private readonly charts = new Map<Chart, WireChart<Chart>>();

  constructor(handler: StreamHandler<Chart>) {
    this.handler = handler;
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
      if (this.charts.size >= CHARTS_MAX) return null;
      chart = new WireChart(handle, id);
      this.charts.set(handle, chart);
    }
    return chart;
  }
}
