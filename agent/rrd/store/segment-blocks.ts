import { assert } from "../../base/assert.ts";
import {
  FIXED_HEADER_BYTES,
  FLUSHED_AT,
  type Geometry,
  headerBytes,
  marksOffset,
  segmentBytes,
  TILE_SLOTS,
  TRUSTED_SLOTS_MIN,
} from "./geometry.ts";
import { newestHeldSec } from "./newest-held.ts";
import { lateChecksum, stampChecksum } from "./segment-checksum.ts";
import { TileChecks } from "./tile-checks.ts";

/** Blocks between the open one and one that is sealed: late values still go to those, and the kernel writes them. */
const SEAL_AFTER_BLOCKS = 2;

/** The kernel leaves no page unwritten for longer, unless the disk is out of breath. */
const WRITE_BACK_SEC = 60;

/** What is known of a block. */
const UNKNOWN = 0;
/** Its tiles are as they should be, but for {@link SegmentBlocks.damagedTiles}. */
const KNOWN = 1;
/**
 * As {@link KNOWN}, and it is not on the disk although its time is: a sealed one was written into, and its checksums
 * need not fit; an open one was begun late.
 */
const LATE = 2;

/**
 * The blocks of a segment: to which time each belongs, and how damage is noticed. A block is *open* while it is written
 * to, and *sealed* later: then each tile has a checksum. What comes late is written into a sealed block all the same.
 * Until it is sealed anew its mark says so, and its checksums do not count, unless the power was cut: then they tell,
 * for each tile, whether the disk has it.
 */
export class SegmentBlocks implements Geometry {
  readonly columns: number;
  readonly slots: number;
  readonly updateEverySec: number;
  readonly phase: number;
  /** Views of the buffer; replaced by {@link moveTo}: read them anew each time. */
  stamps!: Float64Array;
  values!: Float32Array;
  flags!: Uint8Array;
  /** Blocks in which something was damaged, which reads as empty. */
  corruptBlocks = 0;
  /** Told of each when it is found, with the start of its lap, and how many of its tiles are. */
  onCorrupt: (startSec: number, tiles: number) => void = () => {};
  private marks!: Uint32Array;
  private checks!: TileChecks;
  /** Two numbers of the state in the header, see segment-header.ts: `flushedSec`, `emptiedSec`. */
  private flushed!: Float64Array;
  /** What {@link flushed} becomes when the flush that is going on ends. */
  private flushingSec = 0;
  private emptyingSec = 0;
  /** By block: stamps of those that were begun late, and the flush that is going on puts on the disk. */
  private readonly flushingLate = new Map<number, number>();
  private memory!: ArrayBuffer;
  private readonly states: Uint8Array;
  /** By block: tiles that did not fit their checksums. */
  private readonly damaged = new Map<number, readonly number[]>();
  /** By block: since when its checksums fit, when that is what its seal waits for. */
  private readonly preparedSec = new Map<number, number>();

  /** @param buffer zeroed, or the content of a segment of this geometry. */
  constructor(buffer: ArrayBuffer, { columns, slots, updateEverySec, phase = 0 }: Geometry) {
    assert(slots % TILE_SLOTS === 0, "a segment holds whole blocks");
    this.columns = columns;
    this.slots = slots;
    this.updateEverySec = updateEverySec;
    this.phase = phase;
    this.states = new Uint8Array(slots / TILE_SLOTS);
    this.attach(buffer);
    for (let block = 0; block < this.stamps.length; block++) if (!this.assess(block)) this.corruptBlocks++;
  }

  get buffer(): ArrayBuffer {
    return this.memory;
  }

  /** Goes on in another buffer, which takes over the content. */
  moveTo(buffer: ArrayBuffer): void {
    new Uint8Array(buffer).set(new Uint8Array(this.memory));
    this.attach(buffer);
  }

  /** Seals blocks that have been closed for long enough: from now on damage on the disk is noticed. */
  sealOld(nowSec: number): void {
    const blockSec = TILE_SLOTS * this.updateEverySec;
    const closedSec = nowSec - (1 + SEAL_AFTER_BLOCKS) * blockSec;
    // What was flushed is safe as it is: a seal would tie it to values that came later and may not be written yet. The
    // next flush seals it; without one, it has to be long before the next lap.
    const safeSec = this.slots >= TRUSTED_SLOTS_MIN ? this.flushed[0]! : 0;
    const halfLapSec = nowSec - (this.slots / 2) * this.updateEverySec;
    for (const block of this.unsealedUpTo(closedSec)) {
      const stamp = this.stamps[block]!;
      if (this.states[block] === LATE || stamp > safeSec) this.seal(block);
      else if (stamp > safeSec - blockSec || stamp < halfLapSec) this.sealInSteps(block, nowSec);
    }
  }

