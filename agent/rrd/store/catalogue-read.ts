import { decodeChart, decodeDimensions, decodeHost } from "./catalogue-decode.ts";
import {
  CATALOGUE_VERSION,
  isCount,
  isKey,
  MORE_DIMENSIONS_AT,
  type StoredChart,
  type StoredDimension,
  type StoredHost,
  TRAILER_BYTES,
} from "./catalogue-format.ts";
import { CatalogueLines } from "./catalogue-lines.ts";
import { SEGMENT_COLUMNS } from "./geometry.ts";

/** What the lines of a catalogue say when they are read in turn. */
export interface CatalogueContent {
  /** Null: no host line could be read, or there is none. */
  readonly host: StoredHost | null;
  /** By key, in the order in which the charts appear first. No two have the same id or share a column. */
  readonly charts: ReadonlyMap<number, StoredChart>;
  /** Smallest key that no line names. */
  readonly nextKey: number;
  /** What was not taken, by line from 1; the first {@link PROBLEMS_MAX} of {@link problemCount}. */
  readonly problems: readonly { line: number; reason: string }[];
  readonly problemCount: number;
  /** Charts that were left out because a newer line gives their id or a column to another. */
  readonly staleKeys: readonly number[];
  /** Bytes of lines that still say something. */
  readonly liveBytes: number;
  /** Bytes up to the end of the last whole line: what comes behind is to be cut off before the next line is written. */
  readonly totalBytes: number;
  /** Written by a newer version: nothing was read, and the file must not be changed. */
  readonly isNewer: boolean;
  /** Account of the lines, for the writer that goes on with this file. */
  readonly lines: CatalogueLines;
}

const PROBLEMS_MAX = 100;
const TAB = 0x09;
const NEWLINE = 0x0a;
const CHECKSUM_DIGITS = 8;

/**
 * Reads a catalogue; the format is in catalogue-format.ts. Never throws, whatever the bytes. Time and memory are linear
 * in their number. The result keeps nothing of `bytes`.
 *
 * A damaged line costs just what it said. Its chart is read as the lines before it left it, which holds as long as its
 * columns have not been given to another chart since: then it is left out (`staleKeys`). A damaged line at the end is
 * the rest of a write that was cut short: problem `cut`.
 */
export function readCatalogue(bytes: Uint8Array): CatalogueContent {
  const reader = new CatalogueReader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  reader.readLines();
  reader.dropStale();
  return reader.content();
}

interface ReadChart {
  chart: StoredChart;
  /** Those of `chart`, which further lines change in place. */
  dimensions: StoredDimension[];
  /** The last line that counts for it. */
  line: number;
}

class CatalogueReader {
  private readonly bytes: Buffer;
  private readonly lines = new CatalogueLines();
  private readonly charts = new Map<number, ReadChart>();
  private readonly problems: { line: number; reason: string }[] = [];
  private problemCount = 0;
  private staleKeys: number[] = [];
  private host: StoredHost | null = null;
  private isNewer = false;
  /** Number of the line, from 1. */
  private line = 0;
  private totalBytes = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  /**
   * Finds the lines by their TAB as well as by their newline: a newline that was damaged costs nothing then. Both are
   * searched for only once they are passed, so no byte is looked at twice.
   */
  readLines(): void {
    const { bytes } = this;
    const { length } = bytes;
    let tab = -1;
    let newline = -1;
    for (let start = 0; start < length && !this.isNewer; start = this.totalBytes) {
      this.line++;
      if (tab < start) tab = this.find(TAB, start);
      if (newline < start) newline = this.find(NEWLINE, start);
      if (tab < newline && tab + TRAILER_BYTES <= length && this.isIntact(start, tab)) {
        this.totalBytes = tab + TRAILER_BYTES;
        if (newline !== this.totalBytes - 1) this.problem(this.line, "end of line");
        const reason = this.take(start, tab);
        if (reason !== "") this.problem(this.line, reason);
      } else if (newline >= length - 1) {
        this.problem(this.line, "cut");
        return;
      } else {
        this.problem(this.line, "checksum");
        this.totalBytes = newline + 1;
      }
    }
  }

  /**
   * Leaves out charts that lost a line, as far as it shows. Every chart read was true when the last line that counts
   * for it was written, so of two that claim the same, the one with the older line no longer has it.
   */
  dropStale(): void {
    const ids = new Set<string>();
    const claimed = new Map<number, Uint8Array>();
    for (const [key, read] of [...this.charts].sort(([, a], [, b]) => b.line - a.line)) {
      const { id } = read.chart.definition;
      let reason = "";
      if (ids.has(id)) reason = "its id has a newer owner";
      else if (hasTwins(read.dimensions)) reason = "two dimensions have the same id";
      else if (!claimColumns(read.dimensions, claimed)) reason = "a column of it has a newer owner";
      if (reason === "") {
        ids.add(id);
        continue;
      }
      this.problem(read.line, `chart ${key} left out: ${reason}`);
      this.charts.delete(key);
      this.lines.remove(key);
      this.staleKeys.push(key);
    }
  }

  content(): CatalogueContent {
    const charts = new Map<number, StoredChart>();
    for (const [key, { chart }] of this.charts) charts.set(key, chart);
    const { host, lines, problems, problemCount, staleKeys, totalBytes, isNewer } = this;
    const { nextKey, liveBytes } = lines;
    return { host, charts, nextKey, problems, problemCount, staleKeys, liveBytes, totalBytes, isNewer, lines };
  }

