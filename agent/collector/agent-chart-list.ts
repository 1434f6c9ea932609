import type { AgentReadings } from "./agent-sources.ts";
import type { ChartType } from "./collector.ts";
import { absolute, type ChartSpec, type DimensionSpec, incremental } from "./lazy-chart.ts";

/** A chart of the agent about itself. */
export interface AgentChart<Source> {
  readonly spec: ChartSpec;
  /** Values of one cycle, by dimension; undefined while that part of the agent is switched off. */
  readonly read: (source: Source) => readonly number[] | undefined;
}

const BYTES_PER_MIB = 1_048_576;

/** A definition of an agent's chart. Context left out: the id. */
export function agentSpec(
  id: string,
  title: string,
  units: string,
  family: string,
  type: ChartType,
  priority: number,
  dimensions: readonly DimensionSpec[],
  context?: string,
): ChartSpec {
  const meta = { title, units, family, priority, module: "agent", ...(context !== undefined && { context }) };
  return { id, type, rule: "always", meta, dimensions };
}

/** Dimensions `absolute`, 1/1. */
export function gauges(...ids: string[]): DimensionSpec[] {
  return ids.map((id) => absolute(id));
}

/** Dimensions `incremental`, 1/1. */
export function counters(...ids: string[]): DimensionSpec[] {
  return ids.map((id) => incremental(id));
}

/** Bytes in and out, as kilobits. */
const TRAFFIC = [incremental("in", 8, 1000), incremental("out", -8, 1000)];

