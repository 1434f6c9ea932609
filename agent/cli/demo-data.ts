import * as v from "valibot";
import type { DemoRole, DemoTree } from "./demo-tree.ts";

/** Charts whose stored points are compared, and the time they are compared over. */
const CHARTS = ["system.cpu", "system.ram", "system.load", "system.uptime"];
const WINDOW_SEC = 5;
/** The newest seconds may be on their way at one place and stored at the other. */
const SETTLED_SEC = 3;

const DataSchema = v.object({
  labels: v.array(v.string()),
  data: v.array(v.array(v.nullable(v.number()))),
});

/** What `/api/v1/data` of the three agents says of the child's charts. */
export interface DataComparison {
  /** One line for people. */
  readonly text: string;
  readonly problems: string[];
}

/**
 * Compares the points that the three agents store of the child: the same seconds must be there at every hop.
 * @param isMerged the accounts say that an agent got two values in one second (a machine that stood still): then one
 * agent may have points that another has merged, and only a missing chart is a problem.
 */
export async function compareData(tree: DemoTree, isMerged: boolean): Promise<DataComparison> {
  const before = Math.floor(performance.timeOrigin / 1000 + performance.now() / 1000) - SETTLED_SEC;
  const problems: string[] = [];
  let points = 0;
  for (const chart of CHARTS) {
    const [child, proxy, parent] = await Promise.all([
      countPoints(tree, "child", chart, before),
      countPoints(tree, "proxy", chart, before),
      countPoints(tree, "parent", chart, before),
    ]);
    points += parent!;
    const isEqual = child === proxy && proxy === parent;
    if (child === 0 || proxy === 0 || parent === 0 || !(isEqual || isMerged)) {
      problems.push(`${chart}: ${child} points at the child, ${proxy} at the proxy, ${parent} at the parent`);
    }
  }
  const where = isMerged ? "at the parent, some merged on the way" : "at each of the three agents";
  const text = `stored points of ${CHARTS.join(", ")} in ${WINDOW_SEC} s: ${points} ${where}`;
  return { text: problems.length === 0 ? text : "stored points differ", problems };
}

async function countPoints(tree: DemoTree, role: DemoRole, chart: string, before: number): Promise<number> {
  const host = role === "child" ? "" : `/host/${tree.agent("child").guid}`;
  const query = `chart=${chart}&after=${before - WINDOW_SEC + 1}&before=${before}&options=unaligned`;
  const response = await fetch(`${tree.agent(role).url}${host}/api/v1/data?${query}`, {
    signal: AbortSignal.timeout(5000),
  }).catch(() => null);
  // No answer is no point: the comparison then fails with the numbers of all three.
  if (response === null || !response.ok) return 0;
  const { data } = v.parse(DataSchema, await response.json());
  return data.reduce((sum, [, ...values]) => sum + values.filter((value) => value !== null).length, 0);
}