  private find(byte: number, start: number): number {
    const index = this.bytes.indexOf(byte, start);
    return index < 0 ? this.bytes.length : index;
  }

  private isIntact(start: number, tab: number): boolean {
    const { bytes } = this;
    let checksum = 0;
    for (let index = tab + 1; index <= tab + CHECKSUM_DIGITS; index++) {
      const digit = hexDigit(bytes[index]!);
      if (digit < 0) return false;
      checksum = checksum * 16 + digit;
    }
    return Bun.hash.crc32(bytes.subarray(start, tab)) === checksum;
  }

  /** @returns what is wrong with the line; empty if nothing is. */
  private take(start: number, tab: number): string {
    const values = parseArray(this.bytes, start, tab);
    if (values === null) return "no JSON array";
    const lineBytes = tab + TRAILER_BYTES - start;
    const kind = values[0];
    if (kind === "host") return this.takeHost(values, lineBytes);
    const key = values[1];
    if (kind !== "chart" && kind !== "dims" && kind !== "gone") return "unknown kind of line";
    if (!isKey(key)) return `${kind}: key`;
    this.lines.useKey(key);
    if (kind === "gone") {
      this.lines.remove(key);
      this.charts.delete(key);
      return "";
    }
    const revision = values[2];
    if (!isCount(revision, Number.MAX_SAFE_INTEGER) || revision === 0) return `${kind} ${key}: revision`;
    const reason =
      kind === "chart" ? this.takeChart(values, key, revision, lineBytes) : this.takeDimensions(values, key, lineBytes);
    return reason === "" ? "" : `${kind} ${key}: ${reason}`;
  }

  private takeHost(values: readonly unknown[], lineBytes: number): string {
    const version = values[1];
    if (!isCount(version, Number.MAX_SAFE_INTEGER) || version === 0) return "host: version";
    if (version > CATALOGUE_VERSION) {
      this.isNewer = true;
      this.host = null;
      this.charts.clear();
      return `written by a newer version (format ${version}, this one reads ${CATALOGUE_VERSION})`;
    }
    const host = decodeHost(values);
    if (typeof host === "string") return `host: ${host}`;
    this.host = host;
    this.lines.putHost(lineBytes);
    return "";
  }

  private takeChart(values: readonly unknown[], key: number, revision: number, lineBytes: number): string {
    const chart = decodeChart(values, key);
    if (typeof chart === "string") return chart;
    const dimensions = chart.dimensions as StoredDimension[];
    const known = this.charts.get(key);
    if (known === undefined) this.charts.set(key, { chart, dimensions, line: this.line });
    else {
      known.chart = chart;
      known.dimensions = dimensions;
      known.line = this.line;
    }
    this.lines.putChart(key, revision, dimensions.length, lineBytes);
    return "";
  }

  private takeDimensions(values: readonly unknown[], key: number, lineBytes: number): string {
    const known = this.charts.get(key);
    if (known === undefined) return "no such chart";
    if (values[2] !== this.lines.revisionOf(key) + 1) return "a line before it is missing";
    const first = values[3];
    if (!isCount(first, known.dimensions.length)) return "dimensions before it are missing";
    const dimensions = decodeDimensions(values, MORE_DIMENSIONS_AT);
    if (typeof dimensions === "string") return dimensions;
    for (let index = 0; index < dimensions.length; index++) known.dimensions[first + index] = dimensions[index]!;
    known.line = this.line;
    this.lines.putDimensions(key, first, dimensions.length, lineBytes);
    return "";
  }

  private problem(line: number, reason: string): void {
    this.problemCount++;
    if (this.problems.length < PROBLEMS_MAX) this.problems.push({ line, reason });
  }
}

/**
 * Claims all columns of a chart, or none of them.
 * @param claimed by segment, a byte a column. @returns true unless a column is claimed already, by itself included.
 */
function claimColumns(dimensions: readonly StoredDimension[], claimed: Map<number, Uint8Array>): boolean {
  for (let index = 0; index < dimensions.length; index++) {
    const { segment, column } = dimensions[index]!;
    if (segment < 0) continue;
    let columns = claimed.get(segment);
    if (columns === undefined) {
      columns = new Uint8Array(SEGMENT_COLUMNS);
      claimed.set(segment, columns);
    }
    if (columns[column] === 1) {
      for (const mine of dimensions.slice(0, index)) if (mine.segment >= 0) claimed.get(mine.segment)![mine.column] = 0;
      return false;
    }
    columns[column] = 1;
  }
  return true;
}

function hasTwins(dimensions: readonly StoredDimension[]): boolean {
  if (dimensions.length < 2) return false;
  return new Set(dimensions.map(({ dimension }) => dimension.id)).size < dimensions.length;
}

/** @returns the values, or null if the bytes are no JSON or no array. */
function parseArray(bytes: Buffer, start: number, end: number): unknown[] | null {
  try {
    const values: unknown = JSON.parse(bytes.toString("utf8", start, end));
    return Array.isArray(values) ? values : null;
  } catch {
    // What cannot be parsed, is nested too deep or too long for a string is no line of ours.
    return null;
  }
}

/** @returns 0 … 15, or −1 for all that our own writer does not write. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : -1;
}
