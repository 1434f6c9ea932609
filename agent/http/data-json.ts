import type { QueryResult } from "../rrd/query.ts";
import { type AnswerWriter, createTable } from "./answer-writer.ts";
import { quote, tableDate } from "./data-google.ts";
import type { DataStyle } from "./data-request.ts";
import { rowNumbers, writeTimedRows } from "./data-rows.ts";

/** `{"labels":["time",…],"data":[[t,v…],…]}`, or rows as objects. */
export function* writeJsonRows(writer: AnswerWriter, result: QueryResult, style: DataStyle): Generator<void> {
  const { columns } = result;
  const names = columns.length === 0 ? ["no data"] : columns.map((column) => column.name);
  const key = (name: string) => (style.googleJson ? name : `"${name}"`);
  const labels = ["time", ...names].map((name) => quote(name, style)).join(",");
  writer.text(`{\n ${key("labels")}: [${labels}],\n    ${key("data")}:\n [`);
  const keys = columns.map((column) => (style.objectRows ? `,${quote(column.name, style)}: ` : ","));
  const table = createTable(result, style, keys);
  const begin = style.objectRows ? `\n { ${key("time")}: ` : "\n [ ";
  const end = style.objectRows ? "}" : "]";
  if (columns.length > 0) {
    if (!style.googleJson)
      yield* writeTimedRows(writer, result, style, table, { first: begin, begin: `,${begin}`, end });
    else {
      let comma = "";
      for (const row of rowNumbers(result.window.rows, style.flip)) {
        writer.text(`${comma}${begin}${tableDate(result.timeOf(row), style)}`);
        comma = ",";
        writer.row(table, row);
        writer.text(end);
        if (writer.isFull) yield;
      }
    }
  }
  writer.text("\n]\n}");
}
