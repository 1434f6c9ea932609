import { expect, test } from "bun:test";
import { restoreDimension, restoreTimes, storePast } from "../../agent/rrd/backfill.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension, newHost, stored, T0_SEC } from "../simulated-host.ts";

const NOW_US = (T0_SEC + 100) * 1e6;
const N = Number.NaN;

function chartOf(host: Host) {
  const chart = host.defineChart({ id: "t.c" })!;
  host.defineDimension(chart, dimension("a"));
  return chart;
}

function past(sec: number, value: number) {
  return { endSec: T0_SEC + sec, values: Float64Array.of(value), isReset: false, isCorrection: false };
}

test("a chart that goes on from a time it holds nothing of takes older points, and keeps that time", () => {
  const host = newHost();
  const chart = chartOf(host);
  restoreTimes(chart, (T0_SEC + 99.5) * 1e6, (T0_SEC + 99) * 1e6, NOW_US);
  storePast(chart, past(95, 5), NOW_US);
  storePast(chart, past(97, 7), NOW_US);
  expect([chart.lastEntrySec, chart.lastCollectedUs]).toEqual([T0_SEC + 99, (T0_SEC + 99.5) * 1e6]);
  const row = new ValueRow();
  restoreDimension(chart, 0, { collected: 9, rest: 0, calculated: 0, collections: 2, isWide: false });
  row.set(0, 10);
  commitStreamed(chart, row, 1e6, NOW_US + 5e5);
  expect(stored(chart, 0, T0_SEC + 94, T0_SEC + 100)).toEqual([N, 5, N, 7, N, N, 10]);
  expect([host.balance.stored, imbalance(host.balance)]).toEqual([3, 0]);
});

test("the first iteration after a chart was moved tells no interval to others: they do not know since when", () => {
  const host = newHost();
  const chart = chartOf(host);
  const told: number[] = [];
  host.listener = { commit: (_, __, elapsedUs) => told.push(elapsedUs) };
  restoreTimes(chart, (T0_SEC + 99.5) * 1e6, (T0_SEC + 99) * 1e6, NOW_US);
  const row = new ValueRow();
  row.set(0, 10);
  commitStreamed(chart, row, 1e6, NOW_US + 5e5);
  commitStreamed(chart, row, 1e6, NOW_US + 15e5);
  expect(told).toEqual([0, 1e6]);
});
