import { describe, expect, test } from "bun:test";
import { labelValue, unitsSuffix } from "../../agent/format/prometheus.ts";
import { ScrapeMemory } from "../../agent/http/scrape-memory.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { parentAt } from "../http-synth.ts";
import { addHost, newDatabase, storeChart, storeRow } from "../query-fixture.ts";

const NOW = 1_795_301_405;

/** Samples of a strict reading of the text format: names grouped, TYPE before samples, no series twice. */
function readStrictly(text: string): Map<string, string> {
  const samples = new Map<string, string>();
  const done = new Set<string>();
  let current = "";
  const open = (name: string) => {
    if (name === current) return;
    expect(done.has(name)).toBe(false);
    done.add(name);
    current = name;
  };
  for (const line of text.slice(0, -1).split("\n")) {
    const comment = /^# (HELP|TYPE) (\w+) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "TYPE") expect(["gauge", "counter"]).toContain(comment[3]!);
      open(comment[2]!);
      continue;
    }
    const [, name, labels, rest] = /^([A-Za-z_]\w*)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)*\}) (.+)$/.exec(line) ?? [];
    expect(line).toBe(`${name}${labels} ${rest}`);
    open(name!);
    expect(samples.has(name! + labels!)).toBe(false);
    samples.set(name! + labels!, rest!);
  }
  return samples;
}

async function scrape(query: string, api = newApi(parentAt(NOW), new FixedClock(NOW))): Promise<Map<string, string>> {
  const response = ask(api, query);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4");
  return readStrictly(await response.text());
}

describe("as collected (exporters.md §3.5)", () => {
  test("raw values; dimensions that are not alike go into the name, counters end in _total", async () => {
    const query =
      "/host/synth/api/v1/allmetrics?format=prometheus&help=yes&types=yes&timestamps=no&names=no&source=as-collected&prefix=nd";
    const response = ask(newApi(parentAt(NOW), new FixedClock(NOW)), query);
    const demo = 'chart="demo.temp",family="room"';
    expect(await response.text()).toBe(`netdata_info{instance="synth",application="testagent",version="0.1"} 1
# HELP nd_demo_temp_c5 Room temperature
# TYPE nd_demo_temp_c5 gauge
nd_demo_temp_c5{${demo}} 5
# HELP nd_demo_temp_neg Room temperature
# TYPE nd_demo_temp_neg gauge
nd_demo_temp_neg{${demo}} 7
# HELP nd_demo_temp_zero Room temperature
# TYPE nd_demo_temp_zero gauge
nd_demo_temp_zero{${demo}} 0
# HELP nd_demo_temp_frac Room temperature
# TYPE nd_demo_temp_frac gauge
nd_demo_temp_frac{${demo}} 1234
# HELP nd_demo_temp_hid Room temperature
# TYPE nd_demo_temp_hid gauge
nd_demo_temp_hid{${demo}} 9
# HELP nd_demo_temp_inc_total Room temperature
# TYPE nd_demo_temp_inc_total counter
nd_demo_temp_inc_total{${demo}} 12300
# HELP nd_demo_b_in_total Stacked
# TYPE nd_demo_b_in_total counter
nd_demo_b_in_total{chart="demo.b",family="net"} 123000
# HELP nd_demo_b_out_total Stacked
# TYPE nd_demo_b_out_total counter
nd_demo_b_out_total{chart="demo.b",family="net"} 246000
`);
  });

  test("alike dimensions share a name; the time is that of the collection", async () => {
    const database = newDatabase();
    const host = addHost(database, "h", "1", { isLocal: true });
    const dimensions = [{ id: "a" }, { id: "b" }].map((each) => ({ ...each, algorithm: "incremental" as const }));
    const chart = storeChart(host, { id: "x.y", updateEverySec: 1, dimensions, rows: [[NOW, 1, 2]] });
    host.pool.collections.fill(2);
    host.pool.state[0] = 5;
    host.pool.state[2] = -7;
    const samples = await scrape(
      "/api/v1/allmetrics?format=prometheus&source=as+collected",
      newApi(database, new FixedClock(NOW + 1)),
    );
    const time = Math.floor(chart.lastCollectedUs / 1000);
    expect([...samples].slice(1)).toEqual([
      ['netdata_x_y_total{chart="x.y",family="x",dimension="a"}', `5 ${time}`],
      ['netdata_x_y_total{chart="x.y",family="x",dimension="b"}', `-7 ${time}`],
    ]);
  });

  test("what was not collected since the server came last is left out", async () => {
    const api = newApi(parentAt(NOW), new FixedClock(NOW + 60));
    expect((await scrape("/host/synth/api/v1/allmetrics?format=prometheus&source=as-collected", api)).size).toBe(1);
  });
});

