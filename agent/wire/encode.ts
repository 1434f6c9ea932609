import { SENT_LINE_BYTES_MAX } from "../base/limits.ts";
import { type Capabilities, PLAIN } from "./capabilities.ts";
import { integerText } from "./decimal-text.ts";
import { chartLabelLines, variableLine } from "./encode-labels.ts";
import type { Label } from "./stream-handler.ts";
import { cutUtf8, DIMENSION_TEXT_BYTES_MAX, plainText, wireChartId, wireId } from "./wire-text.ts";

/** What a CHART line says of a chart. */
export interface ChartText {
  readonly id: string;
  /** `type.name`, or the id. */
  readonly name: string;
  readonly title: string;
  readonly units: string;
  readonly family: string;
  readonly context: string;
  readonly chartType: string;
  readonly priority: number;
  readonly updateEverySec: number;
  readonly plugin: string;
  readonly module: string;
  readonly detail: boolean;
  readonly hidden: boolean;
  readonly storeFirst: boolean;
}

/** What a DIMENSION line says of a dimension. */
export interface DimensionText {
  readonly id: string;
  readonly name: string;
  readonly algorithm: string;
  readonly multiplier: number;
  readonly divisor: number;
  readonly hidden: boolean;
  readonly noReset: boolean;
  readonly obsolete: boolean;
}

/** What belongs to a chart and is no part of its CHART line. */
export interface ChartExtras {
  readonly isObsolete: boolean;
  readonly labels: readonly Label[];
  readonly variables: ReadonlyMap<string, number> | null;
}

const NO_EXTRAS: ChartExtras = { isObsolete: false, labels: [], variables: null };

/** Bytes left to texts that are not the title of a line that is too long even without one; see {@link chartLine}. */
const CONTEXT_BYTES_MAX = 200;
const WORD_BYTES_MAX = 64;

/**
 * The lines that define a chart: CHART, its labels, all its DIMENSIONs, its variables. None is longer than
 * {@link SENT_LINE_BYTES_MAX}, and what was not agreed is left out: nothing on a V1 link stops a v1.6 parent.
 */
export function definitionLines(
  chart: ChartText,
  dimensions: readonly DimensionText[],
  extras = NO_EXTRAS,
  agreed: Capabilities = PLAIN,
): string {
  let text = chartLine(chart, extras.isObsolete && agreed.obsolete);
  if (agreed.chartLabels) text += chartLabelLines(withCollector(chart, extras.labels));
  for (const dimension of dimensions) text += dimensionLine(dimension, agreed);
  if (!agreed.variables || extras.variables === null) return text;
  for (const [name, value] of extras.variables) text += variableLine("CHART", name, value);
  return text;
}

/** Where this was agreed, {@link definitionLines} says more than on a V1 link. */
export function saysMore(dimensions: readonly DimensionText[], extras: ChartExtras, agreed: Capabilities): boolean {
  if (agreed.chartLabels && extras.labels.length > 0) return true;
  if (agreed.variables && extras.variables !== null && extras.variables.size > 0) return true;
  return agreed.obsolete && (extras.isObsolete || dimensions.some(({ obsolete }) => obsolete));
}

/** A parent makes these two of the CHART line, but a set of labels takes the place of all there were. */
function withCollector({ plugin, module }: ChartText, labels: readonly Label[]): readonly Label[] {
  if (labels.length === 0) return labels;
  const own = [
    { name: "_collect_plugin", value: plugin, source: 1 },
    { name: "_collect_module", value: module, source: 1 },
  ];
  return [...own.filter(({ value }) => value !== ""), ...labels];
}

/** Title first: whatever makes the line too long, it is what people miss least. */
function chartLine(chart: ChartText, isObsolete: boolean): string {
  const id = wireChartId(chart.id);
  const words = {
    name: plainText(shortName(chart)),
    title: plainText(chart.title),
    units: plainText(chart.units),
    family: plainText(chart.family),
    context: plainText(chart.context),
    plugin: plainText(chart.plugin),
    module: plainText(chart.module),
  };
  const line = () =>
    `CHART "${id}" "${words.name}" "${words.title}" "${words.units}" "${words.family}" "${words.context}" ` +
    `"${chart.chartType}" ${integerText(chart.priority)} ${integerText(chart.updateEverySec)} ` +
    `"${chartOptions(chart, isObsolete)}" "${words.plugin}" "${words.module}"\n`;
  let excess = Buffer.byteLength(line()) - SENT_LINE_BYTES_MAX;
  if (excess > 0) {
    const title = words.title;
    words.title = cutUtf8(title, Buffer.byteLength(title) - excess);
    excess = Buffer.byteLength(line()) - SENT_LINE_BYTES_MAX;
  }
  if (excess > 0) {
    if (Buffer.byteLength(words.name) > CONTEXT_BYTES_MAX) words.name = "";
    words.context = cutUtf8(words.context, CONTEXT_BYTES_MAX);
    for (const key of ["units", "family", "plugin", "module"] as const)
      words[key] = cutUtf8(words[key], WORD_BYTES_MAX);
  }
  return line();
}

/** The part of the name behind the type; empty when it is the id. */
function shortName({ id, name }: ChartText): string {
  if (name === id) return "";
  const type = id.slice(0, id.indexOf(".") + 1);
  return name.startsWith(type) ? name.slice(type.length) : name;
}

function chartOptions({ detail, hidden, storeFirst }: ChartText, isObsolete: boolean): string {
  return words([isObsolete && "obsolete", detail && "detail", storeFirst && "store_first", hidden && "hidden"]);
}

function dimensionLine(dimension: DimensionText, agreed: Capabilities): string {
  const { multiplier, divisor, algorithm, hidden, noReset, obsolete } = dimension;
  const id = wireId(dimension.id, DIMENSION_TEXT_BYTES_MAX);
  const name = cutUtf8(plainText(dimension.name), DIMENSION_TEXT_BYTES_MAX) || id;
  const options = words([obsolete && agreed.obsolete && "obsolete", hidden && "hidden", noReset && "noreset"]);
  return `DIMENSION "${id}" "${name}" "${algorithm}" ${integerText(multiplier)} ${integerText(divisor)} "${options}"\n`;
}

function words(list: readonly (string | false)[]): string {
  return list.filter(Boolean).join(" ");
}
