import type { Chart } from "../../agent/rrd/chart.ts";
import { readStored } from "../../agent/rrd/read.ts";
import type { SeededChart, SeededDimension } from "./seeded-charts.ts";

/** Seconds before the world's beginning that a clock may show. */
const BEFORE_SEC = 3600;
const AFTER_SEC = 12_000;

type Meaning = Pick<SeededDimension, "id" | "algorithm" | "multiplier" | "divisor">;

/** One dimension of the child, of one meaning, as the test itself saw it being collected. */
export class DimensionReference {
  readonly meaning: Meaning;
  /** By iteration of its chart: the value of an absolute dimension, the increase of an incremental one; NaN = left out. */
  readonly values: number[] = [];
  /** By second of the child's clock: what its ring stored; NaN = nothing. */
  private readonly stored = new Float32Array(BEFORE_SEC + AFTER_SEC).fill(Number.NaN);
  /** What it had stored for seconds that came once more, as `second value`. */
  private readonly replaced = new Set<string>();
  private readonly startSec: number;
  /** The child itself has given up what it had stored before this second. */
  givenUpSec = 0;
  /** Last raw value of an incremental dimension. */
  private last: bigint | null = null;

  constructor(meaning: Meaning, startSec: number) {
    this.meaning = meaning;
    this.startSec = startSec;
  }

  /** What the child stored for a second of its clock; NaN = nothing. */
  storedAt(second: number): number {
    return this.stored[second - this.startSec + BEFORE_SEC] ?? Number.NaN;
  }

  /** Whether the child has ever stored a value for a second of its clock, which may have come more than once. */
  hasStored(second: number, value: number): boolean {
    return this.storedAt(second) === value || this.replaced.has(`${second} ${value}`);
  }

  noteStored(second: number, value: number): void {
    const before = this.storedAt(second);
    if (!Number.isNaN(before)) this.replaced.add(`${second} ${before}`);
    this.stored[second - this.startSec + BEFORE_SEC] = value;
  }

  /** @param iterations of its chart before this one. */
  note(value: number | bigint | undefined, iterations: number): void {
    while (this.values.length < iterations) this.values.push(Number.NaN);
    this.values.push(this.valueOf(value));
  }

  private valueOf(value: number | bigint | undefined): number {
    if (value === undefined) return Number.NaN;
    const { algorithm, multiplier, divisor } = this.meaning;
    if (algorithm !== "incremental") return (Number(value) * multiplier) / divisor;
    const raw = BigInt(value);
    const increase = this.last === null ? 0 : Number(raw - this.last);
    this.last = raw;
    // A counter that fell begins at 0, or has gone round: the receiver decides, and what is right is not known here.
    return increase < 0 ? Number.POSITIVE_INFINITY : (increase * multiplier) / divisor;
  }
}

/** One chart of the child at one interval: every iteration, and every value that its ring stored. */
export class ChartReference {
  readonly id: string;
  readonly updateEverySec: number;
  /** True time of each iteration, µs. */
  readonly atUs: number[] = [];
  private readonly dimensions = new Map<string, DimensionReference>();
  /** The same by whatever described it: that is looked up for every value. */
  private readonly described = new WeakMap<Meaning, DimensionReference>();
  private readonly startSec: number;
  private readonly out = new Float64Array(AFTER_SEC);
  private storedSec = 0;

  constructor({ id, updateEverySec }: SeededChart, startSec: number) {
    this.id = id;
    this.updateEverySec = updateEverySec;
    this.startSec = startSec;
  }

  /** All that it ever had. */
  get all(): Iterable<DimensionReference> {
    return this.dimensions.values();
  }

  /** Whether the child has stored a value for a second, whatever the dimension of this id meant then. */
  hasStored(id: string, second: number, value: number): boolean {
    for (const dimension of this.dimensions.values()) {
      if (dimension.meaning.id === id && dimension.hasStored(second, value)) return true;
    }
    return false;
  }

  /** @param meaning a description that never changes. */
  dimension(meaning: Meaning): DimensionReference {
    const described = this.described.get(meaning);
    if (described !== undefined) return described;
    const { id, algorithm, multiplier, divisor } = meaning;
    const key = `${id} ${algorithm} ${multiplier} ${divisor}`;
    const known =
      this.dimensions.get(key) ?? new DimensionReference({ id, algorithm, multiplier, divisor }, this.startSec);
    this.dimensions.set(key, known);
    this.described.set(meaning, known);
    return known;
  }

