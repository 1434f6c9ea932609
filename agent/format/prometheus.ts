/** Content type of the text format 0.0.4. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4";

/** Longest part of a metric name made from outside. */
const PART_LENGTH_MAX = 200;

/** Units as netdata named them before 1.12. */
const OLD_UNITS: Readonly<Record<string, string>> = {
  "KiB/s": "kilobytes/s",
  "MiB/s": "MB/s",
  "GiB/s": "GB/s",
  KiB: "KB",
  MiB: "MB",
  GiB: "GB",
  inodes: "Inodes",
  percentage: "percent",
  "faults/s": "page faults/s",
  "KiB/operation": "kilobytes per operation",
  "milliseconds/operation": "ms per operation",
};

/** Part of a metric name: everything but letters, digits and `_` becomes `_`. */
export function cleanMetricPart(text: string): string {
  return text.slice(0, PART_LENGTH_MAX).replace(/[^A-Za-z0-9_]/g, "_");
}

/** A label name: as {@link cleanMetricPart}, and never starting with a digit. */
export function cleanLabelName(text: string): string {
  const clean = cleanMetricPart(text);
  return /^[0-9]/.test(clean) ? `_${clean}` : clean;
}

/**
 * `_` and the units as the end of a metric name: `%` is `percent`, `/s` at the end is `_persec`; empty for no units.
 * @param isOld use the names from before 1.12.
 */
export function unitsSuffix(units: string, isOld: boolean): string {
  const named = (isOld ? OLD_UNITS[units] : undefined) ?? units;
  if (named === "") return "";
  const perSecond = named.endsWith("/s");
  const base = perSecond ? named.slice(0, -2) : named;
  const clean = base === "%" ? "percent" : cleanMetricPart(base);
  return `_${clean}${perSecond ? "_persec" : ""}`;
}

/** The value of a label, in its quotes. */
export function labelValue(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

/** `# HELP` line. */
export function helpLine(name: string, text: string): string {
  return `# HELP ${name} ${text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}\n`;
}

/** `# TYPE` line. */
export function typeLine(name: string, type: "gauge" | "counter"): string {
  return `# TYPE ${name} ${type}\n`;
}

/** `{a="x",b="y"}`. @param labels names must be clean. */
export function labelSet(labels: readonly (readonly [name: string, value: string])[]): string {
  return `{${labels.map(([name, value]) => `${name}=${labelValue(value)}`).join(",")}}`;
}
