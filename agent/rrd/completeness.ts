import type { Chart } from "./chart.ts";
import type { Host } from "./host.ts";

/** A chart that was not collected for longer than this, or than three of its intervals, has stopped. */
const STOPPED_US = 10_000_000;
const STOPPED_INTERVALS = 3;

/**
 * Up to this second of its sender's clock nothing of a host is missing here that had been collected by then and that
 * its sender still has: every chart that goes on has come so far, and nothing is to be fetched. 0 = nothing is here.
 */
export function completeToSec(host: Host): number {
  const { missingFromSec, lastCollectedUs, charts } = host;
  let second = Math.floor(lastCollectedUs / 1e6);
  for (const chart of charts) if (chart !== null && goesOn(chart)) second = Math.min(second, filledToSec(chart));
  return Math.max(0, missingFromSec > 0 ? Math.min(second, missingFromSec - 1) : second);
}

function goesOn(chart: Chart): boolean {
  const { host, lastCollectedUs, lastUpdatedUs, updateEveryUs, isObsolete } = chart;
  // Of one that was restored from files only the ring tells how far it came.
  const newestUs = lastCollectedUs > 0 ? lastCollectedUs : lastUpdatedUs;
  if (isObsolete || newestUs === 0) return false;
  return host.lastCollectedUs - newestUs <= Math.max(STOPPED_US, STOPPED_INTERVALS * updateEveryUs);
}

/** Between two slots of a chart there is nothing to be missed. */
function filledToSec({ host, lastCollectedUs, lastUpdatedUs, definition }: Chart): number {
  // In mode none nothing is kept: what has come so far has been passed on.
  const newestUs = host.ring === null ? lastCollectedUs : lastUpdatedUs;
  return Math.floor(newestUs / 1e6) + definition.updateEverySec - 1;
}
