import type { Chart } from "../../agent/rrd/chart.ts";
import { readStored } from "../../agent/rrd/read.ts";
import type { SeededChart } from "./seeded-charts.ts";

/** Seconds before the world's beginning that a clock may show. */
const BEFORE_SEC = 3600;
const AFTER_SEC = 12_000;

/** One dimension of the child as the test itself saw it being collected. */
class DimensionReference {
  /** By iteration: the value of an absolute dimension, the increase of an incremental one; NaN = left out. */
  readonly values: number[] = [];
  /** By second of the child's clock: what its ring stored; NaN = nothing. */
  readonly stored = new Float32Array(BEFORE_SEC + AFTER_SEC).fill(Number.NaN);
  /** What it had stored for seconds that came once more, as `second value`. */
  readonly replaced = new Set<string>();
  /** Last raw value of an incremental dimension. */
  last: bigint | null = null;
}

/** One chart of the child: every iteration, and every value that its ring stored. */
export class ChartReference {
  readonly chart: SeededChart;
  readonly dimensions: readonly DimensionReference[];
  /** True time of each iteration, µs. */
  readonly atUs: number[] = [];
  private readonly startSec: number;
  private readonly out = new Float64Array(AFTER_SEC);
  private storedSec = 0;

  constructor(chart: SeededChart, startSec: number) {
    this.chart = chart;
    this.startSec = startSec;
    this.dimensions = chart.dimensions.map(() => new DimensionReference());
  }

  /** @param values raw. @param trueUs the time. @param chart in the child's database, with this iteration in it. */
  note(values: readonly (number | bigint | undefined)[], trueUs: number, chart: Chart | undefined): void {
    this.atUs.push(trueUs);
    for (const [index, dimension] of this.dimensions.entries()) {
      dimension.values.push(this.meaningOf(index, values[index]));
    }
    if (chart !== undefined) this.noteStored(chart);
  }

  /** A life of the child ended: the next one begins anew. */
  interrupt(): void {
    this.storedSec = 0;
  }

  /** What the child stored for a second of its clock; NaN = nothing. */
  storedAt(dimension: number, second: number): number {
    return this.dimensions[dimension]!.stored[second - this.startSec + BEFORE_SEC] ?? Number.NaN;
  }

  /** Whether the child has ever stored a value for a second of its clock, which may have come more than once. */
  hasStored(dimension: number, second: number, value: number): boolean {
    return this.storedAt(dimension, second) === value || this.dimensions[dimension]!.replaced.has(`${second} ${value}`);
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

  private meaningOf(index: number, value: number | bigint | undefined): number {
    if (value === undefined) return Number.NaN;
    const { algorithm, multiplier, divisor } = this.chart.dimensions[index]!;
    if (algorithm !== "incremental") return (Number(value) * multiplier) / divisor;
    const dimension = this.dimensions[index]!;
    const raw = BigInt(value);
    const increase = dimension.last === null ? 0 : Number(raw - dimension.last);
    dimension.last = raw;
    // A counter that fell begins at 0, or has gone round: the receiver decides, and what is right is not known here.
    return increase < 0 ? Number.POSITIVE_INFINITY : (increase * multiplier) / divisor;
  }

  private noteStored(chart: Chart): void {
    const step = this.chart.updateEverySec;
    const lastSec = chart.lastEntrySec;
    if (chart.host.ring === null) return;
    // A clock that was set back stores its seconds once more.
    const isBack = this.storedSec === 0 || lastSec <= this.storedSec;
    const firstSec = isBack ? lastSec : this.storedSec + step;
    this.storedSec = lastSec;
    for (const [index, dimension] of this.dimensions.entries()) {
      const count = readStored(chart, index, firstSec, lastSec, this.out);
      for (let i = 0; i < count; i++) {
        const second = firstSec + i * step;
        const place = second - this.startSec + BEFORE_SEC;
        if (!Number.isNaN(dimension.stored[place]!)) dimension.replaced.add(`${second} ${dimension.stored[place]}`);
        dimension.stored[place] = this.out[i]!;
      }
    }
  }
}

/** The test's own record of everything that a child collected. */
export class Reference {
  readonly charts: ReadonlyMap<string, ChartReference>;

  constructor(charts: readonly SeededChart[], startSec: number) {
    this.charts = new Map(charts.map((chart) => [chart.id, new ChartReference(chart, startSec)]));
  }
}
