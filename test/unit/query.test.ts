import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { RESET_FLAG } from "../../agent/rrd/counter-drop.ts";
import { Query, type QueryRequest, type QueryResult, runQuery, VALUES_MAX } from "../../agent/rrd/query.ts";
import { storedSpan, sumStored } from "../../agent/rrd/query-interval.ts";
import { addHost, newDatabase, storeChart, storeRow } from "../query-fixture.ts";

const T0 = 1_795_300_800;
const REQUEST: QueryRequest = {
  after: T0 + 1,
  before: T0 + 10,
  points: 0,
  gtimeSec: 0,
  unaligned: true,
  naturalPoints: false,
  virtualPoints: false,
  selects: null,
  group: "average",
  groupOptions: "",
  absolute: false,
  percentage: false,
  nonzero: false,
};

/** Ten rows of a, b and the hidden h; b is empty in the third, h is 90. */
function sample(): Chart {
  const host = addHost(newDatabase(), "h", "1");
  return storeChart(host, {
    id: "t.c",
    updateEverySec: 1,
    dimensions: [{ id: "a" }, { id: "b" }, { id: "h", hidden: true }],
    rows: Array.from({ length: 10 }, (_, i) => [T0 + 1 + i, i + 1, i === 2 ? null : -i, 90]),
  });
}

function ask(chart: Chart, request: Partial<QueryRequest> = {}): QueryResult {
  return runQuery(chart, { ...REQUEST, ...request }, T0 + 100)!;
}

function valuesOf(result: QueryResult): Record<string, number[]> {
  return Object.fromEntries(result.columns.map((column) => [column.id, [...column.values]]));
}

describe("query", () => {
  test("shows stored points as they are, hidden dimensions left out", () => {
    const result = ask(sample());
    expect(result.isRaw).toBe(true);
    expect(valuesOf(result)).toEqual({
      a: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
      b: [-0, -1, Number.NaN, -3, -4, -5, -6, -7, -8, -9],
    });
    expect([result.timeOf(0), result.timeOf(9)]).toEqual([T0 + 1, T0 + 10]);
    expect(result.columns.map((column) => column.latest)).toEqual([10, -9]);
  });

  test("empty points are skipped, not counted as 0", () => {
    const result = ask(sample(), { points: 2, group: "average" });
    expect(result.isRaw).toBe(false);
    expect(valuesOf(result)).toEqual({ a: [3, 8], b: [-2, -7] });
    expect(valuesOf(ask(sample(), { after: T0 + 3, before: T0 + 3 }))["b"]).toEqual([Number.NaN]);
  });

  test("a dimension asked for by name is shown though hidden", () => {
    expect(valuesOf(ask(sample(), { after: T0 + 10, selects: ({ name }) => name === "h" }))).toEqual({ h: [90] });
  });

  test("nothing selected, or a window far away, does not match", () => {
    expect(runQuery(sample(), { ...REQUEST, selects: () => false }, T0 + 100)).toBeNull();
    expect(runQuery(sample(), { ...REQUEST, after: T0 - 1000, before: T0 - 900 }, T0 + 100)).toBeNull();
  });

  test("a window beyond both ends has empty rows there", () => {
    const result = ask(sample(), { after: T0 - 1, before: T0 + 12 });
    expect(valuesOf(result)["a"]).toEqual([
      Number.NaN,
      Number.NaN,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      8,
      9,
      10,
      Number.NaN,
      Number.NaN,
    ]);
    expect(result.pointsRead).toBe(20);
  });

  test("percentages are of the sum of all dimensions, hidden ones too", () => {
    const result = ask(sample(), { after: T0 + 10, percentage: true, selects: ({ id }) => id === "a" });
    expect(result.columns[0]!.values[0]).toBeCloseTo((10 * 100) / (10 - 9 + 90), 10);
    const absolute = ask(sample(), { after: T0 + 10, percentage: true, absolute: true });
    expect(absolute.columns[1]!.values[0]).toBeCloseTo((9 * 100) / (10 + 9 + 90), 10);
  });

  test("a row whose sum is 0 has percentages of 1", () => {
    const host = addHost(newDatabase(), "h", "1");
    const dimensions = [{ id: "a" }, { id: "b" }];
    const chart = storeChart(host, { id: "t.z", updateEverySec: 1, dimensions, rows: [[T0 + 1, 2, -2]] });
    expect(valuesOf(ask(chart, { before: T0 + 1, percentage: true }))).toEqual({ a: [200], b: [-200] });
  });

  test("nonzero leaves out what is 0 or empty in every row, unless everything is", () => {
    const host = addHost(newDatabase(), "h", "1");
    const rows = [
      [T0 + 1, 0, null, 1],
      [T0 + 2, 0, 0, 0],
    ];
    const chart = storeChart(host, {
      id: "t.z",
      updateEverySec: 1,
      dimensions: [{ id: "a" }, { id: "b" }, { id: "c" }],
      rows,
    });
    expect(Object.keys(valuesOf(ask(chart, { nonzero: true })))).toEqual(["c"]);
    expect(Object.keys(valuesOf(ask(chart, { after: T0 + 2, nonzero: true })))).toEqual(["a", "b", "c"]);
  });

  test("a counter reset marks the row it lies in", () => {
    const chart = sample();
    const segment = chart.segment!;
    const at = segment.valueIndex(segment.slotOf(T0 + 7), chart.record << 6);
    segment.flags[at] = RESET_FLAG;
    expect([...ask(chart, { points: 5 }).resetRows()]).toEqual([0, 0, 0, 1, 0]);
  });

  test("what the ring has overwritten is empty", () => {
    const host = addHost(newDatabase(), "h", "1", { history: 100 });
    const rows = Array.from({ length: 500 }, (_, i) => [T0 + 1 + i, i + 1]);
    const chart = storeChart(host, { id: "t.w", updateEverySec: 1, dimensions: [{ id: "a" }], rows });
    const result = runQuery(chart, { ...REQUEST, after: T0 + 1, before: T0 + 500 }, T0 + 600)!;
    const values = result.columns[0]!.values;
    expect(values.findIndex((value) => !Number.isNaN(value))).toBe(400);
    expect([...values.subarray(400)]).toEqual(Array.from({ length: 100 }, (_, i) => 401 + i));
  });

  test("many dimensions get fewer rows: an answer never has more than VALUES_MAX values", () => {
    const host = addHost(newDatabase(), "h", "1");
    const dimensions = Array.from({ length: 300 }, (_, i) => ({ id: `d${i}` }));
    const chart = storeChart(host, {
      id: "t.m",
      updateEverySec: 1,
      dimensions,
      rows: [[T0, ...dimensions.map(() => 1)]],
    });
    const query = Query.open(chart, { ...REQUEST, after: T0 - 80_000, before: T0 }, T0 + 100)!;
    expect(query.window.rows * dimensions.length).toBeLessThanOrEqual(VALUES_MAX);
    expect(query.window.rows * query.window.group).toBeGreaterThanOrEqual(80_000);
  });

  test("a chart that changes under a query answered in steps reads as empty, and nothing breaks", () => {
    const chart = sample();
    const query = Query.open(chart, REQUEST, T0 + 100)!;
    expect(query.step()).toBe(true);
    chart.host.defineChart({ id: "t.c", updateEverySec: 5 });
    expect(query.step()).toBe(false);
    expect(valuesOf(query.finish())["b"]!.every(Number.isNaN)).toBe(true);
  });

  test.each([
    { points: 0, group: "average" },
    { points: 15, group: "average" },
    { points: 15, group: "sum" },
  ])("memory of a query that is over goes to the next one, which shows nothing of it: %o", (how) => {
    const chart = sample();
    const wide = { ...REQUEST, ...how, after: T0 - 9, before: T0 + 20 };
    const columnsOf = (query: Query) => {
      while (query.step());
      return query.finish().columns;
    };
    const fresh = columnsOf(Query.open(chart, wide, T0 + 100)!).map(({ values }) => [...values]);
    let buffer: ArrayBufferLike;
    {
      using before = Query.open(chart, wide, T0 + 100)!;
      const columns = columnsOf(before);
      for (const { values } of columns) values.fill(7);
      buffer = columns[0]!.values.buffer;
    }
    using after = Query.open(chart, wide, T0 + 100)!;
    const columns = columnsOf(after);
    expect(columns[0]!.values.buffer).toBe(buffer);
    expect(columns.map(({ values }) => [...values])).toEqual(fresh);
    using other = Query.open(chart, wide, T0 + 100)!;
    expect(columnsOf(other)[0]!.values.buffer).not.toBe(buffer);
  });

  test("a host that is forgotten under a query reads as empty", () => {
    const chart = sample();
    const query = Query.open(chart, REQUEST, T0 + 100)!;
    chart.host.dispose();
    while (query.step());
    expect(valuesOf(query.finish())["a"]!.every(Number.isNaN)).toBe(true);
  });
});

