import { describe, expect, test } from "bun:test";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitFinal, type FinalPoint } from "../../agent/rrd/commit-final.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import { collectedSec, isResetAt, latestCollected } from "../../agent/rrd/read.ts";
import { dimension, newHost, stored, T0_SEC } from "../simulated-host.ts";

/** A chart of two dimensions, and what its listener was told. */
function scene(memoryMode: MemoryMode = "ram", takesPoints = false) {
  const host = newHost({ memoryMode, historyEntries: 60 });
  const chart = host.defineChart({ id: "t.c" })!;
  host.defineDimension(chart, dimension("a", "incremental"));
  host.defineDimension(chart, dimension("b"));
  const told: string[] = [];
  host.listener = {
    commit: (_, row, elapsedUs) =>
      told.push(`commit ${elapsedUs} ${[0, 1].map((i) => (row.sets[i]! > 0 ? row.values[i] : "-")).join(" ")}`),
    point: (_, timeSec, setCount) => takesPoints && told.push(`point ${timeSec - T0_SEC} ${setCount}`) > 0,
    past: (_, after, before) => told.push(`past ${after - T0_SEC} ${before - T0_SEC}`),
  };
  return { host, chart, told };
}

/** @param values NaN = empty, undefined = not named. The collected value is ten times as much. */
function point(sec: number, ...values: (number | undefined)[]): FinalPoint {
  return {
    endSec: T0_SEC + sec,
    values: Float64Array.from(values, (value) => value ?? Number.NaN),
    collected: Float64Array.from(values, (value) => 10 * (value || 0)),
    sets: Uint8Array.from(values, (value) => (value === undefined ? 0 : 1)),
    setCount: values.filter((value) => value !== undefined).length,
    isReset: false,
  };
}

function commit(chart: Chart, given: FinalPoint, nowSec = given.endSec - T0_SEC + 1): void {
  commitFinal(chart, given, (T0_SEC + nowSec) * 1e6);
  expect(imbalance(chart.host.balance)).toBe(0);
}

const N = Number.NaN;

describe("final points", () => {
  test("lie at their own second, in any order, and the last one of a second counts", () => {
    const { host, chart } = scene();
    commit(chart, point(5, 1.5, -2));
    commit(chart, point(8, 4, 5));
    commit(chart, point(6, 2, undefined), 9);
    commit(chart, point(8, 4.25, undefined));
    expect(stored(chart, 0, T0_SEC + 4, T0_SEC + 9)).toEqual([N, 1.5, 2, N, 4.25, N]);
    expect(stored(chart, 1, T0_SEC + 4, T0_SEC + 9)).toEqual([N, -2, N, N, 5, N]);
    expect(host.balance).toMatchObject({ received: 6, stored: 5, merged: 1, base: 0 });
    expect([host.lastCollectedUs, chart.lastCollectedUs]).toEqual([(T0_SEC + 8) * 1e6, (T0_SEC + 8) * 1e6]);
  });

  test("a chart that is ahead of our clock goes back to the point that is not, and forgets what it held after it", () => {
    const { host, chart, told } = scene("ram", true);
    // Further than its ring is long.
    for (const second of [150, 151, 152]) commit(chart, point(second, second, 2));
    commit(chart, point(20, 7, 8));
    commit(chart, point(21, 9, 10));
    expect(stored(chart, 0, T0_SEC + 20, T0_SEC + 22)).toEqual([7, 9, N]);
    expect([chart.lastEntrySec, host.lastCollectedUs]).toEqual([T0_SEC + 21, (T0_SEC + 21) * 1e6]);
    expect([host.clockSetbacks, told.at(-1)]).toEqual([1, "point 21 2"]);
    commit(chart, point(152, 11, 12));
    expect(stored(chart, 0, T0_SEC + 149, T0_SEC + 152)).toEqual([N, N, N, 11]);
  });

  test("what was collected is kept of the newest one, with its time", () => {
    const { chart } = scene();
    commit(chart, point(5, 1, 2));
    commit(chart, point(6, 3, undefined));
    commit(chart, point(4, 9, 9), 7);
    expect([latestCollected(chart, 0), latestCollected(chart, 1)]).toEqual([30, 20]);
    expect([collectedSec(chart, 0), collectedSec(chart, 1)]).toEqual([T0_SEC + 6, T0_SEC + 5]);
  });

  test("a value that is named and empty is a base, a repeated one is merged, an infinite one is dropped", () => {
    const { host, chart } = scene();
    commit(chart, point(5, N, 2));
    commit(chart, { ...point(6, 1, 2), sets: Uint8Array.of(3, 1), setCount: 4 });
    commit(chart, point(7, Number.POSITIVE_INFINITY, 1));
    expect(host.balance).toMatchObject({ received: 8, stored: 4, merged: 2, base: 1 });
    expect(host.balance.dropped.non_finite).toBe(1);
    expect(latestCollected(chart, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  test("too far ahead of our clock, or older than the ring: dropped, and not passed on", () => {
    const { host, chart, told } = scene();
    commit(chart, point(100, 1, 2), 100);
    commit(chart, point(106, 1, 2), 100);
    commit(chart, point(40, 1, 2), 100);
    expect(host.balance.dropped).toMatchObject({ clock: 2, gap_too_long: 2 });
    expect(told).toEqual(["commit 0 10 20"]);
    commit(chart, point(105, 1, 2), 100);
    expect(host.balance.stored).toBe(4);
  });

  test("a reset is marked in its second", () => {
    const { chart } = scene();
    commit(chart, point(5, 1, 2));
    commit(chart, { ...point(6, 1, 2), isReset: true });
    expect([5, 6, 7].map((sec) => isResetAt(chart, T0_SEC + sec))).toEqual([false, true, false]);
  });

  test("whoever takes no points is told of what was collected, in order, and of what came late", () => {
    const { chart, told } = scene();
    commit(chart, point(5, 1, 2));
    commit(chart, point(6, 2, undefined));
    commit(chart, point(9, 3, 4));
    commit(chart, point(7, 9, 9), 10);
    expect(told).toEqual(["commit 0 10 20", "commit 1000000 20 -", "commit 3000000 30 40", "past 6 7"]);
  });

  test("whoever takes points is told of each", () => {
    const { chart, told } = scene("ram", true);
    commit(chart, point(5, 1, 2));
    commit(chart, point(3, 2, undefined), 6);
    expect(told).toEqual(["point 5 2", "point 3 1"]);
  });

  test("a host that keeps nothing passes on what was collected", () => {
    const { host, chart, told } = scene("none");
    commit(chart, point(5, 1, 2));
    commit(chart, point(6, 2, 3));
    expect(told).toEqual(["commit 0 10 20", "commit 1000000 20 30"]);
    expect(host.balance).toMatchObject({ received: 4, unkept: 4, stored: 0 });
    expect(latestCollected(chart, 1)).toBe(30);
  });

  test("a retired chart is back, one that was removed too", () => {
    const { host, chart } = scene();
    commit(chart, point(5, 1, 2));
    host.retireChart(chart);
    commit(chart, point(6, 1, 2));
    expect(chart.isObsolete).toBe(false);
    host.retireChart(chart);
    host.removeObsolete(1, 0);
    host.removeObsolete(Number.MAX_SAFE_INTEGER, 0);
    expect(host.chart("t.c")).toBeUndefined();
    commit(chart, point(7, 5, 6));
    expect([host.chart("t.c"), stored(chart, 1, T0_SEC + 6, T0_SEC + 7)]).toEqual([chart, [N, 6]]);
  });
});
