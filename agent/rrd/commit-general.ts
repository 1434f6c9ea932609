import type { Chart } from "./chart.ts";
import { type CollectedRow, WIDE_FROM } from "./collected-row.ts";
import { counterDelta, exceeds32Bits } from "./counter-drop.ts";
import { ABSOLUTE, INCREMENTAL, PERCENTAGE_OF_ABSOLUTE_ROW, PERCENTAGE_OF_INCREMENTAL_ROW } from "./dimension.ts";
import { ABSENT, markAbsent, NO_RESET, STATE_WIDTH, WIDE_COUNTER } from "./dimension-pool.ts";
import {
  AHEAD_US_MAX,
  alignUs,
  isInStep,
  isMeasured,
  localInterval,
  START_PHASE_US,
  streamedInterval,
} from "./interval.ts";
import { NO_SEGMENT, openSlot } from "./ring.ts";
import { STORED_MAX } from "./store/geometry.ts";

/** Calculated values of the row at hand, by position; reused, so a commit must not start inside another. */
let calculated = new Float64Array(64);
/** By position: what became of the value at the last boundary; reused likewise. */
let fates = new Uint8Array(64);
const STORED = 0;
const NON_FINITE = 1;
/** The ring holds a later lap there. */
const REFUSED = 2;

/** What one commit found out on its way; reused. */
const step = {
  storeAllowed: false,
  isFirst: false,
  tooLong: false,
  resetMark: false,
  previousUs: 0.5,
  seenUs: 0.5,
  nowUs: 0.5,
  /** Boundaries passed. */
  boundaries: 0,
};

/**
 * Commits one iteration of a chart under all rules of rrd.md §2: first samples, gaps, resets, percentages, 64-bit
 * values, clock faults. `commit.ts` serves the common case with equal results.
 * @param givenUs interval the sender measured; 0 = none.
 * @param isStreamed a child's interval is taken as it is; our own collectors follow our clock.
 */
export function commitGeneral(
  chart: Chart,
  row: CollectedRow,
  givenUs: number,
  nowUs: number,
  isStreamed: boolean,
): void {
  const host = chart.host;
  if (chart.dimensions.count === 0) return;
  if (chart.isRemoved && !host.readmit(chart)) {
    host.balance.dropped.limit += row.setCount;
    return;
  }
  host.settle(chart);
  if (chart.isObsolete) host.reviveChart(chart);
  // The child measured it. Where our clock knows better, or was put right, that is no affair of who comes after us.
  const measuredUs = isStreamed && isMeasured(chart, givenUs) && !chart.isMoved ? givenUs : 0;
  const wasGuessed = chart.isDatedByGuess || chart.isMoved;
  chart.isDatedByGuess = false;
  chart.isMoved = false;
  const elapsedUs = isStreamed ? streamedInterval(chart, givenUs, nowUs) : localInterval(chart, nowUs);
  if (isStreamed && chart.lastCollectedUs + elapsedUs > nowUs + AHEAD_US_MAX) {
    // Whoever it is passed on to has a clock, and a guard, of its own.
    if (host.listener !== null) host.listener.commit(chart, row, elapsedUs, -1);
    host.balance.dropped.clock += row.setCount;
    // How much of that interval is true is not known: what is counted from here on would be behind by it for good.
    chart.syncClock = true;
    chart.isSteady = false;
    return;
  }
  const isKnown = chart.lastCollectedUs !== 0;
  const passedUs = isKnown && !wasGuessed && !chart.isDatedByGuess ? elapsedUs : 0;
  if (isInStep(chart, elapsedUs, nowUs)) chart.syncClock = false;
  step.seenUs = chart.lastCollectedUs;
  step.nowUs = nowUs;
  advance(chart, elapsedUs, nowUs);
  host.lastCollectedUs = chart.lastCollectedUs;
  if (host.listener !== null) host.listener.commit(chart, row, measuredUs || passedUs, isKnown ? elapsedUs : 0);
  chart.iterations++;
  if (host.ring === null) {
    keepCollected(chart, row);
    host.balance.unkept += row.setCount;
    return;
  }
  calculate(chart, row);
  storeBoundaries(chart, row);
  carryOver(chart, row);
  becomeSteady(chart);
}

