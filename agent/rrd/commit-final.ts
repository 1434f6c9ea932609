import { slotRefusal, slotSecond, storeAt } from "./backfill.ts";
import type { Chart } from "./chart.ts";
import { type CollectedRow, WIDE_FROM } from "./collected-row.ts";
import { INCREMENTAL } from "./dimension.ts";
import { ABSENT, markAbsent, STATE_WIDTH, WIDE_COUNTER } from "./dimension-pool.ts";
import { AHEAD_US_MAX, setBackTo } from "./interval.ts";

/** Final values of one chart at one second, as its sender interpolated them, and what it had collected; borrowed. */
export interface FinalPoint {
  /** Second of the slot; what lies between two boundaries counts for the earlier one. */
  readonly endSec: number;
  /** By dimension position; NaN = empty. */
  readonly values: Float64Array;
  /** What was collected last when the second was over; what a double does not hold of it is rounded. */
  readonly collected: Float64Array;
  /** How often each dimension was named; at most 255. */
  readonly sets: Uint8Array;
  /** Values in all, repeated and empty ones included. */
  readonly setCount: number;
  /** A counter of the chart was reset in this slot. */
  readonly isReset: boolean;
}

/**
 * Commits one point that is final already: it is stored at its own second, whatever came before, and passed on. Of
 * several points for one second the last one counts. A value that is named without a number is accounted as a base, a
 * repeated one as merged.
 * @param nowUs wall clock: nothing is stored that lies more than 5 s ahead of it.
 */
export function commitFinal(chart: Chart, point: FinalPoint, nowUs: number): void {
  const { host } = chart;
  const { balance } = host;
  balance.received += point.setCount;
  if (chart.dimensions.count === 0) return;
  if (chart.isRemoved && !host.readmit(chart)) {
    balance.dropped.limit += point.setCount;
    return;
  }
  host.settle(chart);
  if (chart.isObsolete) host.reviveChart(chart);
  const timeSec = slotSecond(chart, point.endSec);
  // Our clock was put back, as this point is not ahead of it.
  const isAhead = chart.lastCollectedUs > nowUs + AHEAD_US_MAX && timeSec * 1e6 <= nowUs + AHEAD_US_MAX;
  if (isAhead) setBackTo(chart, (timeSec - chart.definition.updateEverySec) * 1e6);
  const refusal = slotRefusal(chart, timeSec, nowUs);
  if (refusal !== null) {
    balance.dropped[refusal] += point.setCount;
    return;
  }
  const seenUs = chart.lastCollectedUs;
  if (seenUs === 0) chart.restarts++;
  passOn(chart, point, timeSec);
  if (host.ring === null) balance.unkept += point.setCount;
  else store(chart, point, timeSec, nowUs);
  if (timeSec * 1e6 <= seenUs) return;
  chart.lastCollectedUs = timeSec * 1e6;
  chart.iterations++;
  keepCollected(chart, point, seenUs);
  host.lastCollectedUs = chart.lastCollectedUs;
}

/** Whoever takes no points gets what was collected, as long as each comes after the one before. */
function passOn(chart: Chart, point: FinalPoint, timeSec: number): void {
  const { listener } = chart.host;
  if (listener === null || listener.point?.(chart, timeSec, point.setCount) === true) return;
  const sinceUs = timeSec * 1e6 - chart.lastCollectedUs;
  const elapsedUs = chart.lastCollectedUs === 0 ? 0 : sinceUs;
  if (sinceUs > 0) listener.commit(chart, collectedRow(point), elapsedUs, elapsedUs);
  else listener.past?.(chart, timeSec - chart.definition.updateEverySec, timeSec);
}

function collectedRow({ collected, sets, setCount }: FinalPoint): CollectedRow {
  const wide = collected.some((value, index) => sets[index]! > 0 && Math.abs(value) >= WIDE_FROM);
  const residuals = wide ? new Float64Array(collected.length) : null;
  const noText = { raw: null, rawStart: 0, rawEnd: 0 };
  return { values: collected, residuals, sets, complete: false, setCount, wide, ...noText };
}

function store(chart: Chart, { values, sets, setCount, isReset }: FinalPoint, timeSec: number, nowUs: number): void {
  const { balance } = chart.host;
  let named = 0;
  let empty = 0;
  for (let i = 0; i < chart.dimensions.count; i++) {
    if (sets[i] === 0) continue;
    named++;
    if (Number.isNaN(values[i]!)) empty++;
  }
  balance.merged += setCount - named;
  balance.base += empty;
  storeAt(chart, { values, isReset, isCorrection: false }, timeSec, nowUs);
}

/** An export of collected values shows them, and values as they are collected could follow. */
function keepCollected(chart: Chart, { values, collected, sets }: FinalPoint, seenUs: number): void {
  const { pool } = chart.host;
  const { algorithms, count } = chart.dimensions;
  for (let i = 0, place = chart.start; i < count; i++, place++) {
    const flags = pool.flags[place]!;
    if (sets[i] === 0) {
      if ((flags & ABSENT) === 0) markAbsent(pool, place, seenUs);
      continue;
    }
    const value = collected[i]!;
    const isWide = Math.abs(value) > 0xffffffff;
    pool.collections[place] = 2;
    pool.flags[place] = (flags & ~ABSENT) | (isWide ? WIDE_COUNTER : 0);
    pool.state[STATE_WIDTH * place] = value;
    pool.state[STATE_WIDTH * place + 1] = algorithms[i]! > INCREMENTAL ? values[i]! || 0 : 0;
    if (pool.residuals !== null) pool.residuals[place] = 0;
  }
  chart.isSteady = false;
}
