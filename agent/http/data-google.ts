import type { QueryResult } from "../rrd/query.ts";
import { type AnswerWriter, createTable } from "./answer-writer.ts";
import type { DataStyle } from "./data-request.ts";
import { rowNumbers } from "./data-rows.ts";
import type { Parameters } from "./url.ts";

/** What a Google data source request says in its parameter `tqx`. */
export interface DataSourceRequest {
  readonly version: string;
  readonly reqId: string;
  /** Newest time the client has, seconds; 0 = none. */
  readonly sig: number;
  /** Format that is wanted instead of the table; undefined = the table. */
  readonly out: string | undefined;
  readonly handler: string;
  readonly fileName: string | undefined;
}

const HANDLER_DEFAULT = "google.visualization.Query.setResponse";
const RESET_NOTE = "RESET OR OVERFLOW";
const RESET_TEXT = "The counters have been wrapped.";

/** Reads `tqx=version:…;reqId:…;sig:…;out:…;responseHandler:…;outFileName:…`. */
export function parseDataSource(parameters: Parameters): DataSourceRequest {
  const fields = new Map<string, string>();
  for (const part of (parameters.get("tqx") ?? "").split(";")) {
    const colon = part.indexOf(":");
    if (colon > 0) fields.set(part.slice(0, colon), part.slice(colon + 1));
  }
  // These are repeated inside a script: nothing that could end a string may pass.
  const plain = (name: string, otherwise: string) => fields.get(name)?.replace(/[^A-Za-z0-9_.-]/g, "") || otherwise;
  const out = fields.get("out");
  return {
    version: plain("version", "0.6"),
    reqId: plain("reqId", "0"),
    sig: Number.parseInt(fields.get("sig") ?? "", 10) || 0,
    out: out === "html" || out === "csv" || out === "tsv-excel" ? out : undefined,
    handler: fields.get("responseHandler") || HANDLER_DEFAULT,
    fileName: fields.get("outFileName"),
  };
}

/** The head of a data source answer, up to the table. */
export function dataSourceHead({ version, reqId, handler }: DataSourceRequest, lastSec: number): string {
  return `${handler}({version:'${version}',reqId:'${reqId}',status:'ok',sig:'${lastSec}',table:`;
}

/** The whole answer to a client that has everything already. */
export function notModified({ version, reqId, handler }: DataSourceRequest): string {
  const error = "{reason:'not_modified',message:'Data not modified'}";
  return `${handler}({version:'${version}',reqId:'${reqId}',status:'error',errors:[${error}]});`;
}

/** A Google DataTable: columns time, two annotations, one a dimension; a row with a counter reset is annotated. */
export function* writeDataTable(writer: AnswerWriter, result: QueryResult, style: DataStyle): Generator<void> {
  const { columns } = result;
  const resets = result.resetRows();
  const key = (name: string) => (style.googleJson ? name : `"${name}"`);
  const quoted = (text: string) => quote(text, style);
  const cols = tableColumns(result, style).join(",\n");
  writer.text(`{\n ${key("cols")}:\n [\n${cols}\n  ],\n    ${key("rows")}:\n [`);
  const cell = `{${key("v")}:`;
  // The cell before each one is closed first.
  const table = createTable(
    result,
    style,
    columns.map(() => `},${cell}`),
  );
  let isFirst = true;
  for (const row of rowNumbers(result.window.rows, style.flip)) {
    writer.text(`${isFirst ? "" : ","}\n        {${key("c")}:[${cell}${tableDate(result.timeOf(row), style)}}`);
    isFirst = false;
    const isReset = resets[row] === 1;
    writer.text(isReset ? `,${cell}${quoted(RESET_NOTE)}},${cell}${quoted(RESET_TEXT)}` : `,${cell}null},${cell}null`);
    writer.row(table, row);
    writer.text("}]}");
    if (writer.isFull) yield;
  }
  writer.text("\n]\n}");
}

function tableColumns(result: QueryResult, style: DataStyle): string[] {
  const key = (name: string) => (style.googleJson ? name : `"${name}"`);
  const quoted = (text: string) => quote(text, style);
  const column = (label: string, type: string, role: string) => {
    const head = `{${key("id")}:${quoted("")},${key("label")}:${quoted(label)},${key("pattern")}:${quoted("")}`;
    const tail = role === "" ? "}" : `,${key("p")}:{${key("role")}:${quoted(role)}}}`;
    return `${head},${key("type")}:${quoted(type)}${tail}`;
  };
  const times = [
    column("time", "datetime", ""),
    column("", "string", "annotation"),
    column("", "string", "annotationText"),
  ];
  const values = result.columns.map(({ name }) => column(name, "number", ""));
  return [...times.map((text) => `        ${text}`), ...values.map((text) => `     ${text}`)];
}

/** Local time as Google's notation has it, months from 0. */
export function tableDate(timeSec: number, style: DataStyle): string {
  const date = new Date(timeSec * 1000);
  const day = `${date.getFullYear()},${date.getMonth()},${date.getDate()}`;
  const text = `Date(${day},${date.getHours()},${date.getMinutes()},${date.getSeconds()})`;
  return style.googleJson ? `new ${text}` : `"${text}"`;
}

/** A string literal: JSON's, or in single quotes for scripts. */
export function quote(text: string, style: DataStyle): string {
  if (!style.googleJson) return JSON.stringify(text);
  return `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;
}
