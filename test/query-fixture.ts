import type { Chart } from "../agent/rrd/chart.ts";
import { Database } from "../agent/rrd/database.ts";
import type { Algorithm } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";

/** A chart whose stored points are given, not collected. */
export interface StoredChart {
  readonly id: string;
  readonly name?: string;
  readonly title?: string;
  readonly units?: string;
  readonly family?: string;
  readonly chartType?: "line" | "area" | "stacked";
  readonly priority?: number;
  readonly updateEverySec: number;
  readonly dimensions: readonly {
    id: string;
    name?: string;
    hidden?: boolean;
    algorithm?: Algorithm;
    multiplier?: number;
    divisor?: number;
  }[];
  /** Time and one value a dimension, in order of time, `updateEverySec` apart; null = empty. */
  readonly rows: readonly (readonly (number | null)[])[];
}

export const LIMITS = {
  memoryBytes: 2 ** 30,
  hosts: 100,
  chartsPerHost: 10_000,
  dimensionsPerChart: 5000,
  newChartsPerMinute: 1e9,
};

/** An empty database with room for tests. */
export function newDatabase(): Database {
  return new Database(LIMITS, () => {});
}

/** Adds a host. @param guid last digits of its machine GUID. */
export function addHost(
  database: Database,
  hostname: string,
  guid: string,
  options: { history?: number; isLocal?: boolean; memoryMode?: "none" | "ram" } = {},
): Host {
  const host = database.addHost({
    machineGuid: `aaaaaaaa-bbbb-cccc-dddd-eeeeeeee${guid.padStart(4, "0")}`,
    hostname,
    os: "linux",
    updateEverySec: 1,
    historyEntries: options.history ?? 3600,
    memoryMode: options.memoryMode ?? "ram",
    gapIterations: 3,
    isLocal: options.isLocal === true,
  });
  return host!;
}

/** Writes points straight into the ring of a host, as the commit would have left them. */
export function storeChart(host: Host, stored: StoredChart): Chart {
  const { id, name, title, units, family, chartType, priority, updateEverySec } = stored;
  const given = { name, title, units, family, chartType, priority };
  const present = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
  const chart = host.defineChart({ id, updateEverySec, ...present })!;
  for (const dimension of stored.dimensions) {
    host.defineDimension(chart, {
      id: dimension.id,
      name: dimension.name ?? dimension.id,
      algorithm: dimension.algorithm ?? "absolute",
      multiplier: dimension.multiplier ?? 1,
      divisor: dimension.divisor ?? 1,
      hidden: dimension.hidden === true,
      noReset: false,
      obsolete: false,
    });
  }
  host.settle(chart);
  for (const row of stored.rows) storeRow(chart, row);
  return chart;
}

/** Adds one row behind the newest. */
export function storeRow(chart: Chart, [timeSec, ...values]: readonly (number | null)[]): void {
  const { host } = chart;
  values.forEach((value, index) => {
    const place = chart.start + index;
    const segment = host.ring!.segments[host.pool.segment[place]!]!;
    const slot = segment.slotOf(timeSec!);
    segment.open(slot >> 6, timeSec! - (slot & 63) * segment.updateEverySec);
    segment.values[segment.valueIndex(slot, host.pool.tile[place]!)] = value ?? Number.NaN;
  });
  chart.slotsPassed++;
  chart.iterations++;
  chart.lastUpdatedUs = timeSec! * 1e6;
  chart.lastCollectedUs = timeSec! * 1e6 + 500_000;
  host.lastCollectedUs = chart.lastCollectedUs;
}
