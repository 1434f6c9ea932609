import type { ChartMeta, ChartType } from "../collector.ts";
import { absolute, type ChartSpec, type DimensionSpec, incremental } from "../lazy-chart.ts";

/** Positions in a line of /proc/diskstats, counted from the first number behind the name (its field 4). */
export const COUNTER = {
  reads: 0,
  readsMerged: 1,
  readSectors: 2,
  readMs: 3,
  writes: 4,
  writesMerged: 5,
  writeSectors: 6,
  writeMs: 7,
  inFlight: 8,
  busyMs: 9,
  backlogMs: 10,
  discards: 11,
  discardsMerged: 12,
  discardSectors: 13,
  discardMs: 14,
  flushes: 15,
  flushMs: 16,
} as const;

/** Counters a line has today; kernels before 4.18 have no discards (11), before 5.5 no flushes (15). */
export const COUNTERS_MAX = 17;
/** Fewest counters of a line. */
export const COUNTERS_MIN = 11;
/** Fewest counters with which the charts of discards exist. */
export const COUNTERS_DISCARD = 15;

type Counter = keyof typeof COUNTER;

/** `unknown`: sysfs does not say (masked in a container); collected like a virtual disk. */
export type DiskKind = "physical" | "partition" | "virtual" | "unknown";

/** The identity of a disk in its charts. */
export interface DiskIdentity {
  /** Second part of the chart ids. */
  readonly id: string;
  /** What people call it; same as the id for most. */
  readonly name: string;
  /** Kernel name. */
  readonly device: string;
  readonly mountPoint: string | undefined;
  readonly kind: DiskKind;
}

/** One chart of each disk. */
export interface DiskChart {
  readonly prefix: string;
  readonly context: string;
  readonly title: string;
  readonly units: string;
  readonly type: ChartType;
  readonly priority: number;
  readonly detail: boolean;
  readonly dimensions: readonly DimensionSpec[];
  /** Counters shown as they are, by dimension; empty for a derived chart. */
  readonly counters: readonly Counter[];
  /** A derived chart exists from the first cycle in which one of these is not 0. */
  readonly wakers: readonly Counter[];
  /** Needs the counters of discards. */
  readonly isExtended: boolean;
}

/** Sectors are 512 bytes whatever the device's own are. */
const READ_WRITE_KIB = [incremental("reads", 512, 1024), incremental("writes", -512, 1024)];
const READ_WRITE = [incremental("reads"), incremental("writes", -1)];

/** A chart of counters as they are. */
function plain(
  prefix: string,
  context: string,
  title: string,
  units: string,
  type: ChartType,
  priority: number,
  dimensions: readonly DimensionSpec[],
  counters: readonly Counter[],
): DiskChart {
  const detail = prefix !== "disk" && prefix !== "disk_ext";
  const isExtended = prefix.startsWith("disk_ext");
  return { prefix, context, title, units, type, priority, detail, dimensions, counters, wakers: [], isExtended };
}

/** A chart computed from two reads. */
function derived(
  prefix: string,
  context: string,
  title: string,
  units: string,
  type: ChartType,
  priority: number,
  dimensions: readonly DimensionSpec[],
  wakers: readonly Counter[],
): DiskChart {
  return { ...plain(prefix, context, title, units, type, priority, dimensions, []), wakers };
}

