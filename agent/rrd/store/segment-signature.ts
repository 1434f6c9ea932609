import type { DirectoryShare } from "./directory-share.ts";
import type { Segment } from "./segment.ts";
import { readState, type SegmentIdentity, writeIdentity, writeState } from "./segment-header.ts";

/** Whose segment it is. */
export type SegmentOwner = Pick<SegmentIdentity, "number" | "machineGuid" | "createdSec">;

/** Says in its header which segment it is and whether it is whole. */
export function sign(
  segment: Segment,
  owner: SegmentOwner,
  { bootCrc }: Pick<DirectoryShare, "bootCrc">,
  { isClosed, flushedSec = 0 }: { isClosed: boolean; flushedSec?: number },
): void {
  const { columns, slots, updateEverySec, phase, buffer } = segment;
  writeIdentity(buffer, { columns, slots, updateEverySec, phase, ...owner });
  writeState(buffer, { isClosed, bootCrc, flushedSec });
}

/** Once closed in order, all of a file was on the disk; else only what it says itself. */
export function markInUse(segment: Segment, { bootCrc, nowSec }: Pick<DirectoryShare, "bootCrc" | "nowSec">): void {
  const { isClosed, flushedSec } = readState(segment.buffer);
  const nowFlushedSec = isClosed ? segment.newestHeldSec(nowSec()) : flushedSec;
  writeState(segment.buffer, { isClosed: false, bootCrc, flushedSec: nowFlushedSec });
}
