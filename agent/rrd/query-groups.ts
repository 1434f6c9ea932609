/** What a group method needs besides the points of the row. One a dimension, kept across the rows of a query. */
export interface GroupState {
  /** Share of a new point in a smoothed value: 2 / (window + 1). */
  readonly alpha: number;
  /** See {@link QueryWindow.divisor}. */
  readonly divisor: number;
  readonly matches: (value: number) => boolean;
  level: number;
  trend: number;
  seen: number;
}

/**
 * Reduces the points of one row to one value (rrd.md §6.4).
 * @param values the points in order of time, `[0, count)`; may be sorted in place. @param count at least 1, except for
 * methods with {@link GroupMethod.fillsEmpty}.
 * @returns NaN for "no value".
 */
type Reduce = (values: Float64Array, count: number, state: GroupState) => number;

/** One way to reduce the points of a row. */
export interface GroupMethod {
  readonly name: string;
  readonly reduce: Reduce;
  /** A row of one point shows that point, unchanged. */
  readonly keepsSingle: boolean;
  /** Is asked for a value even where a row has no points. */
  readonly fillsEmpty: boolean;
}

/** Points a smoothed value looks back at most. */
const SMOOTHING_WINDOW_MAX = 15;
const PERCENTILES = [25, 50, 75, 80, 90, 95, 97, 98, 99];
const TRIMS = [1, 2, 3, 5, 10, 15, 20, 25];

const methods = new Map<string, GroupMethod>();
const AVERAGE = define(["average", "mean"], average, true);
define(["min"], min, true);
define(["max"], max, true);
define(["sum"], sum, true);
define(["incremental-sum", "incremental_sum"], (values, count) => (count < 2 ? 0 : values[count - 1]! - values[0]!));
define(["median"], (values, count) => medianOf(sorted(values, count)), true);
define(["stddev"], standardDeviation);
define(["cv", "rsd"], (values, count, state) => {
  const mean = sum(values, count) / count;
  return mean === 0 ? Number.NaN : (100 * standardDeviation(values, count, state)) / Math.abs(mean);
});
define(["ses", "ema", "ewma"], smoothed, false, true);
define(["des"], doubleSmoothed, false, true);
define(["countif"], countIf);
for (const percent of PERCENTILES) define([`percentile${percent}`], percentile(percent / 100, false), true);
define(["percentile"], percentile(0.95, false), true);
for (const percent of TRIMS) {
  define([`trimmed-mean${percent}`], percentile(1 - (2 * percent) / 100, true), true);
  define([`trimmed-median${percent}`], trimmedMedian(percent / 100), true);
}
define(["trimmed-mean"], percentile(0.9, true), true);
define(["trimmed-median"], trimmedMedian(0.05), true);

/** The method of this name; an unknown one is the average. */
export function findGroupMethod(name: string): GroupMethod {
  return methods.get(name) ?? AVERAGE;
}

/** @param group steps in a row. @param rows of the answer. @param options what `countif` compares with: `>5`. */
export function createGroupState(group: number, rows: number, divisor: number, options: string): GroupState {
  const window = Math.min(SMOOTHING_WINDOW_MAX, group === 1 ? rows : group);
  return { alpha: 2 / (window + 1), divisor, matches: parseCondition(options), level: Number.NaN, trend: 0, seen: 0 };
}

function define(names: string[], reduce: Reduce, keepsSingle = false, fillsEmpty = false): GroupMethod {
  const method = { name: names[0]!, reduce, keepsSingle, fillsEmpty };
  for (const name of names) methods.set(name, method);
  return method;
}

function sum(values: Float64Array, count: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += values[i]!;
  return total;
}

function average(values: Float64Array, count: number, state: GroupState): number {
  return sum(values, count) / (state.divisor > 0 ? state.divisor : count);
}

/** The value with the smallest magnitude, sign kept. */
function min(values: Float64Array, count: number): number {
  let found = values[0]!;
  for (let i = 1; i < count; i++) if (Math.abs(values[i]!) < Math.abs(found)) found = values[i]!;
  return found;
}