/** Charts of counters as they are, in the order of collectors.md §1.4. */
export const PLAIN_CHARTS: readonly DiskChart[] = [
  plain("disk", "disk.io", "Disk I/O Bandwidth", "KiB/s", "area", 2000, READ_WRITE_KIB, [
    "readSectors",
    "writeSectors",
  ]),
  plain("disk_ops", "disk.ops", "Disk Completed I/O Operations", "operations/s", "line", 2010, READ_WRITE, [
    "reads",
    "writes",
  ]),
  plain(
    "disk_qops",
    "disk.qops",
    "Disk Current I/O Operations",
    "operations",
    "line",
    2015,
    [absolute("operations")],
    ["inFlight"],
  ),
  plain(
    "disk_backlog",
    "disk.backlog",
    "Disk Backlog",
    "milliseconds",
    "area",
    2020,
    [incremental("backlog")],
    ["backlogMs"],
  ),
  plain("disk_busy", "disk.busy", "Disk Busy Time", "milliseconds", "area", 2030, [incremental("busy")], ["busyMs"]),
  plain("disk_mops", "disk.mops", "Disk Merged Operations", "merged operations/s", "line", 2080, READ_WRITE, [
    "readsMerged",
    "writesMerged",
  ]),
  plain("disk_iotime", "disk.iotime", "Disk Total I/O Time", "milliseconds/s", "line", 2090, READ_WRITE, [
    "readMs",
    "writeMs",
  ]),
  plain(
    "disk_ext",
    "disk_ext.io",
    "Amount of Discarded Data",
    "KiB/s",
    "area",
    2001,
    [incremental("discards", 512, 1024)],
    ["discardSectors"],
  ),
  plain(
    "disk_ext_ops",
    "disk_ext.ops",
    "Disk Completed Extended I/O Operations",
    "operations/s",
    "line",
    2011,
    [incremental("discards"), incremental("flushes")],
    ["discards", "flushes"],
  ),
  plain(
    "disk_ext_mops",
    "disk_ext.mops",
    "Disk Merged Discard Operations",
    "merged operations/s",
    "line",
    2081,
    [incremental("discards")],
    ["discardsMerged"],
  ),
  plain(
    "disk_ext_iotime",
    "disk_ext.iotime",
    "Disk Total I/O Time for Extended Operations",
    "milliseconds/s",
    "line",
    2091,
    [incremental("discards"), incremental("flushes")],
    ["discardMs", "flushMs"],
  ),
];

/** Charts computed from two reads; {@link DERIVED} names their positions. */
export const DERIVED_CHARTS: readonly DiskChart[] = [
  derived(
    "disk_util",
    "disk.util",
    "Disk Utilization Time",
    "% of time working",
    "area",
    2040,
    [absolute("utilization")],
    ["busyMs"],
  ),
  derived(
    "disk_await",
    "disk.await",
    "Average Completed I/O Operation Time",
    "milliseconds/operation",
    "line",
    2050,
    [absolute("reads"), absolute("writes", -1)],
    ["readMs", "writeMs"],
  ),
  derived(
    "disk_avgsz",
    "disk.avgsz",
    "Average Completed I/O Operation Bandwidth",
    "KiB/operation",
    "area",
    2060,
    [absolute("reads", 512, 1024), absolute("writes", -512, 1024)],
    ["readSectors", "writeSectors"],
  ),
  derived(
    "disk_svctm",
    "disk.svctm",
    "Average Service Time",
    "milliseconds/operation",
    "line",
    2070,
    [absolute("svctm")],
    ["busyMs"],
  ),
  derived(
    "disk_ext_await",
    "disk_ext.await",
    "Average Completed Extended I/O Operation Time",
    "milliseconds/operation",
    "line",
    2051,
    [absolute("discards"), absolute("flushes")],
    ["discardMs", "flushMs"],
  ),
  derived(
    "disk_ext_avgsz",
    "disk_ext.avgsz",
    "Average Amount of Discarded Data",
    "KiB/operation",
    "area",
    2060,
    [absolute("discards", 512, 1024)],
    ["discardSectors"],
  ),
];

/** Positions in {@link DERIVED_CHARTS}. */
export const DERIVED = { util: 0, await: 1, averageSize: 2, serviceTime: 3, extAwait: 4, extAverageSize: 5 } as const;

/** The definition of `chart` for one disk. */
export function diskChartSpec(chart: DiskChart, disk: DiskIdentity): ChartSpec {
  const { prefix, type, dimensions } = chart;
  return { id: `${prefix}.${disk.id}`, type, rule: "auto", meta: diskChartMeta(chart, disk), dimensions };
}

/** What such a chart is called; changes when the disk is mounted somewhere else. */
export function diskChartMeta(chart: DiskChart, disk: DiskIdentity): ChartMeta {
  const { title, units, context, priority, detail } = chart;
  return {
    title,
    units,
    family: disk.mountPoint ?? disk.name,
    context,
    priority,
    module: "/proc/diskstats",
    detail,
    ...(disk.name !== disk.id && { name: disk.name }),
    labels: {
      device: disk.name,
      ...(disk.mountPoint !== undefined && { mount_point: disk.mountPoint }),
      device_type: disk.kind,
    },
  };
}

/** Σ over physical disks. */
export const SYSTEM_IO: ChartSpec = {
  id: "system.io",
  type: "area",
  rule: "always",
  meta: { title: "Disk I/O", units: "KiB/s", family: "disk", priority: 150, module: "/proc/diskstats" },
  dimensions: [incremental("in"), incremental("out", -1)],
};
