import { imbalance } from "../agent/rrd/balance.ts";
import type { Chart } from "../agent/rrd/chart.ts";
import { commitStreamed } from "../agent/rrd/commit.ts";
import type { Algorithm, Dimension } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";
import type { MemoryMode } from "../agent/rrd/host-options.ts";
import type { HostDirectory } from "../agent/rrd/store/host-directory.ts";
import { ValueRow } from "../agent/rrd/value-row.ts";
import { ModelChart } from "./collection-model.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { dimension, T0_SEC } from "./simulated-host.ts";
import { StorageWorld } from "./storage-world.ts";
import { StoreComparison } from "./store-comparison.ts";
import { StoreLapses } from "./store-lapses.ts";
import {
  adoptDefinition,
  alignSec,
  copyOf,
  heldOf,
  isSameMeaning,
  type Model,
  type ModelEntry,
  newEntry,
} from "./store-model.ts";

const CHART_IDS = ["a.one", "a.two", "b.three", "b.four"];
const DIMENSIONS_MAX = 4;
const ALGORITHMS: Algorithm[] = ["absolute", "absolute", "incremental", "percentage-of-absolute-row"];
const HISTORIES = [60, 100, 120, 180];

/**
 * A random history of one host's database on a simulated disk, and beside it the naive model: every stored value under
 * (chart id, dimension id, second). Whoever drives it calls {@link step} and then {@link compare}.
 */
export class StoreHistory {
  readonly world: StorageWorld;
  readonly mode: MemoryMode;
  /** Values read and compared so far, empty ones left out. */
  compared = 0;
  private readonly random: SeededRandom;
  private host: Host;
  private history: number;
  private model: Model = new Map();
  /** What the last save wrote. */
  private saved: Model = new Map();
  private readonly lapses: StoreLapses;
  private readonly row = new ValueRow();
  private nowUs = T0_SEC * 1e6 + 500_000;
  /** Events and their share of 100; the rest are collections. */
  private readonly events: [share: number, event: () => string | Promise<string>][] = [
    [5, () => this.pause()],
    [4, () => this.defineChart()],
    [4, () => this.addDimension()],
    [5, () => this.redefineDimension()],
    [2, () => this.redefineChart()],
    [3, () => this.retire()],
    [2, () => this.removeObsolete()],
    [2, () => this.reconnect()],
    [2, () => this.stepClock()],
    [4, () => this.save()],
    [2, () => this.flush()],
    [2, () => this.upkeep()],
    [4, () => this.kill()],
    [4, () => this.restart()],
  ];

  constructor(random: SeededRandom, mode: MemoryMode) {
    this.random = random;
    this.mode = mode;
    this.world = new StorageWorld();
    this.history = random.pick(HISTORIES);
    this.lapses = new StoreLapses(this.history);
    this.row.reserve(DIMENSIONS_MAX);
    this.host = this.world.host(mode, { historyEntries: this.history });
    for (let count = 1 + random.below(3); count > 0; count--) this.defineChart();
  }

  /** One random event in the life of the agent. @returns its name. */
  async step(): Promise<string> {
    const { random } = this;
    let chance = random.below(100);
    for (const [share, event] of this.events) {
      chance -= share;
      if (chance < 0) return await event();
    }
    return this.collect(1 + random.below(random.chance(15) ? 60 : 12));
  }

  /** Everything a reader can see is what the model says, and every value is accounted for. */
  compare(): void {
    const { balance } = this.host;
    if (imbalance(balance) !== 0) throw new Error(`the balance is out by ${imbalance(balance)}`);
    const comparison = new StoreComparison(this.host, this.lapses, this.nowUs);
    for (const [id, entry] of this.model) comparison.compareChart(id, entry);
    this.compared += comparison.compared;
    for (const chart of this.host.chartList()) {
      if (!this.model.has(chart.id)) throw new Error(`chart ${chart.id} is not in the model`);
    }
    if (this.world.told.length > 0) throw new Error(`told: ${this.world.told.join("; ")}`);
  }

