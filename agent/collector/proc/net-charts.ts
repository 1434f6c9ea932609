import type { ChartMeta, ChartType } from "../collector.ts";
import { absolute, type ChartSpec, type DimensionSpec, incremental } from "../lazy-chart.ts";

const MODULE = "/proc/net/dev";

/** Numbers of a line of /proc/net/dev behind the interface name. */
export const NET_COUNTERS = 16;
/** Positions in such a line, from 0. */
export const RECEIVED_BYTES = 0;
export const SENT_BYTES = 8;

/** One chart of each interface. */
export interface NetChart {
  readonly prefix: string;
  readonly context: string;
  readonly title: string;
  readonly units: string;
  readonly type: ChartType;
  readonly priority: number;
  readonly dimensions: readonly DimensionSpec[];
  /** Positions in the line, by dimension; empty for what comes from /sys/class/net. */
  readonly counters: readonly number[];
}

/** Bandwidth is shown at once, everything else on demand. */
function chart(
  name: string,
  title: string,
  units: string,
  priority: number,
  dimensions: readonly DimensionSpec[],
  counters: readonly number[],
): NetChart {
  const isBandwidth = name === "net";
  return {
    prefix: isBandwidth ? "net" : `net_${name}`,
    context: `net.${name}`,
    title,
    units,
    type: isBandwidth ? "area" : "line",
    priority,
    dimensions,
    counters,
  };
}

/** Charts of counters, in the order of collectors.md §1.5. */
export const COUNTER_CHARTS: readonly NetChart[] = [
  chart(
    "net",
    "Bandwidth",
    "kilobits/s",
    7000,
    [incremental("received", 8, 1000), incremental("sent", -8, 1000)],
    [RECEIVED_BYTES, SENT_BYTES],
  ),
  chart(
    "packets",
    "Packets",
    "packets/s",
    7001,
    [incremental("received"), incremental("sent", -1), incremental("multicast")],
    [1, 9, 7],
  ),
  chart("errors", "Interface Errors", "errors/s", 7002, [incremental("inbound"), incremental("outbound", -1)], [2, 10]),
  chart("drops", "Interface Drops", "drops/s", 7003, [incremental("inbound"), incremental("outbound", -1)], [3, 11]),
  chart(
    "fifo",
    "Interface FIFO Buffer Errors",
    "errors",
    7004,
    [incremental("receive"), incremental("transmit", -1)],
    [4, 12],
  ),
  chart(
    "compressed",
    "Compressed Packets",
    "packets/s",
    7005,
    [incremental("received"), incremental("sent", -1)],
    [6, 15],
  ),
  chart(
    "events",
    "Network Interface Events",
    "events/s",
    7006,
    [incremental("frames"), incremental("collisions", -1), incremental("carrier", -1)],
    [5, 13, 14],
  ),
];

/** Words of the duplex file; any other is the last. */
export const DUPLEX_STATES = ["full", "half", "unknown"] as const;
/** Words of the operstate file (RFC 2863); any other is the last. */
export const OPERATIONAL_STATES = [
  "up",
  "down",
  "notpresent",
  "lowerlayerdown",
  "testing",
  "dormant",
  "unknown",
] as const;

export const SPEED_CHART = chart("speed", "Interface Speed", "kilobits/s", 7007, [absolute("speed")], []);
export const DUPLEX_CHART = chart("duplex", "Interface Duplex State", "state", 7008, states(DUPLEX_STATES), []);
export const OPERATIONAL_CHART = chart(
  "operstate",
  "Interface Operational State",
  "state",
  7009,
  states(OPERATIONAL_STATES),
  [],
);
export const CARRIER_CHART = chart(
  "carrier",
  "Interface Physical Link State",
  "state",
  7010,
  states(["up", "down"]),
  [],
);
export const MTU_CHART = chart("mtu", "Interface MTU", "octets", 7011, [absolute("mtu")], []);

/** The definition of `chart` for one interface. */
export function netChartSpec(chart: NetChart, name: string, isVirtual: boolean): ChartSpec {
  const { title, units, context, priority, type, dimensions, prefix } = chart;
  const meta: ChartMeta = {
    title,
    units,
    family: name,
    context,
    priority,
    module: MODULE,
    detail: prefix !== "net",
    labels: { device: name, interface_type: isVirtual ? "virtual" : "real" },
  };
  return { id: `${prefix}.${name}`, type, rule: "auto", meta, dimensions };
}

/** Σ over interfaces that are not virtual. */
export const SYSTEM_NET: ChartSpec = {
  id: "system.net",
  type: "area",
  rule: "always",
  meta: {
    title: "Physical Network Interfaces Aggregated Bandwidth",
    units: "kilobits/s",
    family: "network",
    priority: 500,
    module: MODULE,
  },
  dimensions: [
    incremental("InOctets", 8, 1000, { name: "received" }),
    incremental("OutOctets", -8, 1000, { name: "sent" }),
  ],
};

/** One dimension a state, 1 for the one that holds. */
function states(names: readonly string[]): DimensionSpec[] {
  return names.map((name) => absolute(name));
}
