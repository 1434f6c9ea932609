import { join } from "node:path";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { HostStore } from "../host-directories.ts";
import { Catalogue } from "./catalogue.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare } from "./directory-share.ts";
import { DiskSteps } from "./disk-steps.ts";
import { FilesTrouble } from "./files-trouble.ts";
import type { Geometry } from "./geometry.ts";
import { HostSegments } from "./host-segments.ts";
import { KnownCharts, storedChart, storedDimensions } from "./known-charts.ts";
import { setAsideSegments } from "./quarantine.ts";
import { type RestoreTarget, restoreHost } from "./restore-host.ts";
import type { Segment } from "./segment.ts";
import { replaceFiles } from "./segment-file.ts";
import { storedHost } from "./stored-host.ts";

/**
 * The files of one host in mode `save` or `map`: its catalogue and its segments. Whatever the disk does, the host goes
 * on: what cannot be written is kept in memory, and {@link recover} puts it where it belongs later.
 */
export class HostDirectory implements HostStore, RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  private readonly share: DirectoryShare;
  private readonly machineGuid: string;
  private readonly segments: HostSegments;
  private readonly charts = new KnownCharts();
  private readonly trouble: FilesTrouble;
  private catalogue: Catalogue | null = null;
  private host: Host | null = null;
  /** Mode `save`: what is being written now. */
  private saving: DiskSteps | null = null;
  /** Mode `save`: values that had come in when it was written last. */
  private savedValues = 0;
  /** Mode `save`: definitions changed since then. */
  private hasChanged = false;
  /** See {@link leave}. */
  private hasLeft = false;
  /** Others may use the files. */
  private isClosed = false;
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
    this.segments = new HostSegments(path, machineGuid, mode, share);
    this.trouble = new FilesTrouble(share, this);
  }

  get problem(): string {
    return this.trouble.problem;
  }

  get corruptBlocks(): number {
    return this.segments.corruptBlocks;
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
    return this.segments.adopt(number, segment, isMapped);
  }

  watch(number: number, segment: Segment): void {
    this.segments.watch(number, segment);
  }

  adoptChart(chart: Chart, key: number, sinceSec: number[]): void {
    this.charts.adopt(chart, key, sinceSec);
  }

  /**
   * Puts a segment with content in the place of the one in a file, in memory as long as that cannot be written.
   * @returns null = no room in memory.
   */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null {
    const segment = this.segments.replace(number, buffer, geometry);
    if (segment !== null && this.mode === "map") this.trouble.guard(() => this.segments.moveToFile(number));
    return segment;
  }

  create(number: number, geometry: Geometry): Segment | null {
    let segment: Segment | null = null;
    if (this.mode === "map" && this.problem === "") {
      this.trouble.guard(() => {
        segment = this.segments.createMapped(number, geometry);
      });
    }
    return segment ?? this.segments.create(number, geometry);
  }

  release(number: number): void {
    // Of a host that leaves they are of use until its files are closed.
    if (!this.hasLeft) this.segments.release(number);
  }

  chartSettled(chart: Chart): void {
    const known = this.charts.settle(chart, this.share.nowSec());
    const from = Math.max(0, chart.journaled);
    this.journal((catalogue) => {
      if (chart.journaled < 0) catalogue.putChart(storedChart(chart, known));
      else catalogue.putDimensions(known.key, from, storedDimensions(chart, known, from));
    });
    chart.journaled = chart.dimensions.count;
    this.host!.ring!.eachRecord(chart, (segment, record) => {
      segment.setRecordKey(record, known.key);
      segment.emptiedFor(known.newestSec);
    });
  }

  chartRemoved(chart: Chart): void {
    const key = this.charts.remove(chart);
    if (key !== undefined) this.journal((catalogue) => catalogue.removeChart(key));
  }

  columnsEmptied(chart: Chart, first: number, count: number): void {
    this.hasChanged = true;
    this.charts.emptied(chart, first, count);
  }

  chartReached(chart: Chart): void {
    this.charts.reached(chart);
    chart.journaled = -1;
    this.chartSettled(chart);
  }

  hostChanged(): void {
    this.journal((catalogue) => catalogue.putHost(storedHost(this.host!, this.mode)));
  }

  /**
   * Puts everything where it belongs, after a time without files; nothing happens when nothing is amiss. Waits for the
   * disk at its end, so that others come to their turn between two hosts.
   */
  async recover(): Promise<void> {
    if (this.problem === "") return;
    if (this.mode === "save") return this.save();
    this.moveToFiles();
    if (this.trouble.problem === "") await this.guardRound(() => this.syncNames());
  }

  private moveToFiles(): void {
    if (this.problem === "") return;
    this.trouble.guard(() => {
      if (this.catalogue === null) setAsideSegments(this.path, this.share);
      this.startCatalogue();
      this.segments.moveToFiles();
      this.trouble.recovered();
    });
  }

  /** Rewrites the catalogue when most of it is out of date. */
  tidy(): void {
    if (this.mode !== "map" || this.problem !== "" || this.catalogue === null) return;
    const { catalogue } = this;
    this.trouble.guard(() => {
      if (catalogue.rewriteIfWorth(storedHost(this.host!, this.mode), this.charts.stored()))
        this.countRewritten(catalogue);
    });
    // Definitions are rare: a descriptor for each of a thousand hosts would be a waste.
    this.catalogue.close();
  }

  /** Seals blocks that are closed for long. */
  seal(): void {
    this.segments.seal(this.share.nowSec());
  }

  /** The files that an earlier run closed in order must not pass for whole after a power cut in this one. */
  async syncMarks(): Promise<void> {
    await this.guardRound(() => this.segments.syncMarks());
  }

  get hasMarks(): boolean {
    return this.segments.hasMarks;
  }

  /** Makes the kernel write all files to the disk, one after the other; then no power cut can take that away. */
  async flush(): Promise<void> {
    if (this.mode !== "map" || this.problem !== "") return;
    const { files, nowSec } = this.share;
    await this.guardRound(async () => {
      await this.syncNames();
      for (const [number, segment] of this.segments.filedList()) {
        segment.beginFlush(nowSec());
        await files.sync(this.segments.pathOf(number));
        // Who opened the files meanwhile may have begun a block that was not there to be flushed.
        if (this.hasLeft) return;
        // Only now is it true; and only with the next sync it is there for who starts after a power cut.
        segment.endFlush();
        await files.sync(this.segments.pathOf(number));
      }
    });
  }

  /**
   * Mode `save`: writes segments beside the old files, puts them in their place, and then the catalogue. One file a
   * turn of the event loop; each is as it was at one moment.
   */
  async save(): Promise<void> {
    if (this.mode === "save" && this.host !== null) await this.guardRound(() => this.beginSave().run());
  }

  /**
   * The host leaves the database, and may be made anew at any time: its files get all that it holds, with {@link close}
   * or, for who opens them before that, with {@link finish}.
   */
  leave(): void {
    this.trouble.leave();
    this.hasLeft = true;
    if (this.mode === "save") {
      if (this.host !== null && this.hasNews) this.beginSave();
      return;
    }
    this.moveToFiles();
    this.hostChanged();
    this.catalogue?.close();
  }

  /** After {@link leave} in mode `save`: the files have all there is. */
  get isWritten(): boolean {
    return this.mode === "save" && this.hasLeft && !this.isClosed && this.saving === null;
  }

  /** After {@link leave}: everything on the disk and marked as whole, in turns of the event loop. */
  async close(): Promise<void> {
    await this.trouble.guardAsync(async () => {
      if (this.mode === "save") return this.saving?.run();
      await this.syncNames();
      if (!this.isClosed) await this.segments.close(() => !this.isClosed);
    });
  }

  /**
   * After {@link leave}: the files are given up, now. In mode `save` what is still to be written is written before; in
   * mode `map` the kernel has it.
   * @returns bytes of the files.
   */
  finish(): number {
    this.isClosed = true;
    this.trouble.guard(() => this.saving?.finish());
    return this.segments.releaseAll();
  }

  /** Deletes all files; the host must not be used any more. */
  remove(): void {
    const { files, disk } = this.share;
    this.trouble.leave();
    this.hasLeft = true;
    this.isClosed = true;
    this.saving?.cancel();
    this.catalogue?.close();
    disk.give(this.segments.releaseAll());
    this.trouble.guard(() => {
      for (const name of files.list(this.path)) files.remove(join(this.path, name));
      files.removeDirectory(this.path);
    });
  }

  /** Mode `save`: the files lack something. Hosts of earlier runs that nobody feeds are the same as on the disk. */
  private get hasNews(): boolean {
    return this.problem !== "" || this.hasChanged || this.segments.hasUnwritten || this.values > this.savedValues;
  }

  private get values(): number {
    const { collected, received, backfilled } = this.host!.balance;
    return collected + received + backfilled;
  }

  private beginSave(): DiskSteps {
    this.saving?.cancel();
    this.saving = new DiskSteps(this.share.files, this.saveSteps());
    return this.saving;
  }

  private *saveSteps(): Generator<string, void> {
    const { files, io } = this.share;
    files.makeDirectory(this.path);
    // As the charts are now: what is defined while segments are written is not in all of them yet.
    const host = storedHost(this.host!, this.mode);
    const charts = [...this.charts.stored()];
    const { values } = this;
    this.hasChanged = false;
    io.bytesWritten += yield* replaceFiles(files, this.segments.signedContents());
    // A catalogue that is newer than the segments would give columns to the wrong charts; an older one cannot.
    files.syncDirectory(this.path);
    this.catalogue ??= new Catalogue(files, join(this.path, CATALOGUE_FILE));
    this.catalogue.rewrite(host, charts);
    this.countRewritten(this.catalogue);
    this.catalogue.close();
    files.syncDirectory(this.path);
    this.savedValues = values;
    this.trouble.recovered();
  }

  /** Work between two moments of a host that may leave in between: then nobody has to be told that it failed. */
  private async guardRound(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!this.hasLeft) this.trouble.fail(error);
    }
  }

  private startCatalogue(): void {
    const { files } = this.share;
    files.makeDirectory(this.path);
    const catalogue = this.catalogue ?? new Catalogue(files, join(this.path, CATALOGUE_FILE));
    if (this.mode === "map") {
      catalogue.rewrite(storedHost(this.host!, this.mode), this.charts.stored());
      this.countRewritten(catalogue);
    }
    this.catalogue = catalogue;
    this.segments.hasNewNames = true;
  }

  /** The names in the directory, and what the catalogue says, are on the disk then. */
  private async syncNames(): Promise<void> {
    const { files } = this.share;
    await files.sync(join(this.path, CATALOGUE_FILE));
    if (!this.segments.hasNewNames) return;
    files.syncDirectory(this.path);
    this.segments.hasNewNames = false;
  }

  /** Adds to the catalogue; while files cannot be used it waits for {@link recover}, which writes all of it. */
  private journal(put: (catalogue: Catalogue) => void): void {
    const { catalogue } = this;
    this.hasChanged = true;
    if (this.mode !== "map" || this.problem !== "" || catalogue === null) return;
    const before = catalogue.bytes;
    this.trouble.guard(() => put(catalogue));
    this.share.io.bytesWritten += catalogue.bytes - before;
  }

  private countRewritten({ bytes }: Catalogue): void {
    this.share.io.bytesWritten += bytes;
  }
}