/** Moves the chart's clock on (rrd.md §2.3, steps 2–7); leaves in {@link step} what that means for the values. */
function advance(chart: Chart, elapsedUs: number, nowUs: number): void {
  const { storeFirst } = chart.definition;
  const ringUs = chart.host.historyEntries * chart.updateEveryUs;
  step.storeAllowed = chart.iterations > 0 || storeFirst;
  step.isFirst = false;
  step.resetMark = false;
  step.tooLong = chart.lastCollectedUs !== 0 && elapsedUs > ringUs;
  if (step.tooLong) resetChart(chart);
  if (chart.lastCollectedUs === 0) {
    chart.lastCollectedUs = alignUs(nowUs, chart) + (storeFirst ? 0 : START_PHASE_US);
    chart.restarts++;
    chart.isDatedByGuess = true;
    step.previousUs = chart.lastCollectedUs - chart.updateEveryUs;
    step.isFirst = true;
    step.storeAllowed = storeFirst;
  } else {
    step.previousUs = chart.lastCollectedUs;
    chart.lastCollectedUs += elapsedUs;
  }
  if (chart.lastUpdatedUs === 0) {
    const alignedUs = alignUs(chart.lastCollectedUs, chart);
    chart.lastUpdatedUs = storeFirst ? alignedUs - chart.updateEveryUs : alignedUs;
    step.isFirst = true;
    step.storeAllowed = storeFirst;
  } else if (Math.abs(chart.lastCollectedUs - chart.lastUpdatedUs) > ringUs) {
    resetChart(chart);
    chart.lastUpdatedUs = alignUs(nowUs, chart);
    chart.lastCollectedUs = chart.lastUpdatedUs + START_PHASE_US;
    chart.isDatedByGuess = true;
    step.previousUs = chart.lastCollectedUs - chart.updateEveryUs;
    step.tooLong = true;
    step.isFirst = true;
  }
  if (step.tooLong) step.storeAllowed = false;
}

/** rrd.md §2.7. What is in the ring stays: a time-addressed slot cannot be taken for another time. */
function resetChart(chart: Chart): void {
  const { pool } = chart.host;
  chart.forget();
  pool.reset(chart.start, chart.dimensions.count);
}

/** Values of the row after their algorithm (rrd.md §2.4), into {@link calculated}. */
function calculate(chart: Chart, row: CollectedRow): void {
  const { pool } = chart.host;
  const { count, algorithms } = chart.dimensions;
  if (calculated.length < count) {
    calculated = new Float64Array(2 * count);
    fates = new Uint8Array(2 * count);
  }
  let total = 0;
  let lastTotal = 0;
  for (let i = 0, place = chart.start; i < count; i++, place++) {
    const sets = row.complete ? 1 : row.sets[i]!;
    if (sets === 0) continue;
    pool.collections[place] = Math.min(2, pool.collections[place]! + sets);
    const value = row.values[i]!;
    const isRate = algorithms[i] === PERCENTAGE_OF_INCREMENTAL_ROW && pool.collections[place]! > 1;
    if (isRate && value < pool.lastCollected(place)) {
      if ((pool.flags[place]! & NO_RESET) === 0) step.resetMark = true;
      pool.state[STATE_WIDTH * place] = value;
    }
    total += value;
    lastTotal += pool.lastCollected(place);
  }
  for (let i = 0, place = chart.start; i < count; i++, place++) {
    const isSet = row.complete || row.sets[i]! > 0;
    calculated[i] = isSet ? calculateOne(chart, row, i, place, total, total - lastTotal) : 0;
  }
}

function calculateOne(
  chart: Chart,
  row: CollectedRow,
  index: number,
  place: number,
  total: number,
  increase: number,
): number {
  const { pool } = chart.host;
  const value = row.values[index]!;
  switch (chart.dimensions.algorithms[index]) {
    case PERCENTAGE_OF_ABSOLUTE_ROW:
      return total === 0 ? 0 : (100 * value) / total;
    case PERCENTAGE_OF_INCREMENTAL_ROW:
      if (pool.collections[place]! <= 1) return 0;
      return increase === 0 ? 0 : (100 * (value - pool.lastCollected(place))) / increase;
    case INCREMENTAL:
      return pool.collections[place]! <= 1
        ? 0
        : incrementalDelta(chart, row, index, place) * chart.dimensions.ratios[index]!;
    default:
      return value * chart.dimensions.ratios[index]!;
  }
}

/** Increase in collected units, exact to 64 bits. */
function incrementalDelta(chart: Chart, row: CollectedRow, index: number, place: number): number {
  const { pool } = chart.host;
  const last = pool.lastCollected(place);
  const value = row.values[index]!;
  const lastRest = pool.residuals !== null && Math.abs(last) >= WIDE_FROM ? pool.residuals[place]! : 0;
  const rest = row.residuals !== null && Math.abs(value) >= WIDE_FROM ? row.residuals[index]! : 0;
  const delta = value - last + (rest - lastRest);
  if (delta >= 0 && last >= 0) return delta;
  const exactLast = BigInt(last) + BigInt(lastRest);
  const exact = BigInt(value) + BigInt(rest);
  const drop = counterDelta(exactLast, exact, (pool.flags[place]! & WIDE_COUNTER) !== 0);
  if (exceeds32Bits(exactLast) || exceeds32Bits(exact)) pool.flags[place] = pool.flags[place]! | WIDE_COUNTER;
  if (drop.isReset && (pool.flags[place]! & NO_RESET) === 0) step.resetMark = true;
  return drop.increase;
}

