import type { DirectoryShare } from "./directory-share.ts";
import { newestHeldSec } from "./newest-held.ts";
import type { Segment } from "./segment.ts";
import { readState, type SegmentIdentity, type SegmentState, writeIdentity, writeState } from "./segment-header.ts";

type OnDisk = Pick<SegmentState, "flushedSec" | "emptiedSec">;

/** Whose segment it is. */
export type SegmentOwner = Pick<SegmentIdentity, "number" | "machineGuid" | "createdSec">;

/**
 * Says in its header which segment it is and how it is used; what was flushed of it stays so.
 * @param onDisk left out: what the header says.
 */
export function sign(
  segment: Segment,
  owner: SegmentOwner,
  { bootCrc }: Pick<DirectoryShare, "bootCrc">,
  { use, onDisk }: { use: SegmentState["use"]; onDisk?: OnDisk },
): void {
  const { columns, slots, updateEverySec, phase, buffer } = segment;
  writeIdentity(buffer, { columns, slots, updateEverySec, phase, ...owner });
  writeState(buffer, { ...readState(buffer), ...onDisk, use, bootCrc });
}

/** What of a segment is on the disk when all of it is, as it was at a second. */
export function allOnDisk(segment: Segment, atSec: number): OnDisk {
  return { flushedSec: newestHeldSec(segment, atSec), emptiedSec: atSec };
}

/** Once closed in order, all of a file was on the disk; else only what it says itself. */
export function markInUse(segment: Segment, { bootCrc, nowSec }: Pick<DirectoryShare, "bootCrc" | "nowSec">): void {
  const state = readState(segment.buffer);
  // What is read in another boot can only come from the disk.
  const isOnDisk = state.use === "closed" || (state.use === "closing" && state.bootCrc !== bootCrc);
  const onDisk = isOnDisk ? allOnDisk(segment, nowSec()) : state;
  writeState(segment.buffer, { ...state, ...onDisk, use: "in_use", bootCrc });
  segment.reopen(nowSec());
}

/** All that {@link sign} said to be closing is on the disk. */
export function markClosed(segment: Segment): void {
  writeState(segment.buffer, { ...readState(segment.buffer), use: "closed" });
}
