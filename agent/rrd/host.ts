import { type Balance, emptyBalance } from "./balance.ts";
import { Chart, type ChartDefinition } from "./chart.ts";
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
  TEXT_LENGTH_MAX,
  variableBytes,
} from "./definition.ts";
import { type Dimension, type DimensionSets, isSameDimension } from "./dimension.ts";
import { DimensionPool } from "./dimension-pool.ts";
import type { InternedTexts } from "./interned-texts.ts";
import type { LimitName, LimitReached } from "./limit-reached.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { NO_SEGMENT, Ring, UNPLACED } from "./ring.ts";
import type { SegmentStore } from "./store/segment-store.ts";

/** Modes of this version; `save` and `map` keep the same segments in files. */
export type MemoryMode = "none" | "ram";

/** What is known of the machine behind a host, under the names of the protocol (`NETDATA_SYSTEM_OS_NAME` …). */
export type SystemInfo = ReadonlyMap<string, string>;

/** Identity and settings of a host; those the protocol may change later are fields of {@link Host}. */
export interface HostOptions {
  /** 36 characters, lower case. */
  machineGuid: string;
  hostname: string;
  os: string;
  updateEverySec: number;
  historyEntries: number;
  memoryMode: MemoryMode;
  /** Lost iterations that still are interpolated over, plus 2 (rrd.md §1.2). */
  gapIterations: number;
  /** Own machine: counted as `collected`; others are `received`. */
  isLocal: boolean;
}

/** What all hosts of a database share. */
export interface HostShare {
  readonly chartsPerHostMax: number;
  readonly dimensionsPerChartMax: number;
  readonly store: SegmentStore;
  readonly budget: MemoryBudget;
  readonly sets: DimensionSets;
  readonly texts: InternedTexts;
  readonly limitReached: LimitReached;
}

