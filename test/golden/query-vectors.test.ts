import { beforeAll, describe, expect, test } from "bun:test";
import cases from "../fixtures/vectors/query-cases.json";
import fixture from "../fixtures/vectors/query-fixture.json";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { isObject, jsonDifference } from "../json-difference.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";

interface FixtureChart {
  host: string;
  id: string;
  update_every: number;
  units: string;
  chart_type: string;
  dims: string[];
  dim_names: string[];
  hidden: string[];
  first_entry: number;
  rows: (number | null)[][];
}

/** Cases that are not as recorded, with the reason. */
const EXCEPTIONS: Record<string, string> = {
  "group-median-12pts": "the recorded agent takes the wrong two of an even number of values (rrd.md §6.6)",
};

/** Keys of a wrapped answer that say how the recorded agent works inside. */
const IGNORED = ["id", "name", "functions", "db_points_per_tier", "options"];

/** The recorded agent ran in UTC. */
beforeAll(() => {
  process.env["TZ"] = "UTC";
});

const database = newDatabase();
addHost(database, "parent", "1", { isLocal: true });
for (const chart of Object.values(fixture.charts) as unknown as FixtureChart[]) {
  const history = chart.host === "whost" ? 60 : 3600;
  const host =
    database.findHost(chart.host) ?? addHost(database, chart.host, chart.host === "whost" ? "3" : "2", { history });
  storeChart(host, {
    id: chart.id,
    units: chart.units,
    chartType: chart.chart_type as "line",
    updateEverySec: chart.update_every,
    dimensions: chart.dims.map((id, i) => ({ id, name: chart.dim_names[i]!, hidden: chart.hidden.includes(id) })),
    rows: chart.rows.filter(([timeSec]) => timeSec! > chart.first_entry),
  });
}

describe("recorded queries", () => {
  for (const recorded of cases.cases) {
    if (recorded.name in EXCEPTIONS) continue;
    test(recorded.name, async () => {
      const api = newApi(database, new FixedClock(recorded.now));
      const response = ask(api, `/host/${recorded.host}/api/v1/data?${recorded.query}`);
      expect(response.status).toBe(recorded.status);
      expect(response.headers.get("content-type")).toBe(recorded.content_type);
      for (const [name, value] of Object.entries(recorded.headers)) expect(response.headers.get(name)).toBe(value);
      compareBodies(await response.text(), recorded.body);
    });
  }

  test("every exception is still one", () => {
    expect(Object.keys(EXCEPTIONS).filter((name) => !cases.cases.some((recorded) => recorded.name === name))).toEqual(
      [],
    );
  });

  test("an even number of values has the mean of the middle two as its median", async () => {
    const recorded = cases.cases.find(({ name }) => name === "group-median-12pts")!;
    const api = newApi(database, new FixedClock(recorded.now));
    const response = ask(api, `/host/${recorded.host}/api/v1/data?${recorded.query}`);
    const body = (await response.json()) as { data: number[][] };
    // Points 831 … 840 of `up` are 820, 830 … 910.
    expect(body.data[0]!.slice(0, 2)).toEqual([1795301440, 865]);
  });
});

function compareBodies(got: string, recorded: string): void {
  const json = parse(recorded);
  if (json === undefined) {
    expect(got.replace(NUMBER, "0")).toBe(recorded.replace(NUMBER, "0"));
    expect(jsonDifference(got.match(NUMBER)?.map(Number), recorded.match(NUMBER)?.map(Number))).toEqual([]);
    return;
  }
  const mine = parse(got);
  for (const key of IGNORED) {
    if (isObject(json) && isObject(mine) && key in json) {
      expect(key in mine).toBe(true);
      delete json[key];
      delete mine[key];
    }
  }
  expect(jsonDifference(mine, json)).toEqual([]);
}

/** Numbers of a text; a date is three and a time of day three more. */
const NUMBER = /-?\d+(\.\d+)?/g;

/** JSON, or the argument of a call around it; undefined for other text. */
function parse(text: string): unknown {
  const inner = /^[\w.$]+\((.*)\);$/s.exec(text)?.[1] ?? text;
  try {
    return JSON.parse(inner);
  } catch {
    return undefined;
  }
}
