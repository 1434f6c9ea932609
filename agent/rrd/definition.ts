import { cutText } from "../base/cut-text.ts";
import type { ChartDefinition, ChartType } from "./chart.ts";
import type { Dimension } from "./dimension.ts";
import type { InternedTexts } from "./interned-texts.ts";
import type { Label } from "./label.ts";

/** What a chart definition from a collector or a stream says; absent parts take the defaults of rrd.md §1.2. */
export interface ChartInput {
  id: string;
  name?: string;
  title?: string;
  units?: string;
  family?: string;
  context?: string;
  chartType?: ChartType;
  priority?: number;
  updateEverySec?: number;
  plugin?: string;
  module?: string;
  detail?: boolean;
  hidden?: boolean;
  storeFirst?: boolean;
  obsolete?: boolean;
}

/** Longest text of a definition: more does not fit into a line that the oldest receivers read whole. */
export const TEXT_LENGTH_MAX = 1000;
const ID_BYTES_MAX = 200;
/**
 * What a chart and a dimension take beside the ring, with what the connection that brings them keeps, in bytes: upper
 * bounds of what memory.bench.ts measures (1,500 and 195 where dimensions are alike, 530 where every id is unique).
 */
const CHART_BYTES = 1500;
const DIMENSION_BYTES = 500;
const VARIABLE_BYTES = 150;
const LABEL_BYTES = 100;

const UPDATE_EVERY_SEC_MAX = 3600;

/**
 * The whole definition of a chart.
 * @param input its id is a chart's, its name one that no other chart has. @param updateEverySec of the host.
 */
export function chartDefinition(
  input: ChartInput & { name: string },
  updateEverySec: number,
  texts: InternedTexts,
): ChartDefinition {
  const text = (given = "") => texts.intern(cutText(given, TEXT_LENGTH_MAX));
  return {
    id: input.id,
    name: input.name,
    title: text(input.title),
    units: text(input.units),
    family: text(input.family || typeOf(input.id)),
    context: text(input.context) || input.id,
    chartType: input.chartType ?? "line",
    priority: input.priority ?? 1000,
    updateEverySec: Math.min(Math.max(1, Math.floor(input.updateEverySec || updateEverySec)), UPDATE_EVERY_SEC_MAX),
    plugin: text(input.plugin),
    module: text(input.module),
    detail: input.detail === true,
    hidden: input.hidden === true,
    storeFirst: input.storeFirst === true,
  };
}

/** The texts of a definition: what it takes memory for. */
export function chartTexts(definition: ChartDefinition) {
  const { id, name, title, units, family, context, plugin, module } = definition;
  return { id, name, title, units, family, context, plugin, module };
}

/** What a chart takes of the database's memory. */
export function chartBytes(definition: ChartDefinition): number {
  const texts = Object.values(chartTexts(definition));
  return texts.reduce((bytes, text) => bytes + textBytes(text), CHART_BYTES);
}

/** What a dimension takes of the database's memory, its columns in the ring left out. */
export function dimensionBytes({ id, name }: Dimension): number {
  return DIMENSION_BYTES + textBytes(id) + (name === id ? 0 : textBytes(name));
}

/** What a variable of a host or chart takes. */
export function variableBytes(name: string): number {
  return VARIABLE_BYTES + textBytes(name);
}

/** What a label of a host or chart takes. */
export function labelBytes({ name, value }: Label): number {
  return LABEL_BYTES + textBytes(name) + textBytes(value);
}

/** A text with any character beyond ASCII takes two bytes for each. */
function textBytes(text: string): number {
  return Buffer.byteLength(text) === text.length ? text.length : 2 * text.length;
}

function typeOf(id: string): string {
  return id.slice(0, id.indexOf("."));
}

/** True if an id is `type.id` with something on both sides. */
export function isChartId(id: string): boolean {
  const dot = id.indexOf(".");
  return dot > 0 && dot < id.length - 1;
}

/** True if both definitions agree in every field. */
export function isSameDefinition(a: ChartDefinition, b: ChartDefinition): boolean {
  return (Object.keys(a) as (keyof ChartDefinition)[]).every((key) => a[key] === b[key]);
}

/** A multiplier or divisor of 0, or one that is no number, means 1; a name has its bound. */
export function boundedDimension(dimension: Dimension): Dimension {
  const multiplier = dimension.multiplier || 1;
  const divisor = dimension.divisor || 1;
  const isSame = multiplier === dimension.multiplier && divisor === dimension.divisor;
  if (isSame && dimension.name.length <= TEXT_LENGTH_MAX) return dimension;
  return { ...dimension, multiplier, divisor, name: cutText(dimension.name, TEXT_LENGTH_MAX) };
}

/** At most {@link ID_BYTES_MAX} bytes of an id, cut between characters. */
export function cutId(id: string): string {
  if (id.length * 3 <= ID_BYTES_MAX || Buffer.byteLength(id) <= ID_BYTES_MAX) return id;
  const bytes = Buffer.from(id);
  let end = ID_BYTES_MAX;
  // Bytes 10xxxxxx go on with a character.
  while ((bytes[end]! & 0xc0) === 0x80) end--;
  return bytes.toString("utf8", 0, end);
}

/** `type.name` from what a definition gives as a name (rrd.md §1.2, §1.4; streaming.md §2.2). */
export function chartName(id: string, given: string | undefined): string {
  if (given === undefined || given === "" || given === id || given.toUpperCase() === "NULL") return id;
  if (given.toUpperCase() === "(NULL)") return id;
  const type = typeOf(id);
  const name = given.startsWith(`${type}.`) ? given.slice(type.length + 1) : given;
  return name === "" ? id : cutText(`${type}.${name.replace(/[^A-Za-z0-9.-]/g, "_")}`, ID_BYTES_MAX);
}
