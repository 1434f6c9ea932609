import type { Balance, DropReason } from "./balance.ts";
import type { Chart } from "./chart.ts";
import { WIDE_FROM } from "./collected-row.ts";
import { ABSOLUTE } from "./dimension.ts";
import { STATE_WIDTH, WIDE_COUNTER } from "./dimension-pool.ts";
import { AHEAD_US_MAX, alignUs, goBack } from "./interval.ts";
import { openSlot } from "./ring.ts";
import { STORED_MAX } from "./store/geometry.ts";
import type { Segment } from "./store/segment.ts";

/** Final values of one chart at one second, as another agent's ring holds them; borrowed. */
export interface PastRow {
  /** Second of the slot; what lies between two boundaries counts for the earlier one. */
  readonly endSec: number;
  /** By dimension position; NaN = empty. */
  readonly values: Float64Array;
  /** A counter of the chart was reset in this slot. */
  readonly isReset: boolean;
  /** Its agent collected this second once more: what is empty now has no value any more. */
  readonly isCorrection: boolean;
}

/** What the next value of a dimension is compared with (rrd.md §2.6); between agents exact to the bit. */
export interface DimensionState {
  /** Last collected integer as a double, and what that lacks of it above 2⁵³. */
  readonly collected: number;
  readonly rest: number;
  /** Incremental: increase since the last boundary; else the last value after its algorithm. */
  readonly calculated: number;
  /** 0, 1, 2 = none, only a base, a value. */
  readonly collections: number;
  /** A value of more than 32 bits was seen: the counter wraps at 2⁶⁴, not at 2³². */
  readonly isWide: boolean;
}

/**
 * Stores final values of a past second, which may be older than what the chart holds, newer, or held already: then the
 * new value takes its place, and an empty one changes nothing, unless it corrects. Counted `backfilled`.
 * @param nowUs wall clock: nothing is stored that lies more than 5 s ahead of it.
 */
export function storePast(chart: Chart, row: PastRow, nowUs: number): void {
  const { host } = chart;
  const { balance } = host;
  const values = countValues(chart, row.values);
  balance.backfilled += values;
  if (chart.isRemoved && !host.readmit(chart)) {
    balance.dropped.limit += values;
    return;
  }
  host.settle(chart);
  if (host.ring === null) {
    balance.unkept += values;
    return;
  }
  const timeSec = slotSecond(chart, row.endSec);
  const refusal = slotRefusal(chart, timeSec, nowUs);
  if (refusal !== null) balance.dropped[refusal] += values;
  else if (values > 0 || row.isCorrection) storeAt(chart, row, timeSec, nowUs);
}

/** Final values of a past second that cannot be stored, because the times of their sender are not to be trusted. */
export function refusePast(chart: Chart, row: Pick<PastRow, "values">): void {
  const { balance } = chart.host;
  const values = countValues(chart, row.values);
  balance.backfilled += values;
  balance.dropped.clock += values;
}

/** The second of the slot that a time belongs to. */
export function slotSecond(chart: Chart, timeSec: number): number {
  const U = chart.definition.updateEverySec;
  return Math.floor(timeSec / U) * U;
}

/** Why final values of a second cannot be stored; null = they can. @param nowUs wall clock. */
export function slotRefusal(chart: Chart, timeSec: number, nowUs: number): DropReason | null {
  if (timeSec * 1e6 > nowUs + AHEAD_US_MAX) return "clock";
  const heldSec = chart.host.historyEntries * chart.definition.updateEverySec;
  return timeSec <= Math.max(0, chart.lastEntrySec - heldSec) ? "gap_too_long" : null;
}

/** Stores final values of a second that is not refused; each that is no NaN is entered in the account. */
export function storeAt(chart: Chart, row: Omit<PastRow, "endSec">, timeSec: number, nowUs: number): void {
  reach(chart, timeSec);
  storeRow(chart, row, timeSec, nowUs);
  chart.host.ring!.setReset(chart, timeSec, row.isReset);
}

/** What {@link restoreDimension} of another agent needs to go on exactly as this one. */
export function dimensionState(chart: Chart, index: number): DimensionState {
  const { pool } = chart.host;
  const place = chart.start + index;
  const collected = pool.lastCollected(place);
  const rest = pool.residuals !== null && Math.abs(collected) >= WIDE_FROM ? pool.residuals[place]! : 0;
  const isAbsolute = chart.dimensions.algorithms[index] === ABSOLUTE;
  const calculated = isAbsolute ? collected * chart.dimensions.ratios[index]! : pool.state[STATE_WIDTH * place + 1]!;
  const isWide = (pool.flags[place]! & WIDE_COUNTER) !== 0;
  return { collected, rest, calculated, collections: pool.collections[place]!, isWide };
}

/** The next value of a dimension follows on what another agent collected last. */
export function restoreDimension(chart: Chart, index: number, state: DimensionState): void {
  const { collected, rest, calculated, collections, isWide } = state;
  const { pool } = chart.host;
  const place = chart.start + index;
  pool.collections[place] = collections;
  pool.state[STATE_WIDTH * place] = collected;
  pool.state[STATE_WIDTH * place + 1] = chart.dimensions.algorithms[index] === ABSOLUTE ? 0 : calculated;
  if (Math.abs(collected) >= WIDE_FROM) pool.needResiduals()[place] = rest;
  pool.flags[place] = (pool.flags[place]! & ~WIDE_COUNTER) | (isWide ? WIDE_COUNTER : 0);
  chart.isSteady = false;
}

/**
 * What values and times were compared with is over: whoever sends the chart says what to follow on, or it begins anew,
 * by our clock.
 */
