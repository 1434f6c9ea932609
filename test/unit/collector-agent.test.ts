import { describe, expect, test } from "bun:test";
import { createAgentCollector } from "../../agent/collector/agent-charts.ts";
import type { AgentSources, ExporterCounters, LinkCounters } from "../../agent/collector/agent-sources.ts";
import { createProcessUsage } from "../../agent/collector/process-usage.ts";
import { createTestContext, SteppedClock } from "../collector-world.ts";
import type { RecordedChart } from "../recorded-charts.ts";

const SECOND_US = 1_000_000;

const EXPORTER: ExporterCounters = {
  name: "main",
  updateEverySec: 10,
  metricsBuffered: 1,
  metricsLost: 2,
  metricsSent: 3,
  bytesBuffered: 4,
  bytesLost: 5,
  bytesSent: 6,
  bytesReceived: 7,
  writes: 8,
  discards: 9,
  reconnects: 10,
  failures: 11,
  reads: 12,
  userUs: 13,
  systemUs: 14,
  queueMemory: 15,
  queueDisk: 16,
  queueInFlight: 17,
  queueMemoryBytes: 18,
  queueDiskBytes: 19,
  oldestSec: 20,
  lostOverflow: 21,
  lostRejected: 22,
  lostExpired: 23,
  lostCorrupt: 24,
  lostConfig: 25,
  lostSkipped: 26,
};

/** What a test may change. */
interface TestSources {
  exporterList: ExporterCounters[];
  linkList: LinkCounters[];
  hasRooms: boolean;
}

const STREAM = { offered: 110, delivered: 111, lost: 112, recovered: 113, inFlight: 114, queued: 115, backlog: 116 };

function link(number: number): LinkCounters {
  return { ...STREAM, machineGuid: `guid-${number}`, hostname: `edge-${number}` };
}

/** Sources in which every number is another one. */
function createSources(): AgentSources & TestSources {
  return {
    hasRooms: true,
    exporterList: [EXPORTER],
    linkList: [link(1)],
    process: () => ({ userUs: 1, systemUs: 2, uptimeSec: 3, rssBytes: 4, heapBytes: 5 }),
    http() {
      if (!this.hasRooms) return undefined;
      const bytes = { receivedBytes: 12, sentBytes: 13 };
      return { clients: 10, requests: 11, ...bytes, responseAverageUs: 14.4, responseMaxUs: 14.6 };
    },
    storage: () => ({ dirtiedBytes: 81_920, writtenBytes: 40_960 }),
    database: () => ({
      hosts: 20,
      charts: 21,
      dimensions: 22,
      mappings: 23,
      droppedNonFinite: 24,
      droppedClock: 25,
      droppedReset: 26,
      droppedNoSpace: 27,
    }),
    receiver() {
      if (!this.hasRooms) return undefined;
      const lines = { linesUnknown: 32, linesMalformed: 33, linesNoChart: 34, linesNoDimension: 35 };
      const events = { accepted: 36, rejected: 37, duplicate: 38, timeout: 39, closed: 40 };
      return { connected: 30, samples: 31, ...lines, ...events, receivedBytes: 1000, sentBytes: 2000 };
    },
    pusher() {
      if (!this.hasRooms) return undefined;
      const links = { connected: 50, connecting: 51, waiting: 52, bufferUsed: 0.123_45 };
      return { ...links, connects: 53, rejected: 54, lost: 55, overflows: 56, receivedBytes: 7, sentBytes: 8 };
    },
    balance: () => ({
      account: {
        collected: 90,
        received: 91,
        backfilled: 92,
        stored: 93,
        base: 94,
        merged: 95,
        unkept: 96,
        dropped: 97,
      },
      hostsIncomplete: 98,
      mismatches: { database: 99, link: 100, stream: 101 },
    }),
    streams() {
      return this.hasRooms ? STREAM : undefined;
    },
    links(most) {
      return this.linkList.slice(0, most);
    },
    exporters() {
      return this.exporterList;
    },
    scheduler: {
      ticksDone: 60,
      ticksMissed: 61,
      lagUs: 62,
      clockSteps: 0,
      collectors: [
        { name: "stat", state: "ok", durationUs: 70 },
        { name: "netdev", state: "retrying", durationUs: 71 },
        { name: "pressure", state: "disabled", durationUs: 0 },
      ],
    },
    log: { error: 80, warn: 81, suppressed: 82 },
  };
}

function start(sources: AgentSources = createSources()) {
  const module = createAgentCollector(sources);
  const context = createTestContext(module);
  const collector = module.start(context);
  const collect = (second: number): void => collector.collect(second * SECOND_US);
  return { charts: context.charts, collect };
}

