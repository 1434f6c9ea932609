import { describe, expect, test } from "bun:test";
import { restoreDimension, restoreTimes, storePast } from "../../agent/rrd/backfill.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import { trustClock } from "../../agent/rrd/interval.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension, newHost, stored, T0_SEC } from "../simulated-host.ts";

/** Just after it began anew, a child has one value and no point of it; the points before come later. */
function parent() {
  const host = newHost();
  trustClock(host, true);
  const chart = host.defineChart({ id: "t.c" })!;
  host.defineDimension(chart, dimension("x"));
  const row = new ValueRow();
  const nowUs = (T0_SEC + 100) * 1e6;
  const goOn = (value: number, elapsedUs: number) => {
    row.set(0, value);
    commitStreamed(chart, row, elapsedUs, nowUs);
    row.clear();
  };
  const past = (second: number, value: number) => {
    const values = Float64Array.of(value);
    storePast(chart, { endSec: T0_SEC + second, values, isReset: false, isCorrection: false }, nowUs);
  };
  return { host, chart, goOn, past };
}

/** What is stored when these seconds come between the state and the next two values. */
function storedWith(seconds: readonly number[], updatedUs: number) {
  const { host, chart, goOn, past } = parent();
  restoreDimension(chart, 0, { collected: 40, rest: 0, calculated: 40, collections: 1, isWide: false });
  const collectedUs = (T0_SEC + 40.5) * 1e6;
  restoreTimes(chart, collectedUs, (T0_SEC + 40) * 1e6 + updatedUs, collectedUs);
  for (const second of seconds) past(second, second);
  expect(chart.lastCollectedUs).toBe(collectedUs);
  goOn(43, 900_000);
  goOn(47, 1_000_000);
  expect([chart.lastEntrySec, imbalance(host.balance)]).toEqual([T0_SEC + 42, 0]);
  return stored(chart, 0, T0_SEC + 10, T0_SEC + 42);
}

describe("a chart whose first point comes after the state that it goes on from", () => {
  const cases: { name: string; seconds: number[]; updatedUs: number }[] = [
    { name: "several points", seconds: [20, 21, 30], updatedUs: 0 },
    { name: "the second before", seconds: [39], updatedUs: 0 },
    { name: "a state between two slots", seconds: [38, 39], updatedUs: 250_000 },
  ];
  test.each(cases)("$name: goes on as without them", ({ seconds, updatedUs }) => {
    const without = storedWith([], updatedUs);
    expect(without.filter((value) => !Number.isNaN(value)).length).toBe(2);
    const expected = without.map((value, index) => (seconds.includes(10 + index) ? 10 + index : value));
    expect(storedWith(seconds, updatedUs)).toEqual(expected);
  });
});

test("the first iteration after a chart was moved tells no interval to others: they do not know since when", () => {
  const { host, chart, goOn } = parent();
  const told: number[] = [];
  host.listener = { commit: (_, __, elapsedUs) => told.push(elapsedUs) };
  restoreTimes(chart, (T0_SEC + 90.5) * 1e6, (T0_SEC + 90) * 1e6, (T0_SEC + 91) * 1e6);
  goOn(10, 1e6);
  goOn(10, 1e6);
  expect(told).toEqual([0, 1e6]);
});
