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
  /** Seconds with a value at the source; of these, without one at the target, and with an equal one. */
  readonly points: number;
  readonly missing: number;
  readonly equal: number;
  readonly sourceSum: number;
  readonly targetSum: number;
}

/** Two values are equal when they differ by no more than this part of themselves … */
const RELATIVE_DIFFERENCE = 1e-4;
/** … or by no more than the last of the seven decimals in which agents print. */
const PRINTED_DIFFERENCE = 1.1e-7;
/** Incremental dimensions are equal in their sum. */
const SUM_DIFFERENCE = 0.01;

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
  const query = `chart=${encodeURIComponent(chart)}&after=${after}&before=${before}&options=seconds,unaligned`;
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

/** Compares the stored points of all charts of a stream at its source and at its other end. */
export async function compareStream(
  stream: StreamText,
  [source, target]: readonly [HostView, HostView],
  [after, before]: readonly [number, number],
): Promise<DimensionResult[]> {
  const results: DimensionResult[] = [];
  for (const [id, wire] of stream.charts) {
    const [from, to] = await Promise.all([
      readPoints(source, id, after, before),
      readPoints(target, id, after, before),
    ]);
    results.push(...compareChart(id, wire, from, to));
  }
  return results;
}

function compareChart(chart: string, wire: WireChart, source: Points, target: Points): DimensionResult[] {
  const results: DimensionResult[] = [];
  for (const [id, { name, algorithm, options }] of wire.dimensions) {
    const from = source.get(name);
    // Hidden ones are in no answer.
    if (from === undefined || options.includes("hidden")) continue;
    const isIncremental = algorithm === "incremental";
    results.push({ name: `${chart}.${id}`, isIncremental, ...comparePoints(from, target.get(name) ?? new Map()) });
  }
  return results;
}

function comparePoints(source: Map<number, number | null>, target: Map<number, number | null>) {
  const result = { isChanging: false, points: 0, missing: 0, equal: 0, sourceSum: 0, targetSum: 0 };
  let first: number | null = null;
  for (const [second, value] of source) {
    if (value === null) continue;
    first ??= value;
    if (value !== first) result.isChanging = true;
    result.points++;
    result.sourceSum += value;
    const other = target.get(second) ?? null;
    if (other === null) result.missing++;
    else {
      result.targetSum += other;
      if (isEqual(value, other)) result.equal++;
    }
  }
  return result;
}

function isEqual(one: number, other: number): boolean {
  const difference = Math.abs(one - other);
  return (
    difference <= PRINTED_DIFFERENCE || difference <= RELATIVE_DIFFERENCE * Math.max(Math.abs(one), Math.abs(other))
  );
}

/** The figures of one way through the agents. Only dimensions that changed count. */
export interface StreamFigures {
  readonly changing: number;
  /** Of the points of absolute and percentage dimensions: how many there are, and the share that is equal, 0…1. */
  readonly points: number;
  readonly equalShare: number;
  /** Incremental dimensions, and what is wrong with them: one text each. */
  readonly incremental: number;
  readonly incrementalProblems: string[];
  /** Dimensions with points that are missing or not equal, the worst first; for people. */
  readonly worst: string[];
}

export function figuresOf(results: readonly DimensionResult[]): StreamFigures {
  const changing = results.filter(({ isChanging }) => isChanging);
  const gauges = changing.filter(({ isIncremental }) => !isIncremental);
  const incremental = changing.filter(({ isIncremental }) => isIncremental);
  const points = gauges.reduce((sum, each) => sum + each.points, 0);
  const equal = gauges.reduce((sum, each) => sum + each.equal, 0);
  const unequal = gauges.filter((each) => each.equal < each.points);
  unequal.sort((a, b) => a.equal / a.points - b.equal / b.points);
  return {
    changing: changing.length,
    points,
    equalShare: equal / points,
    incremental: incremental.length,
    incrementalProblems: incremental.flatMap(incrementalProblem),
    worst: unequal.slice(0, 10).map((each) => `${each.name}: ${each.equal} of ${each.points}, ${each.missing} missing`),
  };
}

function incrementalProblem({ name, missing, points, sourceSum, targetSum }: DimensionResult): string[] {
  if (missing > 0) return [`${name}: ${missing} of ${points} points are missing`];
  const isClose = Math.abs(sourceSum - targetSum) <= SUM_DIFFERENCE * Math.abs(sourceSum);
  return isClose ? [] : [`${name}: sums to ${sourceSum} at the source and ${targetSum} at the target`];
}
