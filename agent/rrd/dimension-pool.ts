import type { Dimension } from "./dimension.ts";

/** Flag bits of {@link DimensionPool.flags}. */
export const NO_RESET = 1;
/** A value of more than 32 bits was seen: the counter wraps at 2⁶⁴, not at 2³². */
export const WIDE_COUNTER = 2;
/** Not SET in the latest iteration of its chart; {@link DimensionPool.lastSeenSec} says when it was. */
export const ABSENT = 4;

/** Doubles of one dimension in {@link DimensionPool.state}. */
export const STATE_WIDTH = 2;

/**
 * What survives an iteration, for all dimensions of one host: a chart is the contiguous range
 * `[start, start + count)`. 24 bytes a dimension. Arrays are replaced when the pool grows: read them anew each time.
 *
 * | state | meaning |
 * |---|---|
 * | `[2·place]` | last collected value as a double; {@link residuals} holds what is missing above 2⁵³ |
 * | `[2·place + 1]` | incremental: increase since the last boundary; percentages: last value; absolute: unused |
 */
export class DimensionPool {
  state = new Float64Array(0);
  /** Collections so far, saturating at 2: the first is only a base. */
  collections = new Uint8Array(0);
  flags = new Uint8Array(0);
  /** Column × 64 in its segment: the offset of the dimension's tile in a block. */
  tile = new Int32Array(0);
  /** Position of the segment in {@link Ring.segments}. */
  segment = new Uint16Array(0);
  /** See {@link CollectedRow.residuals}; null until a dimension of this host needs it. */
  residuals: Float64Array | null = null;
  /** Second of the last SET of {@link ABSENT} dimensions; null until there is one. */
  lastSeenSec: Float64Array | null = null;

  private used = 0;
  private holes = 0;

  /** Places in use, holes included. */
  get size(): number {
    return this.used;
  }

  /** Share of the places that belong to no chart any more. */
  get isSparse(): boolean {
    return this.holes > 64 && this.holes * 4 > this.used;
  }

  get bytes(): number {
    const perPlace = 24 + (this.residuals === null ? 0 : 8) + (this.lastSeenSec === null ? 0 : 8);
    return this.flags.length * perPlace;
  }

  /**
   * Makes room for one more dimension behind the range `[start, start + count)` and returns the range's start, which
   * differs when the range had to move to the end of the pool.
   */
  append(start: number, count: number, dimension: Dimension, storeFirst: boolean): number {
    let from = start;
    if (count > 0 && start + count !== this.used) {
      from = this.used;
      this.grow(count + 1);
      this.move(start, from, count);
      this.holes += count;
    } else {
      if (count === 0) from = this.used;
      this.grow(1);
    }
    const place = from + count;
    this.used = place + 1;
    this.state.fill(0, STATE_WIDTH * place, STATE_WIDTH * (place + 1));
    this.collections[place] = storeFirst ? 1 : 0;
    this.flags[place] = dimension.noReset ? NO_RESET : 0;
    return from;
  }

  /** Makes room for `count` further dimensions at once, instead of step by step. */
  reserve(count: number): void {
    this.grow(count);
  }

  /** Takes over the flags of a new definition; the collected state stays. */
  redefine(place: number, dimension: Dimension): void {
    this.flags[place] = (this.flags[place]! & ~NO_RESET) | (dimension.noReset ? NO_RESET : 0);
  }

  /** Forgets what was collected in a range, as if it were new. */
  reset(start: number, count: number): void {
    this.collections.fill(0, start, start + count);
    for (let place = start; place < start + count; place++) this.state[STATE_WIDTH * place + 1] = 0;
  }

  /** Last collected value of a dimension, as a double. */
  lastCollected(place: number): number {
    return this.state[STATE_WIDTH * place]!;
  }

  /** Gives the range back; its state is lost. */
  release(count: number): void {
    this.holes += count;
  }

  /** Array for residuals of this host, made on first need. */
  needResiduals(): Float64Array {
    this.residuals ??= new Float64Array(this.flags.length);
    return this.residuals;
  }

  needLastSeen(): Float64Array {
    this.lastSeenSec ??= new Float64Array(this.flags.length);
    return this.lastSeenSec;
  }

  /** Moves every range to the front in the given order, closing holes. @returns the new starts, in that order. */
  compact(ranges: readonly { start: number; count: number }[]): number[] {
    const olds = this.fields().map((field) => field.slice());
    const state = this.state.slice();
    let next = 0;
    const starts: number[] = [];
    for (const { start, count } of ranges) {
      starts.push(next);
      const to = next;
      this.fields().forEach((field, index) => {
        field.set(olds[index]!.subarray(start, start + count), to);
      });
      this.state.set(state.subarray(STATE_WIDTH * start, STATE_WIDTH * (start + count)), STATE_WIDTH * to);
      next += count;
    }
    this.used = next;
    this.holes = 0;
    return starts;
  }

  private grow(extra: number): void {
    const need = this.used + extra;
    const have = this.flags.length;
    if (need <= have) return;
    const size = Math.max(need, 16, Math.ceil(have * 1.25));
    this.state = resized(this.state, new Float64Array(STATE_WIDTH * size));
    this.collections = resized(this.collections, new Uint8Array(size));
    this.flags = resized(this.flags, new Uint8Array(size));
    this.tile = resized(this.tile, new Int32Array(size));
    this.segment = resized(this.segment, new Uint16Array(size));
    if (this.residuals !== null) this.residuals = resized(this.residuals, new Float64Array(size));
    if (this.lastSeenSec !== null) this.lastSeenSec = resized(this.lastSeenSec, new Float64Array(size));
  }

  private fields(): PoolArray[] {
    const fields: PoolArray[] = [this.collections, this.flags, this.tile, this.segment];
    if (this.residuals !== null) fields.push(this.residuals);
    if (this.lastSeenSec !== null) fields.push(this.lastSeenSec);
    return fields;
  }

  private move(start: number, to: number, count: number): void {
    for (const field of this.fields()) field.copyWithin(to, start, start + count);
    this.state.copyWithin(STATE_WIDTH * to, STATE_WIDTH * start, STATE_WIDTH * (start + count));
  }
}

type PoolArray = Float64Array | Uint8Array | Int32Array | Uint16Array;

function resized<T extends PoolArray>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Remembers when a dimension was SET last, for exports of collected values. @param lastCollectedUs of its chart. */
export function markAbsent(pool: DimensionPool, place: number, lastCollectedUs: number): void {
  pool.flags[place] = pool.flags[place]! | ABSENT;
  pool.needLastSeen()[place] = pool.collections[place] === 0 ? 0 : Math.floor(lastCollectedUs / 1e6);
}
