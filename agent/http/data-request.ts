import { compilePatternWord, type PatternWord } from "../base/pattern.ts";
import type { Dimension } from "../rrd/dimension.ts";
import type { QueryRequest } from "../rrd/query.ts";
import { isRelative } from "../rrd/query-window.ts";
import { DATA_FORMATS, type DataFormat } from "./data-format.ts";
import { type DataSourceRequest, parseDataSource } from "./data-google.ts";
import type { Parameters } from "./url.ts";

/** How the rows of an answer are written (rrd.md §6.5). */
export interface DataStyle {
  /** Oldest row first. */
  readonly flip: boolean;
  readonly wrap: boolean;
  readonly milliseconds: boolean;
  readonly seconds: boolean;
  readonly objectRows: boolean;
  readonly nullToZero: boolean;
  readonly displayAbsolute: boolean;
  readonly minToMax: boolean;
  readonly googleJson: boolean;
}

/** A request of `/api/v1/data`, less the chart it is about. */
export interface DataRequest {
  readonly query: QueryRequest;
  readonly style: DataStyle;
  readonly format: DataFormat;
  /** Of format `datasource` only. */
  readonly dataSource: DataSourceRequest | null;
  /** Function that format `jsonp` calls; not checked yet. */
  readonly callback: string;
  /** Name under which the answer is saved; empty = none; not checked yet. */
  readonly filename: string;
  /** Either time is relative: the answer changes with every second. */
  readonly isRelative: boolean;
  /** Names of the options that were understood, in a fixed order. */
  readonly optionNames: readonly string[];
}

const AFTER_SEC_DEFAULT = -600;

/** Words of `options`, by the name they are known as in answers. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  nonzero: ["nonzero"],
  flip: ["flip", "reversed", "reverse"],
  jsonwrap: ["jsonwrap"],
  min2max: ["min2max"],
  ms: ["ms", "milliseconds"],
  absolute: ["abs", "absolute", "absolute_sum", "absolute-sum"],
  seconds: ["seconds"],
  null2zero: ["null2zero"],
  objectrows: ["objectrows"],
  google_json: ["google_json", "google-json"],
  percentage: ["percentage"],
  unaligned: ["unaligned"],
  "match-ids": ["match_ids", "match-ids"],
  "match-names": ["match_names", "match-names"],
  "natural-points": ["natural-points"],
  "virtual-points": ["virtual-points"],
  "display-absolute": ["display_absolute", "display-absolute"],
};

/** Reads everything but the chart. Never fails: what cannot be read has its default (http-api.md §6). */
export function parseDataRequest(parameters: Parameters): DataRequest {
  const words = new Set(parameters.all("options", "option").flatMap((list) => list.split(/[,| ]/)));
  const optionNames = Object.keys(OPTIONS).filter((name) => OPTIONS[name]!.some((word) => words.has(word)));
  const has = (name: string) => optionNames.includes(name);
  const after = parameters.integer("after", AFTER_SEC_DEFAULT);
  const before = parameters.integer("before", 0);
  const query = {
    after,
    before,
    points: Math.max(0, parameters.integer("points", 0)),
    gtimeSec: Math.max(0, parameters.integer("gtime", 0)),
    unaligned: has("unaligned"),
    naturalPoints: has("natural-points"),
    virtualPoints: has("virtual-points"),
    selects: parseDimensions(parameters, has("match-ids"), has("match-names")),
    group: parameters.get("group") ?? "average",
    groupOptions: parameters.get("group_options") ?? "",
    absolute: has("absolute"),
    percentage: has("percentage"),
    nonzero: has("nonzero"),
  };
  const style = {
    flip: has("flip"),
    wrap: has("jsonwrap"),
    milliseconds: has("ms"),
    seconds: has("seconds"),
    objectRows: has("objectrows"),
    nullToZero: has("null2zero"),
    displayAbsolute: has("display-absolute"),
    minToMax: has("min2max"),
    googleJson: has("google_json"),
  };
  const named = parameters.get("format") ?? "json";
  const dataSource = named === "datasource" ? parseDataSource(parameters) : null;
  const format = DATA_FORMATS.get(dataSource?.out ?? named) ?? DATA_FORMATS.get("json")!;
  return {
    query,
    style,
    format,
    dataSource: format.name === "datasource" ? dataSource : null,
    callback: parameters.get("callback") ?? "callback",
    filename: parameters.get("filename") ?? dataSource?.fileName ?? "",
    isRelative: isRelative(after) || isRelative(before),
    optionNames,
  };
}

/** Words split at `,` or `|`; each is a name or id, with wildcards and `!`; the first that matches decides. */
function parseDimensions(
  parameters: Parameters,
  onlyIds: boolean,
  onlyNames: boolean,
): ((dimension: Dimension) => boolean) | null {
  const lists = parameters.all("dimension", "dim", "dimensions", "dims");
  const words: PatternWord[] = lists
    .flatMap((list) => list.split(/[,|]/))
    .filter((word) => word !== "" && word !== "!")
    .map(compilePatternWord);
  if (words.length === 0) return null;
  const useIds = onlyIds || !onlyNames;
  const useNames = onlyNames || !onlyIds;
  return (dimension) => {
    for (const word of words) {
      if ((useIds && word.matches(dimension.id)) || (useNames && word.matches(dimension.name))) return !word.isNegative;
    }
    return false;
  };
}
