import type { QueryResult } from "../rrd/query.ts";
import type { AnswerWriter } from "./answer-writer.ts";
import { writeDataTable } from "./data-google.ts";
import { writeJsonRows } from "./data-json.ts";
import type { DataStyle } from "./data-request.ts";
import { writeSums } from "./data-sums.ts";
import { CSV, CSV_JSON_ARRAY, HTML, MARKDOWN, type TextLayout, TSV, writeTextRows } from "./data-text.ts";
import { HTML_TYPE, JSON_TYPE, SCRIPT_TYPE, TEXT_TYPE } from "./reply.ts";

/** Writes the rows of an answer; yields where the writer may be emptied. */
export type WriteRows = (writer: AnswerWriter, result: QueryResult, style: DataStyle) => Generator<void>;

/** One value of the parameter `format`. */
export interface DataFormat {
  readonly name: string;
  readonly contentType: string;
  readonly write: WriteRows;
  /** What is in quotes when the answer is wrapped: it is text, not JSON. */
  readonly isText: boolean;
  /** One number a row: the sum of its dimensions. */
  readonly isSum: boolean;
  /** Wrapped in a call of a function that the request names. */
  readonly isCall: boolean;
}

/** The formats by name; any other name means `json`. */
export const DATA_FORMATS: ReadonlyMap<string, DataFormat> = new Map(
  [
    define("json", JSON_TYPE, writeJsonRows),
    define("jsonp", SCRIPT_TYPE, writeJsonRows, { isCall: true }),
    define("datatable", JSON_TYPE, writeDataTable),
    define("datasource", SCRIPT_TYPE, writeDataTable, { isCall: true }),
    text("csv", TEXT_TYPE, CSV),
    text("tsv", TEXT_TYPE, TSV),
    text("tsv-excel", TEXT_TYPE, TSV),
    text("html", HTML_TYPE, HTML),
    text("markdown", TEXT_TYPE, MARKDOWN),
    define("csvjsonarray", JSON_TYPE, (writer, result, style) => writeTextRows(writer, result, style, CSV_JSON_ARRAY)),
    define("ssv", TEXT_TYPE, (writer, result, style) => writeSums(writer, result, style, " "), {
      isText: true,
      isSum: true,
    }),
    define("ssvcomma", TEXT_TYPE, (writer, result, style) => writeSums(writer, result, style, ","), {
      isText: true,
      isSum: true,
    }),
    define("array", JSON_TYPE, writeArray, { isSum: true }),
  ].map((format) => [format.name, format]),
);

function define(
  name: string,
  contentType: string,
  write: WriteRows,
  is: Partial<Pick<DataFormat, "isText" | "isSum" | "isCall">> = {},
): DataFormat {
  return { name, contentType, write, isText: false, isSum: false, isCall: false, ...is };
}

function text(name: string, contentType: string, layout: TextLayout): DataFormat {
  const write: WriteRows = (writer, result, style) => writeTextRows(writer, result, style, layout);
  return define(name, contentType, write, { isText: true });
}

function* writeArray(writer: AnswerWriter, result: QueryResult, style: DataStyle): Generator<void> {
  writer.text("[");
  yield* writeSums(writer, result, style, ",");
  writer.text("]");
}