/** Variables kept per host and per chart, and the length of their names; real agents send one or two. */
const VARIABLES_MAX = 100;
const VARIABLE_NAME_LENGTH_MAX = 200;
/** Charts that may share a name before the next one goes by its id: the search for a free name must stay short. */
const NAME_SUFFIX_MAX = 100;

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
  /** A connection feeds it now (or it is local). */
  isConnected: boolean;
  /** Numeric address of the peer it is received from, never streamed back to; null = local, or not connected. */
  receivedFrom: string | null = null;
  /** When its last connection ended, µs; 0 = never had one or connected. */
  disconnectedUs = 0;
  /** When it was first seen, µs. */
  firstSeenUs = 0;
  /** Times a chart of it went back with our clock. */
  clockSetbacks = 0;
  /** Newest collection of any of its charts, µs. */
  lastCollectedUs = 0.5;
  readonly balance: Balance = emptyBalance();
  /** Told of every commit with raw values; null when nobody streams this host. */
  listener: CommitListener | null = null;
  /** Charts, in order of creation; the position is {@link Chart.index}. A freed place is null. */
  readonly charts: (Chart | null)[] = [];
  readonly pool = new DimensionPool();
  /** Dimensions of all charts. */
  dimensionCount = 0;
  /** Null in mode `none`. */
  readonly ring: Ring | null;
  /** New charts it may have before the next renewal; without bound while its first definitions come in. */
  newChartAllowance = Number.POSITIVE_INFINITY;
  /** Until when its definitions are first ones, µs. */
  newChartsFreeUntilUs = 0;
  /** Charts and dimensions refused by a limit. */
  refusedCharts = 0;
  refusedDimensions = 0;

  private readonly byId = new Map<string, Chart>();
  private readonly byName = new Map<string, Chart>();
  private readonly share: HostShare;
  /** Of its definitions and variables, in the budget. */
  private bytes = 0;

  constructor(options: HostOptions, share: HostShare) {
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
    const refused = (bytes: number) => this.refuse("memory_limit_bytes", `a ring of ${bytes} bytes`);
    this.ring = options.memoryMode === "none" ? null : new Ring(share.store, options.historyEntries, refused);
    this.lastCollectedUs = 0;
  }

  get chartCount(): number {
    return this.byId.size;
  }

  /** A new chart would not be refused by a limit now. */
  get hasRoomForChart(): boolean {
    return this.byId.size < this.share.chartsPerHostMax && this.newChartAllowance > 0;
  }

  /** The charts, in order of creation. */
  chartList(): Chart[] {
    return this.charts.filter((chart) => chart !== null);
  }

  /** Chart with this exact id. */
  chart(id: string): Chart | undefined {
    return this.byId.get(id);
  }

  /** Chart by id, else by name (rrd.md §1.2). */
  findChart(idOrName: string): Chart | undefined {
    return this.byId.get(idOrName) ?? this.byName.get(idOrName);
  }

  /**
   * Creates a chart, or takes over the definition of the known one and lets its next interval follow the wall clock.
   * @returns null when the id is not `type.id` or a limit is reached; the host has counted and told it.
   */
  defineChart(input: ChartInput): Chart | null {
    const id = cutId(input.id);
    if (!isChartId(id)) return null;
    const known = this.byId.get(id);
    const name = this.uniqueName(id, chartName(id, input.name), known);
    const definition = chartDefinition({ ...input, id, name }, this.updateEverySec, this.share.texts);
    if (known !== undefined) return this.redefineChart(known, definition, input.obsolete === true);
    const limit = this.limitOfCharts(chartBytes(definition));
    if (limit !== null) {
      this.refusedCharts++;
      this.refuse(limit, `chart ${id}`);
      return null;
    }
    this.newChartAllowance--;
    const chart = new Chart(this, definition, this.charts.length);
    chart.isObsolete = input.obsolete === true;
    this.charts.push(chart);
    this.byId.set(id, chart);
    this.byName.set(definition.name, chart);
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
      if (!this.take(dimensionBytes(dimension) - dimensionBytes(before))) {
        this.refuse("memory_limit_bytes", `a longer name of dimension ${dimension.id} of chart ${chart.id}`);
        return this.defineDimension(chart, { ...dimension, name: before.name });
      }
      chart.dimensions = chart.dimensions.put(index, dimension);
      this.pool.redefine(chart.start + index, dimension);
      // What one algorithm carried over means nothing to another.
      if (before.algorithm !== dimension.algorithm) this.pool.reset(chart.start + index, 1);
      this.unsettle(chart);
      return index;
    }
    const { count } = chart.dimensions;
    const limit = this.limitOfDimensions(count, dimension);
    if (limit !== null) {
      this.refusedDimensions++;
      this.refuse(limit, `dimension ${dimension.id} of chart ${chart.id}`);
      return -1;
    }
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
    chart.version++;
    chart.isSteady = false;
  }

  /** A retired chart is collected again: back on the list, senders repeat its definition. */
  reviveChart(chart: Chart): void {
    chart.isObsolete = false;
    chart.version++;
  }

  /** Charts whose newest collection is before a time take their next interval from the wall clock. */
  syncClocks(beforeUs: number): void {
    for (const chart of this.byId.values()) {
      if (chart.lastCollectedUs >= beforeUs) continue;
      chart.syncClock = true;
      chart.isSteady = false;
    }
  }

  /** Sets a variable of the host, or of a chart. What is beyond the bounds is not kept. */
  setVariable(chart: Chart | null, name: string, value: number): void {
    if (chart !== null) chart.variables ??= new Map();
    const variables = chart?.variables ?? this.variables;
    if (!variables.has(name)) {
      if (variables.size >= VARIABLES_MAX || name.length > VARIABLE_NAME_LENGTH_MAX) return;
      if (!this.take(variableBytes(name))) return;
    }
    variables.set(name, value);
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
    chart.canBeSteady = chart.firstTile >= 0 && chart.dimensions.isPlain;
  }

  /** Frees its memory. The host must not be used after that. */
  dispose(): void {
    this.ring?.dispose();
    this.share.budget.give(this.bytes);
    this.bytes = 0;
    this.listener = null;
  }

  /** @returns the limit that forbids one more chart; if none does, its memory is taken. */
  private limitOfCharts(bytes: number): LimitName | null {
    if (this.byId.size >= this.share.chartsPerHostMax) return "charts_per_host_max";
    if (this.newChartAllowance <= 0) return "new_charts_per_minute_max";
    return this.take(bytes) ? null : "memory_limit_bytes";
  }

  /** As {@link limitOfCharts}. @param count of dimensions that the chart has. */
  private limitOfDimensions(count: number, dimension: Dimension): LimitName | null {
    // An id that is too long could not be passed on: the bound of a line is no key of the configuration.
    if (dimension.id.length > TEXT_LENGTH_MAX) return "dimensions_per_chart_max";
    if (count >= this.share.dimensionsPerChartMax) return "dimensions_per_chart_max";
    return this.take(dimensionBytes(dimension)) ? null : "memory_limit_bytes";
  }

  /** @param bytes less than 0 gives them back. */
  private take(bytes: number): boolean {
    if (!this.share.budget.take(bytes)) return false;
    this.bytes += bytes;
    return true;
  }

  private refuse(limit: LimitName, what: string): void {
    this.share.limitReached(limit, this.hostname, what);
  }

  private redefineChart(chart: Chart, definition: ChartDefinition, obsolete: boolean): Chart {
    const before = chart.definition;
    if (!this.take(chartBytes(definition) - chartBytes(before))) {
      this.refuse("memory_limit_bytes", `longer texts of chart ${before.id}`);
      return this.redefineChart(chart, { ...definition, ...chartTexts(before) }, obsolete);
    }
    if (before.name !== definition.name) {
      if (this.byName.get(before.name) === chart) this.byName.delete(before.name);
      this.byName.set(definition.name, chart);
    }
    const changed = (Object.keys(definition) as (keyof ChartDefinition)[]).some(
      (key) => before[key] !== definition[key],
    );
    if (changed || chart.isObsolete !== obsolete) chart.version++;
    chart.definition = definition;
    chart.isObsolete = obsolete;
    if (before.updateEverySec !== definition.updateEverySec) this.restartChart(chart);
    this.retryPlacing(chart);
    chart.syncClock = true;
    chart.isSteady = false;
    return chart;
  }

  /** A new update_every puts the chart into another segment; what was stored at the old pace is given up. */
  private restartChart(chart: Chart): void {
    this.ring?.release(chart);
    chart.updateEveryUs = chart.definition.updateEverySec * 1e6;
    chart.lastCollectedUs = 0;
    chart.lastUpdatedUs = 0;
    chart.slotsPassed = 0;
    chart.iterations = 0;
    this.pool.reset(chart.start, chart.dimensions.count);
    this.unsettle(chart);
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

  /** A name already in use gets a suffix when the chart is new; a known chart keeps its name instead. */
  private uniqueName(id: string, wanted: string, known: Chart | undefined): string {
    const owner = this.byName.get(wanted);
    if (owner === undefined || owner === known) return wanted;
    if (known !== undefined) return known.definition.name;
    for (let suffix = 1; suffix < NAME_SUFFIX_MAX; suffix++) {
      if (!this.byName.has(`${wanted}_${suffix}`)) return `${wanted}_${suffix}`;
    }
    return id;
  }
}
