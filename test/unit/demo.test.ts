import { afterAll, describe, expect, test } from "bun:test";
import { comparePoints } from "../../agent/cli/demo-compare.ts";
import { compareData } from "../../agent/cli/demo-data.ts";
import { noCollectors } from "../../agent/cli/demo-tree.ts";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { parseConfig } from "../../agent/config/load.ts";

type Series = Record<string, (number | null)[]>;

/** Second 0 is the first of each list. */
function pointsOf(series: Series) {
  return new Map(
    Object.entries(series).map(([dimension, values]) => {
      return [dimension, new Map([...values.entries()].flatMap(([i, value]) => (value === null ? [] : [[i, value]])))];
    }),
  );
}

describe("comparePoints", () => {
  const equal = { points: 0, equal: 0, rates: 0, equalRates: 0, missing: 0, problem: "" };
  const cases: { name: string; isRate?: boolean; first: Series; second: Series; result: Partial<typeof equal> }[] = [
    { name: "equal", first: { x: [1, 2, null] }, second: { x: [1, 2, 9] }, result: { points: 2, equal: 2 } },
    { name: "as printed", first: { x: [1e-7, 100] }, second: { x: [2e-7, 100.009] }, result: { points: 2, equal: 2 } },
    {
      name: "one second's value in the next",
      first: { x: [1, 2, 3] },
      second: { x: [1, 1, 2] },
      result: { points: 3, equal: 1, problem: "x is 1 at 00:00:01, at the child 2" },
    },
    {
      name: "a hole",
      first: { x: [1, 2, 3] },
      second: { x: [1, null, 3] },
      result: { points: 2, equal: 2, missing: 1, problem: "x has no value at 00:00:01" },
    },
    {
      name: "a dimension that is not there",
      first: { x: [1], y: [1, 1] },
      second: { x: [1] },
      result: { points: 1, equal: 1, missing: 2, problem: "y has no value at 00:00:00" },
    },
    {
      name: "a rate in another phase",
      isRate: true,
      first: { x: [10, 50, 30, 10] },
      second: { x: [14, 48, 28, 12] },
      result: { rates: 1, equalRates: 1 },
    },
    {
      name: "a rate that is too small",
      isRate: true,
      first: { x: [10, 500, 300, 10] },
      second: { x: [10, 480, 290, 10] },
      result: { rates: 1, equalRates: 0, problem: "x sums up to 790, at the child to 820" },
    },
    {
      name: "a rate with a hole",
      isRate: true,
      first: { x: [10, 50, 30, 10] },
      second: { x: [10, null, 30, 10] },
      result: { rates: 1, equalRates: 1, missing: 1, problem: "x has no value at 00:00:01" },
    },
    {
      name: "traffic that is sent",
      isRate: true,
      first: { x: [-5, -6] },
      second: { x: [-5, -6] },
      result: { rates: 1, equalRates: 1 },
    },
  ];
  test.each(cases)("$name", ({ isRate = false, first, second, result }) => {
    expect(comparePoints(isRate, pointsOf(first), pointsOf(second))).toEqual({ ...equal, ...result });
  });
});

/** Three agents that know two charts: a gauge and a rate. */
class AnsweringTree {
  /** By role and chart: values for every second, or none. */
  readonly values: Record<string, Record<string, ((second: number) => number | null) | null>> = {};
  private readonly server: Bun.Server<undefined>;