  private collect(seconds: number): string {
    const { random } = this;
    const active = this.host.chartList().filter((chart) => !chart.isObsolete || random.chance(10));
    const isHoly = random.chance(30);
    for (let i = 0; i < seconds; i++) {
      this.passSec(1);
      for (const chart of active) {
        const stepSec = chart.definition.updateEverySec;
        if (Math.floor(this.nowUs / 1e6) % stepSec !== 0 || random.chance(2)) continue;
        this.commit(chart, isHoly ? 25 : 0);
      }
    }
    return `collect ${seconds}`;
  }

  private commit(chart: Chart, holesPercent: number): void {
    const { random, row } = this;
    const entry = this.model.get(chart.id)!;
    const { list } = chart.dimensions;
    if (list.length === 0) return;
    const counts = list.map(() => 0);
    list.forEach(({ algorithm }, index) => {
      if (random.chance(holesPercent)) return;
      const value = algorithm === "incremental" ? Math.floor(this.nowUs / 1e4) + random.below(100) : random.below(1e6);
      row.set(index, value);
      counts[index] = 1;
      entry.collection.set(index, BigInt(value));
    });
    const givenUs = random.chance(80) ? chart.updateEveryUs : 0;
    commitStreamed(chart, row, givenUs, this.nowUs);
    const { collection } = entry;
    const afterSec = collection.LU / 1e6;
    const sinceUs = Math.abs(this.nowUs - collection.LU);
    const isLong = collection.counter > 0 && sinceUs > (this.history - 2) * chart.updateEveryUs;
    const before = isLong ? collection.copy() : null;
    collection.done(givenUs, this.nowUs, counts);
    if (collection.counter !== entry.heldCounter) entry.held = null;
    // It began anew, and nothing of that is in the files yet.
    if (before !== null && collection.counter === 0) Object.assign(entry, { held: before, heldCounter: 0 });
    row.clear();
    entry.isObsolete = false;
    this.lapses.passed(entry, afterSec, this.nowUs, this.model);
    this.settle(entry);
  }

  private pause(): string {
    const { random } = this;
    const seconds = 1 + random.below(random.chance(20) ? 2 * this.history : 8);
    this.passSec(seconds);
    return `pause ${seconds}`;
  }

  private defineChart(): string {
    const id = this.random.pick(CHART_IDS);
    if (this.model.has(id)) return "no new chart";
    const updateEverySec = this.random.pick([1, 1, 1, 2]);
    const chart = this.host.defineChart({ id, updateEverySec, storeFirst: this.random.chance(10) })!;
    this.model.set(id, newEntry(chart, this.history));
    for (let count = 1 + this.random.below(3); count > 0; count--) this.addDimensionTo(chart);
    return `define ${id}`;
  }

  private addDimension(): string {
    const chart = this.anyChart();
    if (chart === undefined || chart.dimensions.count >= DIMENSIONS_MAX) return "no new dimension";
    this.addDimensionTo(chart);
    return `new dimension of ${chart.id}`;
  }

  private addDimensionTo(chart: Chart): void {
    const { random } = this;
    const definition = this.anyDimension(`d${chart.dimensions.count}`);
    const entry = this.model.get(chart.id)!;
    entry.ids.push(definition.id);
    entry.collection.add(definition);
    this.host.defineDimension(chart, definition);
    entry.isUnsettled = true;
    if (random.chance(50)) this.commit(chart, 0);
  }

  private anyDimension(id: string): Dimension {
    const { random } = this;
    const algorithm = random.pick(ALGORITHMS);
    return dimension(id, algorithm, { multiplier: random.pick([1, 1, 8]), divisor: random.pick([1, 1, 10]) });
  }

