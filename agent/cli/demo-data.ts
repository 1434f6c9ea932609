import * as v from "valibot";
import { type ChartPoints, clockTime, comparePoints } from "./demo-compare.ts";
import type { DemoRole, DemoTree } from "./demo-tree.ts";
import { renderTable } from "./table.ts";

/** Newest seconds that are left out: they may be on their way at one place and stored at the other. */
const SETTLED_SEC = 3;
/** Oldest seconds that are left out: collectors start in the first, and their charts follow. */
const START_SEC = 2;
const WINDOW_SEC_MAX = 60;
/** Problems told one by one. */
const PROBLEMS_MAX = 10;
const REQUEST_TIMEOUT_MS = 5000;

const MERGED = "This machine stood still for a moment, so values of two seconds met in one: they may differ.\n";

const ChartsSchema = v.object({ charts: v.record(v.string(), v.object({ units: v.string() })) });
const DataSchema = v.object({ labels: v.array(v.string()), data: v.array(v.array(v.nullable(v.number()))) });

/** What the three agents have stored of the child. */
export interface DataComparison {
  /** For people, whole lines. */
  readonly text: string;
  readonly problems: string[];
}

interface DemoChart {
  readonly id: string;
  readonly isRate: boolean;
  /** The child's own. */
  readonly points: ChartPoints;
}

/** Where the agents are. */
type Tree = Pick<DemoTree, "agent">;

/**
 * Compares all points that the proxy and the parent store of the child with the child's own.
 * @param seconds since the collectors were started.
 * @param isMerged an agent got two values of the child in one second (the machine stood still): then its seconds may
 * hold other values than the child's, which is told; that a whole chart is missing stays a problem.
 */
export async function compareData(tree: Tree, seconds: number, isMerged: boolean): Promise<DataComparison> {
  const before = Math.floor((performance.timeOrigin + performance.now()) / 1000) - SETTLED_SEC;
  const after = before - Math.max(1, Math.min(WINDOW_SEC_MAX, seconds - SETTLED_SEC - START_SEC)) + 1;
  const charts = await chartsOfChild(tree, after, before);
  const rows: (string | number)[][] = [["AT", "CHARTS", "VALUES", "EQUAL", "RATES", "EQUAL IN SUM", "MISSING"]];
  const absent = charts.length > 0 ? [] : ["the child has no values"];
  const different: string[] = [];
  for (const role of ["proxy", "parent"] as const) {
    const total = { charts: 0, points: 0, equal: 0, rates: 0, equalRates: 0, missing: 0 };
    for (const { id, isRate, points } of charts) {
      const others = await pointsOf(tree, role, id, after, before);
      const result = comparePoints(isRate, points, others);
      for (const key of ["points", "equal", "rates", "equalRates", "missing"] as const) total[key] += result[key];
      if (isEmpty(others)) absent.push(`${id}: the child has values, the ${role} has none`);
      else {
        total.charts++;
        if (result.problem !== "") different.push(`${id} at the ${role}: ${result.problem}`);
      }
    }
    rows.push([role, total.charts, total.points, total.equal, total.rates, total.equalRates, total.missing]);
  }
  const span = `${clockTime(after)} to ${clockTime(before)} UTC`;
  const why = isMerged && different.length > 0 ? MERGED : "";
  return {
    text: `stored of the child from ${span}, compared with the child itself\n${renderTable(rows)}${why}`,
    problems: shorten(isMerged ? absent : [...absent, ...different]),
  };
}

function shorten(problems: string[]): string[] {
  if (problems.length <= PROBLEMS_MAX) return problems;
  return [...problems.slice(0, PROBLEMS_MAX), `${problems.length - PROBLEMS_MAX} more like these`];
}

function isEmpty(points: ChartPoints): boolean {
  return [...points.values()].every((values) => values.size === 0);
}

/** Charts with values. Which count up, the metrics for Prometheus tell; percentages are compared like any value. */
async function chartsOfChild(tree: Tree, after: number, before: number): Promise<DemoChart[]> {
  const { charts } = v.parse(ChartsSchema, JSON.parse((await ask(tree, "child", "charts")) || '{"charts":{}}'));
  const metrics = await ask(tree, "child", "allmetrics?format=prometheus&source=as-collected&types=yes");
  const counting = new Set<string>();
  let isCounter = false;
  for (const line of metrics.split("\n")) {
    if (line.startsWith("# TYPE ")) isCounter = line.endsWith(" counter");
    else if (isCounter) counting.add(/\bchart="([^"]*)"/.exec(line)?.[1] ?? "");
  }
  const found: DemoChart[] = [];
  for (const [id, { units }] of Object.entries(charts)) {
    const points = await pointsOf(tree, "child", id, after, before);
    if (!isEmpty(points)) found.push({ id, isRate: counting.has(id) && units !== "percentage", points });
  }
  return found;
}

async function pointsOf(
  tree: Tree,
  role: DemoRole,
  chart: string,
  after: number,
  before: number,
): Promise<ChartPoints> {
  const query = `chart=${encodeURIComponent(chart)}&after=${after}&before=${before}&options=seconds,unaligned`;
  const text = await ask(tree, role, `data?format=json&${query}`);
  const points = new Map<string, Map<number, number>>();
  if (text === "") return points;
  const { labels, data } = v.parse(DataSchema, JSON.parse(text));
  const names = labels.slice(1);
  for (const name of names) points.set(name, new Map());
  for (const [second, ...values] of data) {
    if (typeof second !== "number" || second < after || second > before) continue;
    names.forEach((name, index) => {
      const value = values[index] ?? null;
      if (value !== null) points.get(name)!.set(second, value);
    });
  }
  return points;
}

/** Asks an agent about the child. @returns the answer; "" if there is none: then the comparison fails. */
async function ask(tree: Tree, role: DemoRole, path: string): Promise<string> {
  const host = role === "child" ? "" : `/host/${tree.agent("child").guid}`;
  const url = `${tree.agent(role).url}${host}/api/v1/${path}`;
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
    const text = await response.text();
    return response.ok ? text : "";
  } catch {
    return "";
  }
}