  /**
   * The disk is about to get everything; {@link endFlush} says that it has.
   * @param isLast what is open will be sealed, too.
   */
  beginFlush(nowSec: number, isLast = false): void {
    this.flushingSec = newestHeldSec(this, nowSec - 1);
    this.emptyingSec = nowSec;
    const closedSec = isLast ? Number.POSITIVE_INFINITY : this.flushingSec - TILE_SLOTS * this.updateEverySec;
    for (const block of this.unsealedUpTo(closedSec)) this.checks.renew(block, Math.abs(this.stamps[block]!));
    this.flushingLate.clear();
    this.stamps.forEach((stamp, block) => {
      if (stamp > 0 && this.states[block] === LATE) this.flushingLate.set(block, stamp);
    });
  }

  /**
   * Takes effect with the next flush. Blocks that are over are sealed, as their values are on the disk: what comes over
   * them in the next lap must not pass for them.
   */
  endFlush(): void {
    const closedSec = this.flushingSec - TILE_SLOTS * this.updateEverySec;
    for (const [block, stamp] of this.flushingLate) if (this.stamps[block] === stamp) this.claim(block, stamp);
    for (const block of this.unsealedUpTo(closedSec)) this.sealPrepared(block);
    this.flushed[0] = this.flushingSec;
    this.flushed[1] = this.emptyingSec;
  }

  /** Seals all blocks that are over, late values or not. */
  sealOver(nowSec: number): void {
    for (const block of this.unsealedUpTo(nowSec - TILE_SLOTS * this.updateEverySec)) this.seal(block);
  }

  /** Seals all blocks, open ones too: each can be checked by itself then. */
  sealAll(): void {
    for (const block of this.unsealedUpTo(Number.POSITIVE_INFINITY)) this.seal(block);
  }

  /** Opens the block of now: a seal on the disk would not fit the values that come. */
  reopen(nowSec: number): void {
    const openSec = nowSec - TILE_SLOTS * this.updateEverySec;
    for (let block = 0; block < this.stamps.length; block++) {
      const startSec = -this.stamps[block]!;
      if (startSec <= openSec || startSec <= 0) continue;
      const isLate = this.emptyDamaged(block);
      // Before its mark: a process that is killed in between leaves no checksums that count and need not fit.
      this.stamps[block] = startSec;
      this.claim(block, startSec, isLate);
    }
  }

  /** A block that is not sealed has slots that are on the disk for certain. */
  get hasFlushedOpen(): boolean {
    return this.slots >= TRUSTED_SLOTS_MIN && this.stamps.some((stamp) => stamp > 0 && stamp <= this.flushed[0]!);
  }

  /**
   * Gives a block, whose values are there already, to the lap that starts at a time; it is open.
   * @param isLate the disk need not have it as it is, whatever was flushed.
   */
  claim(block: number, startSec: number, isLate = false): void {
    this.marks[block] = isLate ? lateChecksum(startSec) : stampChecksum(startSec);
    this.stamps[block] = startSec;
    this.states[block] = isLate ? LATE : KNOWN;
    this.damaged.delete(block);
  }

  /** Start of the lap that a block holds; 0 = none. */
  heldStart(block: number): number {
    const startSec = Math.abs(this.stamps[block]!);
    return startSec !== 0 && this.isThere(block) ? startSec : 0;
  }

  /** Numbers of the tiles of a block that are damaged, see {@link TileChecks}. */
  damagedTiles(block: number): readonly number[] {
    if (!this.isThere(block)) return [];
    if (this.states[block] === UNKNOWN) this.check(block);
    return this.damaged.get(block) ?? [];
  }

  emptyTiles(block: number, tiles: readonly number[]): void {
    const { columns, values, flags } = this;
    for (const tile of tiles) {
      const isValues = tile < columns;
      const from = (block * columns + (isValues ? tile : tile - columns)) * TILE_SLOTS;
      if (isValues) values.fill(Number.NaN, from, from + TILE_SLOTS);
      else flags.fill(0, from, from + TILE_SLOTS);
    }
  }

  /** Columns were emptied for an owner that has them from a second on, which may be one of before the clock was set. */
  emptiedFor(sinceSec: number): void {
    const untilSec = sinceSec + this.updateEverySec - 1;
    this.flushed[1] = Math.min(this.flushed[1]!, untilSec);
    this.emptyingSec = Math.min(this.emptyingSec, untilSec);
  }

  /** Columns that an owner has from a second on are empty on the disk, too. */
  isEmptiedOnDisk(sinceSec: number): boolean {
    return sinceSec + this.updateEverySec <= this.flushed[1]!;
  }

  /** An open block was begun after the flush that put its time on the disk. */
  isBegunLate(block: number): boolean {
    return this.stamps[block]! > 0 && this.states[block] === LATE;
  }

  /**
   * After a power cut only its checksums tell what the disk has of a block that was sealed and written into since.
   * @returns whether this is one.
   */
  distrustLate(block: number): boolean {
    if (this.stamps[block]! >= 0 || this.states[block] !== LATE) return false;
    this.marks[block] = stampChecksum(-this.stamps[block]!);
    this.states[block] = UNKNOWN;
    return true;
  }