/** One line a chart, as the table of collectors.md §7 has it. */
function describeChart({ id, meta, type, dimensions, committed }: RecordedChart): string {
  const words = [...dimensions.values()].map(({ id, algorithm, multiplier, divisor }) => {
    return `${id} ${algorithm.slice(0, 3)} ${multiplier}/${divisor} ${committed[id]}`;
  });
  const { context, title, units, family, priority } = meta;
  return [id, context ?? "", title, units, family, `${type[0]} ${priority}`, words.join(", ")].join(" | ");
}

const TABLE = [
  "netdata.server_cpu |  | Netdata CPU usage | milliseconds/s | netdata | s 130000 | user inc 1/1000 1, system inc 1/1000 2",
  "netdata.uptime |  | Netdata uptime | seconds | netdata | l 130100 | uptime abs 1/1 3",
  "netdata.clients |  | Netdata Web Clients | connected clients | api | l 130200 | clients abs 1/1 10",
  "netdata.requests |  | Netdata Web Requests | requests/s | api | l 130300 | requests inc 1/1 11",
  "netdata.net |  | Netdata Network Traffic | kilobits/s | api | a 130400 | in inc 8/1000 12, out inc -8/1000 13",
  "netdata.response_time |  | Netdata API Response Time | milliseconds/request | api | l 130500 | average abs 1/1000 14, max abs 1/1000 15",
  "netdata.plugin_proc_modules |  | NetData Proc Plugin Modules Durations | milliseconds/run | proc | s 132001 | stat abs 1/1000 70, netdev abs 1/1000 71, pressure abs 1/1000 0",
  "netdata.exporting_main_metrics | exporting_buffer | Netdata Buffered Metrics | metrics | exporting_main | l 130610 | buffered abs 1/1 1, lost abs 1/1 2, sent abs 1/1 3",
  "netdata.exporting_main_bytes | exporting_data_size | Netdata Exporting Data Size | KiB | exporting_main | a 130620 | buffered abs 1/1024 4, lost abs 1/1024 5, sent abs 1/1024 6, received abs 1/1024 7",
  "netdata.exporting_main_ops | exporting_operations | Netdata Exporting Operations | operations | exporting_main | l 130630 | write abs 1/1 8, discard abs 1/1 9, reconnect abs 1/1 10, failure abs 1/1 11, read abs 1/1 12",
  "netdata.exporting_main_thread_cpu | exporting_instance | NetData Exporting Thread CPU usage | milliseconds/s | exporting_main | s 130640 | user inc 1/1000 13, system inc 1/1000 14",
  "tributary.exporting_main_queue | tributary.exporting_queue | Exporter Queue | points | exporting_main | s 130650 | memory abs 1/1 15, disk abs 1/1 16, inflight abs 1/1 17",
  "tributary.exporting_main_queue_bytes | tributary.exporting_queue_bytes | Exporter Queue Size | KiB | exporting_main | s 130651 | memory abs 1/1024 18, disk abs 1/1024 19",
  "tributary.exporting_main_delay | tributary.exporting_delay | Age of the Oldest Unsent Point | seconds | exporting_main | l 130652 | oldest abs 1/1 20",
  "tributary.exporting_main_lost | tributary.exporting_lost | Exporter Losses | points/s | exporting_main | l 130653 | overflow inc 1/1 21, rejected inc 1/1 22, expired inc 1/1 23, corrupt inc 1/1 24, config inc 1/1 25, skipped inc 1/1 26",
  "tributary.memory |  | Agent Memory | MiB | agent | l 130110 | rss abs 1/1048576 4, heap abs 1/1048576 5",
  "tributary.tick_lag |  | Tick Lag | microseconds | agent | l 130120 | lag abs 1/1 62",
  "tributary.ticks |  | Ticks | events/s | agent | l 130121 | done inc 1/1 60, missed inc 1/1 61",
  "tributary.collector_state |  | Collector State | state | agent | l 130130 | stat abs 1/1 1, netdev abs 1/1 2, pressure abs 1/1 0",
  "tributary.log_lines |  | Log Lines | lines/s | agent | l 130140 | error inc 1/1 80, warn inc 1/1 81, suppressed inc 1/1 82",
  "tributary.db |  | Database | count | agent | l 130150 | hosts abs 1/1 20, charts abs 1/1 21, dimensions abs 1/1 22, mappings abs 1/1 23",
  "tributary.db_dropped |  | Points Not Stored | points/s | agent | l 130151 | non_finite inc 1/1 24, clock inc 1/1 25, reset inc 1/1 26, no_space inc 1/1 27",
  "tributary.db_io |  | Database Files | KiB/s | agent | l 130152 | dirtied inc 1/1024 81920, written inc 1/1024 40960",
  "tributary.receiver_children |  | Connected Children | children | streaming | l 130300 | connected abs 1/1 30",
  "tributary.receiver_samples |  | Samples Received | samples/s | streaming | a 130301 | received inc 1/1 31",
  "tributary.receiver_lines |  | Lines Not Understood | lines/s | streaming | l 130302 | unknown inc 1/1 32, malformed inc 1/1 33, no_chart inc 1/1 34, no_dimension inc 1/1 35",
  "tributary.receiver_events |  | Receiver Events | events/s | streaming | l 130303 | accepted inc 1/1 36, rejected inc 1/1 37, duplicate inc 1/1 38, timeout inc 1/1 39, closed inc 1/1 40",
  "tributary.streaming_net |  | Streaming Traffic | kilobits/s | streaming | a 130304 | in inc 8/1000 1007, out inc -8/1000 2008",
  "tributary.pusher_links |  | Outgoing Links | links | streaming | s 130310 | connected abs 1/1 50, connecting abs 1/1 51, waiting abs 1/1 52",
  "tributary.pusher_buffer |  | Fullest Send Buffer | percentage | streaming | l 130311 | used abs 1/100 1235",
  "tributary.pusher_events |  | Pusher Events | events/s | streaming | l 130312 | connects inc 1/1 53, rejected inc 1/1 54, lost inc 1/1 55, overflows inc 1/1 56",
  "tributary.db_account |  | Values In And What Became Of Them | values/s | agent | l 130153 | collected inc 1/1 90, received inc 1/1 91, fetched inc 1/1 92, stored inc 1/1 93, base inc 1/1 94, merged inc 1/1 95, unkept inc 1/1 96, dropped inc 1/1 97",
  "tributary.hosts_incomplete |  | Hosts Of Which Something Is Being Fetched | hosts | agent | l 130154 | incomplete abs 1/1 98",
  "tributary.mismatches |  | Times That Accounts Did Not Add Up | mismatches | agent | l 130155 | database abs 1/1 99, link abs 1/1 100, stream abs 1/1 101",
  "tributary.stream_values |  | Values Of All Outgoing Streams | values/s | streaming | l 130313 | offered inc 1/1 110, delivered inc 1/1 111, lost inc 1/1 112, recovered inc 1/1 113",
  "tributary.stream_waiting |  | Values That Are On Their Way | values | streaming | s 130314 | in_flight abs 1/1 114, queued abs 1/1 115, backlog abs 1/1 116",
];

