import type { QueryResult } from "../rrd/query.ts";
import type { AnswerWriter } from "./answer-writer.ts";
import type { DataStyle } from "./data-request.ts";
import { rowNumbers, rowSum } from "./data-rows.ts";

/** One number a row, with `separator` in between. */
export function* writeSums(
  writer: AnswerWriter,
  result: QueryResult,
  style: DataStyle,
  separator: string,
): Generator<void> {
  const isRaw = result.isRaw && result.columns.length === 1 && !style.minToMax;
  let isFirst = true;
  for (const row of rowNumbers(result.window.rows, style.flip)) {
    if (!isFirst) writer.text(separator);
    isFirst = false;
    writer.value(rowSum(result, row, style), isRaw);
    if (writer.isFull) yield;
  }
}