/** The value with the largest magnitude, sign kept. */
function max(values: Float64Array, count: number): number {
  let found = values[0]!;
  for (let i = 1; i < count; i++) if (Math.abs(values[i]!) > Math.abs(found)) found = values[i]!;
  return found;
}

function sorted(values: Float64Array, count: number): Float64Array {
  return values.subarray(0, count).sort();
}

function medianOf(ordered: Float64Array): number {
  const middle = ordered.length >> 1;
  return ordered.length % 2 === 1 ? ordered[middle]! : (ordered[middle - 1]! + ordered[middle]!) / 2;
}

function trimmedMedian(share: number): Reduce {
  return (values, count) => {
    const ordered = sorted(values, count);
    const margin = share * (ordered[count - 1]! - ordered[0]!);
    const low = ordered[0]! + margin;
    const high = ordered[count - 1]! - margin;
    const kept = ordered.filter((value) => value >= low && value <= high);
    // Two clusters far apart can leave nothing between the limits.
    return medianOf(kept.length > 0 ? kept : ordered);
  };
}

function standardDeviation(values: Float64Array, count: number, _state: GroupState): number {
  if (count < 2) return 0;
  const mean = sum(values, count) / count;
  let squares = 0;
  for (let i = 0; i < count; i++) squares += (values[i]! - mean) ** 2;
  return Math.sqrt(squares / (count - 1));
}

function smoothed(values: Float64Array, count: number, state: GroupState): number {
  for (let i = 0; i < count; i++) {
    if (state.seen++ === 0) state.level = values[i]!;
    state.level = state.alpha * values[i]! + (1 - state.alpha) * state.level;
  }
  return state.level;
}

function doubleSmoothed(values: Float64Array, count: number, state: GroupState): number {
  const { alpha } = state;
  for (let i = 0; i < count; i++) {
    const value = values[i]!;
    if (state.seen === 0) {
      state.level = value;
      state.trend = value;
    } else {
      if (state.seen === 1) {
        state.trend = value - state.trend;
        state.level = value;
      }
      const last = state.level;
      state.level = alpha * value + (1 - alpha) * (last + state.trend);
      state.trend = alpha * (state.level - last) + (1 - alpha) * state.trend;
    }
    state.seen++;
  }
  return state.level;
}

/** Mean of the smallest `share` of the values, or of the middle ones: rrd.md §6.4, the fractional rule. */
function percentile(share: number, isTrimmed: boolean): Reduce {
  return (values, count) => {
    const ordered = sorted(values, count);
    if (ordered[0] === ordered[count - 1]) return ordered[0]!;
    const take = Math.max(1, Math.floor(count * share));
    const skip = isTrimmed ? Math.floor((count - take) / 2) : 0;
    const isDescending = ordered[0]! < 0;
    const at = (position: number) => ordered[isDescending ? count - 1 - position : position]!;
    let total = 0;
    for (let i = skip; i < skip + take; i++) total += at(i);
    let used = take;
    if (share > take / count && skip + take < count) {
      const weight = (share - take / count) * count;
      total += at(skip + take) * weight + at(skip + take - 1) * (1 - weight);
      used++;
    }
    return total / used;
  };
}

function countIf(values: Float64Array, count: number, state: GroupState): number {
  let matched = 0;
  for (let i = 0; i < count; i++) if (state.matches(values[i]!)) matched++;
  return (100 * matched) / count;
}

/** `>v`, `>=v`, `<v`, `<=v`, `=v`, `!=v`; a bare number means equal, nothing means equal to 0. */
function parseCondition(text: string): (value: number) => boolean {
  const [, operator = "", number = ""] = /^\s*([<>!=:]*)\s*(.*)$/s.exec(text) ?? [];
  const limit = Number.parseFloat(number) || 0;
  switch (operator) {
    case ">":
      return (value) => value > limit;
    case ">=":
      return (value) => value >= limit;
    case "<":
      return (value) => value < limit;
    case "<=":
      return (value) => value <= limit;
    case "!=":
    case "<>":
      return (value) => value !== limit;
    default:
      return (value) => value === limit;
  }
}