test("the agent shows itself as the table says", () => {
  const { charts, collect } = start();
  collect(1);
  expect([...charts.all.values()].map(describeChart).sort()).toEqual(TABLE.toSorted());
});

test("parts that are switched off have no charts", () => {
  const sources = { ...createSources(), hasRooms: false, exporterList: [] };
  const { charts, collect } = start(sources);
  collect(1);
  const ids = [...charts.all.keys()];
  expect(ids.filter((id) => /receiver|pusher|stream|exporting|netdata\.(clients|requests|net|resp)/.test(id))).toEqual(
    [],
  );
  expect(ids).toContain("tributary.db");
});

describe("exporters", () => {
  test("are shown at their own interval", () => {
    const { charts, collect } = start();
    for (let second = 1; second <= 30; second++) collect(second);
    const chart = charts.get("netdata.exporting_main_ops");
    expect(chart.updateEverySec).toBe(10);
    expect(chart.commitsUs.map((us) => us / SECOND_US)).toEqual([1, 10, 20, 30]);
  });

  test("come, change and go with the configuration", () => {
    const sources = createSources();
    const { charts, collect } = start(sources);
    collect(1);
    sources.exporterList = [
      { ...EXPORTER, updateEverySec: 1 },
      { ...EXPORTER, name: "second" },
    ];
    collect(2);
    collect(3);
    expect(charts.get("netdata.exporting_main_ops")).toMatchObject({ updateEverySec: 1, isObsolete: false });
    expect(charts.get("netdata.exporting_main_ops").commitsUs).toHaveLength(3);
    expect(charts.all.has("tributary.exporting_second_lost")).toBe(true);
    sources.exporterList = [];
    collect(4);
    for (const id of ["netdata.exporting_main_ops", "tributary.exporting_second_lost"]) {
      expect(charts.get(id).isObsolete).toBe(true);
    }
  });

  test("one called `backend` has the ids, units and priorities of the first generation", () => {
    const sources = { ...createSources(), exporterList: [{ ...EXPORTER, name: "backend" }] };
    const { charts, collect } = start(sources);
    collect(1);
    const classic = [...charts.all.values()].filter(({ id }) => id.startsWith("netdata.backend_")).map(describeChart);
    expect(classic.sort()).toEqual([
      "netdata.backend_bytes |  | Netdata Backend Data Size | KB | backend | a 130610 | buffered abs 1/1024 4, lost abs 1/1024 5, sent abs 1/1024 6, received abs 1/1024 7",
      "netdata.backend_metrics |  | Netdata Buffered Metrics | metrics | backend | l 130600 | buffered abs 1/1 1, lost abs 1/1 2, sent abs 1/1 3",
      "netdata.backend_ops |  | Netdata Backend Operations | operations | backend | l 130630 | write abs 1/1 8, discard abs 1/1 9, reconnect abs 1/1 10, failure abs 1/1 11, read abs 1/1 12",
      "netdata.backend_thread_cpu |  | NetData Backend Thread CPU usage | milliseconds/s | backend | s 130630 | user inc 1/1000 13, system inc 1/1000 14",
    ]);
    expect([...charts.all.keys()].filter((id) => id.startsWith("netdata.exporting_"))).toEqual([]);
    expect(charts.all.has("tributary.exporting_backend_queue")).toBe(true);
  });
});

