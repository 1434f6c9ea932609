import type { HostFiles } from "../../base/proc-file.ts";
import type { CollectorContext } from "../collector.ts";
import { LazyChart } from "../lazy-chart.ts";
import type { RowObject } from "../row-cache.ts";
import {
  COUNTER,
  COUNTERS_DISCARD,
  COUNTERS_MAX,
  DERIVED,
  DERIVED_CHARTS,
  type DiskChart,
  type DiskIdentity,
  type DiskKind,
  diskChartMeta,
  diskChartSpec,
  PLAIN_CHARTS,
} from "./disk-charts.ts";

interface OwnChart {
  readonly definition: DiskChart;
  readonly chart: LazyChart;
  /** Positions of the counters shown as they are, by dimension. */
  readonly counters: readonly number[];
}

/** What the kernel says about a block device. */
export function classifyDisk(files: HostFiles, device: string, name: string): DiskKind {
  const sysName = name.replaceAll("/", "!"); // sysfs cannot have a slash in a name
  if (files.exists(`/sys/devices/virtual/block/${sysName}`)) return "virtual";
  if (files.list(`/sys/dev/block/${device}/slaves`).length > 0) return "virtual";
  if (files.exists(`/sys/dev/block/${device}/partition`)) return "partition";
  return files.exists(`/sys/block/${sysName}`) ? "physical" : "unknown";
}

/**
 * How a disk is called in its charts. A logical volume gets an id that survives another order of activation, and the
 * name its administrator gave it.
 */
export function identifyDisk(files: HostFiles, name: string, kind: DiskKind, mountPoint?: string): DiskIdentity {
  let id = name.replaceAll("/", "_");
  let shown = id;
  if (name.startsWith("dm-")) {
    const uuid = files.readLine(`/sys/block/${name}/dm/uuid`);
    const mapperName = files.readLine(`/sys/block/${name}/dm/name`);
    if (uuid?.startsWith("LVM-")) {
      id = `${name}-${uuid.slice("LVM-".length)}`;
      shown = mapperName || id;
    }
  }
  return { id, name: shown, device: name, mountPoint, kind };
}

/** One line of /proc/diskstats and its charts. */
export class Disk implements RowObject {
  /** `major:minor`. */
  readonly device: string;
  /** Not collected at all. */
  readonly isLeftOut: boolean;
  private readonly context: CollectorContext;
  private identity: DiskIdentity;
  private readonly plain: readonly OwnChart[];
  private readonly derived: readonly OwnChart[];
  private readonly last = new Float64Array(COUNTERS_MAX);
  private hasLast = false;
  private isReported = false;

  /** @param device `major:minor`. */
  constructor(context: CollectorContext, device: string, identity: DiskIdentity, isLeftOut: boolean) {
    this.context = context;
    this.device = device;
    this.identity = identity;
    this.isLeftOut = isLeftOut;
    const create = (definition: DiskChart): OwnChart => ({
      definition,
      chart: new LazyChart(context, diskChartSpec(definition, identity)),
      counters: definition.counters.map((counter) => COUNTER[counter]),
    });
    this.plain = isLeftOut ? [] : PLAIN_CHARTS.map(create);
    this.derived = isLeftOut ? [] : DERIVED_CHARTS.map(create);
  }

  get kind(): DiskKind {
    return this.identity.kind;
  }

  /** @param counters the numbers of the line; those behind `count` are 0. */
  collect(counters: Float64Array, count: number, nowUs: number): void {
    const hasDiscards = count >= COUNTERS_DISCARD;
    for (let i = 0; i < this.plain.length; i++) {
      const { chart, counters: indexes, definition } = this.plain[i]!;
      if (definition.isExtended && !hasDiscards) continue;
      for (let j = 0; j < indexes.length; j++) chart.set(j, counters[indexes[j]!]!);
      chart.commit(nowUs);
    }
    if (this.hasLast) this.collectDerived(counters, hasDiscards, nowUs);
    this.last.set(counters);
    this.hasLast = true;
  }

  /** Takes note of where the disk is mounted now. */
  moveTo(mountPoint: string | undefined): void {
    if (this.isLeftOut || mountPoint === this.identity.mountPoint) return;
    this.identity = { ...this.identity, mountPoint };
    for (const { chart, definition } of this.plain) chart.redefine(diskChartMeta(definition, this.identity));
    for (const { chart, definition } of this.derived) chart.redefine(diskChartMeta(definition, this.identity));
  }

  /** Says once that the line is not understood. */
  reportLine(line: string): void {
    if (this.isReported) return;
    this.isReported = true;
    this.context.log.warn("collector.line_malformed", { source: "/proc/diskstats", line: line.slice(0, 80) });
  }

  retire(): void {
    for (const { chart } of this.plain) chart.retire();
    for (const { chart } of this.derived) chart.retire();
  }

  private collectDerived(counters: Float64Array, hasDiscards: boolean, nowUs: number): void {
    const reads = this.delta(counters, COUNTER.reads);
    const writes = this.delta(counters, COUNTER.writes);
    const busyMs = this.delta(counters, COUNTER.busyMs);
    // busy ms of update_every × 1000 ms, as a percentage
    this.put(DERIVED.util, 0, Math.min(100, Math.trunc(busyMs / (10 * this.context.updateEverySec))));
    this.put(DERIVED.await, 0, ratio(this.delta(counters, COUNTER.readMs), reads));
    this.put(DERIVED.await, 1, ratio(this.delta(counters, COUNTER.writeMs), writes));
    this.put(DERIVED.averageSize, 0, ratio(this.delta(counters, COUNTER.readSectors), reads));
    this.put(DERIVED.averageSize, 1, ratio(this.delta(counters, COUNTER.writeSectors), writes));
    this.put(DERIVED.serviceTime, 0, ratio(busyMs, reads + writes));
    if (hasDiscards) {
      const discards = this.delta(counters, COUNTER.discards);
      const flushes = this.delta(counters, COUNTER.flushes);
      this.put(DERIVED.extAwait, 0, ratio(this.delta(counters, COUNTER.discardMs), discards));
      this.put(DERIVED.extAwait, 1, ratio(this.delta(counters, COUNTER.flushMs), flushes));
      this.put(DERIVED.extAverageSize, 0, ratio(this.delta(counters, COUNTER.discardSectors), discards));
    }
    for (let i = 0; i < this.derived.length; i++) {
      const { chart, definition } = this.derived[i]!;
      if (!chart.exists) this.wake(chart, definition, counters);
      chart.commit(nowUs);
    }
  }

  private wake(chart: LazyChart, { wakers }: DiskChart, counters: Float64Array): void {
    for (let i = 0; i < wakers.length; i++) if (counters[COUNTER[wakers[i]!]] !== 0) chart.wake();
  }

  private put(chart: number, dimension: number, value: number): void {
    this.derived[chart]!.chart.set(dimension, value);
  }

  /** Growth since the last read; 0 when the counter fell: it wrapped or was reset. */
  private delta(counters: Float64Array, index: number): number {
    return Math.max(0, counters[index]! - this.last[index]!);
  }
}

/** Integer division; 0 without operations. */
function ratio(sum: number, operations: number): number {
  return operations > 0 ? Math.trunc(sum / operations) : 0;
}
