import type { StreamText, WireChart } from "./stream-text.ts";

/** One host at an agent, ours or another. */
export class HostView {
  /** Of the agent. */
  readonly url: string;
  /** Empty for the agent's own host, else `/host/GUID`. */
  readonly path: string;

  /** @param guid of a host that is not the agent's own. */
  constructor(port: number, guid?: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.path = guid === undefined ? "" : `/host/${guid}`;
  }

  /** The answer to `GET /api/v1/PATH` for this host; "" when it is not 200. */
  async text(path: string): Promise<string> {
    const response = await fetch(`${this.url}${this.path}/api/v1/${path}`, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    return response.status === 200 ? text : "";
  }
}

/** What `/api/v1/charts` says of one chart, as far as it travels over a stream. */
export interface ChartFacts {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly title: string;
  readonly units: string;
  readonly family: string;
  readonly context: string;
  readonly chart_type: string;
  readonly priority: number;
  readonly update_every: number;
  readonly dimensions: Readonly<Record<string, { readonly name: string }>>;
}

/** Stored points of one chart: dimension name → second → value. */
export type Points = Map<string, Map<number, number | null>>;

/** How one dimension fares on its way. */
export interface DimensionResult {
  readonly name: string;
  readonly isIncremental: boolean;
  /** It did not keep one value all the time. */
  readonly isChanging: boolean;
  /** Seconds with a value at the source; of these, without one at the target … */
  readonly points: number;
  readonly missing: number;
  /** … with an equal one; with one that the source has in that second or beside it; with the one of the second before. */
  readonly equal: number;
  readonly near: number;
  readonly late: number;
  /** Of all values, at the source and at the target. */
  readonly sums: Sums;
  /** The same between two seconds near the ends in which least happened: there it matters little where a value lies. */
  readonly quietSums: Sums;
}

export type Sums = readonly [source: number, target: number];

/** Seconds, both ends included. */
export type Window = readonly [afterSec: number, beforeSec: number];

/** Two values are equal when they differ by no more than this part of themselves … */
const RELATIVE_DIFFERENCE = 1e-4;
/** … or by no more than the last of the seven decimals in which agents print. */
const PRINTED_DIFFERENCE = 1.1e-7;
/** The longest interval of a chart. */
const INTERVAL_SEC_MAX = 10;
/** How far from the ends of a window a second is looked for in which little happened. */
const QUIET_SEC = 5;

/** @returns the visible charts by id. */
export async function readCharts(view: HostView): Promise<Map<string, ChartFacts>> {
  const { charts } = JSON.parse(await view.text("charts")) as { charts: Record<string, ChartFacts> };
  return new Map(Object.entries(charts).map(([key, chart]) => [key, factsOf(chart)]));
}

/** Labels, times and what else belongs to the agent that was asked are left out. */
function factsOf(chart: ChartFacts): ChartFacts {
  const { id, name, type, title, units, family, context, chart_type, priority, update_every } = chart;
  const dimensions = Object.fromEntries(Object.entries(chart.dimensions).map(([key, { name }]) => [key, { name }]));
  return { id, name, type, title, units, family, context, chart_type, priority, update_every, dimensions };
}

/** Reads the stored points of the seconds after…before, both ends included. */
export async function readPoints(view: HostView, chart: string, after: number, before: number): Promise<Points> {
  // Of charts with longer intervals the point at the very beginning of a window is not in the answer.
  const early = after - INTERVAL_SEC_MAX;
  const query = `chart=${encodeURIComponent(chart)}&after=${early}&before=${before}&options=seconds,unaligned`;
  const text = await view.text(`data?format=json&${query}`);
  if (text === "") return new Map();
  const { labels, data } = JSON.parse(text) as { labels: string[]; data: (number | null)[][] };
  const names = labels.slice(1);
  const points: Points = new Map(names.map((name) => [name, new Map()]));
  for (const [time, ...values] of data) {
    if (typeof time !== "number" || time < after || time > before) continue;
    names.forEach((name, index) => {
      points.get(name)!.set(time, values[index] ?? null);
    });
  }
  return points;
}

/**
 * Compares the stored points of all charts of a stream at its source and at its other end.
 * @returns the results of each window. What is needed of them is asked for once.
 */
export async function compareStream(
  stream: StreamText,
  [source, target]: readonly [HostView, HostView],
  windows: readonly Window[],
): Promise<DimensionResult[][]> {
  const results: DimensionResult[][] = windows.map(() => []);
  const after = Math.min(...windows.map(([each]) => each)) - 1;
  const before = Math.max(...windows.map(([, each]) => each)) + 1;
  for (const [id, wire] of stream.charts) {
    const [from, to] = await Promise.all([
      readPoints(source, id, after, before),
      readPoints(target, id, after, before),
    ]);
    windows.forEach((window, index) => {
      results[index]!.push(...compareChart(id, wire, [from, to], window));
    });
  }
  return results;
}

function compareChart(
  chart: string,
  wire: WireChart,
  [source, target]: readonly [Points, Points],
  window: Window,
): DimensionResult[] {
  const results: DimensionResult[] = [];
  for (const [id, { name, algorithm, options }] of wire.dimensions) {
    const from = source.get(name);
    // Hidden ones are in no answer.
    if (from === undefined || options.includes("hidden")) continue;
    const isIncremental = algorithm === "incremental";
    const result = comparePoints(from, target.get(name) ?? new Map(), window);
    if (result.points > 0) results.push({ name: `${chart}.${id}`, isIncremental, ...result });
  }
  return results;
}

export type Series = ReadonlyMap<number, number | null>;

/** Compares one dimension's values at both places. */
export function comparePoints(source: Series, target: Series, [after, before]: Window) {
  const result = { isChanging: false, points: 0, missing: 0, equal: 0, near: 0, late: 0 };
  const values = [...source].toSorted(([one], [other]) => one - other);
  let first: number | null = null;
  values.forEach(([second, value], index) => {
    if (value === null || second < after || second > before) return;
    first ??= value;
    if (value !== first) result.isChanging = true;
    result.points++;
    const other = target.get(second) ?? null;
    if (other === null) {
      result.missing++;
      return;
    }
    const [isLate, isSame, isEarly] = [-1, 0, 1].map((offset) => isEqual(values[index + offset]?.[1], other));
    if (isSame) result.equal++;
    if (isLate) result.late++;
    if (isSame || isLate || isEarly) result.near++;
  });
  const quiet = [quietSec(source, after), quietSec(source, before - QUIET_SEC) - 1] as const;
  return { ...result, sums: sumsOf(source, target, [after, before]), quietSums: sumsOf(source, target, quiet) };
}

/** Of the seconds in which the source has a value. */
function sumsOf(source: Series, target: Series, [after, before]: Window): Sums {
  const sums: [number, number] = [0, 0];
  for (const [second, value] of source) {
    if (value === null || second < after || second > before) continue;
    sums[0] += value;
    sums[1] += target.get(second) ?? 0;
  }
  return sums;
}

/** @returns the second, from `from` on, before and in which least happened. */
function quietSec(series: Series, from: number): number {
  const happened = (second: number) => Math.abs(series.get(second - 1) ?? 0) + Math.abs(series.get(second) ?? 0);
  const seconds = Array.from({ length: QUIET_SEC + 1 }, (_, offset) => from + offset);
  return seconds.reduce((best, second) => (happened(second) < happened(best) ? second : best));
}

function isEqual(one: number | null | undefined, other: number): boolean {
  return one !== null && one !== undefined && isNear(one, other);
}

/** Whether two values are the same number, as agents of both kinds print it. */
export function isNear(one: number, other: number): boolean {
  const difference = Math.abs(one - other);
  return (
    difference <= PRINTED_DIFFERENCE || difference <= RELATIVE_DIFFERENCE * Math.max(Math.abs(one), Math.abs(other))
  );
}
