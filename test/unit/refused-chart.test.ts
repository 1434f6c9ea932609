import { describe, expect, test } from "bun:test";
import { HostCharts } from "../../agent/collector/host-charts.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { newHost, stored, T0_SEC } from "../simulated-host.ts";

const META = { title: "T", units: "u", family: "f", priority: 1, module: "" };
const N = Number.NaN;
const atUs = (second: number) => (T0_SEC + second) * 1e6;

function refused() {
  const host = newHost({ isLocal: true });
  host.admission.newChartAllowance = 0;
  const chart = new HostCharts(host).line("a.b", META, 1);
  return { host, chart };
}

describe("a refused chart", () => {
  test("has everything that was said of it when it gets room", () => {
    const { host, chart } = refused();
    const x = chart.dimension("x", "absolute");
    const y = chart.dimension("y", "incremental", -1, 5, { hidden: true });
    expect(chart.dimension("x", "absolute", 3)).toBe(x);
    chart.variable("speed", 7);
    chart.commit(atUs(0));
    host.admission.newChartAllowance = 1;
    x.set(1);
    y.setBig(1n);
    chart.commit(atUs(60));
    const made = host.chart("a.b")!;
    expect(made.dimensions.list).toMatchObject([
      { id: "x", algorithm: "absolute", multiplier: 3 },
      { id: "y", algorithm: "incremental", multiplier: -1, divisor: 5, hidden: true },
    ]);
    expect(host.balance).toMatchObject({ collected: 2, stored: 0, dropped: { limit: 2 } });
    chart.variable("width", 8);
    const z = chart.dimension("z", "absolute");
    for (let second = 61; second < 64; second++) {
      x.set(2);
      y.setBig(9_007_199_254_740_993n);
      z.set(second);
      chart.commit(atUs(second));
    }
    expect(Object.fromEntries(made.variables!)).toEqual({ speed: 7, width: 8 });
    expect(stored(made, 0, T0_SEC + 62, T0_SEC + 63)).toEqual([6, 6]);
    expect(stored(made, 2, T0_SEC + 62, T0_SEC + 63)).toEqual([62, 63]);
    expect([host.balance.dropped.limit, imbalance(host.balance)]).toEqual([2, 0]);
    chart.retire();
    expect(made.isObsolete).toBe(true);
  });

  test.each([
    { what: "not within a minute", stepSec: 59, isMade: false },
    { what: "after a minute", stepSec: 60, isMade: true },
    { what: "after the clock stepped back", stepSec: -3600, isMade: true },
  ])("asks again $what", ({ stepSec, isMade }) => {
    const { host, chart } = refused();
    chart.commit(atUs(0));
    host.admission.newChartAllowance = 1;
    chart.commit(atUs(stepSec));
    expect(host.chart("a.b") !== undefined).toBe(isMade);
  });
});

test("dimensions that a chart has from before and nobody collects any more are absent", () => {
  const host = newHost({ isLocal: true });
  const before = new HostCharts(host).line("a.b", META, 1);
  for (let i = 0; i < 10; i++) before.dimension(`old${i}`, "incremental");
  const chart = new HostCharts(host).line("a.b", META, 1);
  const x = chart.dimension("old0", "incremental");
  for (let second = 0; second < 5; second++) {
    x.set(10 * second);
    chart.commit(atUs(second));
  }
  const made = host.chart("a.b")!;
  expect(stored(made, 0, T0_SEC + 2, T0_SEC + 4)).toEqual([10, 10, 10]);
  for (let i = 1; i < 10; i++) expect(stored(made, i, T0_SEC + 2, T0_SEC + 4)).toEqual([N, N, N]);
  expect([host.balance.collected, imbalance(host.balance)]).toEqual([5, 0]);
});
