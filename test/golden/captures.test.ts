import { describe, expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { exactValue } from "../../agent/rrd/collected-row.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { latestCollected } from "../../agent/rrd/read.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { type CapturedLine, captureStreams, decodedLines } from "../capture-stream.ts";
import { naiveInteger, naiveWords } from "../naive-words.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";
import { type RecordedChart, StreamRecorder } from "../stream-recorder.ts";

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

/** The calls that a stream leads to, and its lines by keyword. */
function recorded(lines: CapturedLine[], pieceBytes: number) {
  const recorder = new StreamRecorder(1000);
  const decoder = new StreamDecoder<RecordedChart>(recorder);
  const keywords: Record<string, number> = {};
  const bytes = Buffer.concat(lines.map((line) => line.bytes));
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    expect(decoder.feed(Buffer.from(bytes.subarray(at, at + pieceBytes)), 0)).toBe(true);
  }
  decoder.end();
  for (const line of lines) {
    const words = naiveWords(line.bytes.toString("latin1"));
    // An RBEGIN with times begins a row, one without names the chart.
    const keyword = words[0] === "RBEGIN" && words.length > 3 ? "row" : (words[0] ?? "");
    keywords[keyword] = (keywords[keyword] ?? 0) + 1;
  }
  return { calls: recorder.calls, keywords };
}

/** What of a stream became of its lines: by call, its number, and the values in all of them. */
const OUTCOMES = ["labels", "chart", "defined", "replay", "state", "replayed", "final", "commit"] as const;

