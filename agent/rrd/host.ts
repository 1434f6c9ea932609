import { type Balance, emptyBalance } from "./balance.ts";
import { Chart, type ChartDefinition } from "./chart.ts";
import { ChartIndex } from "./chart-index.ts";
import type { CommitListener } from "./commit-listener.ts";
import {
  boundedDimension,
  type ChartInput,
  chartBytes,
  chartDefinition,
  chartName,
  chartTexts,
  cutId,
  dimensionBytes,
  isChartId,
  isSameDefinition,
} from "./definition.ts";
import { type Dimension, DimensionSet, hasSameMeaning, isSameDimension } from "./dimension.ts";
import { DimensionPool } from "./dimension-pool.ts";
import { HostAdmission } from "./host-admission.ts";
import type { HostStore } from "./host-directories.ts";
import { chartFactsBytes } from "./host-facts.ts";
import type { HostOptions, HostShare, MemoryMode, RestoredDimension, SystemInfo } from "./host-options.ts";
import { EARLY_US_MAX, trustsClock } from "./interval.ts";
import { type Label, NO_LABELS } from "./label.ts";
import { type HostPath, UNTOLD_PATH } from "./path.ts";
import { NO_SEGMENT, Ring, UNPLACED } from "./ring.ts";
import { phaseOf } from "./store/geometry.ts";

/** One monitored machine: its charts, the state of their collection, their ring and their account. */
export class Host {
  readonly machineGuid: string;
  hostname: string;
  os: string;
  readonly updateEverySec: number;
  readonly historyEntries: number;
  readonly memoryMode: MemoryMode;
  readonly gapIterations: number;
  readonly isLocal: boolean;
  /** Program and version of the agent that collects it. */
  program = "";
  version = "";
  timezone = "";
  abbrevTimezone = "";
  utcOffsetSec = 0;
  tags = "";
  registryHostname = "";
  /** 0 = this machine, 1 = a child, 2 = behind a proxy … */
  hops = 0;
  systemInfo: SystemInfo = new Map();
  /** Host variables (`VARIABLE HOST`). */
  readonly variables = new Map<string, number>();
  /** Replaced as a whole. */
  labels: readonly Label[] = NO_LABELS;
  /** Goes up with every change of its labels and variables. */
  factsVersion = 1;
  /** A connection feeds it now (or it is local). */
  isConnected: boolean;
  /** Numeric address of the peer it is received from, never streamed back to; null = local, or not connected. */
  receivedFrom: string | null = null;
  /** When its last connection ended, µs; 0 = never had one or connected. */
  disconnectedUs = 0;
  /** When it was first seen, µs. */
  firstSeenUs = 0;
  /** Oldest second that is not here although newer ones are, and its sender may still have it; 0 = there is none. */
  missingFromSec = 0;
  /** The sender's clock, or that of its values if it is further ahead, less ours, s; NaN = it does not say. */
  clockOffsetSec = Number.NaN;
  /** Times a chart of it went back with our clock. */
  clockSetbacks = 0;
  /**
   * Samples that their intervals put ahead of our clock by more than this are dated by their arrival, µs; as far as any
   * may be ahead where the sender's clock is trusted.
   */
  earlyUsMax = EARLY_US_MAX;
  /** Newest collection of any of its charts, µs. */
  lastCollectedUs = 0.5;
  readonly balance: Balance = emptyBalance();
  /** How its values come here, as its senders told it last: kept when they go. */
  path: HostPath = UNTOLD_PATH;
  /** Told of every commit with raw values; null when nobody streams this host. */
  listener: CommitListener | null = null;
  readonly pool = new DimensionPool();
  /** Dimensions of all charts. */
  dimensionCount = 0;
  /** Null in mode `none`. */
  readonly ring: Ring | null;
  /** Its files; null in modes `none` and `ram`. */
  readonly files: HostStore | null;
  readonly admission: HostAdmission;

