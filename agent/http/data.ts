import { decimalText } from "../format/decimal.ts";
import { floatText } from "../format/float-row.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { Query, type QueryResult } from "../rrd/query.ts";
import { AnswerWriter } from "./answer-writer.ts";
import { dataSourceHead, notModified } from "./data-google.ts";
import { type DataRequest, parseDataRequest } from "./data-request.ts";
import { extremes, shownValue } from "./data-rows.ts";
import { escapeEcho } from "./escape.ts";
import type { OpenAnswers } from "./open-answers.ts";
import { type Chunks, errorReply, JSON_TYPE, type Reply, SCRIPT_TYPE, tooManyReply } from "./reply.ts";
import type { Parameters } from "./url.ts";

const NO_MATCH = "No metrics where matched to query.";
const FILENAME_LENGTH_MAX = 200;
const CALLBACK = /^[A-Za-z0-9_.$]{1,200}$/;

/** `/api/v1/data` (http-api.md §6). @param host keeps a database. @param nowSec wall clock, whole seconds. */
export function dataReply(host: Host, parameters: Parameters, nowSec: number, open: OpenAnswers): Reply {
  const chart = chartOf(host, parameters);
  if ("status" in chart) return chart;
  const request = parseDataRequest(parameters);
  const { dataSource, format } = request;
  if (format.isCall && !CALLBACK.test(dataSource?.handler ?? request.callback)) {
    return errorReply(400, "The callback may have letters, digits, '_', '.' and '$' only.");
  }
  const query = Query.open(chart, request.query, nowSec);
  if (query === null) return errorReply(404, NO_MATCH);
  if (!open.canQuery(query.valueCount)) return tooManyReply();
  const filename = request.filename.replace(/[^\x20-\x7e]|["\\]/g, "").slice(0, FILENAME_LENGTH_MAX);
  return {
    status: 200,
    contentType: contentTypeOf(request),
    body:
      dataSource !== null && dataSource.sig >= chart.lastEntrySec
        ? notModified(dataSource)
        : answer(query, request, open),
    cache: request.isRelative ? "none" : "public",
    headers: filename === "" ? {} : { "Content-Disposition": `attachment; filename="${filename}"` },
  };
}

function chartOf(host: Host, parameters: Parameters): Chart | Reply {
  const id = parameters.get("chart");
  const context = parameters.get("context");
  if (id !== undefined) {
    const chart = host.findChart(id);
    return chart === undefined || !chart.isVisible ? errorReply(404, NO_MATCH) : chart;
  }
  if (context === undefined) return errorReply(400, "No chart or context is given.");
  const charts = host.chartList().filter((chart) => chart.isVisible && chart.definition.context === context);
  if (charts.length === 0) return errorReply(404, NO_MATCH);
  if (charts.length === 1) return charts[0]!;
  const problem = `Context ${escapeEcho(context)} has ${charts.length} charts`;
  return errorReply(400, `${problem}: name one of them, such as chart=${escapeEcho(charts[0]!.id)}.`);
}

function contentTypeOf({ format, style }: DataRequest): string {
  if (format.isCall) return SCRIPT_TYPE;
  return style.wrap ? JSON_TYPE : format.contentType;
}

function* answer(query: Query, request: DataRequest, open: OpenAnswers): Chunks {
  using _held = open.holdValues(query.valueCount);
  using _query = query;
  // One dimension a step: the rest of the agent may run in between.
  while (query.step()) yield null;
  const result = query.finish();
  using writer = new AnswerWriter();
  const { dataSource, format } = request;
  if (dataSource !== null) writer.text(dataSourceHead(dataSource, result.lastSec));
  else if (format.isCall) writer.text(`${request.callback}(`);
  if (request.style.wrap && dataSource === null) yield* wrapped(writer, result, request);
  else for (const _ of format.write(writer, result, request.style)) yield writer.piece();
  if (format.isCall) writer.text(dataSource === null ? ");" : "});");
  yield writer.take();
}

/** The object of option `jsonwrap`, around the rows. */
function* wrapped(writer: AnswerWriter, result: QueryResult, request: DataRequest): Chunks {
  const { format, style } = request;
  writer.text(wrapHead(result, request));
  writer.text('   "result": ');
  if (format.isText) {
    // Text goes into a JSON string, piece by piece; numbers and separators make most of it.
    const decoder = new TextDecoder();
    using inner = new AnswerWriter();
    writer.text('"');
    for (const _ of format.write(inner, result, style)) {
      writer.text(JSON.stringify(decoder.decode(inner.take(), { stream: true })).slice(1, -1));
      yield writer.piece();
    }
    writer.text(`${JSON.stringify(decoder.decode(inner.take())).slice(1, -1)}"`);
  } else for (const _ of format.write(writer, result, style)) yield writer.piece();
  const { min, max } = extremes(result, style, format.isSum);
  const isRaw = result.isRaw && !format.isSum;
  writer.text(',\n "min": ');
  writer.value(min, isRaw);
  writer.text(',\n "max": ');
  writer.value(max, isRaw);
  writer.text("\n}\n");
}

function wrapHead(result: QueryResult, { format, style, optionNames }: DataRequest): string {
  const { chart, window, columns } = result;
  const points = window.isNatural ? "natural-points" : "virtual-points";
  const options = optionNames.filter((name) => !name.endsWith("-points"));
  const newest = window.rows - 1;
  const viewLatest = columns.map((column) => valueText(shownValue(column.values[newest]!, style), result.isRaw));
  const fields: [string, string][] = [
    ["api", "1"],
    ["id", JSON.stringify(chart.id)],
    ["name", JSON.stringify(chart.definition.name)],
    ["view_update_every", String(window.group * window.stepSec)],
    ["update_every", String(chart.definition.updateEverySec)],
    ["first_entry", String(result.firstSec)],
    ["last_entry", String(result.lastSec)],
    ["before", String(window.beforeSec)],
    ["after", String(window.afterSec)],
    ["group", JSON.stringify(result.group)],
    ["options", JSON.stringify([...options, points].join(","))],
    ["dimension_names", list(columns.map((column) => JSON.stringify(column.name)))],
    ["dimension_ids", list(columns.map((column) => JSON.stringify(column.id)))],
    ["functions", "[]"],
    ["latest_values", list(columns.map((column) => valueText(column.latest, true)))],
    ["view_latest_values", list(viewLatest)],
    ["dimensions", String(columns.length)],
    ["points", String(window.rows)],
    ["format", JSON.stringify(format.name)],
    ["db_points_per_tier", `[ ${result.pointsRead} ]`],
  ];
  return `{\n${fields.map(([key, value]) => `   "${key}": ${value},\n`).join("")}`;
}

function list(items: readonly string[]): string {
  return `[${items.join(", ")}]`;
}

function valueText(value: number, isRaw: boolean): string {
  if (!Number.isFinite(value)) return "null";
  return isRaw ? floatText(value) : decimalText(value);
}
