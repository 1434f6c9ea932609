import type { DirectoryShare } from "./directory-share.ts";
import { newestHeldSec } from "./newest-held.ts";
import type { Segment } from "./segment.ts";
import { readState, type SegmentIdentity, type SegmentState, writeIdentity, writeState } from "./segment-header.ts";

/** Whose segment it is. */
export type SegmentOwner = Pick<SegmentIdentity, "number" | "machineGuid" | "createdSec">;

/** Says in its header which segment it is and how it is used; what was flushed of it stays so. */
export function sign(
  segment: Segment,
  owner: SegmentOwner,
  { bootCrc }: Pick<DirectoryShare, "bootCrc">,
  { use, flushedSec = readState(segment.buffer).flushedSec }: { use: SegmentState["use"]; flushedSec?: number },
): void {
  const { columns, slots, updateEverySec, phase, buffer } = segment;
  writeIdentity(buffer, { columns, slots, updateEverySec, phase, ...owner });
  writeState(buffer, { use, bootCrc, flushedSec });
}

/** Once closed in order, all of a file was on the disk; else only what it says itself. */
export function markInUse(segment: Segment, { bootCrc, nowSec }: Pick<DirectoryShare, "bootCrc" | "nowSec">): void {
  const state = readState(segment.buffer);
  // What is read in another boot can only come from the disk.
  const isOnDisk = state.use === "closed" || (state.use === "closing" && state.bootCrc !== bootCrc);
  const flushedSec = isOnDisk ? newestHeldSec(segment, nowSec()) : state.flushedSec;
  segment.reopen(nowSec());
  writeState(segment.buffer, { use: "in_use", bootCrc, flushedSec });
}

/** All that {@link sign} said to be closing is on the disk. */
export function markClosed(segment: Segment): void {
  writeState(segment.buffer, { ...readState(segment.buffer), use: "closed" });
}