  private readonly index = new ChartIndex();
  private readonly share: HostShare;
  constructor(options: HostOptions, share: HostShare, files: HostStore | null) {
    this.machineGuid = options.machineGuid;
    this.hostname = options.hostname;
    this.registryHostname = options.hostname;
    this.os = options.os;
    this.updateEverySec = options.updateEverySec;
    this.historyEntries = options.historyEntries;
    this.memoryMode = options.memoryMode;
    this.gapIterations = options.gapIterations;
    this.isLocal = options.isLocal;
    this.isConnected = options.isLocal;
    this.share = share;
    this.admission = new HostAdmission(share, () => this.hostname);
    const refused = (bytes: number) => this.admission.refuse("memory_limit_bytes", `a ring of ${bytes} bytes`);
    const store = files ?? share.store;
    this.ring =
      options.memoryMode === "none"
        ? null
        : new Ring(store, options.historyEntries, phaseOf(options.machineGuid), refused);
    this.files = files;
    this.lastCollectedUs = 0;
  }

  /** By {@link Chart.index}; a freed place is null. */
  get charts(): readonly (Chart | null)[] {
    return this.index.places;
  }

  /** Known only from files of an earlier run: it has not connected since this one began. */
  get isArchived(): boolean {
    return !this.isLocal && !this.isConnected && this.disconnectedUs === 0;
  }

  get chartCount(): number {
    return this.index.size;
  }

  /** A new chart would not be refused by a limit now. */
  get hasRoomForChart(): boolean {
    return this.admission.hasRoom(this.index.size);
  }

  /** The charts, in order of creation. */
  chartList(): Chart[] {
    return this.charts.filter((chart) => chart !== null);
  }

  /** Chart with this exact id. */
  chart(id: string): Chart | undefined {
    return this.index.get(id);
  }

  /** Chart by id, else by name (rrd.md §1.2). */
  findChart(idOrName: string): Chart | undefined {
    return this.index.find(idOrName);
  }

  /**
   * Creates a chart, or takes over the definition of the known one and lets its next interval follow the wall clock.
   * @returns null when the id is not `type.id` or a limit is reached; the host has counted and told it.
   */
  defineChart(input: ChartInput): Chart | null {
    const id = cutId(input.id);
    if (!isChartId(id)) return null;
    const known = this.index.get(id);
    const name = this.index.uniqueName(id, chartName(id, input.name), known);
    const definition = chartDefinition({ ...input, id, name }, this.updateEverySec, this.share.texts);
    if (known !== undefined) return this.redefineChart(known, definition, input.obsolete === true);
    if (!this.admission.takeChart(definition, this.index.size)) return null;
    const chart = new Chart(this, definition);
    chart.isObsolete = input.obsolete === true;
    this.index.add(chart);
    return chart;
  }

  /**
   * Adds a dimension, or takes over the definition of the known one.
   * @returns its position in the chart, or −1 when a limit is reached.
   */
  defineDimension(chart: Chart, input: Dimension): number {
    const dimension = boundedDimension(input);
    const index = chart.dimensions.indexOf(dimension.id);
    if (index >= 0) {
      const before = chart.dimensions.list[index]!;
      if (isSameDimension(before, dimension)) return index;
      if (!this.admission.take(dimensionBytes(dimension) - dimensionBytes(before))) {
        this.admission.refuse("memory_limit_bytes", `a longer name of dimension ${dimension.id} of chart ${chart.id}`);
        return this.defineDimension(chart, { ...dimension, name: before.name });
      }
      chart.dimensions = chart.dimensions.put(index, dimension);
      chart.journaled = Math.min(chart.journaled, index);
      this.pool.redefine(chart.start + index, dimension);
      if (!hasSameMeaning(before, dimension)) this.restartDimension(chart, index);
      this.unsettle(chart);
      return index;
    }
    const { count } = chart.dimensions;
    if (!this.admission.takeDimension(chart.id, dimension, count)) return -1;
    this.dimensionCount++;
    chart.start = this.pool.append(chart.start, count, dimension, chart.definition.storeFirst);
    this.pool.segment[chart.start + count] = UNPLACED;
    chart.dimensions = chart.dimensions.put(count, dimension);
    this.unsettle(chart);
    if (this.pool.isSparse) this.compact();
    return count;
  }

