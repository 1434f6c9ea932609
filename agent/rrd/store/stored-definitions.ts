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
  return { key, definition, isObsolete, dimensions: storedDimensions(chart, sinceSec) };
}

/** All dimensions of a chart and where their columns are. @param sinceSec as for {@link storedChart}. */
export function storedDimensions(chart: Chart, sinceSec: readonly number[]): StoredDimension[] {
  const { pool } = chart.host;
  return chart.dimensions.list.map((dimension, index) => {
    const place = chart.start + index;
    const isPlaced = pool.segment[place]! < NO_SEGMENT;
    return {
      dimension,
      segment: isPlaced ? pool.segment[place]! : -1,
      column: isPlaced ? pool.tile[place]! >> 6 : -1,
      sinceSec: sinceSec[index] ?? 0,
    };
  });
}
