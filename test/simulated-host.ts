import type { Chart } from "../agent/rrd/chart.ts";
import { Database, type DatabaseLimits } from "../agent/rrd/database.ts";
import type { Algorithm, Dimension } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";
import type { HostOptions } from "../agent/rrd/host-options.ts";
import { readStored } from "../agent/rrd/read.ts";

/** A second that every update_every in use divides. */
export const T0_SEC = 1_700_000_000 - (1_700_000_000 % 3600);

/** Limits that no test reaches unless it means to. */
export const WIDE_LIMITS: DatabaseLimits = {
  memoryBytes: 2 ** 34,
  hosts: 1000,
  chartsPerHost: 10_000,
  dimensionsPerChart: 10_000,
  newChartsPerMinute: 1_000_000,
};

export function newDatabase(limits: Partial<DatabaseLimits> = {}): Database {
  return new Database({ ...WIDE_LIMITS, ...limits }, () => {});
}

/** A streamed host of one child in mode `ram`, unless said otherwise. */
export function addHost(database: Database, options: Partial<HostOptions> = {}): Host | null {
  return database.addHost({
    machineGuid: `00000000-0000-0000-0000-${String(database.hostCount).padStart(12, "0")}`,
    hostname: "child",
    os: "linux",
    updateEverySec: 1,
    historyEntries: 120,
    memoryMode: "ram",
    gapIterations: 3,
    isLocal: false,
    ...options,
  });
}

export function newHost(options: Partial<HostOptions> = {}, limits: Partial<DatabaseLimits> = {}): Host {
  return addHost(newDatabase(limits), options)!;
}

/** A dimension definition; only what matters to the test has to be said. */
export function dimension(id: string, algorithm: Algorithm = "absolute", more: Partial<Dimension> = {}): Dimension {
  return {
    id,
    name: id,
    algorithm,
    multiplier: 1,
    divisor: 1,
    hidden: false,
    noReset: false,
    obsolete: false,
    ...more,
  };
}

/** Stored values of one dimension at `[fromSec, toSec]`, NaN = empty. */
export function stored(chart: Chart, index: number, fromSec: number, toSec: number): number[] {
  const out = new Float64Array(Math.max(0, (toSec - fromSec) / chart.definition.updateEverySec + 1));
  const count = readStored(chart, index, fromSec, toSec, out);
  return [...out.subarray(0, count)];
}
