import type { QueryResult } from "../rrd/query.ts";
import type { DataStyle } from "./data-request.ts";

/** Row numbers in the order they are shown: newest first, or oldest first with `flip`. Row 0 is the oldest. */
export function* rowNumbers(rows: number, flip: boolean): Generator<number> {
  if (flip) for (let row = 0; row < rows; row++) yield row;
  else for (let row = rows - 1; row >= 0; row--) yield row;
}

/** A value as it is printed: NaN for `null`. */
export function shownValue(value: number, style: DataStyle): number {
  if (!Number.isFinite(value)) return style.nullToZero ? 0 : Number.NaN;
  return style.displayAbsolute ? Math.abs(value) : value;
}

/**
 * One number for a row: the sum of its dimensions, or with `min2max` the distance between its smallest and largest
 * value, where a missing sign counts as 0. NaN when no dimension has a value.
 */
export function rowSum(result: QueryResult, row: number, style: DataStyle): number {
  let sum = 0;
  let min = 0;
  let max = 0;
  let isEmpty = true;
  for (const column of result.columns) {
    const value = shownValue(column.values[row]!, style);
    if (Number.isNaN(value)) continue;
    isEmpty = false;
    sum += value;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  if (isEmpty) return style.nullToZero ? 0 : Number.NaN;
  return style.minToMax ? max - min : sum;
}

/** Smallest and largest number of an answer; a missing value counts as 0, an answer without rows has 0 and 0. */
export function extremes(result: QueryResult, style: DataStyle, isSum: boolean): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  const meet = (value: number) => {
    const counted = Number.isNaN(value) ? 0 : value;
    if (counted < min) min = counted;
    if (counted > max) max = counted;
  };
  if (isSum) for (let row = 0; row < result.window.rows; row++) meet(rowSum(result, row, style));
  else for (const { values } of result.columns) for (const value of values) meet(shownValue(value, style));
  return min <= max ? { min, max } : { min: 0, max: 0 };
}
