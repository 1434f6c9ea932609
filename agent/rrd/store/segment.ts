import { assert } from "../../base/assert.ts";
import type { FilePart } from "../../base/files.ts";
import { ColumnPool } from "./column-pool.ts";
import { CHART_RECORD_BYTES, type Geometry, recordsOffset, SEGMENT_COLUMNS, TILE_SLOTS } from "./geometry.ts";
import { SegmentBlocks } from "./segment-blocks.ts";
import { keyChecksum } from "./segment-checksum.ts";

/** Blocks are emptied in runs of this many columns. */
const CLEAR_COLUMNS = 16;
/** Doubles of a chart record. */
const RECORD_WIDTH = CHART_RECORD_BYTES / 8;
/** Values and flags of an empty block, of any number of columns. */
const EMPTY_VALUES = new Uint8Array(new Float32Array(SEGMENT_COLUMNS * TILE_SLOTS).fill(Number.NaN).buffer);
const EMPTY_FLAGS = new Uint8Array(SEGMENT_COLUMNS * TILE_SLOTS);

/**
 * Columns × slots of stored values over one buffer, plain or mapped, laid out as its file (README.md of this room):
 *
 * | part | type |
 * |---|---|
 * | identity and state | 128 bytes, segment-header.ts |
 * | block stamps: second of the block's first slot, negative = sealed, 0 = never | f64 × blocks |
 * | block marks: checksum of the stamp, inverted when a sealed block was written into | u32 × blocks |
 * | chart records: last updated s, first stored s, u32 key, its checksum, last updated again | 32 bytes × columns |
 * | (next 4096 bytes boundary) checksums of tiles, of sealed blocks: values, flags | u32 × 2 columns × blocks |
 * | (next 4096 bytes boundary) values, see {@link valueIndex} | f32 × columns × slots |
 * | flags, one column a chart record | u8 × columns × slots |
 *
 * A slot belongs to a time: `slot(t) = (t / updateEvery + phase) mod slots`. A block whose stamp is not the start
 * expected for a time reads as empty, so data of an earlier lap, or a zeroed buffer, can never show as new.
 */
export class Segment extends SegmentBlocks {
  /** 1 ÷ {@link updateEverySec}: turns an increase per interval into a rate. */
  readonly perUpdate: number;
  readonly columnPool: ColumnPool;
  readonly recordPool: ColumnPool;
  /** Writes over parts of the file that the buffer maps, @returns false if it could not; null = it maps none. */
  overwriteFile: ((parts: readonly FilePart[]) => boolean) | null = null;
  /** Four doubles a chart: last updated s, first stored s, (key and checksum), last updated s once more. */
  records!: Float64Array;
  /** {@link records} as integers. */
  private recordWords!: Uint32Array;

  /** @param buffer zeroed, or the content of a segment of this geometry. */
  constructor(buffer: ArrayBuffer, geometry: Geometry) {
    super(buffer, geometry);
    this.perUpdate = 1 / geometry.updateEverySec;
    this.columnPool = new ColumnPool(geometry.columns);
    this.recordPool = new ColumnPool(geometry.columns);
    this.attachRecords();
  }

  override moveTo(buffer: ArrayBuffer): void {
    super.moveTo(buffer);
    this.attachRecords();
  }

  /** Takes up to `count` columns into use, empty in every block, side by side where that is possible. */
  takeColumns(count: number): number[] {
    const columns = this.columnPool.take(count);
    this.clearColumns(columns);
    return columns;
  }

  giveColumn(column: number): void {
    this.columnPool.give(column);
  }

  /** Empties columns in every block. */
  clearColumns(columns: readonly number[]): void {
    this.clearColumnsBefore(columns.map((column) => ({ column, sinceSec: Number.POSITIVE_INFINITY })));
  }

  /** Empties columns in slots before a time, each its own. */
  clearColumnsBefore(columns: readonly { readonly column: number; readonly sinceSec: number }[]): void {
    for (let block = 0; block < this.stamps.length; block++) {
      const startSec = Math.abs(this.stamps[block]!);
      // Never written: as zero as it was made, and not in memory yet.
      const given = startSec === 0 ? [] : columns.filter(({ sinceSec }) => startSec < sinceSec);
      const runs = given.map(({ column, sinceSec }) => {
        const from = (block * this.columns + column) * TILE_SLOTS;
        return [from, from + Math.min(TILE_SLOTS, Math.ceil((sinceSec - startSec) / this.updateEverySec))] as const;
      });
      // As a rule they are empty, and their checksums may stay.
      if (runs.every(([from, to]) => this.values.subarray(from, to).every(Number.isNaN))) continue;
      this.admitLate(block);
      for (const [from, to] of runs) this.values.fill(Number.NaN, from, to);
    }
  }

  /** Takes a chart record (and its flag column) into use. There is one for every column, so it never fails. */
  takeRecord(): number {
    const [record] = this.recordPool.take(1);
    assert(record !== undefined, "more charts than columns in a segment");
    this.clearRecord(record);
    for (let block = 0; block < this.stamps.length; block++) {
      const from = (block * this.columns + record) * TILE_SLOTS;
      if (this.stamps[block] === 0 || !this.flags.subarray(from, from + TILE_SLOTS).some(Boolean)) continue;
      this.admitLate(block);
      this.flags.fill(0, from, from + TILE_SLOTS);
    }
    return record;
  }

