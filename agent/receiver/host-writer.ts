import type { DropReason } from "../rrd/balance.ts";
import type { Chart, ChartType } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import { commitStreamed } from "../rrd/commit.ts";
import { commitFinal } from "../rrd/commit-final.ts";
import { cutId } from "../rrd/definition.ts";
import { parseAlgorithm } from "../rrd/dimension.ts";
import type { Host } from "../rrd/host.ts";
import { setChartLabels, setLabels, setVariable } from "../rrd/host-facts.ts";
import type {
  ChartLine,
  DimensionLine,
  DimensionState,
  FinalRow,
  Label,
  LineProblem,
  ReplayEnd,
  ReplayRow,
  StreamHandler,
} from "../wire/stream-handler.ts";
import type { HostBackfill } from "./host-backfill.ts";
import { PointClock } from "./point-clock.ts";
import type { ReadRows, SenderReports } from "./sender-reports.ts";

/** Longest id of a refused chart or dimension that is remembered; real ones have some tens of characters. */
const ID_LENGTH_MAX = 200;
/** Refused charts and dimensions told apart from unknown ones; values of further ones count as malformed. */
const REFUSED_MAX = 10_000;
/** What the CHART line says as plugin and module. */
const COLLECT_LABELS = new Set(["_collect_plugin", "_collect_module"]);
const CHART_TYPES = new Set<string>(["line", "area", "stacked"]);

/** What the writer tells its connection. */
export interface WriterEvents {
  /** @param line borrowed. */
  problem(kind: LineProblem, line: Uint8Array): void;
  disable(): void;
  /** A line that only agents of our kind write. @param words behind `TRIBUTARY`. */
  extension?(words: readonly string[]): void;
}

/** Writes the decoded lines of one connection into its host in the database. */
export class HostWriter implements StreamHandler<Chart> {
  /** Iterations committed. */
  updates = 0;
  /** Values committed. */
  samples = 0;
  /** Earliest time that an iteration was given since this was set to infinity, µs. */
  oldestUs = Number.POSITIVE_INFINITY;
  private readonly host: Host;
  private readonly events: WriterEvents;
  private readonly backfill: HostBackfill | null;
  private readonly pointClock = new PointClock();
  private readonly reports: SenderReports | null;
  /** Rows that were not committed but came whole: replayed, or of a chart that a limit refused. */
  private otherRows = 0;
  private otherValues = 0;
  /** Charts, and dimensions of charts, that a limit of the database refused. */
  private readonly refused = new Set<string>();
  /** There are more, or one with too long an id: what comes of them cannot be told from what is broken. */
  private isRefusedUnknown = false;
  /** The chart, or the dimension, asked for last is one of them. */
  private isRefused = false;

  /**
   * @param backfill null: replication was not agreed; what comes of it is passed over.
   * @param reports null: the sender is not an agent of our kind.
   */
  constructor(
    host: Host,
    events: WriterEvents,
    backfill: HostBackfill | null = null,
    reports: SenderReports | null = null,
  ) {
    this.host = host;
    this.events = events;
    this.backfill = backfill;
    this.reports = reports;
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
    if (chart === null) this.remember(line.id);
    else this.refused.delete(line.id);
    return chart;
  }

  defineDimension(chart: Chart, line: DimensionLine): number {
    if (!this.isThere(chart)) return -1;
    const index = this.host.defineDimension(chart, {
      id: line.id,
      name: line.name === line.id ? line.id : line.name,
      algorithm: parseAlgorithm(line.algorithm),
      multiplier: line.multiplier,
      divisor: line.divisor,
      hidden: line.options.includes("hidden"),
      noReset: line.options.includes("noreset") || line.options.includes("nooverflow"),
      obsolete: line.options.includes("obsolete"),
    });
    if (index < 0) this.remember(dimensionKey(chart, line.id));
    return index;
  }

  findChart(id: string): Chart | null {
    const chart = this.host.chart(cutId(id)) ?? null;
    // Not for a known one: its next BEGIN is one that was foretold, for which nobody asks.
    if (chart === null) this.isRefused = this.refused.has(id);
    if (chart === null && this.isRefused) this.otherRows++;
    return chart;
  }

  dimensionCount(chart: Chart): number {
    return chart.dimensions.count;
  }

  shape(chart: Chart): object {
    this.host.settle(chart);
    return chart.dimensions;
  }

  dimensionIndex(chart: Chart, id: string): number {
    const index = chart.dimensions.indexOf(id);
    if (index < 0) this.isRefused = this.refused.has(dimensionKey(chart, id));
    return index;
  }

