/** Slots of one tile: the values of one dimension over 64 consecutive slots lie side by side. */
export const TILE_SLOTS = 64;
/**
 * In a shorter ring the next lap comes before the block is sealed and the kernel has written that: what a page of an
 * open block holds is never certain there.
 */
export const TRUSTED_SLOTS_MIN = 6 * TILE_SLOTS;
/** Columns of a full segment; one column is one dimension. */
export const SEGMENT_COLUMNS = 256;
/** Columns of a host's first segment: small hosts need no more. */
export const SEGMENT_COLUMNS_SMALL = 64;
/** Largest magnitude that a stored value can have. */
export const STORED_MAX = 3.4028234e38;
export const PAGE_BYTES = 4096;
/** Identity and state; see segment-header.ts. */
export const FIXED_HEADER_BYTES = 128;
/** Two f64, see segment-header.ts. */
export const FLUSHED_AT = 72;
export const CHART_RECORD_BYTES = 32;
/** Of one block: f64 stamp and u32 mark. */
const BLOCK_BYTES = 12;
/** u32 of a column's values, and of a record's flags. */
const TILE_CHECKS_BYTES = 8;

/** Size and pace of a segment. */
export interface Geometry {
  readonly columns: number;
  /** A multiple of {@link TILE_SLOTS}, see {@link ringSlots}. */
  readonly slots: number;
  readonly updateEverySec: number;
  /**
   * Slots, 0 … 63, by which its blocks begin before those of others; left out: 0. Each host has its own: to begin a
   * block costs more than to go on in one, and not all hosts of a parent should do it in the same second.
   */
  readonly phase?: number;
}

/**
 * Slots of the ring so that `history` of them are always readable: opening a block empties 64 slots at once, so one
 * block more than the history needs, in whole blocks, and at least two (hot-path.md §5.6).
 */
export function ringSlots(history: number): number {
  return Math.max(2 * TILE_SLOTS, Math.ceil((history + TILE_SLOTS - 1) / TILE_SLOTS) * TILE_SLOTS);
}

/** Bytes of one segment, header included: also the size of its file. */
export function segmentBytes({ columns, slots }: Pick<Geometry, "columns" | "slots">): number {
  return headerBytes({ columns, slots }) + columns * slots * (Float32Array.BYTES_PER_ELEMENT + 1);
}

/** Bytes before the values. */
export function headerBytes({ columns, slots }: Pick<Geometry, "columns" | "slots">): number {
  return wholePages(tileChecksOffset({ columns, slots }) + (slots / TILE_SLOTS) * tileChecksBytes(columns));
}

/** Where the checksums of tiles begin: with a page, so that those of one block are in as few as can be. */
export function tileChecksOffset({ columns, slots }: Pick<Geometry, "columns" | "slots">): number {
  return wholePages(recordsOffset(slots) + columns * CHART_RECORD_BYTES);
}

/** Bytes of the checksums of one block. */
export function tileChecksBytes(columns: number): number {
  return columns * TILE_CHECKS_BYTES;
}

/** Where the marks of blocks begin, behind their stamps. */
export function marksOffset(slots: number): number {
  return FIXED_HEADER_BYTES + (slots / TILE_SLOTS) * 8;
}

/** Chart records follow the stamps and marks, on a boundary of 8 bytes. */
export function recordsOffset(slots: number): number {
  return Math.ceil((FIXED_HEADER_BYTES + (slots / TILE_SLOTS) * BLOCK_BYTES) / 8) * 8;
}

/** {@link Geometry.phase} of a host: the same at every start. */
export function phaseOf(machineGuid: string): number {
  return Bun.hash.crc32(machineGuid) % TILE_SLOTS;
}

function wholePages(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
}
