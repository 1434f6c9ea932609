import { beforeAll, describe, expect, test } from "bun:test";
import { RESET_FLAG } from "../../agent/rrd/counter-drop.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { addHost, newDatabase, storeChart } from "../query-fixture.ts";

const T0 = 1_795_300_800;
const database = newDatabase();
const host = addHost(database, "h", "1", { isLocal: true });
const chart = storeChart(host, {
  id: "t.c",
  name: "chart",
  updateEverySec: 1,
  dimensions: [
    { id: "a", name: "b" },
    { id: "b", name: `x,"y"` },
    { id: "z", name: "zero" },
    { id: "h", hidden: true },
  ],
  rows: [
    [T0 + 1, -1.5, 2, 0, 7],
    [T0 + 2, 3, null, 0, 7],
    [T0 + 3, 4, -8, 0, 7],
  ],
});
for (const id of ["m.one", "m.two"]) {
  const definition = host.defineChart({ id, context: "m.shared" })!;
  const dimension = { id: "a", name: "a", algorithm: "absolute" as const, multiplier: 1, divisor: 1 };
  host.defineDimension(definition, { ...dimension, hidden: false, noReset: false, obsolete: false });
}
const api = newApi(database, new FixedClock(T0 + 100));
const WINDOW = `chart=t.c&after=${T0 + 1}&before=${T0 + 3}`;

beforeAll(() => {
  process.env["TZ"] = "UTC";
});

function body(query: string): Promise<string> {
  return ask(api, `/api/v1/data?${WINDOW}&${query}`).text();
}