  private redefineDimension(): string {
    const chart = this.anyChart();
    if (chart === undefined || chart.dimensions.count === 0) return "no dimension";
    const index = this.random.below(chart.dimensions.count);
    const before = chart.dimensions.list[index]!;
    const after = this.random.chance(30)
      ? { ...before, name: `n${this.random.below(5)}` }
      : { ...this.anyDimension(before.id), name: before.name };
    this.host.defineDimension(chart, after);
    const entry = this.model.get(chart.id)!;
    entry.isUnsettled = true;
    if (isSameMeaning(before, after)) return `rename ${chart.id} ${before.id}`;
    entry.collection.redefineDimension(index, after);
    if (index < (entry.held?.dimensions.length ?? 0)) entry.held?.redefineDimension(index, after);
    return `redefine ${chart.id} ${before.id}`;
  }

  private redefineChart(): string {
    const chart = this.anyChart();
    if (chart === undefined) return "no chart";
    const { random } = this;
    const { id, updateEverySec, storeFirst } = chart.definition;
    const isOther = random.chance(40);
    const updateEvery = isOther ? 3 - updateEverySec : updateEverySec;
    const name = random.chance(50) ? `name${random.below(1000)}_${id}` : chart.definition.name;
    this.host.defineChart({ id, name, updateEverySec: updateEvery, storeFirst });
    const entry = this.model.get(id)!;
    entry.name = chart.definition.name;
    entry.isObsolete = false;
    entry.isUnsettled = true;
    entry.collection.redefine();
    if (isOther) {
      const next = newEntry(chart, this.history);
      entry.collection = next.collection;
      entry.held = null;
      for (const definition of chart.dimensions.list) entry.collection.add(definition);
      // Only a dimension that is new starts with a first value that counts.
      for (const d of entry.collection.dimensions) d.n = 0;
    }
    return `redefine ${id}`;
  }

  private retire(): string {
    const chart = this.anyChart();
    if (chart === undefined) return "no chart";
    const entry = this.model.get(chart.id)!;
    if (this.random.chance(50)) this.host.retireChart(chart);
    else {
      const { id, name, updateEverySec, storeFirst } = chart.definition;
      this.host.defineChart({ id, name, updateEverySec, storeFirst, obsolete: true });
      entry.collection.redefine();
      if (!entry.isObsolete) this.settle(entry);
    }
    entry.isObsolete = true;
    return `retire ${chart.id}`;
  }

  private removeObsolete(): string {
    const afterUs = this.random.pick([0, 30e6]);
    this.world.database.removeObsoleteCharts(this.nowUs, afterUs);
    for (const id of [...this.model.keys()]) if (this.host.chart(id) === undefined) this.model.delete(id);
    return "remove obsolete";
  }

  private reconnect(): string {
    for (const chart of this.host.chartList()) {
      const { id, name, updateEverySec, storeFirst } = chart.definition;
      this.host.defineChart({ id, name, updateEverySec, storeFirst });
      for (const one of chart.dimensions.list) this.host.defineDimension(chart, one);
      const entry = this.model.get(id)!;
      entry.isObsolete = false;
      entry.collection.redefine();
      entry.isUnsettled = true;
    }
    return "reconnect";
  }

  private stepClock(): string {
    const seconds = this.random.below(this.random.chance(30) ? 1200 : 60) - (this.random.chance(30) ? 600 : 30);
    this.passSec(seconds);
    return `clock ${seconds}`;
  }

  private async save(): Promise<string> {
    await this.world.storage.save();
    if (this.mode === "save") this.noteSaved();
    return "save";
  }

  private noteSaved(): void {
    this.lapses.keep(this.model);
    this.lapses.filed();
    this.saved = copyOf(this.model);
  }

  private async flush(): Promise<string> {
    await (this.host.files as HostDirectory | null)?.flush();
    return "flush";
  }

  /** A minute of what the storage does by itself, and what follows from it. */
  private async upkeep(): Promise<string> {
    for (let i = 0; i < 64; i++) this.world.storage.tick();
    for (let i = 0; i < 100; i++) await Promise.resolve();
    return "upkeep";
  }

  private kill(): string {
    this.down();
    this.world.kill();
    this.nextRun(this.mode === "map" ? this.model : this.saved);
    return "kill";
  }

