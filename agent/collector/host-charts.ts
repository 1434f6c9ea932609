import type { Chart as RrdChart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import type { Chart, ChartMeta, Charts, ChartType } from "./collector.ts";
import { HostChart } from "./host-chart.ts";
import { RefusedChart } from "./refused-chart.ts";

/** Plugin field of the charts this agent collects itself. */
const PLUGIN = "tributary";

/** The charts that one collector has in the database, on the agent's own host. */
export class HostCharts implements Charts {
  private readonly host: Host;
  private readonly charts = new Set<RrdChart>();

  constructor(host: Host) {
    this.host = host;
  }

  line(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.define("line", id, meta, updateEverySec);
  }

  area(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.define("area", id, meta, updateEverySec);
  }

  stacked(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.define("stacked", id, meta, updateEverySec);
  }

  hostVariable(name: string, value: number): void {
    this.host.variables.set(name, value);
  }

  /** The collector is gone: none of its charts has a source any more. */
  retireAll(): void {
    for (const chart of this.charts) this.host.retireChart(chart);
    this.charts.clear();
  }

  private define(chartType: ChartType, id: string, meta: ChartMeta, updateEverySec: number): Chart {
    const { labels: _labels, ...definition } = meta;
    const create = (): HostChart | null => {
      const chart = this.host.defineChart({ ...definition, id, chartType, updateEverySec, plugin: PLUGIN });
      if (chart === null) return null;
      this.charts.add(chart);
      return new HostChart(this.host, chart);
    };
    // A limit of the database is not the collector's affair: it goes on, its values are counted as dropped.
    return create() ?? new RefusedChart(this.host, create);
  }
}
