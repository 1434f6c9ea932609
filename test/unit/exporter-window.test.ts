import { describe, expect, test } from "bun:test";
import { alignDown, alignUp, exportLimitSec, exportStartSec, windowEndSec } from "../../agent/exporter/window.ts";

describe("the newest time an interval exports", () => {
  const rows: { tick: number; updateEvery: number; limit: number }[] = [
    // Due at 1274, every chart of the capture: printed times 1271, 1268 and 1255.
    { tick: 1_795_301_274, updateEvery: 1, limit: 1_795_301_271 },
    { tick: 1_795_301_274, updateEvery: 2, limit: 1_795_301_268 },
    { tick: 1_795_301_274, updateEvery: 5, limit: 1_795_301_255 },
    { tick: 1000, updateEvery: 10, limit: 970 },
    { tick: 1009, updateEvery: 10, limit: 970 },
    { tick: 1010, updateEvery: 10, limit: 980 },
  ];
  test.each(rows)("due at $tick, every $updateEvery s → $limit", ({ tick, updateEvery, limit }) => {
    expect(exportLimitSec(tick, updateEvery)).toBe(limit);
  });
});

test("exporting begins two updates before the start", () => {
  expect(exportStartSec(1000, 1)).toBe(998);
  expect(exportStartSec(1001, 2)).toBe(996);
  expect(exportStartSec(1009, 10)).toBe(980);
});

/** All windows of one chart over a run of intervals; late[i] is how much later the newest point of interval i was. */
function windows(
  ticks: readonly number[],
  updateEvery: number,
  every: number,
  start: number,
  newest = ticks,
): string[] {
  const got: string[] = [];
  let next = exportStartSec(start, updateEvery);
  ticks.forEach((tick, index) => {
    const last = Math.min(exportLimitSec(tick, updateEvery), alignDown(newest[index]!, updateEvery));
    while (next <= last) {
      const end = windowEndSec(next, last, updateEvery, every);
      got.push(`${next}-${end}`);
      next = end + updateEvery;
    }
  });
  return got;
}

describe("windows", () => {
  const rows: { name: string; got: string[]; expected: string[] }[] = [
    {
      name: "every 5 s of a chart of 1 s: the first has 3 points, as with netdata 1.37",
      got: windows([1003, 1008, 1013], 1, 5, 1000),
      expected: ["998-1000", "1001-1005", "1006-1010"],
    },
    {
      name: "a skipped interval becomes two windows of the usual length",
      got: windows([1003, 1013, 1018], 1, 5, 1000),
      expected: ["998-1000", "1001-1005", "1006-1010", "1011-1015"],
    },
    {
      name: "every second: one point each, also after a pause",
      got: windows([1003, 1006, 1007], 1, 1, 1003),
      expected: ["1001-1001", "1002-1002", "1003-1003", "1004-1004"],
    },
    {
      name: "a chart slower than the exporter: each point once, none twice",
      got: windows([1000, 1005, 1010, 1015, 1020], 10, 5, 1000),
      expected: ["980-980", "990-990"],
    },
    {
      name: "a chart that does not divide the interval",
      got: windows([1005, 1010, 1015, 1020], 2, 5, 1000),
      expected: ["996-998", "1000-1004", "1006-1008", "1010-1014"],
    },
    {
      name: "values that came late are in the next window",
      got: windows([1003, 1008, 1013], 1, 5, 1000, [999, 1002, 1013]),
      expected: ["998-999", "1000-1002", "1003-1010"],
    },
  ];
  test.each(rows)("$name", ({ got, expected }) => expect(got).toEqual(expected));
});

test("alignment", () => {
  expect([alignDown(10, 5), alignDown(14, 5), alignDown(-1, 5)]).toEqual([10, 10, -5]);
  expect([alignUp(10, 5), alignUp(11, 5), alignUp(-1, 5)]).toEqual([10, 15, 0]);
});