export function forgetState(chart: Chart): void {
  chart.host.pool.reset(chart.start, chart.dimensions.count);
  chart.syncClock = true;
  chart.isSteady = false;
}

/**
 * The chart goes on at the times of the agent that sends it, whatever our clock says. Slots up to there that it does
 * not hold are empty; what it holds of later ones, from a time when the sender's clock was ahead, is forgotten.
 * @param collectedUs its last collection. @param updatedUs its last boundary. @param nowUs wall clock.
 * @returns false, and does nothing, when that is more than 5 s ahead of our clock, or no time at all.
 */
export function restoreTimes(chart: Chart, collectedUs: number, updatedUs: number, nowUs: number): boolean {
  const { host } = chart;
  // Before 1970 no slot has a place.
  if (collectedUs <= 0 || updatedUs < 0 || Math.max(collectedUs, updatedUs) > nowUs + AHEAD_US_MAX) return false;
  host.settle(chart);
  const boundaryUs = alignUs(updatedUs, chart);
  if (chart.slotsPassed > 0 && host.ring !== null) passTo(chart, boundaryUs / 1e6);
  if (chart.lastUpdatedUs > boundaryUs) {
    goBack(chart, boundaryUs);
    redate(chart);
  }
  chart.lastUpdatedUs = updatedUs;
  chart.lastCollectedUs = collectedUs;
  chart.iterations = Math.max(1, chart.iterations);
  chart.restarts++;
  chart.isMoved = true;
  chart.syncClock = false;
  chart.isSteady = false;
  host.lastCollectedUs = Math.max(host.lastCollectedUs, collectedUs);
  return true;
}

function countValues(chart: Chart, values: Float64Array): number {
  let count = 0;
  for (let i = 0; i < chart.dimensions.count; i++) if (!Number.isNaN(values[i]!)) count++;
  return count;
}

/** Lets the slots that the chart holds reach to a second, forwards or back; those in between are empty. */
function reach(chart: Chart, timeSec: number): void {
  const U = chart.definition.updateEverySec;
  const ring = chart.host.ring!;
  const firstSec = chart.lastEntrySec - (chart.slotsPassed - 1) * U;
  if (chart.slotsPassed === 0) {
    const { lastUpdatedUs } = chart;
    ring.eachRecord(chart, (segment, record) => segment.dateFirst(record, timeSec));
    advanceTo(chart, timeSec, 1);
    // It goes on from a later time without a slot: that of its first value, or one that it was told.
    if (lastUpdatedUs > chart.lastUpdatedUs) {
      passTo(chart, alignUs(lastUpdatedUs, chart) / 1e6);
      chart.lastUpdatedUs = lastUpdatedUs;
    }
  } else if (timeSec > chart.lastEntrySec) {
    passTo(chart, timeSec - U);
    advanceTo(chart, timeSec, 1);
  } else if (timeSec < firstSec) {
    ring.clearSlots(chart, timeSec + U, (firstSec - timeSec) / U - 1);
    ring.eachRecord(chart, (segment, record) => segment.dateFirst(record, timeSec));
    chart.slotsPassed += (firstSec - timeSec) / U;
  }
}

/** Passes the slots up to a second, all of which stay empty. */
function passTo(chart: Chart, timeSec: number): void {
  const U = chart.definition.updateEverySec;
  const count = (timeSec - chart.lastEntrySec) / U;
  if (count <= 0) return;
  // More than a ring of them leave nothing of it.
  const held = Math.min(count, chart.host.historyEntries);
  chart.host.ring!.emptySlots(chart, timeSec - (held - 1) * U, held);
  advanceTo(chart, timeSec, count);
}

/** The newest of `count` slots that were passed is that of a second. */
function advanceTo(chart: Chart, timeSec: number, count: number): void {
  chart.slotsPassed += count;
  chart.lastUpdatedUs = timeSec * 1e6;
  chart.lastCollectedUs = Math.max(chart.lastCollectedUs, chart.lastUpdatedUs);
  chart.isSteady = false;
  redate(chart);
}

/** Its files know the newest slot. */
function redate(chart: Chart): void {
  const timeSec = chart.lastEntrySec;
  if (chart.segment !== null) chart.segment.date(chart.record, timeSec);
  else chart.host.ring?.eachRecord(chart, (segment, record) => segment.date(record, timeSec));
}

function storeRow(
  chart: Chart,
  { values, isCorrection }: Pick<PastRow, "values" | "isCorrection">,
  timeSec: number,
  nowUs: number,
): void {
  const { pool, balance } = chart.host;
  const ring = chart.host.ring!;
  let number = -1;
  let isOpen = false;
  for (let i = 0, place = chart.start; i < chart.dimensions.count; i++, place++) {
    const value = values[i]!;
    if (Number.isNaN(value) && !isCorrection) continue;
    const segment = ring.segments[pool.segment[place]!];
    if (segment !== undefined && pool.segment[place] !== number) {
      number = pool.segment[place]!;
      isOpen = openSlot(segment, timeSec, nowUs);
    }
    if (segment === undefined || !isOpen) {
      if (!Number.isNaN(value)) balance.dropped[segment === undefined ? "no_space" : "gap_too_long"]++;
    } else storeOne(segment, segment.valueIndex(segment.slotOf(timeSec), pool.tile[place]!), value, balance);
  }
}

function storeOne(segment: Segment, at: number, value: number, balance: Balance): void {
  if (!(Math.abs(value) <= STORED_MAX)) {
    if (Number.isNaN(value)) segment.values[at] = value;
    else balance.dropped.non_finite++;
    return;
  }
  if (Number.isNaN(segment.values[at]!)) balance.stored++;
  else balance.merged++;
  segment.values[at] = value;
}
