import { assert } from "../../base/assert.ts";
import type { FilePart } from "../../base/files.ts";
import { ColumnPool } from "./column-pool.ts";
import {
  CHART_RECORD_BYTES,
  checksOffset,
  FIXED_HEADER_BYTES,
  FLUSHED_AT,
  type Geometry,
  headerBytes,
  recordsOffset,
  SEGMENT_COLUMNS,
  segmentBytes,
  TILE_SLOTS,
  TRUSTED_SLOTS_MIN,
} from "./geometry.ts";
import { blockChecksum, keyChecksum, stampChecksum } from "./segment-checksum.ts";

/** Largest magnitude that a stored value can have. */
export const STORED_MAX = 3.4028234e38;
/** Blocks are emptied in runs of this many columns. */
const CLEAR_COLUMNS = 16;
/** Doubles of a chart record. */
const RECORD_WIDTH = CHART_RECORD_BYTES / 8;
/** Blocks between the open one and one that is sealed: late values still go to those, and the kernel writes them. */
const SEAL_AFTER_BLOCKS = 2;

/** Values and flags of an empty block, of any number of columns. */
const EMPTY_VALUES = new Uint8Array(new Float32Array(SEGMENT_COLUMNS * TILE_SLOTS).fill(Number.NaN).buffer);
const EMPTY_FLAGS = new Uint8Array(SEGMENT_COLUMNS * TILE_SLOTS);

/** What is known of a block's content. */
const UNKNOWN = 0;
const SOUND = 1;
const CORRUPT = 2;

/**
 * Columns × slots of stored values over one buffer, plain or mapped, laid out as its file (README.md of this room):
 *
 * | part | type |
 * |---|---|
 * | identity and state | 128 bytes, segment-header.ts |
 * | block stamps: second of the block's first slot, negative = sealed, 0 = never | f64 × blocks |
 * | block checksums: of sealed blocks all of it, of others the stamp | u32 × blocks |
 * | chart records: last updated s, first stored s, u32 key, its checksum, last updated again | 32 bytes × columns |
 * | (next 4096 bytes boundary) values, see {@link valueIndex} | f32 × columns × slots |
 * | flags, one column a chart record | u8 × columns × slots |
 *
 * A slot belongs to a time: `slot(t) = (t / updateEvery + phase) mod slots`. A block whose stamp is not the start
 * expected for a time reads as empty, so data of an earlier lap, or a zeroed buffer, can never show as new.
 */
export class Segment implements Geometry {
  readonly columns: number;
  readonly slots: number;
  readonly updateEverySec: number;
  readonly phase: number;
  /** 1 ÷ {@link updateEverySec}: turns an increase per interval into a rate. */
  readonly perUpdate: number;
  readonly columnPool: ColumnPool;
  readonly recordPool: ColumnPool;
  /** Views of the buffer; replaced by {@link moveTo}: read them anew each time. */
  stamps!: Float64Array;
  values!: Float32Array;
  flags!: Uint8Array;
  /** Four doubles a chart: last updated s, first stored s, (key and checksum), last updated s once more. */
  records!: Float64Array;
  /** Writes over parts of the file that the buffer maps, @returns false if it could not; null = it maps none. */
  overwriteFile: ((parts: readonly FilePart[]) => boolean) | null = null;
  /** Sealed blocks whose checksum was wrong: they read as empty. */
  corruptBlocks = 0;
  private checks!: Uint32Array;
  /** One number of the state in the header, see segment-header.ts. */
  private flushed!: Float64Array;
  /** What {@link flushed} becomes when the flush that is going on ends. */
  private flushingSec = 0;
  /** {@link records} as integers. */
  private recordWords!: Uint32Array;
  private memory!: ArrayBuffer;
  private readonly verdicts: Uint8Array;

