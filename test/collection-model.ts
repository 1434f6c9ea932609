import type { Algorithm } from "../agent/rrd/dimension.ts";

const MIN_JUMP_US = 3_600_000_000;
const AHEAD_US = 5_000_000;
const EARLY_US = 100_000;
const UINT32_MAX = 2n ** 32n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;

/** How a chart of the model is collected. */
export interface ModelOptions {
  updateEverySec: number;
  history: number;
  /** G of rrd.md §1.2. */
  gap: number;
  storeFirst: boolean;
}

export interface ModelDimension {
  algorithm: Algorithm;
  multiplier: number;
  divisor: number;
  noReset: boolean;
}

interface State extends ModelDimension {
  n: number;
  cv: bigint;
  lcv: bigint;
  c: number;
  lc: number;
  max: bigint;
  updated: boolean;
}

/** One stored slot; `scale` is the largest magnitude that took part in a value, for judging rounding errors. */
export interface ModelSlot {
  values: (number | null)[];
  scales: number[];
  isReset: boolean;
  /** The ring need not hold it any more: its values read as they are here, or as empty. */
  mayBeGone: boolean;
}

/** Collection of one chart exactly as rrd.md §2 tells it under the rules of v1.37, one plain step after the other. */
export class ModelChart {
  readonly ring = new Map<number, ModelSlot>();
  readonly dimensions: State[] = [];
  /** µs. */
  LC = 0;
  LU = 0;
  counter = 0;
  /** Values that the clock guard of streaming.md §2.4 refused. */
  refused = 0;
  private doneCount = 0;
  private syncClock = true;
  private readonly U: number;
  readonly options: ModelOptions;

  constructor(options: ModelOptions) {
    this.options = options;
    this.U = options.updateEverySec * 1e6;
  }

  /** As it is now: what happens to one of the two later leaves the other alone. */
  copy(): ModelChart {
    const copy = this.nextRun(this.options.history);
    this.dimensions.forEach((d, index) => {
      copy.dimensions[index] = { ...d };
    });
    copy.LC = this.LC;
    copy.doneCount = this.doneCount;
    copy.syncClock = this.syncClock;
    return copy;
  }

  /** The chart in a later run of the agent: what was stored is there, nothing that was collected (rrd.md §4.1). */
  nextRun(history: number): ModelChart {
    const next = new ModelChart({ ...this.options, history });
    for (const [second, slot] of this.ring) next.ring.set(second, { ...slot, values: [...slot.values] });
    for (const d of this.dimensions) next.dimensions.push({ ...d, n: 0, cv: 0n, lcv: 0n, c: 0, lc: 0, updated: false });
    next.LU = this.LU;
    next.counter = this.counter;
    return next;
  }

  /** Another algorithm, multiplier or divisor: the dimension begins anew. */
  redefineDimension(index: number, definition: ModelDimension): void {
    const lcv = this.dimensions[index]!.lcv;
    this.dimensions[index] = { ...definition, n: 0, cv: 0n, lcv, c: 0, lc: 0, max: 0n, updated: false };
    for (const slot of this.ring.values()) if (index < slot.values.length) slot.values[index] = null;
  }

  add(dimension: ModelDimension): void {
    const n = this.options.storeFirst ? 1 : 0;
    this.dimensions.push({ ...dimension, n, cv: 0n, lcv: 0n, c: 0, lc: 0, max: 0n, updated: false });
  }

  set(index: number, value: bigint): void {
    const d = this.dimensions[index]!;
    d.cv = value;
    d.updated = true;
    d.n++;
  }

  /** What a query may see at a second (rrd.md §2.9). */
  at(second: number): ModelSlot | undefined {
    const last = this.LU / 1e6;
    const first = last - Math.min(this.counter, this.options.history) * this.options.updateEverySec;
    return second > first && second <= last ? this.ring.get(second) : undefined;
  }

  /** BEGIN with the definition on this connection: the next interval is the clock's. */
  redefine(): void {
    this.syncClock = true;
  }

  /** @param counts of SETs since the last call, by dimension: taken back when the clock guard refuses them. */
  done(givenUs: number, nowUs: number, counts: number[]): void {
    let usec = this.interval(givenUs, nowUs);
    if (this.LC + usec > nowUs + AHEAD_US) {
      this.refuse(counts);
      this.syncClock = true;
      return;
    }
    // BEGIN on a chart that was never collected does not ask for an interval: the flag is for the one after.
    if (this.LC !== 0) this.syncClock = false;
    const { U, options } = this;
    const entries = options.history;
    let first = false;
    let isTooLong = this.LC !== 0 && usec > entries * U;
    if (isTooLong) {
      this.reset(counts);
      usec = U;
    }
    let prevC = this.LC;
    if (this.LC === 0) {
      this.LC = this.align(nowUs) + (options.storeFirst ? 0 : 500_000);
      prevC = this.LC - U;
      first = true;
    } else this.LC += usec;
    if (this.LU === 0) {
      this.LU = options.storeFirst ? this.align(this.LC) - U : this.align(this.LC);
      first = true;
    } else if (Math.abs(this.LC - this.LU) > entries * U) {
      this.reset(counts);
      this.LU = this.align(nowUs);
      this.LC = this.LU + 500_000;
      first = true;
      isTooLong = true;
    }
    const isStart = first || this.doneCount === 0;
    const store = !isTooLong && (!isStart || options.storeFirst);
    this.doneCount++;
    const resetMark = this.calculate();
    this.interpolate(prevC, store, first, resetMark);
    this.carryOver(first);
  }

  /** rrd.md §2.6. */
  private carryOver(first: boolean): void {
    for (const d of this.dimensions) {
      if (d.updated) {
        d.lcv = d.cv;
        if (d.algorithm !== "incremental") d.lc = d.c;
        else if (!first) d.lc += d.c;
      }
      d.updated = false;
      d.c = 0;
    }
  }

