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

/**
 * Gives up what a power cut may have spoilt: pages of blocks that were not sealed may be of an earlier lap.
 * @returns whether nothing had to be: what its columns hold from before they changed hands is theirs, too.
 */
export function distrustAfterPowerCut(segment: Segment, bootCrc: number): boolean {
  const { use, flushedSec, bootCrc: lastBootCrc } = readState(segment.buffer);
  if (use === "closed" || lastBootCrc === bootCrc) return true;
  for (let block = 0; block < segment.stamps.length; block++) {
    const startSec = segment.stamps[block]!;
    segment.distrustLate(block);
    if (startSec <= 0) continue;
    // What was on the disk for certain stays. A file that was being closed has no open block: that stamp is of before.
    const isLost = use === "closing" || segment.isBegunLate(block);
    const slots = isLost ? 0 : Math.floor((flushedSec - startSec) / segment.updateEverySec) + 1;
    if (slots <= 0 || segment.slots < TRUSTED_SLOTS_MIN) segment.stamps[block] = 0;
    else if (slots < TILE_SLOTS) clearSlotsFrom(segment, block, slots);
  }
  return use === "closing";
}

function clearSlotsFrom(segment: Segment, block: number, slot: number): void {
  for (let column = 0; column < segment.columns; column++) {
    const from = (block * segment.columns + column) * TILE_SLOTS;
    segment.values.fill(Number.NaN, from + slot, from + TILE_SLOTS);
    segment.flags.fill(0, from + slot, from + TILE_SLOTS);
  }
}