describe("recorded streams of later generations", () => {
  /**
   * Each recording leaves out most of its charts, their definitions and rows: what is left names charts and dimensions
   * that were never defined. Nothing else may be wrong with any line.
   */
  const cases: { file: string; undefined: number; outcomes: Partial<Record<(typeof OUTCOMES)[number], number>> }[] = [
    {
      file: LATER[0]!,
      undefined: 24,
      outcomes: { labels: 13, chart: 12, defined: 12, replay: 14, state: 10, replayed: 2, final: 0, commit: 12 },
    },
    { file: LATER[1]!, undefined: 0, outcomes: { labels: 2, chart: 1, defined: 0, replay: 0, commit: 11 } },
    {
      file: LATER[2]!,
      undefined: 55,
      outcomes: { labels: 11, chart: 10, defined: 10, replay: 19, state: 6, replayed: 3, final: 8, commit: 0 },
    },
    {
      file: LATER[3]!,
      undefined: 0,
      outcomes: { labels: 23, chart: 21, defined: 22, replay: 18, state: 15, replayed: 3, final: 17, commit: 0 },
    },
  ];
  test.each(cases)("$file: every line is understood", ({ file, undefined: unknownNames, outcomes }) => {
    for (const lines of captureStreams(file)) {
      const { calls, keywords } = recorded(lines, 65_536);
      const problems = calls.filter((call) => call.startsWith("problem"));
      expect(problems.filter((call) => !/^problem no_(?:chart|dimension) /.test(call))).toEqual([]);
      expect(problems.length).toBe(unknownNames);
      for (const [name, count] of Object.entries(outcomes)) {
        expect([name, calls.filter((call) => call.startsWith(`${name} `)).length]).toEqual([name, count]);
      }
      // A recording may stop inside a row or an iteration.
      expect(keywords["row"] ?? 0).toBeLessThanOrEqual(outcomes.replay! + 1);
      expect(keywords["LABEL"]).toBe(
        (calls.find((call) => call.startsWith("labels ["))?.match(/"name"/g) ?? []).length,
      );
      expect(valuesOf(calls)).toBe((keywords["SET"] ?? 0) + (keywords["RSET"] ?? 0) + (keywords["SET2"] ?? 0));
      for (const pieceBytes of [1, 7]) expect(recorded(lines, pieceBytes).calls).toEqual(calls);
    }
  });

  test.each(LATER)("%s: a database takes it, definitions above all", (file) => {
    for (const lines of captureStreams(file)) {
      for (const pieceBytes of [65_536, 7]) {
        const { host, problems } = feed(lines, pieceBytes);
        const words = lines.map(({ bytes }) => naiveWords(bytes.toString("latin1")));
        const ids = words.filter(([word]) => word === "CHART").map((each) => each.find((word) => word.includes(".")));
        expect(host.chartCount).toBe(new Set(ids).size);
        expect(problems.filter((each) => !/^no_(?:chart|dimension): /.test(each))).toEqual([]);
      }
    }
  });

  const samples: { file: string; call: string }[] = [
    {
      file: LATER[0]!,
      call: "replay net_operstate.ifb0 1795301437 1795301438 1795301439 false 7 0  0=0x1 1=1x1 2=0x1 3=0x1 4=0x1 5=0x1 6=0x1",
    },
    { file: LATER[0]!, call: "state net_mtu.ifb0 0 1795301439448220 1500 1500 1500 1 false" },
    { file: LATER[0]!, call: "state net_operstate.ifb0 1795301439448157 1795301439000000" },
    { file: LATER[0]!, call: "defined net.eth0 1795301424 1795301438 1795301439" },
    {
      file: LATER[1]!,
      call: 'labels [{"name":"_os_name","value":"My OS","source":1},{"name":"room","value":"server room","source":2}]',
    },
    {
      file: LATER[2]!,
      call: "replay net.eth0 1795302454 1795302455 1795302460 false 2 0  0=0.2251491x1 1=-0.2251491x1",
    },
    { file: LATER[2]!, call: "state net.eth0 0 1795302460329915 901099140 0 0 1 false" },
    { file: LATER[2]!, call: "final net.eth0 1 1795302461 1795302461 false 2 0  0=0(901099140)x1 1=0(2155858)x1" },
    { file: LATER[2]!, call: "final net_duplex.eth0 1 1795302461 1795302461 false 3 0  0=0(0)x1 1=0(0)x1 2=1(1)x1" },
    { file: LATER[3]!, call: "replay system.ctxt 1795302527 1795302528 1795302530 false 1 0  0=738.4646x1" },
    {
      file: LATER[3]!,
      call: "state system.cpu 7 1795302530404193 107676 0.49504950495049505 0.49504950495049505 1 false",
    },
    {
      file: LATER[3]!,
      call: 'replayed system.cpu {"updateEverySec":1,"firstSec":1795302524,"lastSec":1795302530,"isStreaming":true,"afterSec":1795302524,"beforeSec":1795302530,"senderNowSec":1795302530} 0',
    },
  ];
  test.each(samples)("$file: $call", ({ file, call }) => {
    expect(captureStreams(file).flatMap((lines) => recorded(lines, 65_536).calls)).toContain(call);
  });

  test("netdata-1.37.1-child-lz4-decoded.txt: every kept line is understood", () => {
    const bytes = decodedLines("netdata-1.37.1-child-lz4-decoded.txt");
    const { host, problems } = feed([{ sec: 1, bytes: Buffer.concat([bytes, Buffer.from("\n")]) }], 65_536);
    // The recording was cut in the middle: its last SET and END belong to a chart that is not shown.
    expect(problems).toEqual(['no_chart: SET "OutOctets" = 1846067', "no_chart: END"]);
    expect(host.chart("net_operstate.ifb0")!.dimensions.count).toBe(7);
  });
});

/** Values in all calls, those that were given up included. */
function valuesOf(calls: readonly string[]): number {
  let values = 0;
  for (const call of calls) {
    const [kind, , second = ""] = call.split(" ");
    if (kind === "problem") values += second === "true" ? 1 : 0;
    else if (kind === "abandoned") values += Number(call.split(" ")[1]);
    else if (kind === "replay" || kind === "final" || kind === "commit")
      values += (call.match(/ \d+=\S+x1/g) ?? []).length;
  }
  return values;
}
