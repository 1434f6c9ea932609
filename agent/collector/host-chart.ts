import type { Chart as RrdChart } from "../rrd/chart.ts";
import { commitLocal } from "../rrd/commit.ts";
import type { Host } from "../rrd/host.ts";
import { setVariable } from "../rrd/host-facts.ts";
import { ValueRow } from "../rrd/value-row.ts";
import type { Chart, CollectedAlgorithm, Dimension, DimensionOptions } from "./collector.ts";
import { RefusedDimension } from "./refused-chart.ts";

/** One chart in the database, with the row that its collector fills. */
export class HostChart implements Chart {
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
    setVariable(this.host, this.chart, name, value);
  }

  commit(nowUs: number): void {
    // It may have dimensions of before that nobody collects any more: they are absent, not beyond the row.
    this.row.reserve(this.chart.dimensions.count);
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
