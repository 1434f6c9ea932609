import type { Chart } from "./chart.ts";
import { readStored } from "./read.ts";

/** A span of stored times, both ends included and multiples of the chart's update_every. */
export interface StoredSpan {
  readonly fromSec: number;
  readonly toSec: number;
}

/** What was stored in a span: the sum of the points that have a value, and how many these are. */
export interface SpanSum {
  sum: number;
  count: number;
}

const CHUNK_POINTS = 1024;
/** Reused; emptied before anyone else can run. */
const chunk = new Float64Array(CHUNK_POINTS);

/**
 * The stored points that belong to a window `(afterSec, beforeSec]` of a reader that comes by now and then: two
 * intervals back, so that everything is there, and such that the windows of successive calls tile without gap or
 * overlap (exporters.md §1.3, the rule of 1.10 and later).
 * @returns null when the chart holds nothing of it. {@link StoredSpan.toSec} is the time the value is shown with.
 */
export function storedSpan(chart: Chart, afterSec: number, beforeSec: number): StoredSpan | null {
  const u = chart.definition.updateEverySec;
  if (chart.slotsPassed === 0) return null;
  const firstSec = chart.firstEntrySec;
  const lastSec = chart.lastEntrySec;
  const beforeAligned = alignDown(beforeSec - 2 * u, u) - u;
  const afterAligned = Math.min(alignDown(afterSec - 2 * u, u), beforeAligned);
  if (beforeAligned < firstSec || afterAligned > lastSec) return null;
  return { fromSec: Math.max(afterAligned, firstSec), toSec: Math.min(beforeAligned, lastSec) };
}

/** Adds up the stored points of the dimension at `index` in a span. @param out filled in and returned. */
export function sumStored(chart: Chart, index: number, span: StoredSpan, out: SpanSum): SpanSum {
  const u = chart.definition.updateEverySec;
  out.sum = 0;
  out.count = 0;
  for (let fromSec = span.fromSec; fromSec <= span.toSec; fromSec += CHUNK_POINTS * u) {
    const count = readStored(chart, index, fromSec, Math.min(span.toSec, fromSec + (CHUNK_POINTS - 1) * u), chunk);
    for (let i = 0; i < count; i++) {
      const value = chunk[i]!;
      if (Number.isNaN(value)) continue;
      out.sum += value;
      out.count++;
    }
  }
  return out;
}

function alignDown(timeSec: number, step: number): number {
  return timeSec - (timeSec % step);
}
