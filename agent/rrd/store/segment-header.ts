import { guidBytes, guidText } from "../../base/guid.ts";
import {
  FLUSHED_AT,
  type Geometry,
  headerBytes,
  PAGE_BYTES,
  SEGMENT_COLUMNS,
  segmentBytes,
  TILE_SLOTS,
} from "./geometry.ts";

/** `RRD1`. */
const MAGIC = 0x31445252;
/** Format of segment files that this program writes; it reads no other. */
const VERSION = 1;
const BYTE_ORDER = 0x01020304;
/** End of what is written once, and of its checksum. */
const IDENTITY_END = 60;
const STATE_AT = 64;
const BOOT_AT = 68;
/** By number on the disk: only add behind. */
const USES = ["in_use", "closed", "closing"] as const;

/** What a segment file says of itself. */
export interface SegmentIdentity extends Geometry {
  /** Position among the segments of its host. */
  readonly number: number;
  readonly machineGuid: string;
  readonly createdSec: number;
}

/** Why a file is not a segment that can be used. */
export interface HeaderProblem {
  readonly problem: string;
}

/** Writes the identity into the header of a new segment. */
export function writeIdentity(buffer: ArrayBuffer, identity: SegmentIdentity): void {
  const view = new DataView(buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, headerBytes(identity) / PAGE_BYTES, true);
  view.setUint32(8, identity.updateEverySec, true);
  view.setUint32(12, identity.slots, true);
  view.setUint32(16, identity.columns, true);
  view.setUint32(20, TILE_SLOTS, true);
  view.setUint32(24, identity.number, true);
  view.setUint32(28, BYTE_ORDER, true);
  new Uint8Array(buffer, 32, 16).set(guidBytes(identity.machineGuid));
  view.setFloat64(48, identity.createdSec, true);
  view.setUint32(56, identity.phase ?? 0, true);
  view.setUint32(IDENTITY_END, Bun.hash.crc32(new Uint8Array(buffer, 0, IDENTITY_END)), true);
}

/**
 * Reads and checks the identity of a segment file.
 * @param bytes the file, or as much of its start as there is. @param fileBytes its whole size.
 */
export function readIdentity(bytes: Uint8Array, fileBytes: number): SegmentIdentity | HeaderProblem {
  if (bytes.length < IDENTITY_END + 4) return { problem: `${fileBytes} bytes, too short for a header` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) !== MAGIC) return { problem: "it does not begin as a segment file does" };
  const version = view.getUint16(4, true);
  if (version > VERSION) return { problem: `format ${version}, written by a newer version; this one reads ${VERSION}` };
  if (view.getUint32(28, true) !== BYTE_ORDER) return { problem: "it was written with another byte order" };
  if (Bun.hash.crc32(bytes.subarray(0, IDENTITY_END)) !== view.getUint32(IDENTITY_END, true)) {
    return { problem: "the checksum of its header is wrong" };
  }
  const identity: SegmentIdentity = {
    updateEverySec: view.getUint32(8, true),
    slots: view.getUint32(12, true),
    columns: view.getUint32(16, true),
    number: view.getUint32(24, true),
    machineGuid: guidText(bytes.subarray(32, 48)),
    createdSec: view.getFloat64(48, true),
    phase: view.getUint32(56, true),
  };
  const impossible = impossibleLayout(identity);
  if (impossible !== "") return { problem: `it says it has ${impossible}` };
  const expected = segmentBytes(identity);
  if (fileBytes !== expected) return { problem: `${fileBytes} bytes, expected ${expected}` };
  return identity;
}

/** What no version writes, whatever the checksum says; empty = it can be. */
function impossibleLayout({ columns, slots, updateEverySec, phase = 0 }: Geometry): string {
  if (slots < 2 * TILE_SLOTS || slots % TILE_SLOTS !== 0) return `${slots} slots`;
  if (columns < 1 || columns > SEGMENT_COLUMNS) return `${columns} columns`;
  if (phase >= TILE_SLOTS) return `a phase of ${phase} slots`;
  return updateEverySec < 1 ? `an interval of ${updateEverySec} s` : "";
}

/** How the file was left by whoever used it last. */
export interface SegmentState {
  /**
   * `closed` in order: everything is on the disk. `closing`: all blocks are sealed, and the disk gets them; of the rest
   * nothing counts.
   */
  use: (typeof USES)[number];
  /** Checksum of the boot id under which it was in use. */
  bootCrc: number;
  /** Everything up to this second was on the disk for certain. */
  flushedSec: number;
  /** So were columns as empty as their owners got them, of those that have them from a second before this one on. */
  emptiedSec: number;
}

export function readState(buffer: ArrayBuffer): SegmentState {
  const view = new DataView(buffer);
  return {
    use: USES[view.getUint32(STATE_AT, true)] ?? "in_use",
    bootCrc: view.getUint32(BOOT_AT, true),
    flushedSec: view.getFloat64(FLUSHED_AT, true),
    emptiedSec: view.getFloat64(FLUSHED_AT + 8, true),
  };
}

export function writeState(buffer: ArrayBuffer, state: SegmentState): void {
  const view = new DataView(buffer);
  view.setUint32(STATE_AT, USES.indexOf(state.use), true);
  view.setUint32(BOOT_AT, state.bootCrc, true);
  view.setFloat64(FLUSHED_AT, state.flushedSec, true);
  view.setFloat64(FLUSHED_AT + 8, state.emptiedSec, true);
}