  /** @param values raw. @param trueUs the time. @param chart in the child's database, with this iteration in it. */
  note(
    defined: SeededChart,
    values: readonly (number | bigint | undefined)[],
    trueUs: number,
    chart: Chart | undefined,
  ): void {
    defined.dimensions.forEach((meaning, index) => {
      this.dimension(meaning).note(values[index], this.atUs.length);
    });
    this.atUs.push(trueUs);
    if (chart !== undefined) this.noteStored(chart);
  }

  /** What comes next does not follow on what was stored last. */
  interrupt(): void {
    this.storedSec = 0;
  }

  /** Position of the first iteration at or after a true time. */
  firstFrom(trueUs: number): number {
    const { atUs } = this;
    let low = 0;
    let high = atUs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (atUs[middle]! < trueUs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private noteStored(chart: Chart): void {
    const step = this.updateEverySec;
    const lastSec = chart.lastEntrySec;
    if (chart.host.ring === null || chart.definition.updateEverySec !== step) return;
    // A clock that was set back stores its seconds once more.
    const isBack = this.storedSec === 0 || lastSec <= this.storedSec;
    const firstSec = isBack ? lastSec : this.storedSec + step;
    this.storedSec = lastSec;
    for (const [index, dimension] of chart.dimensions.list.entries()) {
      const kept = this.dimension(dimension);
      const count = readStored(chart, index, firstSec, lastSec, this.out);
      for (let i = 0; i < count; i++) kept.noteStored(firstSec + i * step, this.out[i]!);
    }
  }
}

/** The test's own record of everything that a child collected. */
export class Reference {
  private readonly charts = new Map<string, ChartReference>();
  private readonly startSec: number;
  /** By chart: how it was defined last. */
  private readonly current = new Map<string, { chart: ChartReference; dimensions: Map<string, DimensionReference> }>();
  private readonly retiredIds = new Set<string>();
  private readonly everRetiredIds = new Set<string>();

  constructor(startSec: number) {
    this.startSec = startSec;
  }

  /** All charts at all their intervals. */
  get all(): Iterable<ChartReference> {
    return this.charts.values();
  }

  /** What is known of a chart that somebody holds; undefined = no child ever collected one like it. */
  of({ id, definition: { updateEverySec } }: Pick<Chart, "id" | "definition">): ChartReference | undefined {
    return this.charts.get(`${id} ${updateEverySec}`);
  }

  /** The child said last that the chart is no more. */
  isRetired(id: string): boolean {
    return this.retiredIds.has(id);
  }

  /** The child has said so once, whatever came after. */
  wasRetired(id: string): boolean {
    return this.everRetiredIds.has(id);
  }

  /** @param nowSec by the child's clock: what another meaning of a dimension, or another interval, had stored is gone. */
  define(defined: SeededChart, nowSec: number): void {
    const { id, updateEverySec } = defined;
    this.retiredIds.delete(id);
    const key = `${id} ${updateEverySec}`;
    const chart = this.charts.get(key) ?? new ChartReference(defined, this.startSec);
    this.charts.set(key, chart);
    let current = this.current.get(id);
    if (current?.chart !== chart) {
      for (const each of current?.chart.all ?? []) each.givenUpSec = Number.POSITIVE_INFINITY;
      chart.interrupt();
      current = { chart, dimensions: new Map() };
      this.current.set(id, current);
    }
    for (const meaning of defined.dimensions) {
      const dimension = chart.dimension(meaning);
      const before = current.dimensions.get(meaning.id);
      if (before !== undefined && before !== dimension) before.givenUpSec = Number.POSITIVE_INFINITY;
      if (dimension.givenUpSec === Number.POSITIVE_INFINITY) dimension.givenUpSec = nowSec;
      current.dimensions.set(meaning.id, dimension);
    }
  }

  retire(id: string): void {
    this.retiredIds.add(id);
    this.everRetiredIds.add(id);
  }

  /** The child does not know the chart any more. */
  removed(id: string): void {
    for (const chart of this.charts.values()) {
      if (chart.id !== id) continue;
      for (const each of chart.all) each.givenUpSec = Number.POSITIVE_INFINITY;
    }
  }

  /** @param values raw. @param trueUs the time. @param chart in the child's database, with this iteration in it. */
  note(
    defined: SeededChart,
    values: readonly (number | bigint | undefined)[],
    trueUs: number,
    chart: Chart | undefined,
  ): void {
    this.current.get(defined.id)!.chart.note(defined, values, trueUs, chart);
  }

  /** A life of the child ended: the next one begins anew. */
  interrupt(): void {
    for (const chart of this.charts.values()) chart.interrupt();
  }
}
