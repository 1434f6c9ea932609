import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { DirectoryShare } from "./directory-share.ts";
import { takeDisk } from "./files-trouble.ts";
import { type Geometry, headerBytes, segmentBytes, TILE_SLOTS } from "./geometry.ts";
import { setAsideStranger } from "./quarantine.ts";
import { Segment } from "./segment.ts";
import { createSegmentFile, type FileContent, overwriter, segmentFileName } from "./segment-file.ts";
import { readState, writeIdentity } from "./segment-header.ts";
import { allOnDisk, markClosed, markInUse, type SegmentOwner, sign } from "./segment-signature.ts";

/** Mappings of one process; the kernel allows 65,530 (rrd.md §4.2). */
const MAPPINGS_MAX = 50_000;

/** The segments of one host in mode `save` or `map`, by number, and which of them have a file. */
export class HostSegments {
  /** Damaged ones that were found since the files were opened: what they held reads as empty. */
  corruptBlocks = 0;
  /** There are new names in the directory, which the disk need not have yet. */
  hasNewNames = true;
  private readonly path: string;
  private readonly machineGuid: string;
  private readonly mode: "save" | "map";
  private readonly share: DirectoryShare;
  private readonly byNumber = new Map<number, Segment>();
  /** Segments that have a file; in mode `map` they are mappings of it. */
  private readonly filed = new Set<number>();
  /** Segments in memory that take the place of a file which is of use until then. */
  private readonly replacing = new Set<number>();
  /** Mode `save`: files were opened that others did not close, or of another history. */
  private isFitted = false;
  /** Segments whose mark of being in use the disk need not have yet. */
  private readonly unmarked = new Set<number>();

  constructor(path: string, machineGuid: string, mode: "save" | "map", share: DirectoryShare) {
    this.path = path;
    this.machineGuid = machineGuid;
    this.mode = mode;
    this.share = share;
  }

  get all(): Iterable<Segment> {
    return this.byNumber.values();
  }

  /** Copies: they stay what they are while files are written. */
  filedList(): [number, Segment][] {
    return [...this.byNumber].filter(([number]) => this.filed.has(number));
  }

  pathOf(number: number): string {
    return join(this.path, segmentFileName(number));
  }

  /** Takes over a segment that was opened. @param isMapped else it was read. @returns false = no room in memory. */
  adopt(number: number, segment: Segment, isMapped: boolean): boolean {
    const { files, memory, disk, io } = this.share;
    if (!isMapped && !memory.admit(segment)) return false;
    this.byNumber.set(number, segment);
    // Read because it could not be mapped: its file gets the content back when it can be.
    if (!isMapped && this.mode === "map") {
      this.replacing.add(number);
      return true;
    }
    this.filed.add(number);
    disk.hold(segmentBytes(segment));
    if (readState(segment.buffer).use !== "closed") this.isFitted = true;
    if (!isMapped) {
      segment.reopen(this.share.nowSec());
      return true;
    }
    io.mappings++;
    segment.overwriteFile = overwriter(files, this.pathOf(number), io);
    markInUse(segment, this.share);
    this.unmarked.add(number);
    return true;
  }

  /** Counts and tells what is damaged of a segment that was opened, now and when it is found later. */
  watch(number: number, segment: Segment): void {
    const path = this.pathOf(number);
    const lostSec = TILE_SLOTS * segment.updateEverySec;
    segment.onCorrupt = (startSec, tiles) => {
      this.corruptBlocks++;
      this.share.events.corrupt(path, startSec, lostSec, tiles);
    };
    // The time in a stamp that is damaged is none, and all of its block is lost; that was found on opening.
    for (let index = 0; index < segment.corruptBlocks; index++) segment.onCorrupt(0, 2 * segment.columns);
  }

  /**
   * Puts a segment with content in the place of the one in a file, which stays until {@link moveToFile} or a save.
   * @returns null = no room in memory.
   */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null {
    const segment = new Segment(buffer, geometry);
    // The file stays what it is then: a new segment sets it aside.
    if (!this.share.memory.admit(segment)) return null;
    this.replacing.add(number);
    this.byNumber.set(number, segment);
    if (this.mode === "save") {
      this.isFitted = true;
      this.filed.add(number);
      this.share.disk.hold(buffer.byteLength);
    }
    return segment;
  }

  /** A new segment in memory. @returns null = no room, which was counted. */
  create(number: number, geometry: Geometry): Segment | null {
    const segment = this.share.memory.create(number, geometry);
    if (segment !== null) this.byNumber.set(number, segment);
    return segment;
  }

  /** A new segment in a file of its own. @throws AgentError `file_…`, `disk_limit`, `mappings_max` */
  createMapped(number: number, geometry: Geometry): Segment {
    const header = new ArrayBuffer(headerBytes(geometry));
    writeIdentity(header, { ...geometry, ...this.identityOf(number) });
    const segment = new Segment(this.newFile(number, new Uint8Array(header), segmentBytes(geometry)), geometry);
    segment.overwriteFile = overwriter(this.share.files, this.pathOf(number), this.share.io);
    markInUse(segment, this.share);
    this.byNumber.set(number, segment);
    return segment;
  }

