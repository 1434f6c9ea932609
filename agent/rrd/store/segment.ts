import { assert } from "../../base/assert.ts";

/** Slots of one tile: the values of one dimension over 64 consecutive slots lie side by side. */
export const TILE_SLOTS = 64;
/** Columns of a full segment; one column is one dimension. */
export const SEGMENT_COLUMNS = 256;
/** Columns of a host's first segment: small hosts need no more. */
export const SEGMENT_COLUMNS_SMALL = 64;
/** Blocks are emptied in runs of this many columns. */
const CLEAR_COLUMNS = 16;

const FIXED_HEADER_BYTES = 64;
const CHART_RECORD_BYTES = 32;
const PAGE_BYTES = 4096;

/**
 * Slots of the ring so that `history` of them are always readable: opening a block empties 64 slots at once, so one
 * block more than the history needs, in whole blocks, and at least two (hot-path.md §5.6).
 */
export function ringSlots(history: number): number {
  return Math.max(2 * TILE_SLOTS, Math.ceil((history + TILE_SLOTS - 1) / TILE_SLOTS) * TILE_SLOTS);
}

/** Bytes of one segment, header included: also the size of its file. */
export function segmentBytes(columns: number, slots: number): number {
  return headerBytes(columns, slots) + columns * slots * (Float32Array.BYTES_PER_ELEMENT + 1);
}

function headerBytes(columns: number, slots: number): number {
  return Math.ceil((recordsOffset(slots) + columns * CHART_RECORD_BYTES) / PAGE_BYTES) * PAGE_BYTES;
}

/** Chart records follow the stamps and checksums, on a boundary of 8 bytes. */
function recordsOffset(slots: number): number {
  return Math.ceil((FIXED_HEADER_BYTES + (slots / TILE_SLOTS) * 12) / 8) * 8;
}

/**
 * Columns × slots of stored values over one buffer, plain or mapped, laid out as the file of rrd.md §4.3:
 *
 * | part | type |
 * |---|---|
 * | fixed header | 64 bytes |
 * | block stamps: second of the block's first slot, 0 = never | f64 × blocks |
 * | block checksums | u32 × blocks |
 * | chart records: last updated s, first stored s, ids, reserved | 32 bytes × columns |
 * | (next 4096 bytes boundary) values, see {@link valueIndex} | f32 × columns × slots |
 * | flags, one column a chart record | u8 × columns × slots |
 *
 * A slot belongs to a time: `slot(t) = (t / updateEvery) mod slots`. A block whose stamp is not the start expected
 * for a time reads as empty, so data of an earlier lap, or a zeroed buffer, can never show as new.
 */
export class Segment {
  readonly columns: number;
  readonly slots: number;
  readonly updateEverySec: number;
  /** 1 ÷ {@link updateEverySec}: turns an increase per interval into a rate. */
  readonly perUpdate: number;
  readonly stamps: Float64Array;
  readonly values: Float32Array;
  readonly flags: Uint8Array;
  /** Four doubles a chart: last updated s, first stored s, (ids), (reserved). */
  readonly records: Float64Array;
  private readonly freeColumns: number[] = [];
  private usedColumns = 0;
  private readonly freeRecords: number[] = [];
  private usedRecords = 0;

  constructor(buffer: ArrayBuffer, columns: number, slots: number, updateEverySec: number) {
    assert(slots % TILE_SLOTS === 0, "a segment holds whole blocks");
    assert(buffer.byteLength === segmentBytes(columns, slots), "buffer and geometry of a segment disagree");
    const blocks = slots / TILE_SLOTS;
    const header = headerBytes(columns, slots);
    this.columns = columns;
    this.slots = slots;
    this.updateEverySec = updateEverySec;
    this.perUpdate = 1 / updateEverySec;
    this.stamps = new Float64Array(buffer, FIXED_HEADER_BYTES, blocks);
    this.records = new Float64Array(buffer, recordsOffset(slots), (columns * CHART_RECORD_BYTES) / 8);
    this.values = new Float32Array(buffer, header, columns * slots);
    this.flags = new Uint8Array(buffer, header + columns * slots * 4, columns * slots);
  }

  get columnsInUse(): number {
    return this.usedColumns - this.freeColumns.length;
  }

  get columnsFree(): number {
    return this.columns - this.columnsInUse;
  }