describe("spans of readers that come by now and then", () => {
  test.each([1, 5])("successive windows tile, whatever the rhythm: update_every %d", (updateEverySec) => {
    const host = addHost(newDatabase(), "h", "1");
    const start = T0 - (T0 % updateEverySec);
    const chart = storeChart(host, { id: "t.s", updateEverySec, dimensions: [{ id: "a" }], rows: [[start, 1]] });
    const seen: number[] = [];
    let lastVisit = start;
    let stored = start;
    for (let visit = 0; visit < 200; visit++) {
      const now = lastVisit + [11, 10, 6, 25, 300][visit % 5]!;
      for (; stored + updateEverySec <= now; stored += updateEverySec) storeRow(chart, [stored + updateEverySec, 1]);
      const span = storedSpan(chart, lastVisit, now);
      lastVisit = now;
      for (let t = span!.fromSec; t <= span!.toSec; t += updateEverySec) seen.push(t);
    }
    // Each point once, in order: no gap and no overlap. The first window begins before there was anything.
    const expected = Array.from({ length: seen.length }, (_, i) => seen[0]! + i * updateEverySec);
    expect(seen).toEqual(expected);
  });

  test("adds up what has a value", () => {
    const chart = sample();
    const out = { sum: 0, count: 0 };
    expect(storedSpan(chart, T0, T0 + 13)).toEqual({ fromSec: T0, toSec: T0 + 10 });
    expect(sumStored(chart, 1, { fromSec: T0, toSec: T0 + 10 }, out)).toEqual({ sum: -43, count: 9 });
    expect(storedSpan(chart, T0 - 900, T0 - 800)).toBeNull();
    expect(storedSpan(chart, T0 + 80, T0 + 90)).toBeNull();
  });
});
