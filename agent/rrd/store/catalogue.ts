import { assert } from "../../base/assert.ts";
import type { Files, WritableFile } from "../../base/files.ts";
import {
  chartLine,
  dimensionsLine,
  goneLine,
  hostLine,
  type StoredChart,
  type StoredDimension,
  type StoredHost,
} from "./catalogue-format.ts";
import { CatalogueLines } from "./catalogue-lines.ts";
import type { CatalogueContent } from "./catalogue-read.ts";

/** The file system, as far as a catalogue needs it. */
export type CatalogueFiles = Pick<Files, "append" | "create" | "rename" | "remove">;

/** A smaller file is not worth the work, however little of it is of use. */
const REWRITE_BYTES_MIN = 65_536;
/** Bytes handed to the disk at once when the file is written anew. */
const BATCH_BYTES = 262_144;

/**
 * Writes the catalogue of one host; the format is in catalogue-format.ts. Each `put` is one write to the file, not
 * forced to the disk ({@link sync} does that). When one throws AgentError (disk full …), nothing was put: the file and
 * this object are as before, and the same call may be made again. The first write opens the file; so does the first one
 * after {@link close} or a failure.
 */
export class Catalogue implements Disposable {
  /** Length of the file, a rest that is still to be cut off left out. */
  bytes: number;
  private readonly files: CatalogueFiles;
  private readonly path: string;
  private lines: CatalogueLines;
  private file: WritableFile | null = null;
  /** The file may be longer than {@link bytes}: what came before us, or a write that failed, left a part of a line. */
  private isCutNeeded = true;
  /** Keys that a reader found out of date: told to be gone with the next line, or they would come back one day. */
  private staleKeys: readonly number[];

  /**
   * @param content what {@link readCatalogue} found in the file at `path`; its `lines` belong to the catalogue from now
   * on. Left out: a new file; one that is there loses what it has with the first write.
   */
  constructor(files: CatalogueFiles, path: string, content?: CatalogueContent) {
    assert(content?.isNewer !== true, "a catalogue of a newer version is not written to");
    this.files = files;
    this.path = path;
    this.lines = content?.lines ?? new CatalogueLines();
    this.bytes = content?.totalBytes ?? 0;
    this.staleKeys = content?.staleKeys ?? [];
  }

  /** Key for the next new chart: the smallest that was never used. */
  get nextKey(): number {
    return this.lines.nextKey;
  }

  /** Bytes of the file that are of use. */
  get liveBytes(): number {
    return this.lines.liveBytes;
  }

  putHost(host: StoredHost): void {
    const line = hostLine(host);
    this.append(line);
    this.lines.putHost(line.length);
  }

  /** Puts a new chart, or replaces all that was said of a known one. */
  putChart(chart: StoredChart): void {
    const revision = this.lines.revisionOf(chart.key) + 1;
    const line = chartLine(chart, revision);
    this.append(line);
    this.lines.putChart(chart.key, revision, chart.dimensions.length, line.length);
  }

  /**
   * Adds dimensions behind those of a chart, or replaces some.
   * @param key of a chart that was put.
   * @param first position of the first of `dimensions`, at most the number of those that the chart has.
   */
  putDimensions(key: number, first: number, dimensions: readonly StoredDimension[]): void {
    assert(this.lines.hasChart(key), "dimensions of a chart that is not in the catalogue");
    assert(first >= 0 && first <= this.lines.dimensionsOf(key), "dimensions of a chart leave a hole");
    if (dimensions.length === 0) return;
    const line = dimensionsLine(key, this.lines.revisionOf(key) + 1, first, dimensions);
    this.append(line);
    this.lines.putDimensions(key, first, dimensions.length, line.length);
  }

  /** The chart and its columns are given up; nothing happens when it is not in the catalogue. */
  removeChart(key: number): void {
    if (!this.lines.hasChart(key)) return;
    this.append(goneLine(key));
    this.lines.remove(key);
  }

  /**
   * Writes the file anew when more than half of it is of no use.
   * @param charts all charts that are to be in it; only asked for when it is written. @returns whether it was.
   */
  rewriteIfWorth(host: StoredHost, charts: Iterable<StoredChart>): boolean {
    if (this.bytes < REWRITE_BYTES_MIN || 2 * this.lines.liveBytes >= this.bytes) return false;
    this.rewrite(host, charts);
    return true;
  }

  /** Writes the file anew beside the old one, which it then replaces. As before when it throws AgentError. */
  rewrite(host: StoredHost, charts: Iterable<StoredChart>): void {
    const path = `${this.path}.tmp`;
    const lines = new CatalogueLines();
    let bytes = 0;
    try {
      bytes = this.writeAll(path, lines, host, charts);
      this.files.rename(path, this.path);
    } catch (error) {
      this.removeQuietly(path);
      throw error;
    }
    this.lines = lines;
    this.bytes = bytes;
    this.staleKeys = [];
    this.isCutNeeded = false;
    // It is the old file that is open.
    this.close();
  }

  /** Returns once the disk has all lines. */
  sync(): void {
    if (this.bytes > 0) this.open().sync();
  }

  /** Gives back the descriptor until the next write. */
  close(): void {
    const { file } = this;
    this.file = null;
    file?.[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** @returns bytes written. */
  private writeAll(path: string, lines: CatalogueLines, host: StoredHost, charts: Iterable<StoredChart>): number {
    using file = this.files.create(path);
    const first = hostLine(host);
    lines.putHost(first.length);
    let batch = [first];
    let batchBytes = first.length;
    let bytes = 0;
    const flush = () => {
      file.write(Buffer.concat(batch));
      bytes += batchBytes;
      batch = [];
      batchBytes = 0;
    };
    for (const chart of charts) {
      const line = chartLine(chart, 1);
      lines.putChart(chart.key, 1, chart.dimensions.length, line.length);
      batch.push(line);
      batchBytes += line.length;
      if (batchBytes >= BATCH_BYTES) flush();
    }
    if (lines.nextKey < this.lines.nextKey) {
      // The charts with the highest keys are gone: their keys must stay used.
      const line = goneLine(this.lines.nextKey - 1);
      lines.useKey(this.lines.nextKey - 1);
      batch.push(line);
      batchBytes += line.length;
    }
    // Once more: without one that can be read, all of the file would be of no use.
    batch.push(first);
    batchBytes += first.length;
    flush();
    file.sync();
    return bytes;
  }

  private append(line: Buffer): void {
    const bytes = this.staleKeys.length === 0 ? line : Buffer.concat([...this.staleKeys.map(goneLine), line]);
    const file = this.open();
    try {
      if (this.isCutNeeded) file.truncate(this.bytes);
      this.isCutNeeded = true;
      file.write(bytes);
      this.isCutNeeded = false;
    } catch (error) {
      this.cutQuietly(file);
      throw error;
    }
    this.bytes += bytes.length;
    this.staleKeys = [];
  }

  private open(): WritableFile {
    this.file ??= this.files.append(this.path);
    return this.file;
  }

  /** After a failed write: the file ends with its last whole line again, and is opened anew for the next one. */
  private cutQuietly(file: WritableFile): void {
    try {
      file.truncate(this.bytes);
      this.isCutNeeded = false;
    } catch {
      // Why the write failed is what the caller is told. The next write begins with the cut.
    }
    this.close();
  }

  private removeQuietly(path: string): void {
    try {
      this.files.remove(path);
    } catch {
      // Why the file could not be written or renamed is what the caller is told; the next attempt empties it.
    }
  }
}
