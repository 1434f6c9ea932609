import type { Chart } from "./chart.ts";
import { NO_RESET, WIDE_COUNTER } from "./dimension-pool.ts";

const UINT32_MAX = 0xffffffffn;
const UINT64_MAX = 0xffffffffffffffffn;
/** Bit of a slot's flag byte: a counter of the chart was reset in this iteration. */
export const RESET_FLAG = 1;

/**
 * Increase of an incremental counter that did not simply grow: it wrapped at 2³² or 2⁶⁴, was reset, or is negative.
 * Counters compare as unsigned 64-bit numbers; a fall is a wrap when the way over the end is short, else a reset
 * (rrd.md §2.4). A reset is marked in the slot at `base` unless the dimension says otherwise.
 * @param place of the dimension in the pool. @param value collected now. @param base index of the slot's first tile.
 * @returns the increase in collected units; 0 for a reset.
 */
export function dropDelta(chart: Chart, place: number, value: number, base: number): number {
  const { pool } = chart.host;
  const last = pool.lastCollected(place);
  const delta = counterDelta(BigInt(last), BigInt(value), (pool.flags[place]! & WIDE_COUNTER) !== 0);
  const isWide = isBeyond32Bits(last) || isBeyond32Bits(value);
  if (isWide) pool.flags[place] = pool.flags[place]! | WIDE_COUNTER;
  if (delta.isReset && (pool.flags[place]! & NO_RESET) === 0) markReset(chart, base);
  return delta.increase;
}

/**
 * The rule itself, on exact 64-bit values.
 * @param isWide a value beyond 32 bits was seen before these two.
 */
export function counterDelta(last: bigint, value: bigint, isWide: boolean): { increase: number; isReset: boolean } {
  const from = BigInt.asUintN(64, last);
  const to = BigInt.asUintN(64, value);
  if (to >= from) return { increase: Number(to - from), isReset: false };
  const wide = isWide || exceeds32Bits(last) || exceeds32Bits(value);
  const cap = wide ? UINT64_MAX : UINT32_MAX;
  const increase = BigInt.asUintN(64, cap - from + to);
  if (increase < (cap / 100n) * 10n) return { increase: Number(increase), isReset: false };
  return { increase: 0, isReset: true };
}

/** True if a 64-bit value has a magnitude beyond 32 bits. */
export function exceeds32Bits(value: bigint): boolean {
  return (value < 0n ? -value : value) > UINT32_MAX;
}

function isBeyond32Bits(value: number): boolean {
  return Math.abs(value) > 0xffffffff;
}

/** `base` is block × columns × 64 + slot in the block; the flag plane has the same shape, a column a record. */
function markReset(chart: Chart, base: number): void {
  const { flags } = chart.segment!;
  const at = base + (chart.record << 6);
  flags[at] = flags[at]! | RESET_FLAG;
}
