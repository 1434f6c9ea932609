import { decimalText } from "./decimal-text.ts";
import type { Label } from "./stream-handler.ts";
import { cutUtf8, idWord, LABEL_NAME_BYTES_MAX, LABEL_VALUE_BYTES_MAX, plainText, wireId } from "./wire-text.ts";

const VARIABLE_NAME_BYTES_MAX = 200;

/** The whole set of a host's labels, in place of what the parent had. Only where labels were agreed. */
export function hostLabelLines(labels: readonly Label[]): string {
  let text = "";
  for (const { name, value, source } of labels) text += `LABEL "${nameText(name)}" = ${source} "${valueText(value)}"\n`;
  return `${text}OVERWRITE labels\n`;
}

/** The whole set of a chart's labels, to stand behind its CHART line; nothing for none. */
export function chartLabelLines(labels: readonly Label[]): string {
  if (labels.length === 0) return "";
  let text = "";
  for (const { name, value, source } of labels) text += `CLABEL "${nameText(name)}" "${valueText(value)}" ${source}\n`;
  return `${text}CLABEL_COMMIT\n`;
}

/** A variable of the host, or of the chart that was defined or begun last. Only where variables were agreed. */
export function variableLine(scope: "HOST" | "CHART", name: string, value: number): string {
  return `VARIABLE ${scope} ${idWord(wireId(name, VARIABLE_NAME_BYTES_MAX))} = ${variableText(value)}\n`;
}

/** Seven decimals, as netdata writes them, or as many as it takes. */
function variableText(value: number): string {
  const text = decimalText(value);
  const point = text.indexOf(".");
  if (point >= 0) return text.padEnd(point + 8, "0");
  return `${text}.0000000`;
}

function nameText(name: string): string {
  return cutUtf8(plainText(name), LABEL_NAME_BYTES_MAX);
}

function valueText(value: string): string {
  return cutUtf8(plainText(value), LABEL_VALUE_BYTES_MAX);
}
