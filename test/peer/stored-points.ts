import { DatabaseFiles, systemInspectWorld } from "../../agent/app/database-files.ts";
import { TILE_SLOTS } from "../../agent/rrd/store/geometry.ts";
import type { HostReader } from "../../agent/rrd/store/host-reader.ts";
import type { SegmentReader } from "../../agent/rrd/store/segment-reader.ts";

/** `chart dimension` → second → the stored value, with all its bits. */
export type StoredPoints = Map<string, Map<number, number>>;

/** Every point that the files of an agent hold of a host. @param state its state directory. @throws Error without the host. */
export function readStoredPoints(state: string, guid: string): StoredPoints {
  for (const host of new DatabaseFiles(state, systemInspectWorld()).hosts()) {
    if (host.machineGuid === guid) return pointsOf(host);
  }
  throw new Error(`${state}: no host ${guid}`);
}

export function countPoints(points: StoredPoints): number {
  return [...points.values()].reduce((sum, values) => sum + values.size, 0);
}

function pointsOf(host: HostReader): StoredPoints {
  const points: StoredPoints = new Map();
  const times = host.chartTimes();
  for (const number of host.wanted.keys()) {
    const opened = host.openSegment(number);
    if (typeof opened === "string") throw new Error(`${host.segmentPath(number)}: ${opened}`);
    using segment = opened;
    for (const { chart, indexes } of host.partsIn(number)) {
      const held = times.get(chart.key);
      for (const index of held === undefined ? [] : indexes) {
        const { column, dimension } = chart.dimensions[index]!;
        points.set(`${chart.definition.id} ${dimension.id}`, columnOf(segment, column, held!));
      }
    }
  }
  return points;
}

function columnOf(
  segment: SegmentReader,
  column: number,
  { firstSec, lastSec }: { firstSec: number; lastSec: number },
): Map<number, number> {
  const values = new Map<number, number>();
  for (let second = firstSec; second <= lastSec; second += segment.updateEverySec) {
    if (!segment.holdsValues(second, column * TILE_SLOTS)) continue;
    const value = segment.values[segment.valueIndex(segment.slotOf(second), column * TILE_SLOTS)]!;
    if (Number.isFinite(value)) values.set(second, value);
  }
  return values;
}
