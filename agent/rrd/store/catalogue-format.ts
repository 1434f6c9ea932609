import { assert } from "../../base/assert.ts";
import type { ChartDefinition, ChartType } from "../chart.ts";
import { TEXT_LENGTH_MAX } from "../definition.ts";
import type { Algorithm, Dimension } from "../dimension.ts";
import type { SystemInfo } from "../host-options.ts";
import { SEGMENT_COLUMNS } from "./geometry.ts";

/**
 * The catalogue of a host, `<db>/<machine guid>/catalog.jsonl`: which chart and dimension owns which column of which
 * segment file. Text, only ever appended to. A line is a JSON array, a TAB (JSON has none), the crc32 of the JSON as 8
 * lower-case hex digits, and a newline. What is in the array, by its first value:
 *
 * | first | then |
 * |---|---|
 * | `"host"` | format version, machine GUID, hostname, os, update every s, history entries, memory mode, hops, |
 * | | program, version, timezone, its abbreviation, UTC offset s, tags, registry hostname, last seen s, |
 * | | oldest second missing (0 = none), `[name, value …]` of the system info |
 * | `"chart"` | key, revision, id, name (null = the id), title, units, family, context, |
 * | | type (0 line, 1 area, 2 stacked), priority, update every s, plugin, module, |
 * | | options (1 detail, 2 hidden, 4 store first, 8 obsolete), all its dimensions … |
 * | `"dims"` | key, revision, position of the first, dimensions … |
 * | `"gone"` | key |
 *
 * One dimension is 9 values in a row: id, name (null = the id), algorithm (0 absolute, 1 incremental, 2 and 3 the
 * percentages of both rows), multiplier, divisor, options (1 hidden, 2 no reset, 4 obsolete), segment, column (both
 * −1: none), second from which on the column is its own.
 *
 * The last host line counts. A chart line replaces all that was said of its key; dims replaces dimensions from a
 * position on, or adds behind the last. The revision of a chart goes up by 1 with each of its lines, and dims counts
 * only right after the revision before it: when a line is lost, the chart is left as it was before that line, never
 * a mixture. A gone line may name a key that was never seen: it keeps the key from being given again. In any later
 * version, lines are checked in the same way and the host line begins with the same two values.
 */
export const CATALOGUE_VERSION = 1;
/** Largest key of a chart: it is kept as a u32 in the records of segments. */
export const KEY_MAX = 0xffff_ffff;
/** Largest number of a segment; the numbers above mean "none" in memory. */
export const SEGMENT_NUMBER_MAX = 65_000;
export const COLUMN_MAX = SEGMENT_COLUMNS - 1;
/** Entries of {@link StoredHost.systemInfo} that are kept; agents send about 25. */
export const SYSTEM_INFO_MAX = 1000;

/** A dimension and the column that holds its values. */
export interface StoredDimension {
  readonly dimension: Dimension;
  /** 0 … {@link SEGMENT_NUMBER_MAX}; −1 = it has no column, for want of room. */
  readonly segment: number;
  /** 0 … {@link COLUMN_MAX}; −1 likewise. */
  readonly column: number;
  /** What its column holds for times before this second is not its own. */
  readonly sinceSec: number;
}

export interface StoredChart {
  /** 1 … {@link KEY_MAX}, unique in its host; a key that was used once is never given to another chart. */
  readonly key: number;
  readonly definition: ChartDefinition;
  readonly isObsolete: boolean;
  /** In the order of creation. */
  readonly dimensions: readonly StoredDimension[];
}

/** What a restart has to know of a host; the names are those of the host in memory. */
export interface StoredHost {
  /** 36 characters, lower case. */
  readonly machineGuid: string;
  readonly hostname: string;
  readonly os: string;
  readonly updateEverySec: number;
  readonly historyEntries: number;
  readonly memoryMode: "save" | "map";
  readonly hops: number;
  readonly program: string;
  readonly version: string;
  readonly timezone: string;
  readonly abbrevTimezone: string;
  readonly utcOffsetSec: number;
  readonly tags: string;
  readonly registryHostname: string;
  readonly systemInfo: SystemInfo;
  /** Second of the newest collection of any of its charts; 0 = never. */
  readonly lastSeenSec: number;
  /** Oldest second that is missing although newer ones are there; 0 = none is. */
  readonly missingFromSec: number;
}

/** Places in the line of a chart. */
export const CHART_DIMENSIONS_AT = 15;
/** Places in the line of further dimensions. */
export const MORE_DIMENSIONS_AT = 4;
/** Values of one dimension, in both. */
export const DIMENSION_VALUES = 9;