describe("average and sum", () => {
  test("a server's windows tile: the sums of all scrapes are the sum of all points", async () => {
    const database = newDatabase();
    const host = addHost(database, "h", "1", { isLocal: true });
    const chart = storeChart(host, { id: "x.y", updateEverySec: 1, dimensions: [{ id: "a" }], rows: [[NOW - 1, 0]] });
    const clock = new FixedClock(NOW);
    const api = newApi(database, clock);
    const query = "/api/v1/allmetrics?format=prometheus&source=sum&timestamps=no";
    await scrape(query, api);
    let total = 0;
    let second = NOW;
    for (const pause of [10, 3, 15, 15, 60, 7]) {
      for (let i = 0; i < pause; i++) storeRow(chart, [second++, 1]);
      clock.set(second);
      const got = await scrape(query, api);
      // Another server's visits change nothing.
      await scrape(`${query}&server=other`, api);
      total += Number(got.get('netdata_x_y_sum{chart="x.y",family="x",dimension="a"}'));
    }
    // Everything up to three seconds ago.
    expect(total).toBe(second - 3 - NOW + 1);
  });

  test("all hosts: each sample names its host, hosts of one name are told apart", async () => {
    const database = newDatabase();
    for (const guid of ["1", "2"]) {
      const host = addHost(database, "twin", guid, { isLocal: guid === "1" });
      const rows = Array.from({ length: 20 }, (_, i) => [NOW - 20 + i, 4]);
      storeChart(host, { id: "x.y", units: "B/s", updateEverySec: 1, dimensions: [{ id: "a" }], rows });
    }
    const samples = await scrape(
      "/api/v1/allmetrics?format=prometheus_all_hosts&types=1&help=true",
      newApi(database, new FixedClock(NOW)),
    );
    const series = (instance: string) => {
      return `netdata_x_y_B_persec_average{chart="x.y",family="x",dimension="a",instance="${instance}"}`;
    };
    expect(samples.get(series("twin"))).toBe(`4.0000000 ${NOW - 3}000`);
    expect(samples.get(series("twin-aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0002"))).toBe(`4.0000000 ${NOW - 3}000`);
    expect(samples.size).toBe(4);
  });

  test("names that only differ in what a name may not have stay apart", async () => {
    const database = newDatabase();
    const host = addHost(database, 'a"b\\c\nd', "1", { isLocal: true });
    const dimensions = [
      { id: "one", name: "same" },
      { id: "two", name: "same" },
      { id: "same" },
      { id: "a b", multiplier: 2 },
      { id: "a_b" },
    ];
    const rows = Array.from({ length: 20 }, (_, i) => [NOW - 20 + i, 1, 2, 3, 4, 5]);
    storeChart(host, { id: "x.y", updateEverySec: 1, dimensions, rows });
    host.pool.collections.fill(2);
    const api = newApi(database, new FixedClock(NOW), { labels: () => ({ "1 odd": 'v"', instance: "x" }) });
    const average = await scrape("/api/v1/allmetrics?format=prometheus&prefix=9%20x", api);
    expect([...average.keys()]).toEqual([
      'netdata_info{instance="a\\"b\\\\c\\nd",application="tributary",version="9.9.9",_1_odd="v\\""}',
      ...["one", "two", "same", "a b", "a_b"].map((id) => `_9_x_x_y_average{chart="x.y",family="x",dimension="${id}"}`),
    ]);
    expect((await scrape("/api/v1/allmetrics?format=prometheus&source=as-collected&server=s", api)).size).toBe(6);
  });

  test("options", async () => {
    const plain = await scrape("/host/synth/api/v1/allmetrics?format=prometheus&hideunits=yes&timestamps=no");
    expect(plain.get('netdata_demo_b_average{chart="demo.b",family="net",dimension="in"}')).toBe("8.0000000");
    const filtered = await scrape("/host/synth/api/v1/allmetrics?format=prometheus&filter=!*temp*+demo.*&data=volume");
    expect([...filtered.keys()].slice(1)).toEqual([
      'netdata_demo_b_sum{chart="demo.b",family="net",dimension="in"}',
      'netdata_demo_b_sum{chart="demo.b",family="net",dimension="out"}',
    ]);
  });

  test("a host without a database has samples only as collected", async () => {
    const database = newDatabase();
    const host = addHost(database, "relay", "1", { isLocal: true, memoryMode: "none" });
    const chart = host.defineChart({ id: "x.y" })!;
    const dimension = { id: "a", name: "a", algorithm: "absolute" as const, multiplier: 1, divisor: 1 };
    host.defineDimension(chart, { ...dimension, hidden: false, noReset: false, obsolete: false });
    chart.lastCollectedUs = NOW * 1e6;
    host.pool.collections[0] = 2;
    const api = newApi(database, new FixedClock(NOW));
    expect((await scrape("/api/v1/allmetrics?format=prometheus", api)).size).toBe(1);
    expect((await scrape("/api/v1/allmetrics?format=prometheus&source=as-collected", api)).size).toBe(2);
  });
});

test.each([
  ["percentage", false, "_percentage"],
  ["%", false, "_percent"],
  ["KiB/s", false, "_KiB_persec"],
  ["KiB/s", true, "_kilobytes_persec"],
  ["page faults/s", false, "_page_faults_persec"],
  ["percentage", true, "_percent"],
  ["ms per op!", false, "_ms_per_op_"],
  ["", false, ""],
])("units %s (old: %p) become %s", (units, isOld, suffix) => expect(unitsSuffix(units, isOld)).toBe(suffix));

test("label values are escaped", () => expect(labelValue('a\\b"c\nd')).toBe('"a\\\\b\\"c\\nd"'));

describe("memory of servers", () => {
  const host = addHost(newDatabase(), "h", "1");

  test("remembers each server's last visit to each host", () => {
    const memory = new ScrapeMemory();
    const other = addHost(newDatabase(), "o", "2");
    expect([memory.visit("s", host, 100), memory.visit("s", host, 115), memory.visit("s", other, 120)]).toEqual([
      90, 100, 110,
    ]);
    expect(memory.visit("t", host, 130)).toBe(120);
    expect(memory.visit("s", host, 131)).toBe(115);
  });

  test("a clock that stepped back starts anew", () => {
    const memory = new ScrapeMemory();
    memory.visit("s", host, 1000);
    expect(memory.visit("s", host, 500)).toBe(490);
  });

  test("the server that came longest ago is forgotten first", () => {
    const memory = new ScrapeMemory();
    for (let i = 0; i < 64; i++) memory.visit(`s${i}`, host, 100);
    memory.visit("s0", host, 101);
    memory.visit("new", host, 102);
    expect(memory.visit("s0", host, 200)).toBe(101);
    expect(memory.visit("s1", host, 200)).toBe(190);
  });
});