  /** Call before a tile of a sealed block changes, which may be damaged, and is empty then; nothing for an open one. */
  protected admitLate(block: number): void {
    const startSec = -this.stamps[block]!;
    if (startSec <= 0 || this.states[block] === LATE) return;
    this.emptyDamaged(block);
    // Before the first value: a process that is killed from here on leaves checksums that need not fit.
    this.marks[block] = lateChecksum(startSec);
    this.states[block] = LATE;
  }

  /** A flush has put the times from a second on on the disk, or does so now. */
  protected isFlushed(startSec: number): boolean {
    return startSec <= Math.max(this.flushed[0]!, this.flushingSec);
  }

  /** Whether a tile of a block is as it was written. */
  protected isSound(block: number, tile: number): boolean {
    if (this.states[block] === UNKNOWN) this.check(block);
    return this.damaged.size === 0 || this.damaged.get(block)?.includes(tile) !== true;
  }

  /** The content of a block, which its stamp says to be there, can be looked at. */
  protected isThere(_block: number): boolean {
    return true;
  }

  /**
   * The block was put into the buffer anew: what is known of it does not count any more.
   * @returns false when its stamp is damaged: then it is of no lap.
   */
  protected reassess(block: number): boolean {
    if (this.damaged.delete(block)) this.corruptBlocks--;
    return this.assess(block);
  }

  /** A stamp that is damaged would show a block under another time. */
  private assess(block: number): boolean {
    const stamp = this.stamps[block]!;
    const startSec = Math.abs(stamp);
    const mark = this.marks[block]!;
    const isLate = startSec !== 0 && mark === lateChecksum(startSec);
    if (startSec !== 0 && !isLate && mark !== stampChecksum(startSec)) {
      this.stamps[block] = 0;
      this.states[block] = KNOWN;
      return false;
    }
    if (isLate) this.states[block] = LATE;
    else this.states[block] = stamp < 0 ? UNKNOWN : KNOWN;
    return true;
  }

  /** Finds out which tiles of a block are damaged. */
  private check(block: number): void {
    const startSec = Math.abs(this.stamps[block]!);
    const tiles = this.checks.misfits(block, startSec);
    this.states[block] = KNOWN;
    if (tiles.length === 0) return;
    this.damaged.set(block, tiles);
    this.corruptBlocks++;
    this.onCorrupt(startSec, tiles.length);
  }

  /** @returns whether there was anything to empty. */
  private emptyDamaged(block: number): boolean {
    const tiles = this.damagedTiles(block);
    this.emptyTiles(block, tiles);
    this.damaged.delete(block);
    return tiles.length > 0;
  }

  /** Blocks that began up to a second and are not sealed as they are. */
  private unsealedUpTo(closedSec: number): number[] {
    const blocks: number[] = [];
    for (let block = 0; block < this.stamps.length; block++) {
      const stamp = this.stamps[block]!;
      if (stamp > 0 ? stamp <= closedSec : this.states[block] === LATE) blocks.push(block);
    }
    return blocks;
  }

  private seal(block: number): void {
    this.checks.renew(block, Math.abs(this.stamps[block]!));
    this.endSeal(block);
  }

  /**
   * Seals a block whose checksums fit already, and may be on the disk, as its values are: a seal that gets there before
   * its checksums would cost them. Of others only the checksums are renewed, for the next time.
   */
  private sealPrepared(block: number): void {
    if (this.checks.renew(block, Math.abs(this.stamps[block]!))) this.endSeal(block);
  }

  /** {@link sealPrepared} without a flush: once the kernel has written the checksums. */
  private sealInSteps(block: number, nowSec: number): void {
    const isSame = this.checks.renew(block, this.stamps[block]!);
    const sinceSec = this.preparedSec.get(block) ?? Number.POSITIVE_INFINITY;
    if (isSame && nowSec - sinceSec >= WRITE_BACK_SEC) this.endSeal(block);
    else if (!isSame || sinceSec > nowSec) this.preparedSec.set(block, nowSec);
  }

  private endSeal(block: number): void {
    const startSec = Math.abs(this.stamps[block]!);
    this.marks[block] = stampChecksum(startSec);
    this.stamps[block] = -startSec;
    this.states[block] = KNOWN;
    this.preparedSec.delete(block);
  }

  private attach(buffer: ArrayBuffer): void {
    const { columns, slots } = this;
    assert(buffer.byteLength === segmentBytes(this), "buffer and geometry of a segment disagree");
    const blocks = slots / TILE_SLOTS;
    const values = headerBytes(this);
    this.memory = buffer;
    this.stamps = new Float64Array(buffer, FIXED_HEADER_BYTES, blocks);
    this.marks = new Uint32Array(buffer, marksOffset(slots), blocks);
    this.flushed = new Float64Array(buffer, FLUSHED_AT, 2);
    this.checks = new TileChecks(buffer, this);
    this.values = new Float32Array(buffer, values, columns * slots);
    this.flags = new Uint8Array(buffer, values + columns * slots * 4, columns * slots);
  }
}
