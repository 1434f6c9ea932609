import type { Chart as RrdChart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { setChartLabels, setVariable } from "../rrd/host-facts.ts";
import { LABEL_AUTOMATIC } from "../rrd/label.ts";
import type { Chart, ChartMeta, Charts, ChartType } from "./collector.ts";
import { HostChart } from "./host-chart.ts";
import { RefusedChart } from "./refused-chart.ts";

/** Plugin field of the charts this agent collects itself. */
const PLUGIN = "tributary";

/** The charts that one collector has in the database, on the agent's own host; they outlive a restart of it. */
export class HostCharts implements Charts {
  private readonly host: Host;
  /** Defined since the last start, by id. */
  private readonly charts = new Map<string, RrdChart>();
  /** Listed before the last start and not defined again since. */
  private readonly leftovers = new Map<string, RrdChart>();
  private rules = "";
  /** The rules of charts are those of before the last start. */
  private keepsRules = false;

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
    setVariable(this.host, null, name, value);
  }

  goesOn(id: string): boolean {
    return this.keepsRules && this.leftovers.has(id);
  }

  /**
   * The collector starts, for the first time or anew: its charts wait for being defined again.
   * @param rules text of the settings that say which charts exist; while it is the same, `"auto"` charts go on.
   */
  beginAnew(rules: string): void {
    this.keepsRules = rules === this.rules;
    this.rules = rules;
    for (const [id, chart] of this.charts) if (!chart.isObsolete) this.leftovers.set(id, chart);
    this.charts.clear();
  }

  /** What was not defined again by now has no source any more. */
  retireLeftovers(): void {
    for (const chart of this.leftovers.values()) this.host.retireChart(chart);
    this.leftovers.clear();
  }

  /** The collector is gone: none of its charts has a source any more. */
  retireAll(): void {
    this.retireLeftovers();
    for (const chart of this.charts.values()) this.host.retireChart(chart);
    this.charts.clear();
  }

  private define(chartType: ChartType, id: string, meta: ChartMeta, updateEverySec: number): Chart {
    const { labels = {}, ...definition } = meta;
    const chartLabels = Object.entries(labels).map(([name, value]) => ({ name, value, source: LABEL_AUTOMATIC }));
    const create = (): HostChart | null => {
      const chart = this.host.defineChart({ ...definition, id, chartType, updateEverySec, plugin: PLUGIN });
      if (chart === null) return null;
      setChartLabels(this.host, chart, chartLabels);
      this.charts.set(id, chart);
      this.leftovers.delete(id);
      return new HostChart(this.host, chart);
    };
    // A limit of the database is not the collector's affair: it goes on, its values are counted as dropped.
    return create() ?? new RefusedChart(this.host, create);
  }
}
