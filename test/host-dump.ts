import type { Host } from "../agent/rrd/host.ts";
import { collectedSec, latestCollected } from "../agent/rrd/read.ts";

/** Everything of a host that collection leaves behind: two hosts fed alike must have equal dumps. */
export function dumpHost(host: Host): { text: string; segments: Buffer[] } {
  const charts = host.chartList().map((chart) => ({
    definition: chart.definition,
    dimensions: chart.dimensions.list,
    collectedUs: chart.lastCollectedUs,
    updatedUs: chart.lastUpdatedUs,
    slotsPassed: chart.slotsPassed,
    iterations: chart.iterations,
    isObsolete: chart.isObsolete,
    variables: [...(chart.variables ?? [])],
    last: chart.dimensions.list.map((_, i) => `${latestCollected(chart, i)} at ${collectedSec(chart, i)}`),
  }));
  const { balance } = host;
  const { refusedCharts, refusedDimensions } = host.admission;
  const state = { charts, balance, refusedCharts, refusedDimensions, variables: [...host.variables] };
  // The whole buffer: header with stamps and records, values, flags.
  const segments = (host.ring?.segments ?? []).map((segment) => Buffer.from(segment.values.buffer));
  return { text: JSON.stringify(state, null, 1), segments };
}
