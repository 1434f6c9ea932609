import { TILE_SLOTS, TRUSTED_SLOTS_MIN } from "./geometry.ts";
import type { Segment } from "./segment.ts";
import { readState } from "./segment-header.ts";

/**
 * Whether all that a file holds was written before its last user ended: it was closed in order, or the machine has
 * not been started anew since, so that the kernel kept every page.
 */
export function isWhole(buffer: ArrayBuffer, bootCrc: number): boolean {
  const state = readState(buffer);
  return state.use !== "in_use" || state.bootCrc === bootCrc;
}

/** What {@link distrustAfterPowerCut} found. */
export interface PowerCutLoss {
  /** What the columns hold from before they changed hands is theirs, too. */
  readonly isWhole: boolean;
  /** From here on there may be holes; +∞ = there are none. */
  readonly lostFromSec: number;
}

/** Gives up what a power cut may have spoilt: pages of blocks that were not sealed may be of an earlier lap. */
export function distrustAfterPowerCut(segment: Segment, bootCrc: number): PowerCutLoss {
  const { use, flushedSec, bootCrc: lastBootCrc } = readState(segment.buffer);
  if (use === "closed" || lastBootCrc === bootCrc) return { isWhole: true, lostFromSec: Number.POSITIVE_INFINITY };
  let lostFromSec = Number.POSITIVE_INFINITY;
  for (let block = 0; block < segment.stamps.length; block++) {
    const startSec = segment.stamps[block]!;
    if (segment.distrustLate(block)) lostFromSec = Math.min(lostFromSec, -startSec);
    if (startSec <= 0) continue;
    // What was on the disk for certain stays. A file that was being closed has no open block: that stamp is of before.
    const isLost = use === "closing" || segment.isBegunLate(block) || segment.slots < TRUSTED_SLOTS_MIN;
    const flushedSlots = Math.floor((flushedSec - startSec) / segment.updateEverySec) + 1;
    const slots = isLost ? 0 : Math.max(0, flushedSlots);
    if (slots >= TILE_SLOTS) continue;
    lostFromSec = Math.min(lostFromSec, startSec + slots * segment.updateEverySec);
    if (slots === 0) segment.stamps[block] = 0;
    else clearSlotsFrom(segment, block, slots);
  }
  return { isWhole: use === "closing", lostFromSec };
}

function clearSlotsFrom(segment: Segment, block: number, slot: number): void {
  for (let column = 0; column < segment.columns; column++) {
    const from = (block * segment.columns + column) * TILE_SLOTS;
    segment.values.fill(Number.NaN, from + slot, from + TILE_SLOTS);
    segment.flags.fill(0, from + slot, from + TILE_SLOTS);
  }
}
