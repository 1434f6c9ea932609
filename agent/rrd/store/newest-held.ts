import { TILE_SLOTS } from "./geometry.ts";
import type { SegmentBlocks } from "./segment-blocks.ts";

/**
 * Newest time up to a second whose block is held, undamaged; 0 = none. Looks into the newest block alone unless that is
 * damaged: the others may be on the disk only.
 */
export function newestHeldSec(segment: SegmentBlocks, upToSec: number): number {
  const { stamps, updateEverySec } = segment;
  for (let beforeSec = Number.POSITIVE_INFINITY; ; ) {
    let newest = -1;
    let newestSec = 0;
    for (let block = 0; block < stamps.length; block++) {
      const startSec = Math.abs(stamps[block]!);
      if (startSec <= newestSec || startSec > upToSec || startSec >= beforeSec) continue;
      newest = block;
      newestSec = startSec;
    }
    if (newest < 0) return 0;
    if (segment.heldStart(newest) === newestSec) {
      return Math.min(newestSec + (TILE_SLOTS - 1) * updateEverySec, upToSec);
    }
    beforeSec = newestSec;
  }
}