  private async restart(): Promise<string> {
    await this.world.storage[Symbol.asyncDispose]();
    this.noteSaved();
    this.down();
    this.world.start();
    this.nextRun(this.model);
    return "restart";
  }

  /** Time passes, or the clock is set, while no agent runs. */
  private down(): void {
    const { random } = this;
    const event = random.below(100);
    if (event < 40) this.passSec(random.below(20));
    else if (event < 46) this.passSec(random.below(3 * this.history));
    else if (event < 52) this.passSec(-random.below(300));
  }

  private passSec(seconds: number): void {
    if (seconds < 0) {
      this.lapses.keep(this.model);
      this.lapses.keep(this.saved);
      this.lapses.setBack();
    }
    this.nowUs += seconds * 1e6;
    this.world.nowSec = Math.floor(this.nowUs / 1e6);
  }

  private nextRun(kept: Model): void {
    this.lapses.keep(kept);
    if (this.random.chance(25)) this.history = this.random.pick(HISTORIES);
    this.lapses.start(this.history, kept, this.world.nowSec);
    if (this.mode === "map") this.lapses.filed();
    this.host = this.world.host(this.mode, { historyEntries: this.history });
    const isKept = this.mode === "save" || this.mode === "map";
    this.model = new Map();
    if (!isKept) this.lapses.clear();
    for (const [id, entry] of isKept ? copyOf(kept) : new Map<string, ModelEntry>()) this.takeOver(id, entry);
  }

  /** What a start makes of a chart that was kept. */
  private takeOver(id: string, entry: ModelEntry): void {
    const chart = this.host.chart(id);
    if (chart === undefined) {
      if (entry.isFiled) throw new Error(`chart ${id} is missing after a start`);
      return;
    }
    const stepSec = chart.definition.updateEverySec;
    const isOtherPace = stepSec !== entry.collection.options.updateEverySec;
    const source = heldOf(entry);
    let collection = source.nextRun(this.history);
    const nowSec = Math.floor(this.nowUs / 1e6);
    const lastSec = Math.min(collection.LU / 1e6, alignSec(this.nowUs, stepSec) + stepSec);
    // The clock was put back: what is in the future is not shown.
    collection.counter -= (collection.LU / 1e6 - lastSec) / stepSec;
    collection.LU = lastSec * 1e6;
    const isTooOld = nowSec - lastSec > this.history * stepSec;
    if (collection.counter <= 0 || isTooOld || isOtherPace) {
      const { updateEverySec, storeFirst } = chart.definition;
      collection = new ModelChart({ updateEverySec, history: this.history, gap: 3, storeFirst });
      for (const d of source.dimensions) collection.add(d);
      for (const d of collection.dimensions) d.n = 0;
    }
    entry.held = isOtherPace || collection.LU === source.LU ? null : source;
    entry.heldCounter = collection.counter;
    this.adoptEnd(entry, collection, chart);
    entry.collection = collection;
    if (entry.isUnsettled) adoptDefinition(entry, chart);
    entry.isUnsettled = false;
    this.model.set(id, entry);
  }

  /** The newest slots of a chart may all be gone: it ends, or begins, before them then. */
  private adoptEnd(entry: ModelEntry, collection: ModelChart, chart: Chart): void {
    if (chart.lastUpdatedUs >= collection.LU) return;
    for (const [second, { values, mayBeGone }] of collection.ring) {
      if (second <= chart.lastEntrySec || second > collection.LU / 1e6) continue;
      if (values.some((value) => value !== null) && !mayBeGone) return;
    }
    collection.LU = chart.lastUpdatedUs;
    collection.counter = chart.slotsPassed;
    entry.heldCounter = collection.counter;
  }

  private settle(entry: ModelEntry): void {
    entry.isFiled = true;
    entry.isUnsettled = false;
  }

  private anyChart(): Chart | undefined {
    const charts = this.host.chartList();
    return charts.length === 0 ? undefined : this.random.pick(charts);
  }
}
