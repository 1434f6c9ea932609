import { cutText } from "../base/cut-text.ts";
import type { Chart } from "./chart.ts";
import { labelBytes, variableBytes } from "./definition.ts";
import type { Host } from "./host.ts";
import { InternedTexts } from "./interned-texts.ts";
import { isSameLabels, type Label, NO_LABELS } from "./label.ts";

/** Variables kept per host and per chart, and the length of their names; real agents send one or two. */
const VARIABLES_MAX = 100;
const VARIABLE_NAME_LENGTH_MAX = 200;
/** Labels kept per host and per chart, and the lengths of their texts; real agents send some twenty. */
const LABELS_MAX = 100;
const LABEL_NAME_LENGTH_MAX = 200;
const LABEL_VALUE_LENGTH_MAX = 700;

/** Charts of all hosts have the same few names and values. */
const texts = new InternedTexts();

/** Sets a variable of the host, or of a chart. What is beyond the bounds is not kept. */
export function setVariable(host: Host, chart: Chart | null, name: string, value: number): void {
  if (chart !== null) chart.variables ??= new Map();
  const variables = chart?.variables ?? host.variables;
  if (variables.get(name) === value) return;
  if (!variables.has(name)) {
    if (variables.size >= VARIABLES_MAX || name.length > VARIABLE_NAME_LENGTH_MAX) return;
    if (!host.admission.take(variableBytes(name))) return;
  }
  variables.set(name, value);
  changed(host, chart);
}

/** Replaces the labels of the host; without room for them the old ones stay. */
export function setLabels(host: Host, labels: readonly Label[]): void {
  const kept = admitted(host, host.labels, labels, "labels");
  if (kept === host.labels) return;
  host.labels = kept;
  changed(host, null);
}

/** Replaces the labels of a chart; without room for them the old ones stay. */
export function setChartLabels(host: Host, chart: Chart, labels: readonly Label[]): void {
  const kept = admitted(host, chart.labels, labels, `labels of chart ${chart.id}`);
  if (kept === chart.labels) return;
  chart.labels = kept;
  changed(host, chart);
}

/** What labels and variables of a chart take of the database's memory. */
export function chartFactsBytes(chart: Pick<Chart, "labels" | "variables">): number {
  let bytes = bytesOf(chart.labels);
  for (const name of chart.variables?.keys() ?? []) bytes += variableBytes(name);
  return bytes;
}

/** @returns `before` itself when nothing changes, or there is no room for what would. */
function admitted(host: Host, before: readonly Label[], given: readonly Label[], what: string): readonly Label[] {
  const labels = given.length === 0 ? NO_LABELS : given.slice(0, LABELS_MAX).map(bounded);
  if (isSameLabels(before, labels)) return before;
  if (host.admission.take(bytesOf(labels) - bytesOf(before))) return labels;
  host.admission.refuse("memory_limit_bytes", what);
  return before;
}

function bounded({ name, value, source }: Label): Label {
  return {
    name: texts.intern(cutText(name, LABEL_NAME_LENGTH_MAX)),
    value: texts.intern(cutText(value, LABEL_VALUE_LENGTH_MAX)),
    source,
  };
}

function bytesOf(labels: readonly Label[]): number {
  return labels.reduce((bytes, label) => bytes + labelBytes(label), 0);
}

/** Senders have to tell it again. */
function changed(host: Host, chart: Chart | null): void {
  if (chart === null) host.factsVersion++;
  else chart.version++;
}
