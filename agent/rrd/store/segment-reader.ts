import type { Files, ReadableFile } from "../../base/files.ts";
import {
  FIXED_HEADER_BYTES,
  headerBytes,
  marksOffset,
  PAGE_BYTES,
  segmentBytes,
  TILE_SLOTS,
  tileChecksBytes,
  tileChecksOffset,
} from "./geometry.ts";
import { distrustAfterPowerCut, isWhole } from "./power-cut.ts";
import { Segment } from "./segment.ts";
import { segmentFileName, strangerProblem } from "./segment-file.ts";
import { readIdentity, readState, type SegmentIdentity, type SegmentState } from "./segment-header.ts";

/** Times a block is read that its agent changes meanwhile, or that seems damaged. */
const ATTEMPTS_MAX = 3;

/**
 * A copy of a segment file that fills itself, block by block, when a block is asked for: memory holds no more than was
 * looked at. The file is never changed, and may be changed by its agent all the while: a block is what it was at one
 * moment, or, when its lap ended before it was read, empty.
 */
export class SegmentReader extends Segment implements Disposable {
  readonly fileBytes: number;
  /** How it was left by whoever used it last. */
  readonly state: SegmentState;
  /** Nothing had to be given up after a power cut. */
  readonly isWhole: boolean;
  /** Blocks of which nobody knows any more to which time they belong. */
  readonly undatedBlocks: number;
  private readonly file: ReadableFile;
  /** By block: 1 = it has been read. */
  private readonly loaded: Uint8Array;

  private constructor(file: ReadableFile, buffer: ArrayBuffer, identity: SegmentIdentity, bootCrc: number) {
    super(buffer, identity);
    this.undatedBlocks = this.corruptBlocks;
    this.file = file;
    this.fileBytes = file.bytes;
    this.loaded = new Uint8Array(this.stamps.length);
    this.state = readState(buffer);
    this.isWhole = isWhole(buffer, bootCrc);
    // What is emptied after a power cut must not come back with its block, which is read before.
    if (!this.isWhole) for (let block = 0; block < this.loaded.length; block++) this.load(block);
    distrustAfterPowerCut(this, bootCrc);
  }

  /**
   * Opens segment `number` of a host in its directory. The caller disposes it.
   * @returns what is wrong with the file instead. @throws AgentError `file_…` when the system fails.
   */
  static open(
    files: Pick<Files, "open">,
    directory: string,
    expected: { number: number; machineGuid: string; bootCrc: number },
  ): SegmentReader | string {
    const file = files.open(`${directory}/${segmentFileName(expected.number)}`);
    if (file === null) return "it is missing";
    let reader: SegmentReader | string = "";
    try {
      reader = SegmentReader.from(file, expected);
    } finally {
      if (!(reader instanceof SegmentReader)) file[Symbol.dispose]();
    }
    return reader;
  }

  /** Blocks that are sealed in the file now. */
  sealedBlocks(): number[] {
    return [...this.stamps.keys()].filter((block) => this.stamps[block]! < 0);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }

  /** A block that moved on to another lap while it was read does not hold the one that was asked for. */
  protected override isThere(block: number): boolean {
    const startSec = Math.abs(this.stamps[block]!);
    this.load(block);
    return Math.abs(this.stamps[block]!) === startSec;
  }

  private static from(
    file: ReadableFile,
    expected: { number: number; machineGuid: string; bootCrc: number },
  ): SegmentReader | string {
    if (file.bytes < PAGE_BYTES) return `${file.bytes} bytes, too short for a header`;
    const page = new Uint8Array(PAGE_BYTES);
    file.readInto(page, 0);
    const identity = readIdentity(page, file.bytes);
    if ("problem" in identity) return identity.problem;
    const problem = strangerProblem(identity, expected);
    if (problem !== "") return problem;
    // The kernel gives pages when they are first written: what is not read takes no memory.
    const buffer = new ArrayBuffer(segmentBytes(identity));
    for (let attempt = 1; ; attempt++) {
      file.readInto(new Uint8Array(buffer, 0, headerBytes(identity)), 0);
      const reader = new SegmentReader(file, buffer, identity, expected.bootCrc);
      // Its agent may just have begun a block.
      if (reader.undatedBlocks === 0 || attempt === ATTEMPTS_MAX) return reader;
    }
  }

  /**
   * Reads the content of a block, then its stamp again: when both belong to one lap, and each tile of a sealed block to
   * its checksum, that is how it was. Otherwise its agent was at it, or it is damaged: once more.
   */
  private load(block: number): void {
    if (this.loaded[block] === 1 || this.stamps[block] === 0) return;
    this.loaded[block] = 1;
    const startSec = Math.abs(this.stamps[block]!);
    let isSteady = false;
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      isSteady = this.readBlock(block);
      const isOfLap = this.reassess(block) && Math.abs(this.stamps[block]!) === startSec;
      // It is of a later lap by now, and read when that is asked for.
      if (isSteady && !isOfLap) this.loaded[block] = 0;
      if (isSteady && (!isOfLap || this.damagedTiles(block).length === 0)) return;
    }
    if (isSteady) return;
    this.stamps[block] = 0;
    this.reassess(block);
  }

  /** @returns whether stamp, mark and checksums are of one moment. */
  private readBlock(block: number): boolean {
    const { buffer, columns, slots, values, flags } = this;
    const size = columns * TILE_SLOTS;
    const checks = tileChecksBytes(columns);
    const read = (at: number, bytes: number) => this.file.readInto(new Uint8Array(buffer, at, bytes), at);
    read(values.byteOffset + block * size * 4, size * 4);
    read(flags.byteOffset + block * size, size);
    const readStamp = () => {
      read(FIXED_HEADER_BYTES + block * 8, 8);
      return this.stamps[block]!;
    };
    const before = readStamp();
    // Behind the stamp: what is sealed by then has its checksums; and before it: it may be open again, for a later lap.
    read(marksOffset(slots) + block * 4, 4);
    if (before < 0) read(tileChecksOffset(this) + block * checks, checks);
    return readStamp() === before;
  }
}