  private interval(givenUs: number, nowUs: number): number {
    if (this.LC === 0) return this.U;
    if (this.LC > nowUs + AHEAD_US) {
      // Our clock was put back: the chart goes with it.
      const before = this.align(nowUs - this.U);
      if (this.LU > before) this.counter = Math.max(0, this.counter - (this.LU - before) / this.U);
      this.LU = before;
      this.LC = this.LU + 500_000;
      return this.U;
    }
    const isUsable = givenUs > 0 && givenUs <= Math.max(MIN_JUMP_US, 2 * this.U);
    // It came before the time its child's intervals give it: an earlier one was dated too late.
    const ahead = this.LC + givenUs - nowUs;
    const isDatedBefore = ahead <= EARLY_US || ahead > AHEAD_US;
    if (isUsable && !this.syncClock && isDatedBefore) return givenUs;
    return Math.max(0, nowUs - this.LC);
  }

  private refuse(counts: number[]): void {
    this.dimensions.forEach((d, i) => {
      d.updated = false;
      d.n -= counts[i] ?? 0;
      this.refused += counts[i] ?? 0;
    });
  }

  private align(us: number): number {
    return us - (us % this.U);
  }

  /** rrd.md §2.7; the SETs of the iteration at hand came before it and count after it. */
  private reset(counts: number[]): void {
    this.LC = 0;
    this.LU = 0;
    this.counter = 0;
    this.doneCount = 0;
    this.ring.clear();
    this.dimensions.forEach((d, i) => {
      d.n = counts[i] ?? 0;
      // What a rate had gathered is of no use any more; an absolute value stays the last one there was.
      if (d.algorithm !== "absolute") d.lc = 0;
    });
  }

  /** Steps 8 and 9; @returns whether the iteration is marked as a reset. */
  private calculate(): boolean {
    const updated = this.dimensions.filter((d) => d.updated);
    let resetMark = false;
    for (const d of updated) {
      const magnitude = d.cv < 0n ? -d.cv : d.cv;
      if (magnitude > d.max) d.max = magnitude;
      if (d.algorithm !== "percentage-of-incremental-row" || d.n <= 1 || d.cv >= d.lcv) continue;
      if (!d.noReset) resetMark = true;
      d.lcv = d.cv;
    }
    const total = updated.reduce((sum, d) => sum + Number(d.cv), 0);
    const lastTotal = updated.reduce((sum, d) => sum + Number(d.lcv), 0);
    for (const d of updated) {
      d.c = calculated(d, total, lastTotal);
      if (d.algorithm === "incremental" && d.n > 1 && increase(d).isReset && !d.noReset) resetMark = true;
    }
    return resetMark;
  }

  /** rrd.md §2.5. */
  private interpolate(from: number, store: boolean, first: boolean, resetMark: boolean): void {
    const { U, options } = this;
    const C = this.LC;
    let S = this.LU;
    let N = (Math.floor(S / U) + 1) * U;
    let prevC = options.storeFirst && first ? N - U : from;
    let it = Math.floor((C - S) / U) + (C % U === 0 ? 1 : 0);
    for (let isFirst = true; N <= C; isFirst = false) {
      this.LU = N;
      const slot: ModelSlot = { values: [], scales: [], isReset: resetMark && isFirst, mayBeGone: false };
      for (const d of this.dimensions) {
        slot.scales.push(Math.max(Math.abs(d.c), Math.abs(d.lc)));
        const share = (N - prevC) / (C - prevC);
        let v = d.algorithm === "incremental" ? rate(d, share) / options.updateEverySec : between(d, share, it);
        // A short first point stands for the whole interval.
        if (d.algorithm === "incremental" && N - S < U) v = (v * U) / (N - S);
        const isStored = store && d.updated && d.n > 1 && it < options.gap && Math.abs(v) <= 3.4028234e38;
        slot.values.push(isStored ? v : null);
      }
      this.ring.set(N / 1e6, slot);
      this.counter++;
      S = N;
      prevC = N;
      N += U;
      it--;
    }
  }
}

/** rrd.md §2.4. */
function calculated(d: State, total: number, lastTotal: number): number {
  const ratio = d.multiplier / d.divisor;
  if (d.algorithm === "absolute") return Number(d.cv) * ratio;
  if (d.algorithm === "percentage-of-absolute-row") return total === 0 ? 0 : (100 * Number(d.cv)) / total;
  if (d.n <= 1) return 0;
  if (d.algorithm === "incremental") return Number(increase(d).delta) * ratio;
  return total === lastTotal ? 0 : (100 * (Number(d.cv) - Number(d.lcv))) / (total - lastTotal);
}

/** Takes the part of an increase that lies before a boundary. */
function rate(d: State, share: number): number {
  const part = d.c * share;
  const v = part + d.lc;
  d.c -= part;
  d.lc = 0;
  return v;
}

function between(d: State, share: number, it: number): number {
  return it === 1 ? d.c : (d.c - d.lc) * share + d.lc;
}

/** The rule of v1.37 for counters, on exact 64-bit numbers. */
function increase(d: State): { delta: bigint; isReset: boolean } {
  const now = BigInt.asUintN(64, d.cv);
  const last = BigInt.asUintN(64, d.lcv);
  if (now >= last) return { delta: now - last, isReset: false };
  const cap = d.max > UINT32_MAX ? UINT64_MAX : UINT32_MAX;
  const delta = BigInt.asUintN(64, cap - last + now);
  return delta < (cap / 100n) * 10n ? { delta, isReset: false } : { delta: 0n, isReset: true };
}
