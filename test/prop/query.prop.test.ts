import { expect, test } from "bun:test";
import fc from "fast-check";
import { type QueryRequest, runQuery } from "../../agent/rrd/query.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";

const seed = Number(process.env["FAST_CHECK_SEED"] ?? 20_260_101);
const T0 = 1_795_300_800;

const point = fc.option(fc.integer({ min: -1000, max: 1000 }), { nil: null });

function store(updateEverySec: number, points: (number | null)[]) {
  const host = addHost(newDatabase(), "h", "1");
  const rows = points.map((value, i) => [T0 + (i + 1) * updateEverySec, value]);
  return storeChart(host, { id: "t.c", updateEverySec, dimensions: [{ id: "a" }], rows });
}

function requestOf(part: Partial<QueryRequest>): QueryRequest {
  return {
    after: 0,
    before: 0,
    points: 0,
    gtimeSec: 0,
    unaligned: false,
    naturalPoints: true,
    virtualPoints: false,
    selects: null,
    group: "sum",
    groupOptions: "",
    absolute: false,
    percentage: false,
    nonzero: false,
    ...part,
  };
}

test("every row holds exactly the points between its end and the end before", () => {
  const property = fc.property(
    fc.constantFrom(1, 2, 5),
    fc.array(point, { minLength: 1, maxLength: 300 }),
    fc.integer({ min: -50, max: 700 }),
    fc.integer({ min: 0, max: 900 }),
    fc.integer({ min: 0, max: 40 }),
    fc.boolean(),
    (updateEverySec, values, from, length, points, unaligned) => {
      const chart = store(updateEverySec, values);
      const request = requestOf({ after: T0 + from, before: T0 + from + length, points, unaligned });
      const result = runQuery(chart, request, T0 + 100_000);
      if (result === null) return;
      const rowSec = result.window.group * result.window.stepSec;
      result.columns[0]!.values.forEach((got, row) => {
        const end = result.timeOf(row);
        const inside = values.filter((value, i) => {
          const time = T0 + (i + 1) * updateEverySec;
          return value !== null && time > end - rowSec && time <= end;
        });
        if (inside.length === 0) expect(got).toBeNaN();
        else expect(got).toBe(inside.reduce<number>((sum, value) => sum + value!, 0));
      });
    },
  );
  fc.assert(property, { seed, numRuns: 300 });
});

test("rows cut without regard to update_every stay within the points around them", () => {
  const property = fc.property(
    fc.constantFrom(2, 3, 10),
    fc.array(point, { minLength: 1, maxLength: 100 }),
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 0, max: 300 }),
    fc.integer({ min: 1, max: 50 }),
    (updateEverySec, values, from, length, points) => {
      const chart = store(updateEverySec, values);
      const window = { after: T0 + from, before: T0 + from + length, points, naturalPoints: false, unaligned: true };
      const result = runQuery(chart, requestOf({ ...window, group: "average" }), T0 + 100_000);
      if (result === null) return;
      const rowSec = result.window.group * result.window.stepSec;
      result.columns[0]!.values.forEach((got, row) => {
        if (Number.isNaN(got)) return;
        const near = values.filter((value, i) => {
          const time = T0 + (i + 1) * updateEverySec;
          const end = result.timeOf(row);
          return value !== null && time > end - rowSec - 2 * updateEverySec && time < end + updateEverySec;
        }) as number[];
        expect(got).toBeGreaterThanOrEqual(Math.min(...near));
        expect(got).toBeLessThanOrEqual(Math.max(...near));
      });
    },
  );
  fc.assert(property, { seed, numRuns: 300 });
});

test("any query string is answered: never an internal error, always bounded", async () => {
  const database = newDatabase();
  storeChart(addHost(database, "h", "1", { isLocal: true }), {
    id: "t.c",
    updateEverySec: 1,
    dimensions: [{ id: "a" }],
    rows: [[T0 + 1, 1]],
  });
  const api = newApi(database, new FixedClock(T0 + 2));
  const word = fc.oneof(
    fc.constantFrom("after", "before", "points", "gtime", "group", "format", "options", "dims", "callback", "tqx"),
    fc.string({ maxLength: 12 }),
  );
  const value = fc.oneof(
    fc.integer().map(String),
    fc.constantFrom(
      "jsonwrap|flip",
      "csv",
      "datasource",
      "countif",
      "percentile50",
      "%zz",
      "-99999999999999999999",
      "1e9",
    ),
    fc.string({ maxLength: 20, unit: "binary" }),
  );
  const property = fc.asyncProperty(fc.array(fc.tuple(word, value), { maxLength: 8 }), async (pairs) => {
    const query = pairs.map(
      ([name, text]) => `${encodeURIComponent(name.toWellFormed())}=${encodeURIComponent(text.toWellFormed())}`,
    );
    const response = ask(api, `/api/v1/data?chart=t.c&points=50&${query.join("&")}`);
    expect([200, 400, 404]).toContain(response.status);
    expect((await response.bytes()).length).toBeLessThan(10_000_000);
  });
  await fc.assert(property, { seed, numRuns: 150 });
  expect(api.counters.failed).toBe(0);
});