  release(number: number): void {
    const segment = this.byNumber.get(number);
    if (segment === undefined) return;
    this.byNumber.delete(number);
    const isFiled = this.filed.delete(number);
    if (isFiled) this.share.disk.give(segmentBytes(segment));
    if (isFiled && this.mode === "map") this.share.io.mappings--;
    else this.share.memory.release(number, segment);
  }

  /** The host has left: memory and mappings are given back. @returns bytes of files, which stay where they are. */
  releaseAll(): number {
    let bytes = 0;
    for (const [number, segment] of this.filedList()) {
      bytes += segmentBytes(segment);
      this.share.disk.hold(segmentBytes(segment));
      this.release(number);
    }
    for (const number of [...this.byNumber.keys()]) this.release(number);
    return bytes;
  }

  /** Mode `map`: segments that are in memory for want of files get theirs. @throws as {@link createMapped} does */
  moveToFiles(): void {
    for (const number of this.byNumber.keys()) this.moveToFile(number);
  }

  moveToFile(number: number): void {
    if (this.filed.has(number)) return;
    const segment = this.byNumber.get(number)!;
    // One that takes the place of another file is on the disk before it does.
    const isReplacing = this.replacing.has(number);
    const onDisk = isReplacing ? allOnDisk(segment, this.share.nowSec()) : { flushedSec: 0, emptiedSec: 0 };
    sign(segment, this.identityOf(number), this.share, { use: "in_use", onDisk });
    segment.moveTo(this.newFile(number, new Uint8Array(segment.buffer), segmentBytes(segment)));
    segment.overwriteFile = overwriter(this.share.files, this.pathOf(number), this.share.io);
    this.share.memory.release(number, segment);
  }

  /** Mode `save`: a segment is not as its file is, values that came in left out. */
  get hasUnwritten(): boolean {
    return this.isFitted || this.filed.size < this.byNumber.size;
  }

  /** Mode `save`: the files of all segments there are now, each signed when its turn has come. */
  *signedContents(): Generator<FileContent, void> {
    for (const [number, segment] of [...this.byNumber]) {
      const path = this.pathOf(number);
      if (!this.filed.has(number)) {
        if (!this.replacing.delete(number)) setAsideStranger(path, this.share);
        takeDisk(this.share.disk, segmentBytes(segment));
        this.filed.add(number);
      }
      segment.sealAll();
      sign(segment, this.identityOf(number), this.share, { use: "closed" });
      yield { path, content: new Uint8Array(segment.buffer) };
      // Into a sealed block values would come by the longer way.
      segment.reopen(this.share.nowSec());
    }
    this.isFitted = false;
  }

  /**
   * Mode `map`: puts all on the disk and says that it is whole. Seals let each block be checked by itself, so that the
   * disk may get values, seals and mark in any order.
   * @param isWanted asked after each wait: others may have opened the files.
   */
  async close(isWanted: () => boolean): Promise<void> {
    const { files, nowSec } = this.share;
    const filed = this.filedList();
    for (const [number, segment] of filed) {
      // What was flushed of a block must not go with the rest of it when only its seal gets there: first its checksums.
      if (!segment.hasFlushedOpen) continue;
      segment.beginFlush(nowSec(), true);
      await files.sync(this.pathOf(number));
      if (!isWanted()) return;
      segment.endFlush();
    }
    for (const [number, segment] of filed) {
      segment.sealAll();
      sign(segment, this.identityOf(number), this.share, { use: "closing" });
      await files.sync(this.pathOf(number));
      if (!isWanted()) return;
      markClosed(segment);
    }
  }

  /** Seals blocks that are closed for long. */
  seal(nowSec: number): void {
    for (const segment of this.byNumber.values()) segment.sealOld(nowSec);
  }

  get hasMarks(): boolean {
    return this.unmarked.size > 0;
  }

  /** The files that an earlier run closed in order must not pass for whole after a power cut in this one. */
  async syncMarks(): Promise<void> {
    for (const number of [...this.unmarked]) {
      this.unmarked.delete(number);
      await this.share.files.sync(this.pathOf(number));
    }
  }

  /** @returns the mapping of a new file. */
  private newFile(number: number, content: Uint8Array, bytes: number): ArrayBuffer {
    const { files, io, disk } = this.share;
    const path = this.pathOf(number);
    if (io.mappings >= MAPPINGS_MAX) throw new AgentError("mappings_max", `${MAPPINGS_MAX} files are mapped already`);
    const isReplacing = this.replacing.has(number);
    if (!isReplacing) setAsideStranger(path, this.share);
    takeDisk(disk, bytes);
    try {
      const buffer = createSegmentFile(files, path, content, bytes, isReplacing);
      this.hasNewNames = true;
      io.bytesWritten += bytes;
      this.replacing.delete(number);
      this.filed.add(number);
      io.mappings++;
      return buffer;
    } catch (error) {
      disk.give(bytes);
      throw error;
    }
  }

  private identityOf(number: number): SegmentOwner {
    return { number, machineGuid: this.machineGuid, createdSec: this.share.nowSec() };
  }
}
