import { basename, join } from "node:path";
import type { Files } from "../../base/files.ts";
import type { StoredChart, StoredHost } from "./catalogue-format.ts";
import { type CatalogueContent, readCatalogue } from "./catalogue-read.ts";
import { CATALOGUE_FILE } from "./directory-share.ts";
import { phaseOf } from "./geometry.ts";
import {
  catalogueProblem,
  type HeldTimes,
  heldTimes,
  misfit,
  recordsByKey,
  type WantedSegment,
  wantedSegments,
} from "./restore-rules.ts";
import { segmentFileName, segmentNumber } from "./segment-file.ts";
import { SegmentReader } from "./segment-reader.ts";

/** Times a catalogue is read whose last line its agent is just writing. */
const ATTEMPTS_MAX = 3;

/** What reading needs of the machine. */
export interface ReaderShare {
  readonly files: Pick<Files, "list" | "read" | "open" | "size">;
  /** Checksum of the boot id of this machine. */
  readonly bootCrc: number;
  readonly nowSec: () => number;
}

/** The part of a chart that lies in one segment. */
export interface ChartPart {
  readonly chart: StoredChart;
  /** Positions of the dimensions that have their column there. */
  readonly indexes: number[];
}

/**
 * The files of one host, read as a start of its agent would read them, and left as they are: nothing is written,
 * renamed, mapped or locked. An agent may use them at the same time.
 */
export class HostReader {
  readonly path: string;
  /** The name of the directory. */
  readonly machineGuid: string;
  /** Null: there is none that can be used, see {@link problem}. */
  readonly content: CatalogueContent | null;
  /** Why the catalogue cannot be used; empty = it can. */
  readonly problem: string;
  /** Numbers of the segment files that are there. */
  readonly segmentNumbers: readonly number[];
  /** Names of files that were set aside because they could not be used. */
  readonly setAside: readonly string[];
  /** Segments that hold columns of charts, by number. */
  readonly wanted: ReadonlyMap<number, WantedSegment>;
  private readonly names: readonly string[];
  private readonly parts: ReadonlyMap<number, readonly ChartPart[]>;
  private readonly share: ReaderShare;

  /** @throws AgentError `file_…` when the directory or the catalogue cannot be read. */
  constructor(path: string, share: ReaderShare) {
    this.path = path;
    this.share = share;
    this.machineGuid = basename(path);
    // Before the segments: a chart that is added meanwhile is in a segment without being asked for, not the reverse.
    const content = this.readContent();
    this.problem = content === null ? "it is missing" : catalogueProblem(content, this.machineGuid);
    this.content = this.problem === "" ? content : null;
    this.names = share.files.list(path);
    const numbers = this.names.map(segmentNumber).filter((number) => number >= 0);
    this.segmentNumbers = numbers.sort((a, b) => a - b);
    this.wanted = wantedSegments(this.charts);
    this.parts = partsBySegment(this.charts);
    this.setAside = this.names.filter((name) => /\.bad-\d+$/.test(name));
  }

  get cataloguePath(): string {
    return join(this.path, CATALOGUE_FILE);
  }

  /** Null when the catalogue cannot be used. */
  get host(): StoredHost | null {
    return this.content?.host ?? null;
  }

  /** Whether anything was ever kept here; a host in mode `save` has an empty directory before its first save. */
  get isEmpty(): boolean {
    return this.problem === "it is missing" && this.segmentNumbers.length === 0 && this.setAside.length === 0;
  }

  /** Charts in the order of their keys. */
  get charts(): StoredChart[] {
    return [...(this.content?.charts.values() ?? [])].sort((a, b) => a.key - b.key);
  }

  /** Bytes of all files in the directory, those that were set aside included. */
  get diskBytes(): number {
    return this.names.reduce((sum, name) => sum + (this.share.files.size(join(this.path, name)) ?? 0), 0);
  }

  segmentPath(number: number): string {
    return join(this.path, segmentFileName(number));
  }

  /** Opens a segment; the caller disposes it. @returns what is wrong with it instead. @throws AgentError `file_…` */
  openSegment(number: number): SegmentReader | string {
    const { machineGuid, path, share } = this;
    const segment = SegmentReader.open(share.files, path, { number, machineGuid, bootCrc: share.bootCrc });
    const wanted = this.wanted.get(number);
    if (typeof segment === "string" || wanted === undefined) return segment;
    const problem = misfit(segment, wanted, phaseOf(machineGuid));
    if (problem !== "") segment[Symbol.dispose]();
    return problem === "" ? segment : problem;
  }

  /**
   * From when to when the files hold each chart, by key; a chart that they do not hold is left out. What an agent does
   * not show for its age after a start is among them.
   * @param visit sees each segment that can be read, one after the other, for as long as the call lasts.
   */
  chartTimes(visit: (segment: SegmentReader, number: number) => void = () => {}): Map<number, HeldTimes> {
    const all = new Map<number, HeldTimes>();
    const historyEntries = this.host?.historyEntries ?? 0;
    for (const number of this.segmentNumbers) {
      const opened = this.openSegment(number);
      if (typeof opened === "string") continue;
      using segment = opened;
      // Columns whose line was lost belong to nobody, and what they dated does not count.
      const keys = new Set(this.partsIn(number).map(({ chart }) => chart.key));
      for (const [key, record] of recordsByKey(segment, keys)) {
        const { updateEverySec } = segment;
        // Now, not before: a running agent dates its records while they are read.
        const nowSec = this.share.nowSec();
        const times = heldTimes([[segment, record]], { updateEverySec, historyEntries, nowSec });
        if (times !== null) all.set(key, widest(all.get(key), times));
      }
      visit(segment, number);
    }
    for (const [key, { firstSec, lastSec }] of all) {
      const stepSec = this.content!.charts.get(key)!.definition.updateEverySec;
      all.set(key, { firstSec: Math.max(firstSec, lastSec - (historyEntries - 1) * stepSec), lastSec });
    }
    return all;
  }

  /** The charts that have columns in a segment, in the order of their keys. */
  partsIn(number: number): readonly ChartPart[] {
    return this.parts.get(number) ?? [];
  }

  private readContent(): CatalogueContent | null {
    for (let attempt = 1; ; attempt++) {
      const bytes = this.share.files.read(join(this.path, CATALOGUE_FILE));
      if (bytes === null) return null;
      const content = readCatalogue(bytes);
      if (content.problems.at(-1)?.reason !== "cut" || attempt === ATTEMPTS_MAX) return content;
    }
  }
}

function partsBySegment(charts: readonly StoredChart[]): Map<number, ChartPart[]> {
  const all = new Map<number, ChartPart[]>();
  for (const chart of charts) {
    chart.dimensions.forEach(({ segment }, index) => {
      if (segment < 0) return;
      const parts = all.get(segment) ?? [];
      all.set(segment, parts);
      const last = parts.at(-1);
      if (last?.chart === chart) last.indexes.push(index);
      else parts.push({ chart, indexes: [index] });
    });
  }
  return all;
}

function widest(known: HeldTimes | undefined, times: HeldTimes): HeldTimes {
  if (known === undefined) return times;
  return { firstSec: Math.min(known.firstSec, times.firstSec), lastSec: Math.max(known.lastSec, times.lastSec) };
}
