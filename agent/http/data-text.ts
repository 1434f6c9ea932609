import type { QueryResult } from "../rrd/query.ts";
import { type AnswerWriter, createTable } from "./answer-writer.ts";
import type { DataStyle } from "./data-request.ts";
import { rowNumbers, writeTimedRows } from "./data-rows.ts";
import { escapeHtml } from "./escape.ts";

/** A way to write rows as text: everything that stands between the values. */
export interface TextLayout {
  readonly begin: string;
  readonly end: string;
  readonly rowBegin: string;
  readonly between: string;
  readonly rowEnd: string;
  /** Between two rows, the header row included. */
  readonly rowBetween: string;
  /** One a column, below the header; empty = no such row. */
  readonly rule: string;
  /** Makes a name safe for this layout. */
  name(name: string): string;
  /** Dates are in double quotes. */
  readonly quotesDates: boolean;
}

const LINES = { begin: "", end: "", rowBegin: "", rowEnd: "\r\n", rowBetween: "", rule: "", quotesDates: false };

/** Names with a comma, a quote or a line break are quoted as RFC 4180 says. */
export const CSV: TextLayout = {
  ...LINES,
  between: ",",
  name: (name) => (/[",\r\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name),
};

export const TSV: TextLayout = { ...LINES, between: "\t", name: (name) => name.replace(/[\t\r\n]/g, " ") };

export const MARKDOWN: TextLayout = {
  ...LINES,
  between: "|",
  rule: ":---:",
  name: (name) => name.replace(/[|\r\n]/g, " "),
};

export const HTML: TextLayout = {
  ...LINES,
  begin: '<html>\n<center>\n<table border="0" cellpadding="5" cellspacing="5">\n',
  end: "</table>\n</center>\n</html>\n",
  rowBegin: "<tr><td>",
  between: "</td><td>",
  rowEnd: "</td></tr>\n",
  name: escapeHtml,
};

export const CSV_JSON_ARRAY: TextLayout = {
  ...LINES,
  begin: "[\n",
  end: "\n]",
  rowBegin: "[",
  between: ",",
  rowEnd: "]",
  rowBetween: ",\n",
  name: (name) => JSON.stringify(name),
  quotesDates: true,
};

/** Writes a header row and the rows. In a wrapped answer line ends are single line feeds. */
export function* writeTextRows(
  writer: AnswerWriter,
  result: QueryResult,
  style: DataStyle,
  layout: TextLayout,
): Generator<void> {
  const { columns } = result;
  const rowEnd = style.wrap ? layout.rowEnd.replace("\r\n", "\n") : layout.rowEnd;
  const { rowBegin, between, rowBetween } = layout;
  const names = ["time", ...columns.map((column) => column.name)].map((name) => layout.name(name));
  writer.text(layout.begin);
  writer.text(rowBegin + names.join(between) + rowEnd);
  if (layout.rule !== "") writer.text(rowBegin + names.map(() => layout.rule).join(between) + rowEnd);
  const table = createTable(
    result,
    style,
    columns.map(() => between),
  );
  const begin = rowBetween + rowBegin;
  if (style.seconds || style.milliseconds) {
    yield* writeTimedRows(writer, result, style, table, { first: begin, begin, end: rowEnd });
  } else {
    const quotes = layout.quotesDates ? '"' : "";
    for (const row of rowNumbers(result.window.rows, style.flip)) {
      writer.text(`${begin}${quotes}${dateText(result.timeOf(row))}${quotes}`);
      writer.row(table, row);
      writer.text(rowEnd);
      if (writer.isFull) yield;
    }
  }
  writer.text(layout.end);
}

/** `YYYY-MM-DD HH:MM:SS`, local time. */
function dateText(timeSec: number): string {
  const date = new Date(timeSec * 1000);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : String(value);
}
