import { join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import type { Files } from "../../base/files.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { HostStore } from "../host-directories.ts";
import { NO_SEGMENT } from "../ring.ts";
import { Catalogue } from "./catalogue.ts";
import type { StoredChart, StoredDimension } from "./catalogue-format.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare } from "./directory-share.ts";
import { type Geometry, headerBytes, segmentBytes } from "./geometry.ts";
import { type RestoreTarget, restoreHost } from "./restore-host.ts";
import { Segment } from "./segment.ts";
import { mapSegmentFile, overwriter, segmentFileName, writeSegmentFile } from "./segment-file.ts";
import { writeIdentity, writeState } from "./segment-header.ts";
import { storedHost } from "./stored-host.ts";

/** Mappings of one process; the kernel allows 65,530 (rrd.md §4.2). */
const MAPPINGS_MAX = 50_000;

/** A chart as the catalogue knows it. */
interface KnownChart {
  readonly key: number;
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

  /** Takes over a segment that was opened: mapped in mode `map`, else read. @returns false = no room in memory. */
  adopt(number: number, segment: Segment): boolean {
    const { files, memory, disk, io } = this.share;
    if (this.mode === "save" && !memory.admit(segment)) return false;
    this.segments.set(number, segment);
    this.filed.add(number);
    disk.hold(segmentBytes(segment));
    if (this.mode === "save") return true;
    io.mappings++;
    segment.overwriteFile = overwriter(files, this.pathOf(number));
    this.markInUse(segment);
    return true;
  }

  /** Takes over a chart that was read from the catalogue. */
  adoptChart(chart: Chart, key: number, sinceSec: number[]): void {
    this.charts.set(chart, { key, sinceSec });
  }

  /**
   * Puts a segment with content in the place of the one in a file. @returns null = no room in memory.
   * @throws AgentError `file_…`
   */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null {
    const segment = new Segment(buffer, geometry);
    const { files } = this.share;
    if (this.mode === "map") {
      this.sign(number, segment, false);
      segment.moveTo(this.newFile(number, new Uint8Array(buffer), buffer.byteLength));
      segment.overwriteFile = overwriter(files, this.pathOf(number));
    } else if (!this.share.memory.admit(segment)) return null;
    this.segments.set(number, segment);
    this.filed.add(number);
    this.share.disk.hold(buffer.byteLength);
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
    const known = this.charts.get(chart) ?? { key: this.nextKey++, sinceSec: [] };
    this.charts.set(chart, known);
    const from = Math.max(0, chart.journaled);
    const sinceSec = this.emptyUntilSec(chart);
    for (let index = from; index < chart.dimensions.count; index++) known.sinceSec[index] = sinceSec;
    this.guard(() => {
      if (this.mode === "save") return;
      if (chart.journaled < 0) this.catalogue!.putChart(this.storedChart(chart, known));
      else this.catalogue!.putDimensions(known.key, from, this.storedDimensions(chart, known, from));
    });
    chart.journaled = chart.dimensions.count;
    this.host!.ring!.eachRecord(chart, (segment, record) => segment.setRecordKey(record, known.key));
  }

  chartRemoved(chart: Chart): void {
    const known = this.charts.get(chart);
    this.charts.delete(chart);
    if (known !== undefined && this.mode === "map") this.guard(() => this.catalogue!.removeChart(known.key));
  }

  hostChanged(): void {
    if (this.mode === "map") this.guard(() => this.catalogue!.putHost(storedHost(this.host!, this.mode)));
  }

  /** Puts everything where it belongs, after a time without files. Nothing happens when nothing is amiss. */
  retry(): void {
    if (this.problem === "") return;
    this.guard(() => {
      this.startCatalogue();
      if (this.mode === "map") for (const [number, segment] of this.segments) this.moveToFile(number, segment);
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
    if (this.mode !== "map") return;
    const { files, nowSec, bootCrc } = this.share;
    for (const [number, segment] of this.filedSegments()) {
      const flushedSec = nowSec() - 1;
      await files.sync(this.pathOf(number));
      writeState(segment.buffer, { isClosed: false, bootCrc, flushedSec });
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
      const written: string[] = [];
      for (const [number, segment] of [...this.segments]) {
        this.claimDisk(number, segment);
        this.sign(number, segment, true);
        const path = this.pathOf(number);
        writeWhole(files, `${path}.tmp`, new Uint8Array(segment.buffer));
        io.bytesWritten += segment.buffer.byteLength;
        written.push(path);
        await files.sync(`${path}.tmp`);
      }
      for (const path of written) files.rename(`${path}.tmp`, path);
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
      for (const [number] of filed) await files.sync(this.pathOf(number));
      for (const [number, segment] of filed) this.sign(number, segment, true);
      for (const [number] of filed) await files.sync(this.pathOf(number));
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
    const { files, io } = this.share;
    const bytes = segmentBytes(geometry);
    let segment: Segment | null = null;
    this.guard(() => {
      if (io.mappings >= MAPPINGS_MAX) throw new AgentError("mappings_max", `${MAPPINGS_MAX} files are mapped already`);
      this.takeDisk(bytes);
      const identity = { ...geometry, number, machineGuid: this.machineGuid, createdSec: this.share.nowSec() };
      const header = new ArrayBuffer(headerBytes(geometry));
      writeIdentity(header, identity);
      segment = new Segment(this.newFile(number, new Uint8Array(header), bytes), geometry);
      segment.overwriteFile = overwriter(files, this.pathOf(number));
      this.markInUse(segment);
    });
    return segment;
  }

  /** @returns the mapping of a new file. */
  private newFile(number: number, content: Uint8Array, bytes: number): ArrayBuffer {
    const { files, io } = this.share;
    const path = this.pathOf(number);
    writeSegmentFile(files, path, content, bytes);
    io.bytesWritten += bytes;
    const buffer = mapSegmentFile(files, path);
    this.filed.add(number);
    io.mappings++;
    return buffer;
  }

  private moveToFile(number: number, segment: Segment): void {
    if (this.filed.has(number)) return;
    const bytes = segmentBytes(segment);
    this.takeDisk(bytes);
    this.sign(number, segment, false);
    segment.moveTo(this.newFile(number, new Uint8Array(segment.buffer), bytes));
    segment.overwriteFile = overwriter(this.share.files, this.pathOf(number));
    this.share.memory.release(number, segment);
  }

  private takeDisk(bytes: number): void {
    const { disk } = this.share;
    if (!disk.take(bytes)) throw new AgentError("disk_limit", `the disk limit of ${disk.limitBytes} bytes is reached`);
  }

  private startCatalogue(): void {
    const { files } = this.share;
    files.makeDirectory(this.path);
    this.catalogue ??= new Catalogue(files, join(this.path, CATALOGUE_FILE));
    if (this.mode === "map") this.rewriteCatalogue();
  }

  private rewriteCatalogue(): void {
    this.catalogue!.rewrite(storedHost(this.host!, this.mode), this.storedCharts());
  }

  private *storedCharts(): Iterable<StoredChart> {
    for (const [chart, known] of this.charts) yield this.storedChart(chart, known);
  }

  private storedChart(chart: Chart, known: KnownChart): StoredChart {
    const { definition, isObsolete } = chart;
    return { key: known.key, definition, isObsolete, dimensions: this.storedDimensions(chart, known, 0) };
  }

  /** Those from a position on. */
  private storedDimensions(chart: Chart, { sinceSec }: KnownChart, from: number): StoredDimension[] {
    const { pool } = chart.host;
    const stored: StoredDimension[] = [];
    for (let index = from; index < chart.dimensions.count; index++) {
      const place = chart.start + index;
      const isPlaced = pool.segment[place]! < NO_SEGMENT;
      stored.push({
        dimension: chart.dimensions.list[index]!,
        segment: isPlaced ? pool.segment[place]! : -1,
        column: isPlaced ? pool.tile[place]! >> 6 : -1,
        sinceSec: sinceSec[index] ?? 0,
      });
    }
    return stored;
  }

  /** Second from which on new columns of a chart are its own. */
  private emptyUntilSec(chart: Chart): number {
    const stepSec = chart.definition.updateEverySec;
    if (chart.lastUpdatedUs > 0) return chart.lastEntrySec + stepSec;
    return Math.floor(this.share.nowSec() / stepSec) * stepSec;
  }

  /** Says in its header which segment it is and whether it is whole. */
  private sign(number: number, segment: Segment, isClosed: boolean): void {
    const { bootCrc, nowSec } = this.share;
    const { columns, slots, updateEverySec, phase, buffer } = segment;
    const geometry = { columns, slots, updateEverySec, phase };
    writeIdentity(buffer, { ...geometry, number, machineGuid: this.machineGuid, createdSec: nowSec() });
    writeState(buffer, { isClosed, bootCrc, flushedSec: 0 });
  }

  /** Copies: they stay what they are while files are written. */
  private filedSegments(): [number, Segment][] {
    return [...this.segments].filter(([number]) => this.filed.has(number));
  }

  private claimDisk(number: number, segment: Segment): void {
    if (this.filed.has(number)) return;
    this.takeDisk(segmentBytes(segment));
    this.filed.add(number);
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

  private fail(error: unknown): void {
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

function writeWhole(files: Files, path: string, content: Uint8Array): void {
  using file = files.create(path);
  file.write(content);
}
