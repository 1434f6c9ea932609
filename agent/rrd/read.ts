import type { Chart } from "./chart.ts";
import { WIDE_FROM } from "./collected-row.ts";
import { ABSENT } from "./dimension-pool.ts";
import { NO_SEGMENT } from "./ring.ts";

/**
 * Reads stored values of one dimension, oldest first.
 * @param index position of the dimension in its chart.
 * @param fromSec first time, @param toSec last time, both inclusive and multiples of the chart's update_every.
 * Times that the ring does not hold (too old, not yet stored, a lap that is gone) read as empty.
 * @param out takes `(toSec − fromSec) / updateEvery + 1` values from position `start` on; NaN = empty.
 * @returns how many.
 */
export function readStored(
  chart: Chart,
  index: number,
  fromSec: number,
  toSec: number,
  out: Float64Array,
  start = 0,
): number {
  const { updateEverySec } = chart.definition;
  const count = Math.max(0, Math.floor((toSec - fromSec) / updateEverySec) + 1);
  const end = start + count;
  const { ring, pool } = chart.host;
  const number = pool.segment[chart.start + index]!;
  if (ring === null || number >= NO_SEGMENT || chart.slotsPassed === 0) {
    out.fill(Number.NaN, start, end);
    return count;
  }
  const segment = ring.segments[number]!;
  const tile = pool.tile[chart.start + index]!;
  // A slot beyond lastEntry may hold what another chart of the segment made room for: never read past the bounds.
  const firstSec = Math.max(fromSec, chart.firstEntrySec + updateEverySec);
  const lastSec = Math.min(toSec, chart.lastEntrySec);
  let at = Math.min(end, start + (firstSec - fromSec) / updateEverySec);
  out.fill(Number.NaN, start, at);
  for (let timeSec = firstSec; timeSec <= lastSec; ) {
    const slot = segment.slotOf(timeSec);
    const run = Math.min(64 - (slot & 63), Math.floor((lastSec - timeSec) / updateEverySec) + 1);
    if (segment.holdsValues(timeSec, tile)) copyRun(segment.values, segment.valueIndex(slot, tile), run, out, at);
    else out.fill(Number.NaN, at, at + run);
    at += run;
    timeSec += run * updateEverySec;
  }
  out.fill(Number.NaN, at, end);
  return count;
}

function copyRun(from: Float32Array, first: number, count: number, to: Float64Array, at: number): void {
  for (let i = 0; i < count; i++) to[at + i] = from[first + i]!;
}

/** True if a counter of the chart was reset in the iteration stored at this time. */
export function isResetAt(chart: Chart, timeSec: number): boolean {
  return chart.host.ring?.isReset(chart, timeSec) ?? false;
}

/** Newest stored value of a dimension, NaN if its newest slot is empty or nothing is stored. */
export function latestStored(chart: Chart, index: number): number {
  const { ring, pool } = chart.host;
  const number = pool.segment[chart.start + index]!;
  if (ring === null || number >= NO_SEGMENT || chart.slotsPassed === 0) return Number.NaN;
  return ring.segments[number]!.read(chart.lastEntrySec, pool.tile[chart.start + index]!);
}

/**
 * Last collected (raw) value of a dimension; a bigint where a double would not be exact. Undefined before the first.
 */
export function latestCollected(chart: Chart, index: number): number | bigint | undefined {
  const { pool } = chart.host;
  const place = chart.start + index;
  if (pool.collections[place] === 0) return undefined;
  const value = pool.lastCollected(place);
  if (pool.residuals === null || Math.abs(value) < WIDE_FROM) return value;
  return BigInt(value) + BigInt(pool.residuals[place]!);
}

/** Second of the last collection of a dimension; 0 = never. */
export function collectedSec(chart: Chart, index: number): number {
  const { pool } = chart.host;
  const place = chart.start + index;
  if (pool.collections[place] === 0) return 0;
  if ((pool.flags[place]! & ABSENT) !== 0) return pool.lastSeenSec?.[place] ?? 0;
  return Math.floor(chart.lastCollectedUs / 1e6);
}