  /** Retires a chart: not listed any more, until it is defined or collected again. */
  retireChart(chart: Chart): void {
    if (chart.isObsolete) return;
    chart.isObsolete = true;
    this.markChanged(chart);
    this.tellRetired(chart);
    this.listener?.retired?.(chart);
  }

  /** No commit may follow that would tell the files. */
  private tellRetired(chart: Chart): void {
    if (this.files === null || chart.dimensions.count === 0) return;
    if (chart.isSettled) this.files.chartSettled(chart);
    else this.settle(chart);
  }

  /** A retired chart is collected again: back on the list, senders repeat its definition. */
  reviveChart(chart: Chart): void {
    chart.isObsolete = false;
    chart.retiredUs = 0;
    this.markChanged(chart);
    this.files?.chartSettled(chart);
  }

  /** Removes charts that are retired and were not collected for a time, and frees their columns. */
  removeObsolete(nowUs: number, afterUs: number): void {
    for (const chart of this.chartList()) {
      if (!chart.isObsolete) continue;
      chart.retiredUs ||= nowUs;
      if (nowUs - Math.max(chart.retiredUs, chart.lastCollectedUs) > afterUs) this.removeChart(chart);
    }
  }

  /**
   * A chart that was removed is collected again, by somebody who was not told: it begins anew.
   * @returns false when there is no room for it, or another chart has its id by now.
   */
  readmit(chart: Chart): boolean {
    const { list } = chart.dimensions;
    if (this.index.get(chart.id) !== undefined || !this.admission.takeChart(chart.definition, this.index.size))
      return false;
    const bytes = list.reduce((sum, dimension) => sum + dimensionBytes(dimension), chartFactsBytes(chart));
    if (!this.admission.take(bytes)) return false;
    const { storeFirst } = chart.definition;
    list.forEach((dimension, index) => {
      chart.start = this.pool.append(chart.start, index, dimension, storeFirst);
      this.pool.segment[chart.start + index] = UNPLACED;
    });
    this.dimensionCount += list.length;
    chart.forget();
    chart.isRemoved = false;
    this.index.add(chart);
    this.unsettle(chart);
    return true;
  }

  private removeChart(chart: Chart): void {
    this.ring?.release(chart);
    this.files?.chartRemoved(chart);
    const { list } = chart.dimensions;
    const bytes = chartBytes(chart.definition) + chartFactsBytes(chart);
    this.admission.give(list.reduce((sum, one) => sum + dimensionBytes(one), bytes));
    this.pool.release(list.length);
    this.dimensionCount -= list.length;
    this.index.remove(chart);
    chart.isRemoved = true;
    chart.isSteady = false;
    chart.journaled = -1;
  }

  /** Senders and the files have to repeat the definition of a chart. */
  private markChanged(chart: Chart): void {
    chart.version++;
    chart.journaled = -1;
    chart.isSteady = false;
  }

  /** Charts whose newest collection is before a time take their next interval from the wall clock. */
  syncClocks(beforeUs: number): void {
    for (const chart of this.index.all) {
      if (chart.lastCollectedUs >= beforeUs) continue;
      chart.syncClock = true;
      chart.isSteady = false;
    }
  }

  /**
   * Ends the definition of a chart before its values are committed: dimensions get their columns and the set of
   * dimensions is shared. The first commit does it, or whoever wants to know what charts have alike.
   */
  settle(chart: Chart): void {
    if (chart.isSettled) return;
    chart.isSettled = true;
    chart.settlings++;
    // Sharing reads every definition: a chart that changes again and again must not cost that each time.
    if ((chart.settlings & (chart.settlings - 1)) === 0) chart.dimensions = this.share.sets.share(chart.dimensions);
    else if (!chart.dimensions.isShared) chart.dimensions.seal();
    this.ring?.place(chart);
    this.files?.chartSettled(chart);
    chart.canBeSteady = chart.firstTile >= 0 && chart.dimensions.isPlain;
  }

