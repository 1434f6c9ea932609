import { describe, expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { exactValue } from "../../agent/rrd/collected-row.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { latestCollected } from "../../agent/rrd/read.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { type CapturedLine, captureStreams, decodedLines } from "../capture-stream.ts";
import { naiveInteger, naiveWords } from "../reference-decoder.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";

interface Fed {
  host: Host;
  problems: string[];
  /** Collected rows as they were committed: chart, then `id=value`. */
  rows: string[];
}

/** Feeds the lines at their recorded times, in pieces of `pieceBytes`. */
function feed(lines: CapturedLine[], pieceBytes: number): Fed {
  const host = newHost({ historyEntries: 300 });
  const problems: string[] = [];
  const rows: string[] = [];
  const writer = new HostWriter(host, {
    problem: (kind, line) => problems.push(`${kind}: ${Buffer.from(line)}`),
    disable: () => problems.push("disable"),
  });
  host.listener = {
    commit(chart, row) {
      const texts = chart.dimensions.list.map(({ id }, i) => {
        const isSet = row.complete || row.sets[i]! > 0;
        return isSet ? ` ${id}=${exactValue(row, i)}` : "";
      });
      rows.push(`${chart.id}:${texts.join("")}`);
    },
  };
  const decoder = new StreamDecoder<Chart>(writer);
  for (const { sec, bytes } of lines) {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      expect(decoder.feed(bytes.subarray(at, at + pieceBytes), Math.round((T0_SEC + sec) * 1e6))).toBe(true);
    }
    expect(imbalance(host.balance)).toBe(0);
  }
  decoder.end();
  expect(imbalance(host.balance)).toBe(0);
  return { host, problems, rows };
}

/** The same rows, read out of the lines with nothing but a word splitter. */
function expectedRows(lines: CapturedLine[]): { rows: string[]; charts: Map<string, string[]>; values: number } {
  const charts = new Map<string, string[]>();
  const rows: string[] = [];
  let chart = "";
  let open: Map<string, bigint> | null = null;
  let values = 0;
  for (const { bytes } of lines) {
    const [keyword, id = "", value = ""] = naiveWords(bytes.toString("latin1"));
    if (keyword === "CHART" || keyword === "BEGIN") chart = id;
    if (keyword === "CHART" && !charts.has(id)) charts.set(id, []);
    if (keyword === "DIMENSION" && !charts.get(chart)!.includes(id)) charts.get(chart)!.push(id);
    if (keyword === "BEGIN") open = new Map();
    if (keyword === "SET") open!.set(id, naiveInteger(value));
    if (keyword === "SET") values++;
    if (keyword !== "END") continue;
    const order = charts.get(chart)!.filter((dimension) => open!.has(dimension));
    // A chart without dimensions has nothing to commit.
    if (charts.get(chart)!.length > 0) rows.push(`${chart}:${order.map((d) => ` ${d}=${open!.get(d)}`).join("")}`);
    open = null;
  }
  return { rows, charts, values };
}

const V1 = ["netdata-1.6.0-child-v1.txt", "netdata-1.37.1-child-v1.txt", "netdata-2.9.0-child-v1.txt"];
const LATER = [
  "netdata-1.37.1-child-caps15296-replication.txt",
  "netdata-1.37.1-proxy-caps704.txt",
  "netdata-2.9.0-child-caps21184-text-interpolated.txt",
  "netdata-2.9.0-child-caps326592-slots-ieee754.txt",
];

describe("recorded V1 streams", () => {
  test.each(V1)("%s: no line refused, every chart, dimension and value taken", (file) => {
    for (const lines of captureStreams(file)) {
      expect(lines.length).toBeGreaterThan(100);
      const expected = expectedRows(lines);
      for (const pieceBytes of [65_536, 7, 1]) {
        const { host, problems, rows } = feed(lines, pieceBytes);
        expect(problems).toEqual([]);
        expect(rows).toEqual(expected.rows);
        const charts = host.chartList().map((chart) => [chart.id, chart.dimensions.list.map(({ id }) => id)] as const);
        expect(new Map(charts)).toEqual(expected.charts);
        expect(host.balance.received).toBe(expected.values);
        // A recording may stop inside an iteration: nothing else may be missing.
        const committed = rows.reduce((sum, row) => sum + row.split(" ").length - 1, 0);
        expect(host.balance.dropped).toEqual({
          gap_too_long: 0,
          clock: 0,
          reset: 0,
          non_finite: 0,
          no_space: 0,
          limit: 0,
          malformed: expected.values - committed,
        });
      }
    }
  });

  test("netdata-1.6.0-child-v1.txt: definitions, variables and last values as recorded", () => {
    const { host } = feed(captureStreams(V1[0]!)[0]!, 65_536);
    const chart = host.chart("system.cpu")!;
    expect(chart.definition).toMatchObject({
      name: "system.cpu",
      title: "Total CPU utilization",
      units: "percentage",
      family: "cpu",
      context: "system.cpu",
      chartType: "stacked",
      priority: 100,
      updateEverySec: 1,
    });
    expect(chart.dimensions.list[9]).toMatchObject({
      id: "idle",
      algorithm: "percentage-of-incremental-row",
      hidden: true,
    });
    expect(latestCollected(chart, 5)).toBeGreaterThan(26_000);
    const later = feed(captureStreams(V1[1]!)[0]!, 65_536).host;
    expect(later.variables.get("active_processors")).toBe(2);
    expect(later.chart("system.cpu")!.definition).toMatchObject({ plugin: "proc.plugin", module: "/proc/stat" });
  });
});

describe("recorded streams of later generations", () => {
  test.each(LATER)("%s: no exception, no end, definitions taken", (file) => {
    for (const lines of captureStreams(file)) {
      for (const pieceBytes of [65_536, 7]) {
        const { host } = feed(lines, pieceBytes);
        // With SLOTS, which we never offer, the id is not where V1 has it.
        const ids = lines.map(({ bytes }) => naiveWords(bytes.toString("latin1"))).filter(([word]) => word === "CHART");
        if (!file.includes("slots")) expect(host.chartCount).toBe(new Set(ids.map(([, id]) => id)).size);
      }
    }
  });

  test("netdata-1.37.1-child-lz4-decoded.txt: every kept line is understood", () => {
    const bytes = decodedLines("netdata-1.37.1-child-lz4-decoded.txt");
    const { host, problems } = feed([{ sec: 1, bytes: Buffer.concat([bytes, Buffer.from("\n")]) }], 65_536);
    // The recording was cut in the middle: its last SET and END belong to a chart that is not shown.
    expect(problems).toEqual(['no_chart: SET "OutOctets" = 1846067', "no_chart: END"]);
    expect(host.chart("net_operstate.ifb0")!.dimensions.count).toBe(7);
  });
});
