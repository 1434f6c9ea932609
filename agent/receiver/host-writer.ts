import type { DropReason } from "../rrd/balance.ts";
import type { Chart, ChartType } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import { commitStreamed } from "../rrd/commit.ts";
import { parseAlgorithm } from "../rrd/dimension.ts";
import type { Host } from "../rrd/host.ts";
import type { ChartLine, DimensionLine, LineProblem, StreamHandler } from "../wire/stream-handler.ts";

/** Variables kept per host and per chart; real agents send one or two. */
const VARIABLES_MAX = 100;
/** Names of variables, and ids of refused charts, that are remembered; real ones have some tens of characters. */
const NAME_LENGTH_MAX = 200;
/** Refused charts told apart from unknown ones; values of further ones count as malformed. */
const REFUSED_MAX = 10_000;
const CHART_TYPES = new Set<string>(["line", "area", "stacked"]);

/** What the writer tells its connection. */
export interface WriterEvents {
  /** @param line borrowed. */
  problem(kind: LineProblem, line: Uint8Array): void;
  disable(): void;
}

/** Writes the decoded lines of one connection into its host in the database. */
export class HostWriter implements StreamHandler<Chart> {
  /** Iterations committed. */
  updates = 0;
  /** Values committed. */
  samples = 0;
  private readonly host: Host;
  private readonly events: WriterEvents;
  /** Ids of charts that a limit of the database refused. */
  private readonly refused = new Set<string>();
  /** The chart that lines are skipped for is one of them. */
  private isRefused = false;

  constructor(host: Host, events: WriterEvents) {
    this.host = host;
    this.events = events;
  }

  defineChart(line: ChartLine): Chart | null {
    const chart = this.host.defineChart({
      id: line.id,
      name: line.name,
      title: plainTitle(line),
      units: line.units,
      family: line.family,
      context: line.context,
      chartType: CHART_TYPES.has(line.chartType) ? (line.chartType as ChartType) : "line",
      priority: line.priority || 1000,
      updateEverySec: line.updateEverySec,
      plugin: line.plugin,
      module: line.module,
      obsolete: line.options.includes("obsolete"),
      detail: line.options.includes("detail"),
      hidden: line.options.includes("hidden"),
      storeFirst: line.options.includes("store_first"),
    });
    this.isRefused = chart === null;
    if (chart === null && this.refused.size < REFUSED_MAX && line.id.length <= NAME_LENGTH_MAX)
      this.refused.add(line.id);
    return chart;
  }

  defineDimension(chart: Chart, line: DimensionLine): number {
    return this.host.defineDimension(chart, {
      id: line.id,
      name: line.name === line.id ? line.id : line.name,
      algorithm: parseAlgorithm(line.algorithm),
      multiplier: line.multiplier,
      divisor: line.divisor,
      hidden: line.options.includes("hidden"),
      noReset: line.options.includes("noreset") || line.options.includes("nooverflow"),
      obsolete: line.options.includes("obsolete"),
    });
  }

  findChart(id: string): Chart | null {
    this.isRefused = this.refused.has(id);
    return this.host.chart(id) ?? null;
  }

  dimensionCount(chart: Chart): number {
    return chart.dimensions.count;
  }

  shape(chart: Chart): object {
    this.host.settle(chart);
    return chart.dimensions;
  }

  dimensionIndex(chart: Chart, id: string): number {
    return chart.dimensions.indexOf(id);
  }

  commit(chart: Chart, row: CollectedRow, givenUs: number, nowUs: number): void {
    this.updates++;
    this.samples += row.setCount;
    commitStreamed(chart, row, givenUs, nowUs);
  }

  setVariable(chart: Chart | null, name: string, value: number): void {
    if (chart !== null) chart.variables ??= new Map();
    const variables = chart?.variables ?? this.host.variables;
    const hasRoom = variables.size < VARIABLES_MAX && name.length <= NAME_LENGTH_MAX;
    if (hasRoom || variables.has(name)) variables.set(name, value);
  }

  problem(kind: LineProblem, line: Uint8Array, isValue: boolean): void {
    const isLimit = kind === "no_chart" ? this.isRefused : kind === "no_dimension" && this.host.refusedDimensions > 0;
    if (isValue) this.drop(1, isLimit ? "limit" : "malformed");
    if (!isLimit) this.events.problem(kind, line);
  }

  abandoned(setCount: number): void {
    this.drop(setCount, "malformed");
  }

  disable(): void {
    this.events.disable();
  }

  private drop(values: number, reason: DropReason): void {
    this.host.balance.received += values;
    this.host.balance.dropped[reason] += values;
  }
}

/** Old agents send a title with ` (type.name)` behind it, which is for display only (streaming.md §2.2). */
function plainTitle({ id, name, title }: ChartLine): string {
  for (const suffix of [` (${id})`, ` (${name})`]) {
    if (title.endsWith(suffix)) return title.slice(0, -suffix.length);
  }
  return title;
}