  constructor() {
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.answer(new URL(request.url)) });
  }

  agent(role: "child" | "proxy" | "parent") {
    return { role, guid: "some-guid", url: `http://127.0.0.1:${this.server.port}/${role}` };
  }

  stop() {
    return this.server.stop(true);
  }

  private answer({ pathname, searchParams }: URL): Response {
    const [, role = "", ...rest] = pathname.split("/");
    const path = rest.join("/");
    const prefix = role === "child" ? "api/v1" : "host/some-guid/api/v1";
    if (path === `${prefix}/charts`) {
      return Response.json({
        charts: { "a.gauge": { units: "MiB" }, "a.rate": { units: "KiB/s" }, "a.late": { units: "x" } },
      });
    }
    if (path === `${prefix}/allmetrics`) {
      return new Response(
        '# TYPE g gauge\ng{chart="a.gauge"} 1 1\n# TYPE r_total counter\nr_total{chart="a.rate",dimension="x"} 1 1\n',
      );
    }
    const valueAt = this.values[role]?.[searchParams.get("chart") ?? ""];
    if (path !== `${prefix}/data` || valueAt == null) return new Response("", { status: 404 });
    const data: (number | null)[][] = [];
    for (let at = Number(searchParams.get("before")); at >= Number(searchParams.get("after")); at--)
      data.push([at, valueAt(at)]);
    return Response.json({ labels: ["time", "x"], data });
  }
}

describe("compareData", () => {
  const gauge = (second: number) => second % 1000;
  const rate = (second: number) => 100 + (second % 7);
  const tree = new AnsweringTree();
  afterAll(() => tree.stop());

  function store(proxy: Partial<(typeof tree.values)[string]> = {}): void {
    for (const role of ["child", "proxy", "parent"])
      tree.values[role] = { "a.gauge": gauge, "a.rate": rate, "a.late": null };
    Object.assign(tree.values["proxy"]!, proxy);
  }

  test("everything is compared, at both hops", async () => {
    store();
    const { text, problems } = await compareData(tree, 25, false);
    expect(problems).toEqual([]);
    expect(text.split("\n").slice(1)).toEqual([
      "AT      CHARTS  VALUES  EQUAL  RATES  EQUAL IN SUM  MISSING",
      "proxy        2      20     20      1             1        0",
      "parent       2      20     20      1             1        0",
      "",
    ]);
  });

  const cases: {
    name: string;
    proxy: Partial<(typeof tree.values)[string]>;
    problem: RegExp;
    isHeldAlways?: boolean;
  }[] = [
    {
      name: "another value",
      proxy: { "a.gauge": (at) => gauge(at) + (at % 5 === 0 ? 1 : 0) },
      problem: /^a\.gauge at the proxy: x is /,
    },
    {
      name: "all a second late",
      proxy: { "a.gauge": (at) => gauge(at - 1) },
      problem: /^a\.gauge at the proxy: x is /,
    },
    {
      name: "a point that is missing",
      proxy: { "a.gauge": (at) => (at % 5 === 0 ? null : gauge(at)) },
      problem: /^a\.gauge at the proxy: x has no value/,
    },
    {
      name: "a rate of another size",
      proxy: { "a.rate": (at) => 1.1 * rate(at) },
      problem: /^a\.rate at the proxy: x sums up/,
    },
    {
      name: "a chart without points",
      proxy: { "a.rate": () => null },
      problem: /^a\.rate: the child has values, the proxy has none$/,
      isHeldAlways: true,
    },
    {
      name: "a chart that is missing",
      proxy: { "a.rate": null },
      problem: /^a\.rate: the child has values, the proxy has none$/,
      isHeldAlways: true,
    },
  ];
  test.each(cases)("$name", async ({ proxy, problem, isHeldAlways = false }) => {
    store(proxy);
    const { text, problems } = await compareData(tree, 25, false);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(text).not.toContain("stood still");
    const merged = await compareData(tree, 25, true);
    expect(merged.problems).toEqual(isHeldAlways ? problems : []);
    expect(merged.text.includes("stood still")).toBe(!isHeldAlways);
  });

  test("a child without values", async () => {
    for (const role of ["child", "proxy", "parent"]) tree.values[role] = {};
    expect((await compareData(tree, 25, true)).problems).toEqual(["the child has no values"]);
  });
});

test("before the links stand no collector runs, but values are expected", () => {
  const loaded = parseConfig(noCollectors(), "demo.toml");
  if (loaded instanceof ConfigErrors) throw loaded;
  const { enabled, zero_metrics: _zero, host_prefix: _prefix, ...collectors } = loaded.config.collector;
  expect(enabled).toBe(true);
  expect(new Set(Object.values(collectors).map((each) => each.enabled))).toEqual(new Set([false]));
});
