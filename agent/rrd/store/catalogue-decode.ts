import { parseGuid } from "../../base/guid.ts";
import type { ChartDefinition } from "../chart.ts";
import { isChartId, TEXT_LENGTH_MAX } from "../definition.ts";
import {
  CHART_DETAIL,
  CHART_DIMENSIONS_AT,
  CHART_HIDDEN,
  CHART_OBSOLETE,
  CHART_STORE_FIRST,
  DIMENSION_HIDDEN,
  DIMENSION_NO_RESET,
  DIMENSION_OBSOLETE,
  DIMENSION_VALUES,
  isCount,
  isPlace,
  STORED_ALGORITHMS,
  STORED_CHART_TYPES,
  type StoredChart,
  type StoredDimension,
  type StoredHost,
  SYSTEM_INFO_MAX,
} from "./catalogue-format.ts";

const UPDATE_EVERY_SEC_MAX = 3600;
/** Far above what the configuration allows: a bound only for the arithmetic that follows. */
const HISTORY_ENTRIES_MAX = 1e9;
const CHART_OPTIONS_MAX = CHART_DETAIL | CHART_HIDDEN | CHART_STORE_FIRST | CHART_OBSOLETE;
const DIMENSION_OPTIONS_MAX = DIMENSION_HIDDEN | DIMENSION_NO_RESET | DIMENSION_OBSOLETE;

/**
 * Reads the values of a host line from the machine GUID on; format: catalogue-format.ts.
 * @returns the host, or what is wrong with it.
 */
export function decodeHost(values: readonly unknown[]): StoredHost | string {
  const [machineGuid, hostname, os, updateEverySec, historyEntries, memoryMode, hops] = values.slice(2);
  const [program, version, timezone, abbrevTimezone, utcOffsetSec, tags, registryHostname] = values.slice(9);
  const [lastSeenSec, missingFromSec, info] = values.slice(16);
  if (typeof machineGuid !== "string" || parseGuid(machineGuid) !== machineGuid) return "machine GUID";
  if (!isText(hostname) || !isText(os)) return "hostname or os";
  if (!isUpdateEvery(updateEverySec)) return "update every";
  if (!isCount(historyEntries, HISTORY_ENTRIES_MAX) || historyEntries === 0) return "history";
  if (memoryMode !== "save" && memoryMode !== "map") return "memory mode";
  if (!isCount(hops, Number.MAX_SAFE_INTEGER)) return "hops";
  if (!isText(program) || !isText(version)) return "program or version";
  if (!isText(timezone) || !isText(abbrevTimezone) || !isNumber(utcOffsetSec)) return "timezone";
  if (!isText(tags) || !isText(registryHostname)) return "tags or registry hostname";
  if (!isSecond(lastSeenSec) || !isSecond(missingFromSec)) return "last seen or missing from";
  const systemInfo = decodePairs(info);
  if (systemInfo === null) return "system info";
  return {
    machineGuid,
    hostname,
    os,
    updateEverySec,
    historyEntries,
    memoryMode,
    hops,
    program,
    version,
    timezone,
    abbrevTimezone,
    utcOffsetSec,
    tags,
    registryHostname,
    systemInfo,
    lastSeenSec,
    missingFromSec,
  };
}

/** Reads a chart line whose key has been checked. @returns the chart, or what is wrong with it. */
export function decodeChart(values: readonly unknown[], key: number): StoredChart | string {
  const definition = decodeDefinition(values);
  if (typeof definition === "string") return definition;
  const dimensions = decodeDimensions(values, CHART_DIMENSIONS_AT);
  if (typeof dimensions === "string") return dimensions;
  return { key, definition, isObsolete: ((values[14] as number) & CHART_OBSOLETE) !== 0, dimensions };
}