/** Puts the values on every boundary that this iteration passed (rrd.md §2.5). */
function storeBoundaries(chart: Chart, row: CollectedRow): void {
  const U = chart.updateEveryUs;
  const collectedUs = chart.lastCollectedUs;
  let boundaryUs = (Math.floor(chart.lastUpdatedUs / U) + 1) * U;
  let iterations = Math.floor((collectedUs - chart.lastUpdatedUs) / U) + (collectedUs % U === 0 ? 1 : 0);
  // A chart that stores its first value counts it as the value of a whole interval.
  if (chart.definition.storeFirst && step.isFirst) step.previousUs = boundaryUs - U;
  step.boundaries = 0;
  for (; boundaryUs <= collectedUs; boundaryUs = chart.lastUpdatedUs + U) {
    const isStored = step.storeAllowed && iterations < chart.host.gapIterations;
    storeBoundary(chart, row, boundaryUs, chart.lastUpdatedUs, iterations, isStored);
    if (step.resetMark && step.boundaries === 0) chart.host.ring!.setReset(chart, boundaryUs / 1e6, true);
    passBoundaries(chart, boundaryUs, 1);
    iterations--;
    const emptyCount = iterations - chart.host.gapIterations + 1;
    if (step.boundaries > 1 || emptyCount <= 1) continue;
    skipGap(chart, emptyCount);
    iterations -= emptyCount;
  }
}

/** @param lastUs the last of `count` boundaries. */
function passBoundaries(chart: Chart, lastUs: number, count: number): void {
  step.boundaries += count;
  step.previousUs = lastUs;
  chart.slotsPassed += count;
  chart.lastUpdatedUs = lastUs;
}

/**
 * Passes the inner boundaries of a gap, which stay empty, at once: an hour of them, one by one for each dimension,
 * would hold up everything for seconds when a child comes back. The first boundary has taken what was left over.
 */
function skipGap(chart: Chart, count: number): void {
  const { algorithms } = chart.dimensions;
  const fromUs = chart.lastUpdatedUs;
  const toUs = fromUs + count * chart.updateEveryUs;
  chart.host.ring!.emptySlots(chart, (fromUs + chart.updateEveryUs) / 1e6, count);
  // The shares of an increase that lie on these boundaries are not seen.
  const rest = (chart.lastCollectedUs - toUs) / (chart.lastCollectedUs - fromUs);
  for (let i = 0; i < algorithms.length; i++) {
    if (algorithms[i] === INCREMENTAL) calculated[i] = calculated[i]! * rest;
  }
  passBoundaries(chart, toUs, count);
}

/** Puts the values on one boundary; leaves in {@link fates} what became of them. */
function storeBoundary(
  chart: Chart,
  row: CollectedRow,
  boundaryUs: number,
  storedUs: number,
  iterations: number,
  isStored: boolean,
): void {
  const { pool, ring } = chart.host;
  const { algorithms } = chart.dimensions;
  const U = chart.updateEveryUs;
  const timeSec = boundaryUs / 1e6;
  const share = (boundaryUs - step.previousUs) / (chart.lastCollectedUs - step.previousUs);
  let number = -1;
  let tookSlot = true;
  for (let i = 0, place = chart.start; i < chart.dimensions.count; i++, place++) {
    let value = calculated[i]!;
    if (algorithms[i] === INCREMENTAL) {
      const part = value * share;
      calculated[i] = value - part;
      value = (part + pool.state[STATE_WIDTH * place + 1]!) / chart.definition.updateEverySec;
      pool.state[STATE_WIDTH * place + 1] = 0;
      if (boundaryUs - storedUs < U) value = (value * U) / (boundaryUs - storedUs);
    } else if (iterations !== 1) value = between(lastCalculated(chart, i, place), value, share);
    fates[i] = Math.abs(value) <= STORED_MAX ? STORED : NON_FINITE;
    if (pool.segment[place]! >= NO_SEGMENT) continue;
    if (pool.segment[place] !== number) {
      number = pool.segment[place]!;
      tookSlot = takeSlot(chart, number, timeSec);
    }
    if (!tookSlot) {
      fates[i] = REFUSED;
      continue;
    }
    const isSet = row.complete || row.sets[i]! > 0;
    const isValue = isStored && isSet && pool.collections[place]! > 1 && fates[i] === STORED;
    const segment = ring!.segments[number]!;
    segment.values[segment.valueIndex(segment.slotOf(timeSec), pool.tile[place]!)] = isValue ? value : Number.NaN;
  }
}