  commit(chart: Chart, row: CollectedRow, givenUs: number, nowUs: number): void {
    this.updates++;
    this.samples += row.setCount;
    commitStreamed(chart, row, givenUs, nowUs);
    // A chart without dimensions has no time.
    const collectedUs = chart.lastCollectedUs;
    if (collectedUs !== 0 && collectedUs < this.oldestUs) this.oldestUs = collectedUs;
  }

  setVariable(chart: Chart | null, name: string, value: number): void {
    if (chart?.isRemoved !== true) setVariable(this.host, chart, name, value);
  }

  setLabels(labels: readonly Label[]): void {
    setLabels(this.host, labels);
  }

  setChartLabels(chart: Chart, labels: readonly Label[]): void {
    if (chart.isRemoved) return;
    const own = labels.filter(({ name }) => !COLLECT_LABELS.has(name));
    setChartLabels(this.host, chart, own);
  }

  definitionEnd(chart: Chart, firstSec: number, lastSec: number, senderNowSec: number, nowUs: number): void {
    if (this.isThere(chart)) this.backfill?.definitionEnd(chart, firstSec, lastSec, senderNowSec, nowUs);
  }

  replay(chart: Chart, row: ReplayRow, nowUs: number): void {
    this.otherRows++;
    this.otherValues += row.setCount;
    this.backfill?.replay(chart, row, nowUs);
  }

  dimensionState(chart: Chart, dimension: number, state: DimensionState): void {
    if (!chart.isRemoved) this.backfill?.dimensionState(chart, dimension, state);
  }

  chartState(chart: Chart, collectedUs: number, updatedUs: number, nowUs: number): void {
    if (!chart.isRemoved) this.backfill?.chartState(chart, collectedUs, updatedUs, nowUs);
  }

  replayEnd(chart: Chart, end: ReplayEnd, nowUs: number): void {
    this.backfill?.replayEnd(chart, end, nowUs);
  }

  commitFinal(chart: Chart, row: FinalRow, nowUs: number): void {
    this.updates++;
    this.samples += row.setCount;
    const endSec = this.pointClock.date(row.endSec, chart.definition.updateEverySec, row.senderNowSec, nowUs);
    commitFinal(chart, endSec === row.endSec ? row : { ...row, endSec }, nowUs);
  }

  extension(words: readonly string[], nowUs: number): void {
    this.reports?.take(words, this.isRefusedUnknown ? null : this.read);
    this.backfill?.extension(words, nowUs);
    this.events.extension?.(words);
  }

  isGone(chart: Chart): boolean {
    return chart.isRemoved;
  }

  problem(kind: LineProblem, line: Uint8Array, isValue: boolean): void {
    const isLimit = this.isRefused && (kind === "no_chart" || kind === "no_dimension");
    if (isValue) this.drop(1, isLimit ? "limit" : "malformed");
    // An agent of our kind writes no line that cannot be used: what is missing here then has been lost on its way.
    if (isValue && isLimit) this.otherValues++;
    if (!isLimit) this.events.problem(kind, line);
  }

  abandoned(setCount: number): void {
    this.drop(setCount, "malformed");
  }

  disable(): void {
    this.events.disable();
  }

  /** A child may speak on of a chart that was removed since it named it: by now others have the place it had. */
  private isThere(chart: Chart): boolean {
    return !chart.isRemoved || this.host.readmit(chart);
  }

  /** What came so far in whole rows. */
  private get read(): ReadRows {
    return { rows: this.updates + this.otherRows, values: this.samples + this.otherValues };
  }

  private remember(refused: string): void {
    if (this.refused.size < REFUSED_MAX && refused.length <= 2 * ID_LENGTH_MAX) this.refused.add(refused);
    else this.isRefusedUnknown = true;
  }

  private drop(values: number, reason: DropReason): void {
    this.host.balance.received += values;
    this.host.balance.dropped[reason] += values;
  }
}

/** Cannot be the id of a chart: no word of a line holds a line feed. */
function dimensionKey(chart: Chart, id: string): string {
  return `${chart.id}\n${id}`;
}

/** Old agents send a title with ` (type.name)` behind it, which is for display only (streaming.md §2.2). */
function plainTitle({ id, name, title }: ChartLine): string {
  for (const suffix of [` (${id})`, ` (${name})`]) {
    // What is left of a title keeps the memory of the whole alive.
    if (suffix.length <= 2 * ID_LENGTH_MAX && title.endsWith(suffix)) return title.slice(0, -suffix.length);
  }
  return title;
}