/** collectors.md §7: what has one chart in every agent. */
export const AGENT_CHARTS: readonly AgentChart<AgentReadings>[] = [
  {
    spec: agentSpec("netdata.server_cpu", "Netdata CPU usage", "milliseconds/s", "netdata", "stacked", 130_000, [
      incremental("user", 1, 1000),
      incremental("system", 1, 1000),
    ]),
    read: ({ process }) => [process.userUs, process.systemUs],
  },
  {
    spec: agentSpec("netdata.uptime", "Netdata uptime", "seconds", "netdata", "line", 130_100, gauges("uptime")),
    read: ({ process }) => [process.uptimeSec],
  },
  {
    spec: agentSpec("tributary.memory", "Agent Memory", "MiB", "agent", "line", 130_110, [
      absolute("rss", 1, BYTES_PER_MIB),
      absolute("heap", 1, BYTES_PER_MIB),
    ]),
    read: ({ process }) => [process.rssBytes, process.heapBytes],
  },
  {
    spec: agentSpec("tributary.tick_lag", "Tick Lag", "microseconds", "agent", "line", 130_120, gauges("lag")),
    read: ({ scheduler }) => [scheduler.lagUs],
  },
  {
    spec: agentSpec("tributary.ticks", "Ticks", "events/s", "agent", "line", 130_121, counters("done", "missed")),
    read: ({ scheduler }) => [scheduler.ticksDone, scheduler.ticksMissed],
  },
  {
    spec: agentSpec(
      "tributary.log_lines",
      "Log Lines",
      "lines/s",
      "agent",
      "line",
      130_140,
      counters("error", "warn", "suppressed"),
    ),
    read: ({ log }) => [log.error, log.warn, log.suppressed],
  },
  {
    spec: agentSpec(
      "tributary.db",
      "Database",
      "count",
      "agent",
      "line",
      130_150,
      gauges("hosts", "charts", "dimensions", "mappings"),
    ),
    read: ({ database }) => [database.hosts, database.charts, database.dimensions, database.mappings],
  },
  {
    spec: agentSpec(
      "tributary.db_dropped",
      "Points Not Stored",
      "points/s",
      "agent",
      "line",
      130_151,
      counters("non_finite", "clock", "reset", "no_space"),
    ),
    read: ({ database }) => [
      database.droppedNonFinite,
      database.droppedClock,
      database.droppedReset,
      database.droppedNoSpace,
    ],
  },
  {
    spec: agentSpec("tributary.db_io", "Database Files", "KiB/s", "agent", "line", 130_152, [
      incremental("dirtied", 1, 1024),
      incremental("written", 1, 1024),
    ]),
    read: ({ storage }) => storage && [storage.dirtiedBytes, storage.writtenBytes],
  },
  {
    spec: agentSpec("netdata.clients", "Netdata Web Clients", "connected clients", "api", "line", 130_200, [
      absolute("clients"),
    ]),
    read: ({ http }) => http && [http.clients],
  },
  {
    spec: agentSpec("netdata.requests", "Netdata Web Requests", "requests/s", "api", "line", 130_300, [
      incremental("requests"),
    ]),
    read: ({ http }) => http && [http.requests],
  },
  {
    spec: agentSpec("netdata.net", "Netdata Network Traffic", "kilobits/s", "api", "area", 130_400, TRAFFIC),
    read: ({ http }) => http && [http.receivedBytes, http.sentBytes],
  },
  {
    spec: agentSpec(
      "netdata.response_time",
      "Netdata API Response Time",
      "milliseconds/request",
      "api",
      "line",
      130_500,
      [absolute("average", 1, 1000), absolute("max", 1, 1000)],
    ),
    read: ({ http }) => http && [http.responseAverageUs, http.responseMaxUs],
  },
  {
    spec: agentSpec("tributary.receiver_children", "Connected Children", "children", "streaming", "line", 130_300, [
      absolute("connected"),
    ]),
    read: ({ receiver }) => receiver && [receiver.connected],
  },
  {
    spec: agentSpec("tributary.receiver_samples", "Samples Received", "samples/s", "streaming", "area", 130_301, [
      incremental("received"),
    ]),
    read: ({ receiver }) => receiver && [receiver.samples],
  },
  {
    spec: agentSpec(
      "tributary.receiver_lines",
      "Lines Not Understood",
      "lines/s",
      "streaming",
      "line",
      130_302,
      counters("unknown", "malformed", "no_chart", "no_dimension"),
    ),
    read: ({ receiver }) =>
      receiver && [receiver.linesUnknown, receiver.linesMalformed, receiver.linesNoChart, receiver.linesNoDimension],
  },
  {
    spec: agentSpec(
      "tributary.receiver_events",
      "Receiver Events",
      "events/s",
      "streaming",
      "line",
      130_303,
      counters("accepted", "rejected", "duplicate", "timeout", "closed"),
    ),
    read: ({ receiver }) =>
      receiver && [receiver.accepted, receiver.rejected, receiver.duplicate, receiver.timeout, receiver.closed],
  },
  {
    spec: agentSpec(
      "tributary.streaming_net",
      "Streaming Traffic",
      "kilobits/s",
      "streaming",
      "area",
      130_304,
      TRAFFIC,
    ),
    read: ({ receiver, pusher }) =>
      (receiver || pusher) && [
        (receiver?.receivedBytes ?? 0) + (pusher?.receivedBytes ?? 0),
        (receiver?.sentBytes ?? 0) + (pusher?.sentBytes ?? 0),
      ],
  },
  {
    spec: agentSpec(
      "tributary.pusher_links",
      "Outgoing Links",
      "links",
      "streaming",
      "stacked",
      130_310,
      gauges("connected", "connecting", "waiting"),
    ),
    read: ({ pusher }) => pusher && [pusher.connected, pusher.connecting, pusher.waiting],
  },
  {
    spec: agentSpec("tributary.pusher_buffer", "Fullest Send Buffer", "percentage", "streaming", "line", 130_311, [
      absolute("used", 1, 100),
    ]),
    // 0…1 as hundredths of a percent
    read: ({ pusher }) => pusher && [Math.round(pusher.bufferUsed * 10_000)],
  },
  {
    spec: agentSpec(
      "tributary.pusher_events",
      "Pusher Events",
      "events/s",
      "streaming",
      "line",
      130_312,
      counters("connects", "rejected", "lost", "overflows"),
    ),
    read: ({ pusher }) => pusher && [pusher.connects, pusher.rejected, pusher.lost, pusher.overflows],
  },
];