describe("outgoing streams", () => {
  const linkIds = (charts: ReturnType<typeof start>["charts"]) => {
    return [...charts.all.values()].filter(({ id, isObsolete }) => id.startsWith("tributary.link_") && !isObsolete);
  };

  test("one alone is its own sum; of several each has two charts", () => {
    const sources = createSources();
    const { charts, collect } = start(sources);
    collect(1);
    expect(linkIds(charts)).toEqual([]);
    sources.linkList = [link(1), link(2)];
    collect(2);
    expect(linkIds(charts).map(describeChart)).toEqual(
      [1, 2].flatMap((number) => [
        `tributary.link_guid-${number}_values | tributary.link_values | Values Of One Outgoing Stream | values/s | stream edge-${number} | l 130320 | offered inc 1/1 110, delivered inc 1/1 111, lost inc 1/1 112, recovered inc 1/1 113`,
        `tributary.link_guid-${number}_waiting | tributary.link_waiting | Values Of One Stream That Are On Their Way | values | stream edge-${number} | s 130321 | in_flight abs 1/1 114, queued abs 1/1 115, backlog abs 1/1 116`,
      ]),
    );
    // Those of a stream that is over go; the one that is left keeps its own.
    sources.linkList = [{ ...link(1), hostname: "renamed" }];
    collect(3);
    expect(linkIds(charts).map(({ id, meta }) => [id, meta.family])).toEqual([
      ["tributary.link_guid-1_values", "stream renamed"],
      ["tributary.link_guid-1_waiting", "stream renamed"],
    ]);
  });

  test.each([
    { setting: undefined, streams: 10 },
    { setting: "auto" as const, streams: 10 },
    { setting: true, streams: 500 },
    { setting: false, streams: 0 },
  ])("of 500, with charts set to $setting, $streams have charts of their own", ({ setting, streams }) => {
    const sources = { ...createSources(), linkList: Array.from({ length: 500 }, (_, index) => link(index)) };
    const module = createAgentCollector(sources);
    const settings = setting === undefined ? {} : { charts: { "tributary.link_values": setting } };
    const context = createTestContext(module, { settings });
    module.start(context).collect(SECOND_US);
    expect(linkIds(context.charts).length).toBe(2 * streams);
  });
});

test("a collector that is added gets a dimension", () => {
  const sources = createSources();
  const { charts, collect } = start(sources);
  collect(1);
  const collectors = [...sources.scheduler.collectors, { name: "agent", state: "ok", durationUs: 9 } as const];
  Object.assign(sources.scheduler, { collectors });
  collect(2);
  expect(charts.get("tributary.collector_state").committed).toEqual({ stat: 1, netdev: 2, pressure: 0, agent: 1 });
});

test("this process uses CPU and memory, and grows older", () => {
  const clock = new SteppedClock();
  const read = createProcessUsage(clock);
  clock.advance(2500);
  const usage = read();
  expect(usage.uptimeSec).toBe(2);
  expect(usage.userUs).toBeGreaterThan(0);
  // The heap counts memory that was given back to the kernel: it may be more than what is resident.
  expect(usage.rssBytes).toBeGreaterThan(10e6);
  expect(usage.heapBytes).toBeGreaterThan(1e6);
  expect(usage.heapBytes).toBeGreaterThan(0);
});