/** Reads the dimensions that begin at place `at` of a line. @returns them, or what is wrong with them. */
export function decodeDimensions(values: readonly unknown[], at: number): StoredDimension[] | string {
  const { length } = values;
  if (length < at || (length - at) % DIMENSION_VALUES !== 0) return "number of values";
  const dimensions: StoredDimension[] = [];
  for (let index = at; index < length; index += DIMENSION_VALUES) {
    const dimension = decodeDimension(values, index);
    if (typeof dimension === "string") return `dimension ${dimensions.length}: ${dimension}`;
    dimensions.push(dimension);
  }
  return dimensions;
}

function decodeDefinition(values: readonly unknown[]): ChartDefinition | string {
  const id = values[3];
  const name = values[4] ?? id;
  const title = values[5];
  const units = values[6];
  const family = values[7];
  const context = values[8];
  const chartType = STORED_CHART_TYPES[values[9] as number];
  const priority = values[10];
  const updateEverySec = values[11];
  const plugin = values[12];
  const module = values[13];
  const options = values[14];
  if (!isText(id) || !isChartId(id)) return "chart id";
  if (!isText(name) || !isText(title) || !isText(units) || !isText(family)) return "name, title, units or family";
  if (!isText(context) || !isText(plugin) || !isText(module)) return "context, plugin or module";
  // An array of one number would pass as an index: only numbers are one.
  if (typeof values[9] !== "number" || chartType === undefined) return "chart type";
  if (!isNumber(priority)) return "priority";
  if (!isUpdateEvery(updateEverySec)) return "update every";
  if (!isCount(options, CHART_OPTIONS_MAX)) return "chart options";
  return {
    id,
    name,
    title,
    units,
    family,
    context,
    chartType,
    priority,
    updateEverySec,
    plugin,
    module,
    detail: (options & CHART_DETAIL) !== 0,
    hidden: (options & CHART_HIDDEN) !== 0,
    storeFirst: (options & CHART_STORE_FIRST) !== 0,
  };
}

function decodeDimension(values: readonly unknown[], at: number): StoredDimension | string {
  const id = values[at];
  const name = values[at + 1] ?? id;
  const algorithm = STORED_ALGORITHMS[values[at + 2] as number];
  const multiplier = values[at + 3];
  const divisor = values[at + 4];
  const options = values[at + 5];
  const segment = values[at + 6];
  const column = values[at + 7];
  if (!isText(id) || !isText(name)) return "id or name";
  if (typeof values[at + 2] !== "number" || algorithm === undefined) return "algorithm";
  if (!isNumber(multiplier) || !isNumber(divisor) || multiplier === 0 || divisor === 0) return "multiplier or divisor";
  if (!isCount(options, DIMENSION_OPTIONS_MAX)) return "options";
  if (!isPlace(segment, column)) return "segment or column";
  const sinceSec = values[at + 8];
  if (!isCount(sinceSec, Number.MAX_SAFE_INTEGER)) return "since";
  return {
    dimension: {
      id,
      name,
      algorithm,
      multiplier,
      divisor,
      hidden: (options & DIMENSION_HIDDEN) !== 0,
      noReset: (options & DIMENSION_NO_RESET) !== 0,
      obsolete: (options & DIMENSION_OBSOLETE) !== 0,
    },
    segment: segment as number,
    column: column as number,
    sinceSec,
  };
}

/** @returns the map, or null if the value is no list of names and values. */
function decodePairs(list: unknown): Map<string, string> | null {
  if (!Array.isArray(list) || list.length % 2 !== 0 || list.length > 2 * SYSTEM_INFO_MAX) return null;
  const pairs = new Map<string, string>();
  for (let index = 0; index < list.length; index += 2) {
    const name: unknown = list[index];
    const value: unknown = list[index + 1];
    if (!isText(name) || !isText(value)) return null;
    pairs.set(name, value);
  }
  return pairs;
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value.length <= TEXT_LENGTH_MAX;
}

/** JSON has no NaN, but 1e999 reads as infinite. */
function isNumber(value: unknown): value is number {
  return Number.isFinite(value);
}

function isUpdateEvery(value: unknown): value is number {
  return isCount(value, UPDATE_EVERY_SEC_MAX) && value >= 1;
}

function isSecond(value: unknown): value is number {
  return isNumber(value) && value >= 0;
}