export const CHART_DETAIL = 1;
export const CHART_HIDDEN = 2;
export const CHART_STORE_FIRST = 4;
export const CHART_OBSOLETE = 8;

export const DIMENSION_HIDDEN = 1;
export const DIMENSION_NO_RESET = 2;
export const DIMENSION_OBSOLETE = 4;

/** The numbers that stand for algorithms and chart types on disk are places in these lists: only add behind. */
export const STORED_ALGORITHMS: readonly Algorithm[] = [
  "absolute",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
];
export const STORED_CHART_TYPES: readonly ChartType[] = ["line", "area", "stacked"];

/** Bytes behind the JSON of a line: TAB, checksum, newline. */
export const TRAILER_BYTES = 10;

/** Texts are cut to what the reader takes. */
export function hostLine(host: StoredHost): Buffer {
  const info: string[] = [];
  for (const [name, value] of host.systemInfo) {
    if (info.length < 2 * SYSTEM_INFO_MAX) info.push(cut(name), cut(value));
  }
  return line([
    "host",
    CATALOGUE_VERSION,
    host.machineGuid,
    cut(host.hostname),
    cut(host.os),
    host.updateEverySec,
    host.historyEntries,
    host.memoryMode,
    host.hops,
    cut(host.program),
    cut(host.version),
    cut(host.timezone),
    cut(host.abbrevTimezone),
    host.utcOffsetSec,
    cut(host.tags),
    cut(host.registryHostname),
    host.lastSeenSec,
    host.missingFromSec,
    info,
  ]);
}

/** @param revision one more than that of the line of this chart before it; 1 for the first. */
export function chartLine(chart: StoredChart, revision: number): Buffer {
  const { key, definition, isObsolete, dimensions } = chart;
  assert(isKey(key), "the key of a chart is out of range");
  const values: unknown[] = [
    "chart",
    key,
    revision,
    definition.id,
    definition.name === definition.id ? null : definition.name,
    definition.title,
    definition.units,
    definition.family,
    definition.context,
    STORED_CHART_TYPES.indexOf(definition.chartType),
    definition.priority,
    definition.updateEverySec,
    definition.plugin,
    definition.module,
    (definition.detail ? CHART_DETAIL : 0) |
      (definition.hidden ? CHART_HIDDEN : 0) |
      (definition.storeFirst ? CHART_STORE_FIRST : 0) |
      (isObsolete ? CHART_OBSOLETE : 0),
  ];
  assert(values.length === CHART_DIMENSIONS_AT, "the values of a chart are not where its reader looks for them");
  for (const dimension of dimensions) pushDimension(values, dimension);
  return line(values);
}

/** @param first position of the first of `dimensions` in the chart. @param revision as for {@link chartLine}. */
export function dimensionsLine(
  key: number,
  revision: number,
  first: number,
  dimensions: readonly StoredDimension[],
): Buffer {
  assert(isKey(key), "the key of a chart is out of range");
  const values: unknown[] = ["dims", key, revision, first];
  for (const dimension of dimensions) pushDimension(values, dimension);
  return line(values);
}

export function goneLine(key: number): Buffer {
  assert(isKey(key), "the key of a chart is out of range");
  return line(["gone", key]);
}

export function isKey(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= KEY_MAX;
}

export function isPlace(segment: unknown, column: unknown): boolean {
  if (segment === -1) return column === -1;
  return isCount(segment, SEGMENT_NUMBER_MAX) && isCount(column, COLUMN_MAX);
}

/** True for an integer 0 … `max`. */
export function isCount(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}

function pushDimension(values: unknown[], { dimension, segment, column, sinceSec }: StoredDimension): void {
  assert(isPlace(segment, column), "the column of a dimension is out of range");
  const { id, name, algorithm, multiplier, divisor, hidden, noReset, obsolete } = dimension;
  const options =
    (hidden ? DIMENSION_HIDDEN : 0) | (noReset ? DIMENSION_NO_RESET : 0) | (obsolete ? DIMENSION_OBSOLETE : 0);
  const code = STORED_ALGORITHMS.indexOf(algorithm);
  values.push(id, name === id ? null : name, code, multiplier, divisor, options, segment, column, sinceSec);
}

function line(values: readonly unknown[]): Buffer {
  const json = Buffer.from(JSON.stringify(values));
  const checksum = Bun.hash.crc32(json).toString(16).padStart(8, "0");
  return Buffer.concat([json, Buffer.from(`\t${checksum}\n`)]);
}

function cut(text: string): string {
  return text.slice(0, TEXT_LENGTH_MAX);
}
