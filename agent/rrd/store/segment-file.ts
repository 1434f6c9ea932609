import { AgentError } from "../../base/errors.ts";
import type { FilePart, Files } from "../../base/files.ts";
import { type Geometry, PAGE_BYTES, segmentBytes, TILE_SLOTS } from "./geometry.ts";
import { Segment } from "./segment.ts";
import { readIdentity, type SegmentIdentity } from "./segment-header.ts";

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
 * @param content of the whole file, or only its header.
 * @param isSynced returns once the disk has it: the file that it replaces is of use still. @throws AgentError `file_…`
 */
function writeSegmentFile(files: Files, path: string, content: Uint8Array, fileBytes: number, isSynced: boolean): void {
  const temporary = `${path}.tmp`;
  try {
    using file = files.create(temporary);
    file.write(content);
    for (let left = fileBytes - content.length; left > 0; left -= ZEROS.length) {
      file.write(left < ZEROS.length ? ZEROS.subarray(0, left) : ZEROS);
    }
    // A new one is not synced: after a power cut a file without its content is set aside like any other damaged one.
    if (isSynced) file.sync();
    files.rename(temporary, path);
  } catch (error) {
    removeQuietly(files, temporary);
    throw error;
  }
}

/**
 * {@link writeSegmentFile}, and maps it; a new file that cannot be mapped does not stay.
 * @throws AgentError `file_…`
 */
export function createSegmentFile(
  files: Files,
  path: string,
  content: Uint8Array,
  fileBytes: number,
  isReplacing: boolean,
): ArrayBuffer {
  writeSegmentFile(files, path, content, fileBytes, isReplacing);
  try {
    return mapSegmentFile(files, path);
  } catch (error) {
    if (!isReplacing) removeQuietly(files, path);
    throw error;
  }
}

/** A file and what is to be its content. */
export interface FileContent {
  readonly path: string;
  readonly content: Uint8Array;
}

/**
 * Writes files beside the old ones, and when all are on the disk puts them in their place. Steps as {@link DiskSteps}
 * takes them.
 * @param contents asked for one after the other; each is written as it is then. @returns bytes written.
 */
export function* replaceFiles(files: Files, contents: Iterable<FileContent>): Generator<string, number> {
  const written: string[] = [];
  let bytes = 0;
  for (const { path, content } of contents) {
    const temporary = `${path}.tmp`;
    {
      using file = files.create(temporary);
      file.write(content);
    }
    bytes += content.length;
    written.push(path);
    yield temporary;
  }
  for (const path of written) files.rename(`${path}.tmp`, path);
  return bytes;
}

/** Maps a segment file. @throws AgentError `file_…` */
function mapSegmentFile(files: Files, path: string): ArrayBuffer {
  const bytes = files.map(path);
  if (bytes.byteOffset !== 0 || !(bytes.buffer instanceof ArrayBuffer)) {
    throw new AgentError("file_map", `${path}: the mapping does not begin with the file`);
  }
  return bytes.buffer;
}

/** For {@link Segment.overwriteFile}: false when the file cannot be written; the mapping of it still can. */
export function overwriter(
  files: Files,
  path: string,
  io: { bytesWritten: number },
): (parts: readonly FilePart[]) => boolean {
  return (parts) => {
    try {
      files.overwrite(path, parts);
      for (const { bytes } of parts) io.bytesWritten += bytes.length;
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
 * The content of a segment in a ring of another length: the newest blocks that fit, each at its new place.
 * @param nowSec blocks that begin later were written under a clock that has been put right since: others go before.
 * @returns a buffer for `slots` slots, header of the identity left empty.
 */
export function resizedBuffer(old: Segment, slots: number, nowSec: number): ArrayBuffer {
  const { columns, updateEverySec, phase } = old;
  const geometry: Geometry = { columns, updateEverySec, phase, slots };
  const resized = new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
  resized.records.set(old.records);
  const size = old.columns * TILE_SLOTS;
  const rank = (block: number) => old.heldStart(block) - (old.heldStart(block) > nowSec ? nowSec + 1e12 : 0);
  const blocks = [...old.stamps.keys()].filter((block) => old.heldStart(block) !== 0);
  blocks.sort((a, b) => rank(a) - rank(b));
  for (const block of blocks) {
    const startSec = old.heldStart(block);
    const to = resized.slotOf(startSec) >> 6;
    resized.values.set(old.values.subarray(block * size, (block + 1) * size), to * size);
    resized.flags.set(old.flags.subarray(block * size, (block + 1) * size), to * size);
    resized.emptyTiles(to, old.damagedTiles(block));
    resized.claim(to, startSec);
  }
  resized.sealOver(nowSec);
  return resized.buffer;
}

function removeQuietly(files: Files, path: string): void {
  try {
    files.remove(path);
  } catch {
    // Why the file could not be written is what the caller is told; the next attempt empties it.
  }
}

/** The memory of what was read, copied only when it is a part of something larger. */
function ownBuffer({ buffer, byteOffset, length }: Buffer): ArrayBuffer {
  if (buffer instanceof ArrayBuffer && byteOffset === 0 && buffer.byteLength === length) return buffer;
  const copy = new ArrayBuffer(length);
  new Uint8Array(copy).set(new Uint8Array(buffer, byteOffset, length));
  return copy;
}