  /** Takes up to `count` columns into use, empty in every block, side by side where that is possible. */
  takeColumns(count: number): number[] {
    const fresh = this.columns - this.usedColumns;
    const columns = fresh >= count ? [] : this.takeFreed(count);
    while (columns.length < count && this.usedColumns < this.columns) columns.push(this.usedColumns++);
    while (columns.length < count && this.freeColumns.length > 0) columns.push(this.freeColumns.pop()!);
    for (const column of columns) this.clearColumn(column);
    return columns;
  }

  giveColumn(column: number): void {
    this.freeColumns.push(column);
  }

  /** @returns a run of `count` freed columns, or none. */
  private takeFreed(count: number): number[] {
    this.freeColumns.sort((a, b) => a - b);
    const at = this.freeColumns.findIndex(
      (column, index) => this.freeColumns[index + count - 1] === column + count - 1,
    );
    return at < 0 ? [] : this.freeColumns.splice(at, count);
  }

  private clearColumn(column: number): void {
    for (let block = 0; block < this.stamps.length; block++) {
      if (this.stamps[block] === 0) continue;
      const from = (block * this.columns + column) * TILE_SLOTS;
      this.values.fill(Number.NaN, from, from + TILE_SLOTS);
    }
  }

  /** Takes a chart record (and its flag column) into use. There is one for every column, so it never fails. */
  takeRecord(): number {
    const record = this.freeRecords.pop() ?? this.usedRecords++;
    assert(record < this.columns, "more charts than columns in a segment");
    this.records.fill(0, record * 4, record * 4 + 4);
    for (let block = 0; block < this.stamps.length; block++) {
      // Never written: as zero as it was made, and not in memory yet.
      if (this.stamps[block] === 0) continue;
      const from = (block * this.columns + record) * TILE_SLOTS;
      this.flags.fill(0, from, from + TILE_SLOTS);
    }
    return record;
  }

  giveRecord(record: number): void {
    this.freeRecords.push(record);
  }

  /**
   * Prepares block `block` for times from `startSec` on: empties it on a new lap.
   * @returns false when the block already holds a later lap: an older sample must never wipe a newer one.
   */
  open(block: number, startSec: number): boolean {
    const have = this.stamps[block]!;
    if (have === startSec) return true;
    if (have > startSec) return false;
    this.wipe(block, startSec);
    return true;
  }

  /** {@link open} for the block of a time. */
  openFor(timeSec: number): boolean {
    return this.open(this.slotOf(timeSec) >> 6, this.startOf(timeSec));
  }

  /** Empties the block of a time and gives it to the lap of that time, whatever it held. */
  wipeFor(timeSec: number): void {
    this.wipe(this.slotOf(timeSec) >> 6, this.startOf(timeSec));
  }

  /** Stamp of the block of a time. */
  stampOf(timeSec: number): number {
    return this.stamps[this.slotOf(timeSec) >> 6]!;
  }

  private wipe(block: number, startSec: number): void {
    const from = block * this.columns * TILE_SLOTS;
    const columns = Math.min(this.columns, Math.ceil(this.usedColumns / CLEAR_COLUMNS) * CLEAR_COLUMNS);
    this.values.fill(Number.NaN, from, from + columns * TILE_SLOTS);
    this.flags.fill(0, from, from + columns * TILE_SLOTS);
    this.stamps[block] = startSec;
  }

  /** Slot of a time, which must be a multiple of `updateEverySec`. */
  slotOf(timeSec: number): number {
    return (timeSec / this.updateEverySec) % this.slots;
  }

  /** Position in {@link values} of the tile of (slot, tile offset): `column × 64`. */
  valueIndex(slot: number, tile: number): number {
    return (slot >> 6) * this.columns * TILE_SLOTS + tile + (slot & 63);
  }

  /** True if the block of `timeSec` holds the lap of that time. */
  holds(timeSec: number): boolean {
    return this.stampOf(timeSec) === this.startOf(timeSec);
  }

  /** Time of the first slot of the block of a time: its stamp when the block holds that lap. */
  private startOf(timeSec: number): number {
    return timeSec - (this.slotOf(timeSec) & 63) * this.updateEverySec;
  }

  /** Stored value at a time (a multiple of `updateEverySec`), NaN if empty. */
  read(timeSec: number, tile: number): number {
    return this.holds(timeSec) ? this.values[this.valueIndex(this.slotOf(timeSec), tile)]! : Number.NaN;
  }
}
