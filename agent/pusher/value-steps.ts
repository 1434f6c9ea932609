/** Steps closer together than both of these become one. */
const NEAR_MS = 125;
const NEAR_BYTES = 4096;
/** Steps kept; when there are more, neighbours are joined to pieces of about such a part of all their bytes. */
const STEPS_MAX = 1024;
const PIECES = 256;

/**
 * Values of a stream in order, with the position of the bytes behind each step. Bounded: when there are many,
 * neighbours become one, which reaches as far and is as late as the last of them. Times are monotonic ms.
 */
export class ValueSteps {
  /** Positions up to which bytes reach, ascending. */
  private readonly ends: number[] = [];
  private readonly values: number[] = [];
  /** When the first of its values may have been collected, and when the last took this step. */
  private readonly sinceMs: number[] = [];
  private readonly lastMs: number[] = [];

  get length(): number {
    return this.ends.length;
  }

  endOf(index: number): number {
    return this.ends[index]!;
  }

  valuesOf(index: number): number {
    return this.values[index]!;
  }

  sinceMsOf(index: number): number {
    return this.sinceMs[index]!;
  }

  lastMsOf(index: number): number {
    return this.lastMs[index]!;
  }

  push(end: number, values: number, sinceMs: number, lastMs: number): void {
    const newest = this.length - 1;
    const isNear =
      newest > 0 && lastMs - this.lastMs[newest - 1]! <= NEAR_MS && end - this.ends[newest - 1]! <= NEAR_BYTES;
    if (isNear) {
      this.put(newest, end, values + this.values[newest]!, Math.min(sinceMs, this.sinceMs[newest]!), lastMs);
      return;
    }
    if (newest + 1 === STEPS_MAX) this.join();
    this.put(this.length, end, values, sinceMs, lastMs);
  }

  /** Drops the oldest steps. */
  shift(count: number): void {
    for (const list of this.lists) list.splice(0, count);
  }

  clear(): void {
    this.cut(0);
  }

  /** Leaves at most 2 × {@link PIECES} + 1. */
  private join(): void {
    const { ends, values, sinceMs, lastMs } = this;
    let start = ends[0]!;
    const stepBytes = (ends.at(-1)! - start) / PIECES;
    let last = 0;
    for (let i = 1; i < ends.length; i++) {
      const isJoined = ends[i]! - start <= stepBytes;
      if (!isJoined) start = ends[last++]!;
      const before = isJoined ? values[last]! : 0;
      const since = isJoined ? Math.min(sinceMs[last]!, sinceMs[i]!) : sinceMs[i]!;
      this.put(last, ends[i]!, values[i]! + before, since, lastMs[i]!);
    }
    this.cut(last + 1);
  }

  private put(index: number, end: number, values: number, sinceMs: number, lastMs: number): void {
    this.ends[index] = end;
    this.values[index] = values;
    this.sinceMs[index] = sinceMs;
    this.lastMs[index] = lastMs;
  }

  private cut(length: number): void {
    for (const list of this.lists) list.length = length;
  }

  private get lists(): readonly number[][] {
    return [this.ends, this.values, this.sinceMs, this.lastMs];
  }
}
