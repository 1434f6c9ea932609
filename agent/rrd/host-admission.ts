import type { ChartDefinition } from "./chart.ts";
import { chartBytes, dimensionBytes, TEXT_LENGTH_MAX } from "./definition.ts";
import type { Dimension } from "./dimension.ts";
import type { HostShare } from "./host-options.ts";
import type { LimitName } from "./limit-reached.ts";

/** What one host may have: its limits, its part of the memory budget, and what was refused. */
export class HostAdmission {
  /** New charts it may have before the next renewal; without bound while its first definitions come in. */
  newChartAllowance = Number.POSITIVE_INFINITY;
  /** Until when its definitions are first ones, µs. */
  newChartsFreeUntilUs = 0;
  refusedCharts = 0;
  refusedDimensions = 0;
  private readonly share: HostShare;
  private readonly hostname: () => string;
  /** Of definitions and variables, in the budget. */
  private bytes = 0;

  /** @param hostname for messages. */
  constructor(share: HostShare, hostname: () => string) {
    this.share = share;
    this.hostname = hostname;
  }

  /** A new chart would not be refused by a limit of their number now. @param charts that there are. */
  hasRoom(charts: number): boolean {
    return charts < this.share.chartsPerHostMax && this.newChartAllowance > 0;
  }

  /** Takes the memory of a new chart. @param charts that there are. @returns false = refused, counted and told. */
  takeChart(definition: ChartDefinition, charts: number): boolean {
    const limit = this.limitOfCharts(chartBytes(definition), charts);
    if (limit === null) return true;
    this.refusedCharts++;
    this.refuse(limit, `chart ${definition.id}`);
    return false;
  }

  /** As {@link takeChart}, for one more dimension. @param count of dimensions that the chart has. */
  takeDimension(chartId: string, dimension: Dimension, count: number): boolean {
    const limit = this.limitOfDimensions(dimension, count);
    if (limit === null) return true;
    this.refusedDimensions++;
    this.refuse(limit, `dimension ${dimension.id} of chart ${chartId}`);
    return false;
  }

  /** @param bytes less than 0 gives them back. @returns false when the budget has no room. */
  take(bytes: number): boolean {
    if (!this.share.budget.take(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  give(bytes: number): void {
    this.share.budget.give(bytes);
    this.bytes -= bytes;
  }

  refuse(limit: LimitName, what: string): void {
    this.share.limitReached(limit, this.hostname(), what);
  }

  /** Gives everything back. */
  dispose(): void {
    this.give(this.bytes);
  }

  private limitOfCharts(bytes: number, charts: number): LimitName | null {
    if (charts >= this.share.chartsPerHostMax) return "charts_per_host_max";
    if (this.newChartAllowance <= 0) return "new_charts_per_minute_max";
    if (!this.take(bytes)) return "memory_limit_bytes";
    this.newChartAllowance--;
    return null;
  }

  private limitOfDimensions(dimension: Dimension, count: number): LimitName | null {
    // An id that is too long could not be passed on: the bound of a line is no key of the configuration.
    if (dimension.id.length > TEXT_LENGTH_MAX) return "dimensions_per_chart_max";
    if (count >= this.share.dimensionsPerChartMax) return "dimensions_per_chart_max";
    return this.take(dimensionBytes(dimension)) ? null : "memory_limit_bytes";
  }
}
