import { describe, expect, test } from "bun:test";
import { resolveWindow, type WindowBounds, type WindowRequest } from "../../agent/rrd/query-window.ts";

const L = 1_795_301_549;
const BASE: WindowRequest = {
  after: -600,
  before: 0,
  points: 0,
  gtimeSec: 0,
  unaligned: false,
  naturalPoints: false,
  virtualPoints: false,
};
const BOUNDS: WindowBounds = { firstSec: L - 199, lastSec: L, updateEverySec: 1, nowSec: L + 1, rowsMax: 86_400 };

interface Case {
  name: string;
  request: Partial<WindowRequest>;
  bounds?: Partial<WindowBounds>;
  /** before, rows, group, step. */
  expected: [number, number, number, number];
}

const cases: Case[] = [
  { name: "the last 4 whole seconds", request: { after: -4 }, expected: [L, 4, 1, 1] },
  { name: "absolute, both ends included", request: { after: L - 14, before: L }, expected: [L, 15, 1, 1] },
  { name: "3 groups, end rounded up", request: { after: L - 14, before: L, points: 3 }, expected: [L + 1, 3, 5, 1] },
  {
    name: "3 groups, not aligned",
    request: { after: L - 14, before: L, points: 3, unaligned: true },
    expected: [L, 3, 5, 1],
  },
  { name: "newest point as end is rounded down", request: { after: -60, points: 4 }, expected: [L - 14, 4, 15, 1] },
  { name: "everything", request: { after: 0, before: 0 }, expected: [L, 200, 1, 1] },
  { name: "ends in the wrong order", request: { after: L, before: L - 9 }, expected: [L, 10, 1, 1] },
  { name: "a future end moves the window back", request: { after: L + 91, before: L + 100 }, expected: [L, 10, 1, 1] },
  { name: "positive relative times count back too", request: { after: 10, before: 20 }, expected: [L - 20, 10, 1, 1] },
  {
    name: "more points than there are seconds",
    request: { after: L - 9, before: L, points: 500 },
    expected: [L, 10, 1, 1],
  },
  { name: "one point", request: { after: L - 9, before: L, points: 1 }, expected: [L + 1, 1, 10, 1] },
  {
    name: "update_every 2, points by default",
    request: { after: L - 20, before: L },
    bounds: { updateEverySec: 2, lastSec: L - 1 },
    expected: [L - 1, 10, 1, 2],
  },
  {
    name: "update_every 2 and a number of points: seconds",
    request: { after: L - 20, before: L, points: 5, unaligned: true },
    bounds: { updateEverySec: 2, lastSec: L - 1 },
    expected: [L, 5, 4, 1],
  },
  {
    name: "update_every 2, natural points asked for",
    request: { after: L - 20, before: L, points: 5, unaligned: true, naturalPoints: true },
    bounds: { updateEverySec: 2, lastSec: L - 1 },
    expected: [L - 1, 5, 2, 2],
  },
  {
    name: "virtual points win over natural ones",
    request: { after: -20, points: 0, naturalPoints: true, virtualPoints: true },
    bounds: { updateEverySec: 2, lastSec: L - 1 },
    expected: [L - 1, 20, 1, 1],
  },
];

describe("window of a query", () => {
  test.each(cases)("$name", ({ request, bounds, expected }) => {
    const window = resolveWindow({ ...BASE, ...request }, { ...BOUNDS, ...bounds });
    expect([window.beforeSec, window.rows, window.group, window.stepSec]).toEqual(expected);
    expect(window.afterSec).toBe(window.beforeSec - window.rows * window.group * window.stepSec + window.stepSec);
  });

  test("gtime widens the groups to whole steps of it and says what to divide by", () => {
    const window = resolveWindow({ ...BASE, after: L - 119, before: L, points: 2, gtimeSec: 60 }, BOUNDS);
    expect([window.rows, window.group, window.divisor]).toEqual([2, 60, 1]);
    expect(resolveWindow({ ...BASE, after: L - 119, before: L, points: 1, gtimeSec: 60 }, BOUNDS).divisor).toBe(3);
  });

  test.each([
    { name: "in 2001", after: 1_000_000_000, before: 1_000_000_010, touches: false },
    { name: "two intervals before the first", after: L - 300, before: L - 201, touches: true },
    { name: "three intervals before the first", after: L - 300, before: L - 202, touches: false },
  ])("a window $name touches: $touches", ({ after, before, touches }) => {
    expect(resolveWindow({ ...BASE, after, before }, BOUNDS).touches).toBe(touches);
  });

  test.each([
    { after: -1e12, before: 1e12, points: 0 },
    { after: 1e12, before: -1e12, points: 1e12 },
    { after: 0, before: 0, points: 86_401 },
    { after: -90_000_000, before: -1, points: 0 },
  ])("never more rows than allowed: %p", (request) => {
    for (const rowsMax of [1, 7, 86_400]) {
      const window = resolveWindow({ ...BASE, ...request }, { ...BOUNDS, rowsMax });
      expect(window.rows).toBeLessThanOrEqual(rowsMax);
      expect(window.rows).toBeGreaterThanOrEqual(1);
      expect(Number.isSafeInteger(window.afterSec)).toBe(true);
    }
  });
});
