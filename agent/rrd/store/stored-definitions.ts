import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import { NO_SEGMENT } from "../ring.ts";
import type { StoredChart, StoredDimension, StoredHost } from "./catalogue-format.ts";

/** What the next start has to know of a host. */
export function storedHost(host: Host, memoryMode: "save" | "map"): StoredHost {
  const { machineGuid, hostname, os, updateEverySec, historyEntries, hops, program, version, timezone } = host;
  const { abbrevTimezone, utcOffsetSec, tags, registryHostname, systemInfo } = host;
  const lastSeenSec = Math.floor(host.lastCollectedUs / 1e6);
  const identity = { machineGuid, hostname, os, updateEverySec, historyEntries, memoryMode, hops, program, version };
  return { ...identity, timezone, abbrevTimezone, utcOffsetSec, tags, registryHostname, systemInfo, lastSeenSec };
}

/** @param sinceSec by dimension: what its column holds before is not its own. */
export function storedChart(chart: Chart, key: number, sinceSec: readonly number[]): StoredChart {
  const { definition, isObsolete } = chart;
  return { key, definition, isObsolete, dimensions: storedDimensions(chart, sinceSec, 0) };
}

/** Dimensions of a chart from a position on, and their columns. @param sinceSec as for {@link storedChart}. */
export function storedDimensions(chart: Chart, sinceSec: readonly number[], from: number): StoredDimension[] {
  const { pool } = chart.host;
  const stored: StoredDimension[] = [];
  for (let index = from; index < chart.dimensions.count; index++) {
    const place = chart.start + index;
    const isPlaced = pool.segment[place]! < NO_SEGMENT;
    stored.push({
      dimension: chart.dimensions.list[index]!,
      segment: isPlaced ? pool.segment[place]! : -1,
      column: isPlaced ? pool.tile[place]! >> 6 : -1,
      sinceSec: sinceSec[index] ?? 0,
    });
  }
  return stored;
}

/** Second from which on columns that a chart gets now are its own. */
export function ownSinceSec(chart: Chart, nowSec: number): number {
  const stepSec = chart.definition.updateEverySec;
  if (chart.lastUpdatedUs > 0) return chart.lastEntrySec + stepSec;
  return Math.floor(nowSec / stepSec) * stepSec;
}