  /** @param buffer zeroed, or the content of a segment of this geometry. */
  constructor(buffer: ArrayBuffer, { columns, slots, updateEverySec, phase = 0 }: Geometry) {
    assert(slots % TILE_SLOTS === 0, "a segment holds whole blocks");
    this.columns = columns;
    this.slots = slots;
    this.updateEverySec = updateEverySec;
    this.phase = phase;
    this.perUpdate = 1 / updateEverySec;
    this.columnPool = new ColumnPool(columns);
    this.recordPool = new ColumnPool(columns);
    this.attach(buffer);
    this.verdicts = Uint8Array.from(this.stamps, (stamp) => (stamp < 0 ? UNKNOWN : SOUND));
    this.checkStamps();
  }

  get buffer(): ArrayBuffer {
    return this.memory;
  }

  /** Goes on in another buffer, which takes over the content. */
  moveTo(buffer: ArrayBuffer): void {
    new Uint8Array(buffer).set(new Uint8Array(this.memory));
    this.attach(buffer);
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
      // As a rule they are empty, and their block may stay sealed.
      if (runs.every(([from, to]) => this.values.subarray(from, to).every(Number.isNaN))) continue;
      this.unseal(block);
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
      if (this.stamps[block] === 0 || this.flags.subarray(from, from + TILE_SLOTS).every(isZero)) continue;
      this.unseal(block);
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
    if (have === startSec) this.unseal(block);
    if (this.stamps[block] !== startSec) this.wipe(block, startSec);
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

  /** True if the block of `timeSec` holds the lap of that time, undamaged. */
  holds(timeSec: number): boolean {
    const block = this.slotOf(timeSec) >> 6;
    return Math.abs(this.stamps[block]!) === this.startOf(timeSec) && this.isSound(block);
  }

  /** Stored value at a time (a multiple of `updateEverySec`), NaN if empty. */
  read(timeSec: number, tile: number): number {
    return this.holds(timeSec) ? this.values[this.valueIndex(this.slotOf(timeSec), tile)]! : Number.NaN;
  }

  /** Seals blocks that have been closed for long enough: from now on damage on the disk is noticed. */
  sealOld(nowSec: number): void {
    const blockSec = TILE_SLOTS * this.updateEverySec;
    // What was flushed is safe as it is: a seal would tie it to values that came later and may not be written yet. The
    // next flush seals it; without one, it has to be long before the next lap.
    const safeSec = this.slots >= TRUSTED_SLOTS_MIN ? this.flushed[0]! - blockSec : 0;
    const halfLapSec = nowSec - (this.slots / 2) * this.updateEverySec;
    this.seal(nowSec - (1 + SEAL_AFTER_BLOCKS) * blockSec, (stamp) => stamp > safeSec || stamp < halfLapSec);
  }

  /** @param closedSec blocks that began later are left open. */
  private seal(closedSec: number, isWanted?: (stamp: number) => boolean): void {
    for (let block = 0; block < this.stamps.length; block++) {
      const stamp = this.stamps[block]!;
      if (stamp > 0 && stamp <= closedSec && isWanted?.(stamp) !== false) this.sealBlock(block);
    }
  }

  /** The disk is about to get everything; {@link endFlush} says that it has. */
  beginFlush(nowSec: number): void {
    this.flushingSec = this.newestHeldSec(nowSec - 1);
  }

  /**
   * Takes effect with the next flush. Blocks that are over are sealed, as their values are on the disk: what comes over
   * them in the next lap must not pass for them.
   */
  endFlush(): void {
    this.sealOver(this.flushingSec);
    this.flushed[0] = this.flushingSec;
  }

  /** Seals all blocks that are over, late values or not. */
  sealOver(nowSec: number): void {
    this.seal(nowSec - TILE_SLOTS * this.updateEverySec);
  }

  /** Gives a block, whose values are there already, to the lap that starts at a time. */
  claim(block: number, startSec: number): void {
    this.checks[block] = stampChecksum(startSec);
    this.stamps[block] = startSec;
    this.verdicts[block] = SOUND;
  }

  /** Start of the lap that a block holds, undamaged; 0 = none. */
  heldStart(block: number): number {
    const startSec = Math.abs(this.stamps[block]!);
    return startSec !== 0 && this.isSound(block) ? startSec : 0;
  }

  /** Newest time up to a second whose block is held, undamaged; 0 = none. */
  newestHeldSec(upToSec: number): number {
    let newest = 0;
    for (let block = 0; block < this.stamps.length; block++) {
      const startSec = this.heldStart(block);
      if (startSec === 0 || startSec > upToSec) continue;
      const endSec = startSec + (TILE_SLOTS - 1) * this.updateEverySec;
      newest = Math.max(newest, Math.min(endSec, upToSec));
    }
    return newest;
  }

  /** The block was put into the buffer anew: what is known of its content does not count any more. */
  protected reassess(block: number): void {
    if (this.verdicts[block] === CORRUPT) this.corruptBlocks--;
    this.verdicts[block] = this.stamps[block]! < 0 ? UNKNOWN : SOUND;
  }

  private attach(buffer: ArrayBuffer): void {
    const { columns, slots } = this;
    assert(buffer.byteLength === segmentBytes(this), "buffer and geometry of a segment disagree");
    const blocks = slots / TILE_SLOTS;
    const values = headerBytes(this);
    const records = recordsOffset(slots);
    this.memory = buffer;
    this.stamps = new Float64Array(buffer, FIXED_HEADER_BYTES, blocks);
    this.checks = new Uint32Array(buffer, checksOffset(slots), blocks);
    this.flushed = new Float64Array(buffer, FLUSHED_AT, 1);
    this.records = new Float64Array(buffer, records, columns * RECORD_WIDTH);
    this.recordWords = new Uint32Array(buffer, records, columns * RECORD_WIDTH * 2);
    this.values = new Float32Array(buffer, values, columns * slots);
    this.flags = new Uint8Array(buffer, values + columns * slots * 4, columns * slots);
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
    // What is late to open its block is not on the disk yet, although its time is.
    this.flushed[0] = Math.min(this.flushed[0]!, startSec - this.updateEverySec);
    this.flushingSec = Math.min(this.flushingSec, startSec - this.updateEverySec);
    this.claim(block, startSec);
  }

  private sealBlock(block: number): void {
    this.checks[block] = blockChecksum(this, block);
    this.stamps[block] = -this.stamps[block]!;
  }

  /** A stamp that is damaged would show an open block under another time. */
  private checkStamps(): void {
    for (let block = 0; block < this.stamps.length; block++) {
      const stamp = this.stamps[block]!;
      if (stamp <= 0) continue;
      const check = this.checks[block]!;
      // The process may have ended between the stamp and its checksum, while it sealed or unsealed the block.
      if (check === stampChecksum(stamp) || check === blockChecksum(this, block)) continue;
      this.stamps[block] = 0;
      this.corruptBlocks++;
    }
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

  /** Makes a sealed block writable again; a damaged one is empty then. */
  private unseal(block: number): void {
    const stamp = this.stamps[block]!;
    if (stamp >= 0) return;
    const isSound = this.isSound(block);
    this.stamps[block] = isSound ? -stamp : 0;
    if (isSound) this.checks[block] = stampChecksum(-stamp);
  }

  /** Whether a block is as it was sealed, or not sealed. */
  protected isSound(block: number): boolean {
    if (this.verdicts[block] === UNKNOWN) {
      const isSound = blockChecksum(this, block) === this.checks[block];
      this.verdicts[block] = isSound ? SOUND : CORRUPT;
      if (!isSound) this.corruptBlocks++;
    }
    return this.verdicts[block] === SOUND;
  }

  /** Time of the first slot of the block of a time: its stamp when the block holds that lap. */
  private startOf(timeSec: number): number {
    return timeSec - (this.slotOf(timeSec) & 63) * this.updateEverySec;
  }
}

function isZero(value: number): boolean {
  return value === 0;
}
