import type { QueryResult } from "../rrd/query.ts";
import { type AnswerWriter, createTable } from "./answer-writer.ts";
import { quote, tableDate } from "./data-google.ts";
import type { DataStyle } from "./data-request.ts";
import { rowNumbers } from "./data-rows.ts";

/** `{"labels":["time",…],"data":[[t,v…],…]}`, or rows as objects. */
export function* writeJsonRows(writer: AnswerWriter, result: QueryResult, style: DataStyle): Generator<void> {
  const { columns } = result;
  const names = columns.length === 0 ? ["no data"] : columns.map((column) => column.name);
  const key = (name: string) => (style.googleJson ? name : `"${name}"`);
  const labels = ["time", ...names].map((name) => quote(name, style)).join(",");
  writer.text(`{\n ${key("labels")}: [${labels}],\n    ${key("data")}:\n [`);
  const keys = columns.map((column) => (style.objectRows ? `,${quote(column.name, style)}: ` : ","));
  const table = createTable(result, style, keys);
  const [open, close] = style.objectRows ? [`{ ${key("time")}: `, "}"] : ["[ ", "]"];
  let isFirst = true;
  for (const row of columns.length === 0 ? [] : rowNumbers(result.window.rows, style.flip)) {
    writer.text(isFirst ? "\n " : ",\n ");
    isFirst = false;
    writer.text(open!);
    if (style.googleJson) writer.text(tableDate(result.timeOf(row), style));
    else writer.integer(result.timeOf(row));
    if (style.milliseconds && !style.googleJson) writer.text("000");
    writer.row(table, row);
    writer.text(close!);
    if (writer.isFull) yield;
  }
  writer.text("\n]\n}");
}