  giveRecord(record: number): void {
    this.clearRecord(record);
    this.recordPool.give(record);
  }

  /** Ties a record to no chart. */
  clearRecord(record: number): void {
    this.records.fill(0, record * RECORD_WIDTH, (record + 1) * RECORD_WIDTH);
  }

  /** The newest slot of a chart is that of a time now; written twice, so that damage on the disk is noticed. */
  date(record: number, timeSec: number): void {
    this.records[record << 2] = timeSec;
    this.records[(record << 2) + 3] = timeSec;
  }

  /** The first slot of a chart is that of a time. */
  dateFirst(record: number, timeSec: number): void {
    this.records[(record << 2) + 1] = timeSec;
  }

  /** Ties a record to a chart of the catalogue. */
  setRecordKey(record: number, key: number): void {
    const at = record * 2 * RECORD_WIDTH + 4;
    this.recordWords[at] = key;
    this.recordWords[at + 1] = keyChecksum(key);
  }

  /** Key of the chart that a record belongs to; 0 = none. */
  recordKey(record: number): number {
    const at = record * 2 * RECORD_WIDTH + 4;
    const key = this.recordWords[at]!;
    return key !== 0 && this.recordWords[at + 1] === keyChecksum(key) ? key : 0;
  }

  /**
   * Prepares block `block` for times from `startSec` on: empties it on a new lap.
   * @returns false when the block already holds a later lap: an older sample must never wipe a newer one.
   */
  open(block: number, startSec: number): boolean {
    const have = Math.abs(this.stamps[block]!);
    if (have > startSec) return false;
    if (have === startSec) this.admitLate(block);
    else this.wipe(block, startSec);
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

  /** Start of the lap that the block of a time holds; 0 = none. */
  stampOf(timeSec: number): number {
    return Math.abs(this.stamps[this.slotOf(timeSec) >> 6]!);
  }

  /** Slot of a time, which must be a multiple of `updateEverySec`. */
  slotOf(timeSec: number): number {
    return (timeSec / this.updateEverySec + this.phase) % this.slots;
  }

  /** Position in {@link values} of the tile of (slot, tile offset): `column × 64`. */
  valueIndex(slot: number, tile: number): number {
    return (slot >> 6) * this.columns * TILE_SLOTS + tile + (slot & 63);
  }

  /** True if the block of `timeSec` holds the lap of that time. */
  holds(timeSec: number): boolean {
    const block = this.slotOf(timeSec) >> 6;
    return Math.abs(this.stamps[block]!) === this.startOf(timeSec) && this.isThere(block);
  }

  /** {@link holds}, and what it holds of a column is not damaged. @param tile offset of the tile: `column × 64`. */
  holdsValues(timeSec: number, tile: number): boolean {
    return this.holds(timeSec) && this.isSound(this.slotOf(timeSec) >> 6, tile / TILE_SLOTS);
  }

  /** {@link holds}, and what it holds of the flags of a record is not damaged. */
  holdsFlags(timeSec: number, record: number): boolean {
    return this.holds(timeSec) && this.isSound(this.slotOf(timeSec) >> 6, this.columns + record);
  }

  /** Stored value at a time (a multiple of `updateEverySec`), NaN if empty. */
  read(timeSec: number, tile: number): number {
    return this.holdsValues(timeSec, tile) ? this.values[this.valueIndex(this.slotOf(timeSec), tile)]! : Number.NaN;
  }

  private attachRecords(): void {
    const at = recordsOffset(this.slots);
    this.records = new Float64Array(this.buffer, at, this.columns * RECORD_WIDTH);
    this.recordWords = new Uint32Array(this.buffer, at, this.columns * RECORD_WIDTH * 2);
  }

  private wipe(block: number, startSec: number): void {
    const from = block * this.columns * TILE_SLOTS;
    const used = Math.max(this.columnPool.end, this.recordPool.end);
    const columns = Math.min(this.columns, Math.ceil(used / CLEAR_COLUMNS) * CLEAR_COLUMNS);
    // Not yet of any lap while it is emptied: a process killed in between must leave no block half of the old one.
    this.stamps[block] = 0;
    if (!this.wipeFile(from, columns * TILE_SLOTS)) {
      this.values.fill(Number.NaN, from, from + columns * TILE_SLOTS);
      this.flags.fill(0, from, from + columns * TILE_SLOTS);
    }
    this.claim(block, startSec, this.isFlushed(startSec));
  }

  /**
   * Empties a block through its file. It is of an hour ago and may have left memory: stores into the mapping would wait
   * for the disk to read it page by page. By whole pages, or the kernel reads them all the same.
   * @param from position of its first value and flag. @param count of values to empty. @returns false = not done.
   */
  private wipeFile(from: number, count: number): boolean {
    const { values, flags, columns, overwriteFile } = this;
    if (overwriteFile === null || columns > SEGMENT_COLUMNS) return false;
    return overwriteFile([
      { at: values.byteOffset + 4 * from, bytes: EMPTY_VALUES.subarray(0, 4 * count) },
      { at: flags.byteOffset + from, bytes: EMPTY_FLAGS.subarray(0, columns * TILE_SLOTS) },
    ]);
  }

  /** Time of the first slot of the block of a time: its stamp when the block holds that lap. */
  private startOf(timeSec: number): number {
    return timeSec - (this.slotOf(timeSec) & 63) * this.updateEverySec;
  }
}