describe("formats of /api/v1/data (http-api.md §6)", () => {
  test.each<[string, string]>([
    [
      "format=csv&options=seconds",
      `time,b,"x,""y""",zero\r\n${T0 + 3},4,-8,0\r\n${T0 + 2},3,null,0\r\n${T0 + 1},-1.5,2,0\r\n`,
    ],
    ["format=csv&options=ms,flip&dims=zero", `time,zero\r\n${T0 + 1}000,0\r\n${T0 + 2}000,0\r\n${T0 + 3}000,0\r\n`],
    ["format=tsv-excel&dims=a&points=1&group=sum&options=seconds,unaligned", `time\tb\r\n${T0 + 3}\t5.5\r\n`],
    ["format=ssv", "-4 3 0.5"],
    ["format=ssvcomma&options=flip,abs", "3.5,3,12"],
    ["format=array&options=min2max", "[12,3,3.5]"],
    ["format=array&options=null2zero&dims=x*", "[-8,0,2]"],
    ["format=array&options=display_absolute&dims=x*", "[8,null,2]"],
    [
      "format=jsonp&callback=f&dims=zero&options=flip",
      `f({\n "labels": ["time","zero"],\n    "data":\n [\n [ ${T0 + 1},0],\n [ ${T0 + 2},0],\n [ ${T0 + 3},0]\n]\n});`,
    ],
    ["format=csvjsonarray&dims=zero&points=1&options=unaligned", '[\n["time","zero"],\n["2026-11-21 22:40:03",0]\n]'],
    ["format=markdown&dims=b&options=seconds,match_ids&points=1&group=max", `time|x,"y"\r\n:---:|:---:\r\n`],
  ])("%s", async (query, expected) => expect(await body(query)).toStartWith(expected));

  test("a name in a match by id or by name", async () => {
    expect(await body("format=csv&dims=b&options=seconds")).toStartWith(`time,b,"x,""y"""\r\n`);
    expect(await body("format=csv&dims=b&options=seconds,match-ids")).toStartWith(`time,"x,""y"""\r\n`);
    expect(await body("format=csv&dims=b&options=seconds|match-names")).toStartWith("time,b\r\n");
    expect(await body("format=csv&dims=a&dims=zero|h&options=seconds")).toStartWith("time,b,zero,h\r\n");
  });

  test("rows as objects", async () => {
    const { data } = JSON.parse(await body("options=objectrows,flip")) as { data: object[] };
    expect(data[1]).toEqual({ time: T0 + 2, b: 3, 'x,"y"': null, zero: 0 });
  });

  test("wrapped text is a JSON string", async () => {
    const wrapped = JSON.parse(await body("format=csv&options=jsonwrap,seconds,flip,nonzero")) as Record<
      string,
      unknown
    >;
    expect(wrapped["result"]).toBe(`time,b,"x,""y"""\n${T0 + 1},-1.5,2\n${T0 + 2},3,null\n${T0 + 3},4,-8\n`);
    expect(wrapped).toMatchObject({
      id: "t.c",
      name: "t.chart",
      format: "csv",
      dimension_ids: ["a", "b"],
      latest_values: [4, -8],
      view_latest_values: [4, -8],
      options: "nonzero,flip,jsonwrap,seconds,natural-points",
      min: -8,
      max: 4,
      points: 3,
      db_points_per_tier: [9],
    });
  });

  test("a chart whose dimensions are all hidden has no data", async () => {
    const dimensions = [{ id: "h", hidden: true }];
    storeChart(host, { id: "t.hidden", updateEverySec: 1, dimensions, rows: [[T0 + 1, 1]] });
    const got = await ask(api, `/api/v1/data?chart=t.hidden&after=${T0 + 1}&before=${T0 + 1}`).json();
    expect(got).toEqual({ labels: ["time", "no data"], data: [] });
  });

  test("a counter reset is noted in tables", async () => {
    const segment = chart.segment!;
    segment.flags[segment.valueIndex(segment.slotOf(T0 + 2), chart.record << 6)] = RESET_FLAG;
    const { rows } = JSON.parse(await body("format=datatable&flip&dims=zero")) as { rows: { c: { v: unknown }[] }[] };
    expect(rows.map(({ c }) => c.map(({ v }) => v))).toEqual([
      ["Date(2026,10,21,22,40,3)", null, null, 0],
      ["Date(2026,10,21,22,40,2)", "RESET OR OVERFLOW", "The counters have been wrapped.", 0],
      ["Date(2026,10,21,22,40,1)", null, null, 0],
    ]);
  });

  test("google_json is a script expression", async () => {
    for (const format of ["json", "datatable"]) {
      const text = await body(`format=${format}&options=google_json,flip&dims=x*`);
      expect(text).toContain("new Date(2026,10,21,22,40,1)");
      const value = new Function(`return ${text};`)();
      expect(JSON.stringify(value)).toContain('x,\\"y\\"');
    }
  });

  test("a data source request may ask for another format and name the file", async () => {
    const path = `/api/v1/data?${WINDOW}&format=datasource&dims=zero&options=seconds&tqx=out:csv;outFileName:z.csv`;
    const response = ask(api, path);
    expect(response.headers.get("content-disposition")).toBe('attachment; filename="z.csv"');
    expect(await response.text()).toStartWith("time,zero\r\n");
  });

  test("nothing from a request gets into a script as it is", async () => {
    const tqx = encodeURIComponent("reqId:1'+alert(1)+';version:0.6'x;sig:0;responseHandler:cb");
    const text = await ask(api, `/api/v1/data?${WINDOW}&format=datasource&tqx=${tqx}`).text();
    expect(text).toStartWith("cb({version:'0.6x',reqId:'1alert1',status:'ok',");
    const bad = ask(api, `/api/v1/data?${WINDOW}&format=datasource&tqx=responseHandler:a(b)`);
    expect(bad.status).toBe(400);
  });

  test("a context of several charts asks which one", async () => {
    const response = ask(api, "/api/v1/data?context=m.shared");
    expect([response.status, await response.text()]).toEqual([
      400,
      "Context m.shared has 2 charts: name one of them, such as chart=m.one.",
    ]);
  });
});
