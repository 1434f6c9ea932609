import type { StoredChart } from "./catalogue-format.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { newestHeldSec } from "./newest-held.ts";
import type { Segment } from "./segment.ts";

/** Why a catalogue cannot be used for a host; empty = it can. */
export function catalogueProblem(content: CatalogueContent, machineGuid: string): string {
  if (content.isNewer) return "written by a newer version";
  if (content.host === null) return "it names no host";
  return content.host.machineGuid === machineGuid ? "" : `it belongs to host ${content.host.machineGuid}`;
}

/** What a segment must be to hold the charts that the catalogue puts there. */
export interface WantedSegment {
  readonly updateEverySec: number;
  readonly columnsMin: number;
}

/** Segments that hold columns of charts, by number. */
export function wantedSegments(charts: Iterable<StoredChart>): Map<number, WantedSegment> {
  const wanted = new Map<number, WantedSegment>();
  for (const { definition, dimensions } of charts) {
    const { updateEverySec } = definition;
    for (const { segment, column } of dimensions) {
      const columnsMin = wanted.get(segment)?.columnsMin ?? 0;
      if (segment >= 0 && column >= columnsMin) wanted.set(segment, { updateEverySec, columnsMin: column + 1 });
    }
  }
  return wanted;
}

/** Records of a segment by the key of their chart. @param keys of the charts in the catalogue. */
export function recordsByKey(segment: Segment, keys: { has(key: number): boolean }): Map<number, number> {
  const records = new Map<number, number>();
  for (let record = 0; record < segment.columns; record++) {
    const key = segment.recordKey(record);
    if (keys.has(key) && !records.has(key)) records.set(key, record);
  }
  return records;
}

/** First and last slot of a chart that its ring shows, both inclusive. */
export interface HeldTimes {
  readonly firstSec: number;
  readonly lastSec: number;
}

/**
 * From when to when the ring holds a chart, by its records in all its segments; null = nothing that can be proved.
 * @param historyEntries slots that the ring shows at most. What lies in the future is not believed.
 */
export function heldTimes(
  records: Iterable<readonly [Segment, number]>,
  {
    updateEverySec: stepSec,
    historyEntries,
    nowSec,
  }: { updateEverySec: number; historyEntries: number; nowSec: number },
): HeldTimes | null {
  let firstSec = Number.POSITIVE_INFINITY;
  let lastSec = 0;
  for (const [segment, record] of records) {
    const last = lastDated(segment, record, nowSec + stepSec);
    if (last === 0) continue;
    const first = segment.records[(record << 2) + 1]!;
    const isDated = first > 0 && first % stepSec === 0;
    // All of it is in the future: the clock was put back.
    if (isDated && first > last) continue;
    lastSec = Math.max(lastSec, last);
    firstSec = Math.min(firstSec, isDated ? first : last - historyEntries * stepSec + stepSec);
  }
  return lastSec === 0 ? null : { firstSec, lastSec };
}

/**
 * The time of the newest slot of a chart that a segment can prove; 0 = none. When the clock was put back meanwhile,
 * that is the newest one that is not in the future.
 */
function lastDated(segment: Segment, record: number, maxSec: number): number {
  const stepSec = segment.updateEverySec;
  let best = 0;
  let isAhead = false;
  for (const at of [record << 2, (record << 2) + 3]) {
    const time = segment.records[at]!;
    if (!(time > 0 && time % stepSec === 0)) continue;
    if (time > maxSec) isAhead = true;
    else best = Math.max(best, time);
  }
  if (best === 0 && isAhead) best = Math.floor(maxSec / stepSec) * stepSec;
  return best === 0 || segment.holds(best) ? best : newestHeldSec(segment, best);
}

/** Why a segment cannot hold the charts that the catalogue puts there; empty = it can. */
export function misfit(segment: Segment, { updateEverySec, columnsMin }: WantedSegment, phase: number): string {
  if (segment.columns < columnsMin) {
    return `it has ${segment.columns} columns, the catalogue says at least ${columnsMin}`;
  }
  if (segment.phase !== phase) return `its blocks begin at a phase of ${segment.phase}, those of its host at ${phase}`;
  if (segment.updateEverySec === updateEverySec) return "";
  return `it has an interval of ${segment.updateEverySec} s, the catalogue says ${updateEverySec} s`;
}
