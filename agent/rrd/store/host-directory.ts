import { join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { HostStore } from "../host-directories.ts";
import { Catalogue } from "./catalogue.ts";
import type { StoredChart } from "./catalogue-format.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare } from "./directory-share.ts";
import { type Geometry, headerBytes, segmentBytes } from "./geometry.ts";
import { type RestoreTarget, restoreHost, setAside } from "./restore-host.ts";
import { Segment } from "./segment.ts";
import {
  mapSegmentFile,
  overwriter,
  replaceFiles,
  segmentFileName,
  segmentNumber,
  writeSegmentFile,
} from "./segment-file.ts";
import { writeIdentity, writeState } from "./segment-header.ts";
import { ownSinceSec, storedChart, storedDimensions, storedHost } from "./stored-definitions.ts";

/** Mappings of one process; the kernel allows 65,530 (rrd.md §4.2). */
const MAPPINGS_MAX = 50_000;

/** A chart as the catalogue knows it. */
interface KnownChart {
  readonly key: number;
  /** The catalogue has all of it; else it is put whole the next time. */
  isPut: boolean;
  /** By dimension: what its column holds before this second is not its own. */
  readonly sinceSec: number[];
}

/**
 * The files of one host in mode `save` or `map`: its catalogue and its segments. Whatever the disk does, the host goes
 * on: what cannot be written is kept in memory, and {@link retry} puts it where it belongs later.
 */
export class HostDirectory implements HostStore, RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  /** Why files cannot be used now; empty = they can. */
  problem = "";
  private readonly share: DirectoryShare;
  private readonly machineGuid: string;
  private readonly segments = new Map<number, Segment>();
  /** Segments that have a file; in mode `map` they are mappings of it. */
  private readonly filed = new Set<number>();
  /** Segments that hold all that is in the file of their number, if there is one: they may replace it. */
  private readonly known = new Set<number>();
  private readonly charts = new Map<Chart, KnownChart>();
  private catalogue: Catalogue | null = null;
  private nextKey = 1;
  private host: Host | null = null;
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
  }

  attach(host: Host): void {
    this.host = host;
    const { content } = this;
    this.content = null;
    if (content === null) {
      this.guard(() => this.startCatalogue());
      return;
    }
    this.catalogue = new Catalogue(this.share.files, join(this.path, CATALOGUE_FILE), content);
    this.nextKey = content.nextKey;
    this.guard(() => restoreHost(host, this, content, this.share));
  }

  get hostname(): string {
    return this.host?.hostname ?? this.machineGuid;
  }

  adopt(number: number, segment: Segment, isMapped: boolean): boolean {
    const { files, memory, disk, io } = this.share;
    if (!isMapped && !memory.admit(segment)) return false;
    this.segments.set(number, segment);
    this.known.add(number);
    // Read because it could not be mapped: its file gets the content back when it can be.
    if (!isMapped && this.mode === "map") return true;
    this.filed.add(number);
    disk.hold(segmentBytes(segment));
    if (!isMapped) return true;
    io.mappings++;
    segment.overwriteFile = overwriter(files, this.pathOf(number));
    this.markInUse(segment);
    return true;
  }

  adoptChart(chart: Chart, key: number, sinceSec: number[]): void {
    this.charts.set(chart, { key, isPut: true, sinceSec });
  }

  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null {
    const segment = new Segment(buffer, geometry);
    this.known.add(number);
    if (this.mode === "map") this.putInFile(number, segment);
    else if (this.share.memory.admit(segment)) {
      this.filed.add(number);
      this.share.disk.hold(buffer.byteLength);
    } else return null;
    this.segments.set(number, segment);
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
    const known = this.charts.get(chart) ?? { key: this.nextKey++, isPut: false, sinceSec: [] };
    this.charts.set(chart, known);
    const from = Math.max(0, chart.journaled);
    const sinceSec = ownSinceSec(chart, this.share.nowSec());
    for (let index = from; index < chart.dimensions.count; index++) known.sinceSec[index] = sinceSec;
    this.guard(() => {
      const isWhole = chart.journaled < 0 || !known.isPut;
      known.isPut = false;
      // What cannot be put now is there when the files can be used again: then the catalogue is written anew.
      if (this.mode === "save" || this.catalogue === null) return;
      if (isWhole) this.catalogue.putChart(storedChart(chart, known.key, known.sinceSec));
      else this.catalogue.putDimensions(known.key, from, storedDimensions(chart, known.sinceSec, from));
      known.isPut = true;
    });
    chart.journaled = chart.dimensions.count;
    this.host!.ring!.eachRecord(chart, (segment, record) => segment.setRecordKey(record, known.key));
  }

  chartRemoved(chart: Chart): void {
    const known = this.charts.get(chart);
    this.charts.delete(chart);
    if (known !== undefined && this.mode === "map") this.guard(() => this.catalogue?.removeChart(known.key));
  }

  hostChanged(): void {
    if (this.mode === "map") this.guard(() => this.catalogue?.putHost(storedHost(this.host!, this.mode)));
  }

  /** Puts everything where it belongs, after a time without files. Nothing happens when nothing is amiss. */
  retry(): void {
    if (this.problem === "") return;
    this.guard(() => {
      this.startCatalogue();
      if (this.mode === "map") for (const [number, segment] of this.segments) this.leaveMemory(number, segment);
      this.recovered();
    });
  }

  /** Rewrites the catalogue when most of it is out of date. */
  tidy(): void {
    if (this.mode !== "map" || this.problem !== "" || this.catalogue === null) return;
    this.guard(() => this.catalogue!.rewriteIfWorth(storedHost(this.host!, this.mode), this.storedCharts()));
    // Definitions are rare: a descriptor for each of a thousand hosts would be a waste.
    this.catalogue.close();
  }

  /** Seals blocks that are closed for long. */
  seal(): void {
    const nowSec = this.share.nowSec();
    for (const segment of this.segments.values()) segment.sealOld(nowSec);
  }

  /** Makes the kernel write all mapped files to the disk, one after the other; then no power cut can take that away. */
  async flush(): Promise<void> {
    const { files, nowSec, bootCrc } = this.share;
    try {
      for (const [number, segment] of this.mode === "map" ? this.filedSegments() : []) {
        const flushedSec = nowSec() - 1;
        await files.sync(this.pathOf(number));
        writeState(segment.buffer, { isClosed: false, bootCrc, flushedSec });
      }
      await this.syncCatalogue();
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Mode `save`: writes segments beside the old files, puts them in their place, and then the catalogue. One file a
   * turn of the event loop; each is as it was at one moment.
   */
  async save(): Promise<void> {
    if (this.mode !== "save" || this.host === null) return;
    const { files, io } = this.share;
    try {
      files.makeDirectory(this.path);
      // As the charts are now: what is defined while segments are written is not in all of them yet.
      const host = storedHost(this.host, this.mode);
      const charts = [...this.storedCharts()];
      io.bytesWritten += await replaceFiles(files, this.signedContents());
      this.catalogue ??= new Catalogue(files, join(this.path, CATALOGUE_FILE));
      this.catalogue.rewrite(host, charts);
      this.catalogue.close();
      files.syncDirectory(this.path);
      this.recovered();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends the use of the files in order: {@link save}, or everything on the disk and marked as whole. */
  async close(): Promise<void> {
    if (this.mode === "save") return await this.save();
    const filed = this.filedSegments();
    const { files } = this.share;
    try {
      this.hostChanged();
      this.catalogue?.close();
      await this.syncCatalogue();
      for (const [number] of filed) await files.sync(this.pathOf(number));
      // The mark reaches the disk later than what it vouches for; a power cut before that costs the open blocks.
      for (const [number, segment] of filed) this.sign(number, segment, true);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Deletes all files; the host must not be used any more. */
  remove(): void {
    const { files } = this.share;
    this.catalogue?.close();
    this.guard(() => {
      for (const name of files.list(this.path)) files.remove(join(this.path, name));
      files.removeDirectory(this.path);
    });
  }

  private createMapped(number: number, geometry: Geometry): Segment | null {
    let segment: Segment | null = null;
    this.guard(() => {
      const identity = { ...geometry, number, machineGuid: this.machineGuid, createdSec: this.share.nowSec() };
      const header = new ArrayBuffer(headerBytes(geometry));
      writeIdentity(header, identity);
      segment = new Segment(this.newFile(number, new Uint8Array(header), segmentBytes(geometry)), geometry);
      segment.overwriteFile = overwriter(this.share.files, this.pathOf(number));
      this.markInUse(segment);
    });
    return segment;
  }

  /** Makes a segment in memory one in a file of its own. */
  private putInFile(number: number, segment: Segment): void {
    this.sign(number, segment, false);
    segment.moveTo(this.newFile(number, new Uint8Array(segment.buffer), segmentBytes(segment)));
    segment.overwriteFile = overwriter(this.share.files, this.pathOf(number));
  }

  /** @returns the mapping of a new file. */
  private newFile(number: number, content: Uint8Array, bytes: number): ArrayBuffer {
    const { files, disk, io } = this.share;
    const path = this.pathOf(number);
    if (io.mappings >= MAPPINGS_MAX) throw new AgentError("mappings_max", `${MAPPINGS_MAX} files are mapped already`);
    this.keepUnknown(number);
    this.takeDisk(bytes);
    try {
      writeSegmentFile(files, path, content, bytes);
      const buffer = mapSegmentFile(files, path);
      io.bytesWritten += bytes;
      this.filed.add(number);
      io.mappings++;
      return buffer;
    } catch (error) {
      disk.give(bytes);
      throw error;
    }
  }

  private leaveMemory(number: number, segment: Segment): void {
    if (this.filed.has(number)) return;
    this.putInFile(number, segment);
    this.share.memory.release(number, segment);
  }

  private takeDisk(bytes: number): void {
    const { disk } = this.share;
    if (!disk.take(bytes)) throw new AgentError("disk_limit", `the disk limit of ${disk.limitBytes} bytes is reached`);
  }

  private startCatalogue(): void {
    const { files } = this.share;
    files.makeDirectory(this.path);
    if (this.catalogue === null) this.setSegmentsAside();
    this.catalogue ??= new Catalogue(files, join(this.path, CATALOGUE_FILE));
    if (this.mode === "save") return;
    this.catalogue.rewrite(storedHost(this.host!, this.mode), this.storedCharts());
    for (const known of this.charts.values()) known.isPut = true;
  }

  /** Without a catalogue nothing is known of them, but they are never overwritten. */
  private setSegmentsAside(): void {
    for (const name of this.share.files.list(this.path)) {
      if (segmentNumber(name) < 0) continue;
      setAside(join(this.path, name), "there is no catalogue that says what is in it", this.share);
    }
  }

  /** What the disk holds of values is nothing without the lines that say whose they are. */
  private async syncCatalogue(): Promise<void> {
    const isWritten = this.mode === "map" && this.problem === "" && this.catalogue !== null;
    if (isWritten) await this.share.files.sync(join(this.path, CATALOGUE_FILE));
  }

  private *storedCharts(): Iterable<StoredChart> {
    for (const [chart, known] of this.charts) yield storedChart(chart, known.key, known.sinceSec);
  }

  /** Says in its header which segment it is and whether it is whole. */
  private sign(number: number, segment: Segment, isClosed: boolean): void {
    const { bootCrc, nowSec } = this.share;
    const { columns, slots, updateEverySec, phase, buffer } = segment;
    const geometry = { columns, slots, updateEverySec, phase };
    writeIdentity(buffer, { ...geometry, number, machineGuid: this.machineGuid, createdSec: nowSec() });
    writeState(buffer, { isClosed, bootCrc, flushedSec: 0 });
  }

  private *signedContents(): Iterable<{ path: string; content: Uint8Array }> {
    for (const [number, segment] of [...this.segments]) {
      if (!this.filed.has(number)) this.takeDisk(segmentBytes(segment));
      this.filed.add(number);
      this.sign(number, segment, true);
      yield { path: this.pathOf(number), content: new Uint8Array(segment.buffer) };
    }
  }

  /** Copies: they stay what they are while files are written. */
  private filedSegments(): [number, Segment][] {
    return [...this.segments].filter(([number]) => this.filed.has(number));
  }

  /** A file that could not be opened is not overwritten. */
  private keepUnknown(number: number): void {
    const path = this.pathOf(number);
    if (this.known.has(number)) return;
    if (this.share.files.size(path) !== null) setAside(path, "it could not be opened at the start", this.share);
    this.known.add(number);
  }

  private markInUse(segment: Segment): void {
    writeState(segment.buffer, { isClosed: false, bootCrc: this.share.bootCrc, flushedSec: 0 });
  }

  private pathOf(number: number): string {
    return join(this.path, segmentFileName(number));
  }

  /** Does something with files; a failure makes the host go on without them. */
  private guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.fail(error);
    }
  }

  fail(error: unknown): void {
    if (!(error instanceof AgentError)) throw error;
    const wasDegraded = this.problem !== "";
    this.problem = errorText(error);
    if (wasDegraded) return;
    this.share.io.degradedHosts++;
    this.share.degraded(this, this.problem);
  }

  private recovered(): void {
    if (this.problem === "") return;
    this.problem = "";
    this.share.io.degradedHosts--;
    this.share.degraded(this, "");
  }
}
