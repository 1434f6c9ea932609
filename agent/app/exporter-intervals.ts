import type { ExporterCounters as ChartCounters } from "../collector/agent-sources.ts";
import type { ExporterCounters } from "../exporter/exporter-status.ts";

/** The exporter whose charts keep their first meaning: `buffered` counts what waits, not what an interval made. */
const CLASSIC_NAME = "backend";

type Interval = Pick<
  ChartCounters,
  | "metricsBuffered"
  | "metricsLost"
  | "metricsSent"
  | "bytesBuffered"
  | "bytesLost"
  | "bytesSent"
  | "bytesReceived"
  | "writes"
  | "discards"
  | "reconnects"
  | "failures"
  | "reads"
>;

/** Turns the totals of exporters into figures of their last interval, as their charts show them. */
export class ExporterIntervals {
  private readonly known = new Map<string, { at: ExporterCounters; interval: Interval }>();

  /** @param totals of all exporters that run now; others are forgotten. */
  read(totals: readonly ExporterCounters[]): ChartCounters[] {
    for (const name of this.known.keys()) if (!totals.some((total) => total.name === name)) this.known.delete(name);
    return totals.map((total) => ({ ...this.intervalOf(total), ...sinceStart(total) }));
  }

  private intervalOf(total: ExporterCounters): Interval {
    const known = this.known.get(total.name);
    if (known !== undefined && known.at.intervals === total.intervals) return known.interval;
    // A changed exporter may count anew.
    const before = known === undefined || known.at.intervals > total.intervals ? undefined : known.at;
    const interval = difference(total, before);
    this.known.set(total.name, { at: copyOf(total), interval });
    return interval;
  }
}

function difference(now: ExporterCounters, before: ExporterCounters | undefined): Interval {
  const isClassic = now.name === CLASSIC_NAME;
  const produced = now.points.produced - (before?.points.produced ?? 0);
  const producedBytes = now.bytes.produced - (before?.bytes.produced ?? 0);
  return {
    metricsBuffered: isClassic ? now.points.queued : produced,
    metricsLost: lost(now, "points") - (before === undefined ? 0 : lost(before, "points")),
    metricsSent: now.points.sent - (before?.points.sent ?? 0),
    bytesBuffered: isClassic ? now.bytes.queued : producedBytes,
    bytesLost: lost(now, "bytes") - (before === undefined ? 0 : lost(before, "bytes")),
    bytesSent: now.bytes.sent - (before?.bytes.sent ?? 0),
    bytesReceived: now.receivedBytes - (before?.receivedBytes ?? 0),
    writes: now.write - (before?.write ?? 0),
    discards: now.discard - (before?.discard ?? 0),
    reconnects: now.reconnect - (before?.reconnect ?? 0),
    failures: now.failure - (before?.failure ?? 0),
    reads: now.read - (before?.read ?? 0),
  };
}

function lost(counters: ExporterCounters, unit: "points" | "bytes"): number {
  const { overflow, rejected, expired, corrupt, config } = counters[unit].lost;
  return overflow + rejected + expired + corrupt + config;
}

/** The live account goes on counting: what is compared with later must not. */
function copyOf(counters: ExporterCounters): ExporterCounters {
  return structuredClone(counters);
}

function sinceStart(total: ExporterCounters): Omit<ChartCounters, keyof Interval> {
  const { lost: lostPoints } = total.points;
  return {
    name: total.name,
    updateEverySec: total.updateEverySec,
    userUs: total.cpuUserUs,
    systemUs: total.cpuSystemUs,
    queueMemory: total.memoryPoints,
    queueDisk: total.diskPoints,
    queueInFlight: total.inFlightPoints,
    queueMemoryBytes: total.memoryBytes,
    queueDiskBytes: total.diskBytes,
    oldestSec: total.oldestAgeSec,
    lostOverflow: lostPoints.overflow,
    lostRejected: lostPoints.rejected,
    lostExpired: lostPoints.expired,
    lostCorrupt: lostPoints.corrupt,
    lostConfig: lostPoints.config,
    lostSkipped: total.skipped,
  };
}
