import type { QueryResult } from "../rrd/query.ts";
import { type AnswerWriter, createFrame, type ValueTable } from "./answer-writer.ts";
import type { DataStyle } from "./data-request.ts";

/** Row numbers in the order they are shown: newest first, or oldest first with `flip`. Row 0 is the oldest. */
export function* rowNumbers(rows: number, flip: boolean): Generator<number> {
  if (flip) for (let row = 0; row < rows; row++) yield row;
  else for (let row = rows - 1; row >= 0; row--) yield row;
}

/** What stands around a row: before the time of the first one, of every other one, and behind the values. */
export interface RowTexts {
  readonly first: string;
  readonly begin: string;
  readonly end: string;
}

/** Writes all rows of a table, each with its time in seconds, or in milliseconds if the style says so. */
export function* writeTimedRows(
  writer: AnswerWriter,
  result: QueryResult,
  style: DataStyle,
  table: ValueTable,
  texts: RowTexts,
): Generator<void> {
  const { rows } = result.window;
  if (rows === 0) return;
  const afterTime = style.milliseconds ? "000" : "";
  const timeOf = (row: number) => result.timeOf(row);
  const [first, to, step] = style.flip ? [0, rows, 1] : [rows - 1, -1, -1];
  let row = writer.timedRows(table, createFrame(texts.first, afterTime, texts.end), timeOf, first, first + step);
  const frame = createFrame(texts.begin, afterTime, texts.end);
  // All work is in the writer: the engine does not compile loops of generators well.
  while (row !== to) {
    row = writer.timedRows(table, frame, timeOf, row, to);
    if (writer.isFull) yield;
  }
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