  /**
   * Takes back a chart that an earlier run of the agent kept, with its columns; its times are set by the caller.
   * @returns null when a limit has no room for it, or its id is taken.
   */
  restoreChart(definition: ChartDefinition, isObsolete: boolean, columns: readonly RestoredDimension[]): Chart | null {
    const { chartsPerHostMax, dimensionsPerChartMax, sets } = this.share;
    if (this.index.get(definition.id) !== undefined || this.index.size >= chartsPerHostMax) return null;
    if (columns.length > dimensionsPerChartMax || !this.admission.take(chartBytes(definition))) return null;
    const chart = new Chart(this, definition);
    chart.isObsolete = isObsolete;
    for (const [index, { dimension, segment, column }] of columns.entries()) {
      if (!this.admission.take(dimensionBytes(dimension))) return null;
      // What is collected next follows on nothing: only in the first run of a chart may its first value count.
      chart.start = this.pool.append(chart.start, index, dimension, false);
      const isHeld = this.ring!.hasColumn(segment, column, definition.updateEverySec);
      this.pool.segment[chart.start + index] = isHeld ? segment : UNPLACED;
      this.pool.tile[chart.start + index] = isHeld ? column << 6 : 0;
    }
    this.dimensionCount += columns.length;
    chart.dimensions = sets.share(new DimensionSet(columns.map(({ dimension }) => dimension)));
    chart.journaled = columns.length;
    this.index.add(chart);
    return chart;
  }

  /** Frees its memory. The host must not be used after that. */
  dispose(): void {
    this.ring?.dispose();
    this.admission.dispose();
    this.listener = null;
  }

  private redefineChart(chart: Chart, definition: ChartDefinition, obsolete: boolean): Chart {
    const before = chart.definition;
    if (!this.admission.take(chartBytes(definition) - chartBytes(before))) {
      this.admission.refuse("memory_limit_bytes", `longer texts of chart ${before.id}`);
      return this.redefineChart(chart, { ...definition, ...chartTexts(before) }, obsolete);
    }
    this.index.rename(chart, before.name, definition.name);
    if (!isSameDefinition(before, definition) || chart.isObsolete !== obsolete) {
      chart.version++;
      chart.journaled = -1;
      chart.isSettled = false;
    }
    const isRetired = obsolete && !chart.isObsolete;
    chart.definition = definition;
    chart.isObsolete = obsolete;
    if (before.updateEverySec !== definition.updateEverySec) this.restartChart(chart);
    this.retryPlacing(chart);
    if (!trustsClock(this)) chart.syncClock = true;
    chart.isSteady = false;
    if (!isRetired) return chart;
    this.tellRetired(chart);
    this.listener?.retired?.(chart);
    return chart;
  }

  /** A new update_every puts the chart into another segment; what was stored at the old pace is given up. */
  private restartChart(chart: Chart): void {
    this.ring?.release(chart);
    this.files?.columnsEmptied(chart, 0, chart.dimensions.count);
    chart.updateEveryUs = chart.definition.updateEverySec * 1e6;
    chart.forget();
    this.pool.reset(chart.start, chart.dimensions.count);
    this.unsettle(chart);
  }

  /** What it stored and carried over under another algorithm, multiplier or divisor is given up (rrd.md §4.3). */
  private restartDimension(chart: Chart, index: number): void {
    this.pool.reset(chart.start + index, 1);
    this.ring?.clearColumn(chart.start + index, this.pool);
    this.files?.columnsEmptied(chart, index, 1);
  }

  private retryPlacing(chart: Chart): void {
    const end = chart.start + chart.dimensions.count;
    for (let place = chart.start; place < end; place++) {
      if (this.pool.segment[place] !== NO_SEGMENT) continue;
      this.pool.segment[place] = UNPLACED;
      chart.isSettled = false;
    }
  }

  private unsettle(chart: Chart): void {
    chart.version++;
    chart.isSettled = false;
    chart.isSteady = false;
    chart.isIrregular = true;
  }

  private compact(): void {
    const charts = this.chartList();
    const starts = this.pool.compact(charts.map((chart) => ({ start: chart.start, count: chart.dimensions.count })));
    charts.forEach((chart, index) => {
      chart.start = starts[index]!;
    });
  }
}
