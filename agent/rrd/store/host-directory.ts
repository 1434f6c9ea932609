import { dirname, join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { HostStore } from "../host-directories.ts";
import { Catalogue } from "./catalogue.ts";
import type { StoredChart, StoredHost } from "./catalogue-format.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare } from "./directory-share.ts";
import { FilesTrouble, takeDisk } from "./files-trouble.ts";
import { type Geometry, headerBytes, segmentBytes } from "./geometry.ts";
import { KnownCharts, storedChart, storedDimensions } from "./known-charts.ts";
import { setAsideSegments, setAsideStranger } from "./quarantine.ts";
import { type RestoreTarget, restoreHost } from "./restore-host.ts";
import { Segment } from "./segment.ts";
import { createSegmentFile, overwriter, replaceFiles, replaceFilesNow, segmentFileName } from "./segment-file.ts";
import { writeIdentity } from "./segment-header.ts";
import { markInUse, type SegmentOwner, sign } from "./segment-signature.ts";
import { storedHost } from "./stored-host.ts";

/** Mappings of one process; the kernel allows 65,530 (rrd.md §4.2). */
const MAPPINGS_MAX = 50_000;

/**
 * The files of one host in mode `save` or `map`: its catalogue and its segments. Whatever the disk does, the host goes
 * on: what cannot be written is kept in memory, and {@link retry} puts it where it belongs later.
 */
export class HostDirectory implements HostStore, RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  private readonly share: DirectoryShare;
  private readonly machineGuid: string;
  private readonly segments = new Map<number, Segment>();
  /** Segments that have a file; in mode `map` they are mappings of it. */
  private readonly filed = new Set<number>();
  /** Segments in memory that take the place of a file which is of use until then. */
  private readonly replacing = new Set<number>();
  /** Segments whose mark of being in use the disk need not have yet. */
  private readonly unmarked = new Set<number>();
  /** There are new names in the directory, which the disk need not have yet. */
  private hasNewNames = true;
  private readonly charts = new KnownCharts();
  private readonly trouble: FilesTrouble;
  private catalogue: Catalogue | null = null;
  private host: Host | null = null;
  /** See {@link leave}. */
  private hasLeft = false;
  private content: CatalogueContent | null;

  /** @param content of the catalogue that is there already; {@link attach} restores it. */
  constructor(
    path: string,
    machineGuid: string,
    mode: "save" | "map",
    content: CatalogueContent | null,
    share: DirectoryShare,
  ) {
    this.path = path;
    this.machineGuid = machineGuid;
    this.mode = mode;
    this.content = content;
    this.share = share;
    this.trouble = new FilesTrouble(share, this);
  }

  get problem(): string {
    return this.trouble.problem;
  }

  attach(host: Host): void {
    this.host = host;
    const { content } = this;
    this.content = null;
    if (content === null) {
      this.trouble.guard(() => {
        setAsideSegments(this.path, this.share);
        this.startCatalogue();
      });
      return;
    }
    this.catalogue = new Catalogue(this.share.files, join(this.path, CATALOGUE_FILE), content);
    this.charts.nextKey = content.nextKey;
    this.trouble.guard(() => restoreHost(host, this, content, this.share));
  }

  fail(error: unknown): void {
    this.trouble.fail(error);
  }

  get hostname(): string {
    return this.host?.hostname ?? this.machineGuid;
  }

  adopt(number: number, segment: Segment, isMapped: boolean): boolean {
    const { files, memory, disk, io } = this.share;
    if (!isMapped && !memory.admit(segment)) return false;
    this.segments.set(number, segment);
    // Read because it could not be mapped: its file gets the content back when it can be.
    if (!isMapped && this.mode === "map") {
      this.replacing.add(number);
      return true;
    }
    this.filed.add(number);
    disk.hold(segmentBytes(segment));
    if (!isMapped) return true;
    io.mappings++;
    segment.overwriteFile = overwriter(files, this.pathOf(number));
    markInUse(segment, this.share);
    this.unmarked.add(number);
    return true;
  }

  adoptChart(chart: Chart, key: number, sinceSec: number[]): void {
    this.charts.adopt(chart, key, sinceSec);
  }

  /**
   * Puts a segment with content in the place of the one in a file, in memory as long as that cannot be written.
   * @returns null = no room in memory.
   */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null {
    const segment = new Segment(buffer, geometry);
    // The file stays what it is then: a new segment sets it aside.
    if (!this.share.memory.admit(segment)) return null;
    this.replacing.add(number);
    this.segments.set(number, segment);
    if (this.mode === "map") this.trouble.guard(() => this.moveToFile(number, segment));
    else {
      this.filed.add(number);
      this.share.disk.hold(buffer.byteLength);
    }
    return segment;
  }

  create(number: number, geometry: Geometry): Segment | null {
    const mapped = this.mode === "map" && this.problem === "" ? this.createMapped(number, geometry) : null;
    const segment = mapped ?? this.share.memory.create(number, geometry);
    if (segment !== null) this.segments.set(number, segment);
    return segment;
  }

  release(number: number, segment: Segment): void {
    this.segments.delete(number);
    const isFiled = this.filed.delete(number);
    if (isFiled) this.share.disk.give(segmentBytes(segment));
    if (isFiled && this.mode === "map") this.share.io.mappings--;
    else this.share.memory.release(number, segment);
  }

  chartSettled(chart: Chart): void {
    const known = this.charts.settle(chart, this.share.nowSec());
    const from = Math.max(0, chart.journaled);
    this.journal((catalogue) => {
      if (chart.journaled < 0) catalogue.putChart(storedChart(chart, known));
      else catalogue.putDimensions(known.key, from, storedDimensions(chart, known, from));
    });
    chart.journaled = chart.dimensions.count;
    this.host!.ring!.eachRecord(chart, (segment, record) => segment.setRecordKey(record, known.key));
  }

  chartRemoved(chart: Chart): void {
    const key = this.charts.remove(chart);
    if (key !== undefined) this.journal((catalogue) => catalogue.removeChart(key));
  }

  columnsEmptied(chart: Chart, first: number, count: number): void {
    this.charts.emptied(chart, first, count);
  }

  hostChanged(): void {
    this.journal((catalogue) => catalogue.putHost(storedHost(this.host!, this.mode)));
  }

  /**
   * Puts everything where it belongs, after a time without files. Nothing happens when nothing is amiss; mode `save`
   * shows with the next {@link save} whether anything still is.
   */
  retry(): void {
    if (this.problem === "" || this.mode === "save") return;
    this.trouble.guard(() => {
      if (this.catalogue === null) setAsideSegments(this.path, this.share);
      this.startCatalogue();
      for (const [number, segment] of this.segments) this.moveToFile(number, segment);
      this.trouble.recovered();
    });
  }

  /** Rewrites the catalogue when most of it is out of date. */
  tidy(): void {
    if (this.mode !== "map" || this.problem !== "" || this.catalogue === null) return;
    this.trouble.guard(() => this.catalogue!.rewriteIfWorth(storedHost(this.host!, this.mode), this.charts.stored()));
    // Definitions are rare: a descriptor for each of a thousand hosts would be a waste.
    this.catalogue.close();
  }

  /** Seals blocks that are closed for long. */
  seal(): void {
    const nowSec = this.share.nowSec();
    for (const segment of this.segments.values()) segment.sealOld(nowSec);
  }

  /** The files that an earlier run closed in order must not pass for whole after a power cut in this one. */
  async syncMarks(): Promise<void> {
    for (const number of [...this.unmarked]) {
      this.unmarked.delete(number);
      await this.trouble.guardAsync(() => this.share.files.sync(this.pathOf(number)));
    }
  }

  get hasMarks(): boolean {
    return this.unmarked.size > 0;
  }

  /** Makes the kernel write all files to the disk, one after the other; then no power cut can take that away. */
  async flush(): Promise<void> {
    if (this.mode !== "map" || this.problem !== "") return;
    const { files, nowSec } = this.share;
    await this.trouble.guardAsync(async () => {
      await this.syncNames();
      for (const [number, segment] of this.filedSegments()) {
        segment.beginFlush(nowSec());
        await files.sync(this.pathOf(number));
        // Only now is it true; and only with the next sync it is there for who starts after a power cut.
        segment.endFlush();
        await files.sync(this.pathOf(number));
      }
    });
  }

  /**
   * Mode `save`: writes segments beside the old files, puts them in their place, and then the catalogue. One file a
   * turn of the event loop; each is as it was at one moment.
   */
  async save(): Promise<void> {
    if (this.mode !== "save" || this.host === null) return;
    const { files, io } = this.share;
    await this.trouble.guardAsync(async () => {
      files.makeDirectory(this.path);
      // As the charts are now: what is defined while segments are written is not in all of them yet.
      const host = storedHost(this.host!, this.mode);
      const charts = [...this.charts.stored()];
      io.bytesWritten += await replaceFiles(files, this.signedContents(), () => !this.hasLeft);
      if (!this.hasLeft) this.finishSave(host, charts);
    });
  }

  /**
   * The host leaves the database, and may be made anew at once: its files get all that it holds, for who opens them
   * next. In mode `save` that waits for the disk; in mode `map` the kernel has it, and {@link close} can follow.
   */
  leave(): void {
    if (this.mode === "save" && this.host !== null) {
      this.trouble.guard(() => {
        const { files, io } = this.share;
        files.makeDirectory(this.path);
        io.bytesWritten += replaceFilesNow(files, this.signedContents());
        this.finishSave(storedHost(this.host!, this.mode), this.charts.stored());
      });
    }
    this.hasLeft = true;
  }

  /** Ends the use of the files in order: {@link save}, or everything on the disk and marked as whole. */
  async close(isTakenOver: () => boolean = () => false): Promise<void> {
    if (this.mode === "save") return this.hasLeft ? undefined : await this.save();
    this.retry();
    const filed = this.filedSegments();
    const { files } = this.share;
    this.hostChanged();
    this.catalogue?.close();
    await this.trouble.guardAsync(async () => {
      await this.syncNames();
      for (const [number] of filed) await files.sync(this.pathOf(number));
      if (isTakenOver()) return;
      for (const [number, segment] of filed) {
        segment.sealOver(this.share.nowSec());
        sign(segment, this.identityOf(number), this.share, { isClosed: true });
      }
      // Seals and the mark must reach the disk later than what they vouch for.
      for (const [number] of filed) await files.sync(this.pathOf(number));
    });
  }

  /** Deletes all files; the host must not be used any more. */
  remove(): void {
    const { files } = this.share;
    this.catalogue?.close();
    this.trouble.guard(() => {
      for (const name of files.list(this.path)) files.remove(join(this.path, name));
      files.removeDirectory(this.path);
    });
  }

  private finishSave(host: StoredHost, charts: Iterable<StoredChart>): void {
    const { files } = this.share;
    // A catalogue that is newer than the segments would give columns to the wrong charts; an older one cannot.
    files.syncDirectory(this.path);
    this.catalogue ??= new Catalogue(files, join(this.path, CATALOGUE_FILE));
    this.catalogue.rewrite(host, charts);
    this.catalogue.close();
    files.syncDirectory(this.path);
    this.trouble.recovered();
  }

  private createMapped(number: number, geometry: Geometry): Segment | null {
    let segment: Segment | null = null;
    this.trouble.guard(() => {
      const header = new ArrayBuffer(headerBytes(geometry));
      writeIdentity(header, { ...geometry, ...this.identityOf(number) });
      segment = new Segment(this.newFile(number, new Uint8Array(header), segmentBytes(geometry)), geometry);
      segment.overwriteFile = overwriter(this.share.files, this.pathOf(number));
      markInUse(segment, this.share);
    });
    return segment;
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

  private moveToFile(number: number, segment: Segment): void {
    if (this.filed.has(number)) return;
    // One that takes the place of another file is on the disk before it does.
    const flushedSec = this.replacing.has(number) ? segment.newestHeldSec(this.share.nowSec()) : 0;
    sign(segment, this.identityOf(number), this.share, { isClosed: false, flushedSec });
    segment.moveTo(this.newFile(number, new Uint8Array(segment.buffer), segmentBytes(segment)));
    segment.overwriteFile = overwriter(this.share.files, this.pathOf(number));
    this.share.memory.release(number, segment);
  }

  private startCatalogue(): void {
    const { files } = this.share;
    files.makeDirectory(this.path);
    const catalogue = this.catalogue ?? new Catalogue(files, join(this.path, CATALOGUE_FILE));
    if (this.mode === "map") catalogue.rewrite(storedHost(this.host!, this.mode), this.charts.stored());
    this.catalogue = catalogue;
    this.hasNewNames = true;
  }

  private *signedContents(): Iterable<{ path: string; content: Uint8Array }> {
    for (const [number, segment] of [...this.segments]) {
      if (this.hasLeft) return;
      const path = this.pathOf(number);
      if (!this.filed.has(number)) {
        if (!this.replacing.delete(number)) setAsideStranger(path, this.share);
        takeDisk(this.share.disk, segmentBytes(segment));
        this.filed.add(number);
      }
      sign(segment, this.identityOf(number), this.share, { isClosed: true });
      yield { path, content: new Uint8Array(segment.buffer) };
    }
  }

  /** Copies: they stay what they are while files are written. */
  private filedSegments(): [number, Segment][] {
    return [...this.segments].filter(([number]) => this.filed.has(number));
  }

  /** The names in the directory, and what the catalogue says, are on the disk then. */
  private async syncNames(): Promise<void> {
    const { files } = this.share;
    await files.sync(join(this.path, CATALOGUE_FILE));
    if (!this.hasNewNames) return;
    files.syncDirectory(this.path);
    files.syncDirectory(dirname(this.path));
    this.hasNewNames = false;
  }

  /** Adds to the catalogue; while files cannot be used it waits for {@link retry}, which writes all of it. */
  private journal(put: (catalogue: Catalogue) => void): void {
    const { catalogue } = this;
    if (this.mode === "map" && this.problem === "" && catalogue !== null) this.trouble.guard(() => put(catalogue));
  }

  private identityOf(number: number): SegmentOwner {
    return { number, machineGuid: this.machineGuid, createdSec: this.share.nowSec() };
  }

  private pathOf(number: number): string {
    return join(this.path, segmentFileName(number));
  }
}
