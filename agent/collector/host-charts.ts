import type { Chart as RrdChart } from "../rrd/chart.ts";
import { commitLocal } from "../rrd/commit.ts";
import type { Host } from "../rrd/host.ts";
import { ValueRow } from "../rrd/value-row.ts";
import type {
  Chart,
  ChartMeta,
  Charts,
  ChartType,
  CollectedAlgorithm,
  Dimension,
  DimensionOptions,
} from "./collector.ts";

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
    const chart = this.host.defineChart({ ...definition, id, chartType, updateEverySec, plugin: PLUGIN });
    // A limit of the database is not the collector's affair: it goes on, its values are counted as dropped.
    if (chart === null) return new RefusedChart(this.host);
    this.charts.add(chart);
    return new HostChart(this.host, chart);
  }
}

/** One chart in the database, with the row that its collector fills. */
class HostChart implements Chart {
  private readonly host: Host;
  private readonly chart: RrdChart;
  private readonly row = new ValueRow();

  constructor(host: Host, chart: RrdChart) {
    this.host = host;
    this.chart = chart;
  }

  dimension(
    id: string,
    algorithm: CollectedAlgorithm,
    multiplier = 1,
    divisor = 1,
    options: DimensionOptions = {},
  ): Dimension {
    const index = this.host.defineDimension(this.chart, {
      id,
      name: options.name ?? id,
      algorithm,
      multiplier,
      divisor,
      hidden: options.hidden === true,
      noReset: false,
      obsolete: false,
    });
    if (index < 0) return new RefusedDimension(this.host);
    this.row.reserve(index + 1);
    return new RowDimension(this.row, index);
  }

  variable(name: string, value: number): void {
    this.chart.variables ??= new Map();
    this.chart.variables.set(name, value);
  }

  commit(nowUs: number): void {
    commitLocal(this.chart, this.row, nowUs);
    this.row.clear();
  }

  retire(): void {
    this.host.retireChart(this.chart);
  }
}

class RowDimension implements Dimension {
  private readonly row: ValueRow;
  private readonly index: number;

  constructor(row: ValueRow, index: number) {
    this.row = row;
    this.index = index;
  }

  set(value: number): void {
    this.row.set(this.index, value);
  }

  setBig(value: bigint): void {
    this.row.setExact(this.index, value);
  }
}

/** A chart for which the database has no room. */
class RefusedChart implements Chart {
  private readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  dimension(): Dimension {
    return new RefusedDimension(this.host);
  }

  variable(): void {}

  commit(): void {}

  retire(): void {}
}

/** A dimension for which the database has no room: every value is dropped, counted `limit`. */
class RefusedDimension implements Dimension {
  private readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  set(): void {
    this.host.balance.collected++;
    this.host.balance.dropped.limit++;
  }

  setBig(): void {
    this.set();
  }
}
