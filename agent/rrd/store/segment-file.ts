import { AgentError } from "../../base/errors.ts";
import type { FilePart, Files } from "../../base/files.ts";
import { type Geometry, PAGE_BYTES, segmentBytes, TILE_SLOTS } from "./geometry.ts";
import { Segment } from "./segment.ts";
import { readIdentity, readState, type SegmentIdentity } from "./segment-header.ts";

/** Zeros are written in pieces of this size. */
const ZEROS = new Uint8Array(65_536);

/** Name of a segment's file. */
export function segmentFileName(number: number): string {
  return `seg-${number}.rrd`;
}

/** Number of the segment in a file of this name; −1 = it is none. */
export function segmentNumber(name: string): number {
  const digits = /^seg-(0|[1-9]\d{0,4})\.rrd$/.exec(name)?.[1];
  return digits === undefined ? -1 : Number(digits);
}

/**
 * Writes a segment file, whole or not at all. Its blocks are taken from the disk now, as zeros if there is no content:
 * a mapped file that finds the disk full later would end the process (rrd.md §4.2).
 * @param content of the whole file, or only its header. @throws AgentError `file_…`
 */
export function writeSegmentFile(files: Files, path: string, content: Uint8Array, fileBytes: number): void {
  const temporary = `${path}.tmp`;
  try {
    using file = files.create(temporary);
    file.write(content);
    for (let left = fileBytes - content.length; left > 0; left -= ZEROS.length) {
      file.write(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
  } catch (error) {
    files.remove(temporary);
    throw error;
  }
  // Not synced: after a power cut a file without its content is set aside like any other damaged one.
  files.rename(temporary, path);
}

/**
 * Writes files beside the old ones, each flushed to the disk, and then puts all in their place.
 * @param contents asked for one after the other; each is written as it is then. @returns bytes written.
 */
export async function replaceFiles(
  files: Files,
  contents: Iterable<{ path: string; content: Uint8Array }>,
): Promise<number> {
  const written: string[] = [];
  let bytes = 0;
  for (const { path, content } of contents) {
    writeWhole(files, `${path}.tmp`, content);
    bytes += content.length;
    written.push(path);
    await files.sync(`${path}.tmp`);
  }
  for (const path of written) files.rename(`${path}.tmp`, path);
  return bytes;
}

/** Writes a file with all its content. @throws AgentError `file_…`; then a part of it may be there. */
function writeWhole(files: Files, path: string, content: Uint8Array): void {
  using file = files.create(path);
  file.write(content);
}

/** Maps a segment file. @throws AgentError `file_…` */
export function mapSegmentFile(files: Files, path: string): ArrayBuffer {
  const bytes = files.map(path);
  if (bytes.byteOffset !== 0 || !(bytes.buffer instanceof ArrayBuffer)) {
    throw new AgentError("file_map", `${path}: the mapping does not begin with the file`);
  }
  return bytes.buffer;
}

/** For {@link Segment.overwriteFile}: false when the file cannot be written; the mapping of it still can. */
export function overwriter(files: Files, path: string): (parts: readonly FilePart[]) => boolean {
  return (parts) => {
    try {
      files.overwrite(path, parts);
      return true;
    } catch (error) {
      if (error instanceof AgentError) return false;
      throw error;
    }
  };
}

/** A segment file that was read, or why it cannot be used. */
export type OpenedSegment = { segment: Segment; identity: SegmentIdentity } | { problem: string };

/**
 * Opens a segment file of a host and gives up what a power cut may have spoilt.
 * @param isMapped else its content is read into memory. @throws AgentError `file_…` when the system fails.
 */
export function openSegmentFile(
  files: Files,
  path: string,
  expected: { number: number; machineGuid: string; bootCrc: number; isMapped: boolean },
): OpenedSegment {
  const fileBytes = files.size(path) ?? 0;
  if (fileBytes < PAGE_BYTES) return { problem: `${fileBytes} bytes, too short for a header` };
  const buffer = expected.isMapped ? mapSegmentFile(files, path) : ownBuffer(files.read(path)!);
  const identity = readIdentity(new Uint8Array(buffer), fileBytes);
  if ("problem" in identity) return identity;
  const problem = strangerProblem(identity, expected);
  if (problem !== "") return { problem };
  const segment = new Segment(buffer, identity);
  return { segment, identity };
}

/** Why a segment is not the one that belongs there; empty = it is. */
export function strangerProblem(
  identity: SegmentIdentity,
  expected: Pick<SegmentIdentity, "number" | "machineGuid">,
): string {
  if (identity.machineGuid !== expected.machineGuid) return `it belongs to host ${identity.machineGuid}`;
  if (identity.number !== expected.number) return `it is segment ${identity.number} of its host`;
  return "";
}

/**
 * Gives up what a power cut may have spoilt.
 * @returns whether nothing had to be: what its columns hold from before they changed hands is theirs, too.
 */
export function distrustAfterPowerCut(segment: Segment, bootCrc: number): boolean {
  if (isWhole(segment.buffer, bootCrc)) return true;
  segment.distrustOpenBlocks(readState(segment.buffer).flushedSec);
  return false;
}

/**
 * Whether all that the file holds was written before its last user ended: it was closed in order, or the machine has
 * not been started anew since, so that the kernel kept every page.
 */
export function isWhole(buffer: ArrayBuffer, bootCrc: number): boolean {
  const state = readState(buffer);
  return state.isClosed || state.bootCrc === bootCrc;
}

/**
 * The content of a segment in a ring of another length: the newest blocks that fit, each at its new place.
 * @returns a buffer for `slots` slots, header of the identity left empty.
 */
export function resizedBuffer(old: Segment, slots: number): ArrayBuffer {
  const { columns, updateEverySec, phase } = old;
  const geometry: Geometry = { columns, updateEverySec, phase, slots };
  const resized = new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
  resized.records.set(old.records);
  const size = old.columns * TILE_SLOTS;
  const blocks = [...old.stamps.keys()].filter((block) => old.heldStart(block) !== 0);
  blocks.sort((a, b) => old.heldStart(a) - old.heldStart(b));
  for (const block of blocks) {
    const startSec = old.heldStart(block);
    const to = resized.slotOf(startSec) >> 6;
    resized.values.set(old.values.subarray(block * size, (block + 1) * size), to * size);
    resized.flags.set(old.flags.subarray(block * size, (block + 1) * size), to * size);
    resized.stamps[to] = startSec;
  }
  return resized.buffer;
}

/** The memory of what was read, copied only when it is a part of something larger. */
function ownBuffer({ buffer, byteOffset, length }: Buffer): ArrayBuffer {
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && buffer.byteLength === length) return buffer;
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(new Uint8Array(buffer, byteOffset, length));
  return copy;
}