function between(last: number, value: number, share: number): number {
  return share === 1 ? value : (value - last) * share + last;
}

/** Calculated value of the iteration before; of an absolute dimension it follows from what was collected. */
function lastCalculated(chart: Chart, index: number, place: number): number {
  const { state } = chart.host.pool;
  if (chart.dimensions.algorithms[index] !== ABSOLUTE) return state[STATE_WIDTH * place + 1]!;
  return state[STATE_WIDTH * place]! * chart.dimensions.ratios[index]!;
}

/** Opens the slot of a time in a segment of the chart and dates the chart's record there. */
function takeSlot(chart: Chart, number: number, timeSec: number): boolean {
  const ring = chart.host.ring!;
  const segment = ring.segments[number]!;
  if (!openSlot(segment, timeSec, step.nowUs)) return false;
  const record = ring.recordOf(chart, number);
  segment.date(record, timeSec);
  if (chart.slotsPassed === 0) segment.dateFirst(record, timeSec);
  return true;
}

/** rrd.md §2.6, and the account of every value of the row. */
function carryOver(chart: Chart, row: CollectedRow): void {
  const { pool } = chart.host;
  for (let i = 0, place = chart.start; i < chart.dimensions.count; i++, place++) {
    const sets = row.complete ? 1 : row.sets[i]!;
    if (sets === 0) {
      if ((pool.flags[place]! & ABSENT) === 0) markAbsent(pool, place, step.seenUs);
      continue;
    }
    account(chart, i, place, sets);
    const algorithm = chart.dimensions.algorithms[i]!;
    const at = STATE_WIDTH * place + 1;
    if (algorithm > INCREMENTAL) pool.state[at] = calculated[i]!;
    else if (algorithm === INCREMENTAL && !step.isFirst) pool.state[at] = pool.state[at]! + calculated[i]!;
    keepOne(chart, row, i, place);
  }
}

function account(chart: Chart, index: number, place: number, sets: number): void {
  const { balance, pool } = chart.host;
  balance.merged += sets - 1;
  if (step.tooLong) balance.dropped.gap_too_long++;
  else if (pool.collections[place]! <= 1) balance.base++;
  else if (step.boundaries === 0) balance.merged++;
  else if (!step.storeAllowed) balance.base++;
  else if (pool.segment[place]! >= NO_SEGMENT) balance.dropped.no_space++;
  else if (fates[index] === REFUSED) balance.dropped.clock++;
  else if (fates[index] === STORED) balance.stored++;
  else balance.dropped.non_finite++;
}

/** Keeps the collected values where nothing is stored: they are what an export of collected values shows. */
function keepCollected(chart: Chart, row: CollectedRow): void {
  const { pool } = chart.host;
  for (let i = 0, place = chart.start; i < chart.dimensions.count; i++, place++) {
    const sets = row.complete ? 1 : row.sets[i]!;
    if (sets > 0) {
      pool.collections[place] = Math.min(2, pool.collections[place]! + sets);
      keepOne(chart, row, i, place);
    } else if ((pool.flags[place]! & ABSENT) === 0) markAbsent(pool, place, step.seenUs);
  }
}

function keepOne(chart: Chart, row: CollectedRow, index: number, place: number): void {
  const { pool } = chart.host;
  const value = row.values[index]!;
  pool.flags[place] = pool.flags[place]! & ~ABSENT;
  pool.state[STATE_WIDTH * place] = value;
  if (row.wide && Math.abs(value) >= WIDE_FROM) pool.needResiduals()[place] = row.residuals![index]!;
}

/** Tells whether the next iteration may take the short way. */
function becomeSteady(chart: Chart): void {
  const { pool } = chart.host;
  // The first slot of a chart, which the short loops do not date, is stored here.
  const isDated = chart.slotsPassed > 0 && chart.lastUpdatedUs % chart.updateEveryUs === 0;
  chart.isSteady = chart.canBeSteady && isDated && !chart.syncClock && !chart.isDatedByGuess;
  if (!chart.isSteady) return;
  chart.nextSlot = chart.segment!.slotOf((chart.lastUpdatedUs + chart.updateEveryUs) / 1e6);
  let isIrregular = false;
  for (let place = chart.start; place < chart.start + chart.dimensions.count; place++) {
    if (pool.collections[place]! < 2 || (pool.flags[place]! & ABSENT) !== 0) isIrregular = true;
  }
  chart.isIrregular = isIrregular;
}
