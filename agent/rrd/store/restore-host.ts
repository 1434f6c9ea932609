import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { StoredChart } from "./catalogue-format.ts";
import { type CatalogueContent, readCatalogue } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare, type RestoreEvents } from "./directory-share.ts";
import { type Geometry, ringSlots, SEGMENT_COLUMNS } from "./geometry.ts";
import type { Segment } from "./segment.ts";
import { isWhole, openSegmentFile, resizedBuffer, segmentFileName, segmentNumber } from "./segment-file.ts";
import { readState } from "./segment-header.ts";

/** The directory of a host, as far as a restore needs it. */
export interface RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  /** Takes over a segment that was opened. @returns false = no room in memory. */
  adopt(number: number, segment: Segment): boolean;
  /** Puts a segment with content in the place of a file. @returns null = no room in memory. */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null;
  create(number: number, geometry: Geometry): Segment | null;
  /** Takes over a chart. @param sinceSec by dimension: what its column holds before is not its own. */
  adoptChart(chart: Chart, key: number, sinceSec: number[]): void;
}

/** The catalogue of a host directory, if it can be used. */
export function readHostCatalogue(path: string, machineGuid: string, share: DirectoryShare): CatalogueContent | null {
  const { events } = share;
  const file = join(path, CATALOGUE_FILE);
  const bytes = readOrSetAside(file, share);
  if (bytes === null) return null;
  const content = readCatalogue(bytes);
  let problem = "";
  if (content.isNewer) problem = "written by a newer version";
  else if (content.host === null) problem = "it names no host";
  else if (content.host.machineGuid !== machineGuid) problem = `it belongs to host ${content.host.machineGuid}`;
  if (problem !== "") {
    setAside(file, problem, share);
    return null;
  }
  for (const { line, reason } of content.problems.slice(0, 10)) events.leftOut(file, `line ${line}: ${reason}`);
  return content;
}

/** A catalogue that cannot be read must not be written over: perhaps it can be another day. */
function readOrSetAside(file: string, share: DirectoryShare): Buffer | null {
  try {
    return share.files.read(file);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    setAside(file, error.message, share);
    return null;
  }
}

/**
 * Opens the segments of a host and puts its charts, with what their rings hold, into the database.
 * @param content of its catalogue.
 */
export function restoreHost(
  host: Host,
  directory: RestoreTarget,
  content: CatalogueContent,
  share: DirectoryShare,
): void {
  new HostRestore(host, directory, content, share).run();
}

class HostRestore {
  private readonly host: Host;
  private readonly directory: RestoreTarget;
  private readonly content: CatalogueContent;
  private readonly share: DirectoryShare;
  private readonly events: RestoreEvents;
  /** By number: segments whose newest pages may be of an earlier lap, and those that are as they were left. */
  private readonly wholes = new Map<number, boolean>();
  /** By number: key of a chart → its record. */
  private readonly records = new Map<number, Map<number, number>>();

  constructor(host: Host, directory: RestoreTarget, content: CatalogueContent, share: DirectoryShare) {
    this.host = host;
    this.directory = directory;
    this.content = content;
    this.share = share;
    this.events = share.events;
  }

  run(): void {
    const charts = [...this.content.charts.values()].sort((a, b) => a.key - b.key);
    this.openSegments(charts);
    this.occupy(charts);
    for (const stored of charts) this.restoreChart(stored);
    // An agent that is killed again and again would never come to it.
    for (const segment of this.host.ring!.segments) segment.sealOver(this.share.nowSec());
  }

  /** Every segment that the catalogue names, in order; one that is missing or damaged begins anew. */
  private openSegments(charts: readonly StoredChart[]): void {
    const wanted = new Map<number, Geometry>();
    const slots = ringSlots(this.host.historyEntries);
    for (const { definition, dimensions } of charts) {
      const { updateEverySec } = definition;
      for (const { segment } of dimensions) {
        if (segment >= 0) wanted.set(segment, { columns: SEGMENT_COLUMNS, slots, updateEverySec });
      }
    }
    this.tidyUnwanted(wanted);
    const end = Math.max(-1, ...wanted.keys()) + 1;
    for (let number = 0; number < end; number++) {
      const geometry = wanted.get(number) ?? { columns: SEGMENT_COLUMNS, slots, updateEverySec: 1 };
      const segment = this.openSegment(number, geometry) ?? this.directory.create(number, geometry);
      if (segment === null) return;
      this.host.ring!.adopt(segment);
      if (!this.wholes.has(number)) this.wholes.set(number, true);
    }
  }

  /**
   * Segments in which no chart of the catalogue has a column: the next ones may take their place, unless their charts
   * were lost with their lines.
   */
  private tidyUnwanted(wanted: ReadonlyMap<number, Geometry>): void {
    const { files } = this.share;
    const { path } = this.directory;
    try {
      for (const name of files.list(path)) {
        const number = segmentNumber(name);
        if (number < 0 || wanted.has(number)) continue;
        if (this.content.problems.length === 0) files.remove(join(path, name));
        else setAside(join(path, name), "no chart of the catalogue is in it", this.share);
      }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.events.leftOut(path, error.message);
    }
  }

  /** @returns null when there is no such file that can be used; it was set aside then. */
  private openSegment(number: number, wanted: Geometry): Segment | null {
    const { files, bootCrc } = this.share;
    const path = join(this.directory.path, segmentFileName(number));
    const isMapped = this.directory.mode === "map";
    const { machineGuid } = this.host;
    let problem = "";
    let segment: Segment | null = null;
    try {
      if (files.size(path) === null) return null;
      const opened = openSegmentFile(files, path, { number, machineGuid, bootCrc, isMapped });
      if ("problem" in opened) problem = opened.problem;
      else {
        segment = opened.segment;
        problem = mismatch(segment, wanted);
      }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      problem = error.message;
    }
    if (segment !== null && problem === "") return this.takeOver(number, segment, wanted);
    this.setAsideQuietly(path, problem);
    return null;
  }

  /** When that fails too, the file is in the way of a new one, which is told when that is needed. */
  private setAsideQuietly(path: string, problem: string): void {
    try {
      setAside(path, problem, this.share);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.events.leftOut(path, problem);
    }
  }

  /** Gives up what a power cut may have spoilt, and fits the ring to the configured history. */
  private takeOver(number: number, segment: Segment, wanted: Geometry): Segment | null {
    const isUsedWhole = isWhole(segment.buffer, this.share.bootCrc);
    this.wholes.set(number, isUsedWhole);
    if (!isUsedWhole) segment.distrustOpenBlocks(readState(segment.buffer).flushedSec);
    const geometry = { ...wanted, columns: segment.columns };
    let taken: Segment | null = segment;
    if (segment.slots !== wanted.slots) {
      taken = this.directory.replace(number, resizedBuffer(segment, wanted.slots, this.share.nowSec()), geometry);
    } else if (!this.directory.adopt(number, segment)) taken = null;
    if (taken === null) this.events.leftOut(join(this.directory.path, segmentFileName(number)), "no room in memory");
    return taken;
  }

  /** Columns and records that the catalogue names are in use. */
  private occupy(charts: readonly StoredChart[]): void {
    const columns = new Map<number, Set<number>>();
    const keys = new Set(charts.map(({ key }) => key));
    for (const { dimensions } of charts) {
      for (const { segment, column } of dimensions) {
        if (segment < 0) continue;
        if (column >= (this.host.ring!.segments[segment]?.columns ?? 0)) continue;
        const used = columns.get(segment) ?? new Set();
        columns.set(segment, used.add(column));
      }
    }
    this.host.ring!.segments.forEach((segment, number) => {
      segment.columnPool.occupy(columns.get(number) ?? new Set());
      const records = new Map<number, number>();
      for (let record = 0; record < segment.columns; record++) {
        const key = segment.recordKey(record);
        if (keys.has(key) && !records.has(key)) records.set(key, record);
        // Its key may be given again, and must not find what another chart left.
        else if (key !== 0) segment.clearRecord(record);
      }
      segment.recordPool.occupy(new Set(records.values()));
      this.records.set(number, records);
    });
  }

  private restoreChart(stored: StoredChart): void {
    const { host } = this;
    const chart = host.restoreChart(stored.definition, stored.isObsolete, stored.dimensions);
    if (chart === null) {
      this.events.leftOut(join(this.directory.path, CATALOGUE_FILE), `chart ${stored.definition.id}: no room`);
      return;
    }
    const sinceSec = stored.dimensions.map((dimension) => dimension.sinceSec);
    this.directory.adoptChart(chart, stored.key, sinceSec);
    this.emptyColumns(stored);
    host.ring!.restore(chart, (number) => this.records.get(number)?.get(stored.key));
    host.ring!.eachRecord(chart, (segment, record) => segment.setRecordKey(record, stored.key));
    this.restoreTimes(chart);
  }

  /** Empties what columns of a chart hold that is not its own. */
  private emptyColumns({ key, definition, dimensions }: StoredChart): void {
    const ring = this.host.ring!;
    for (const { segment: number, column, sinceSec } of dimensions) {
      if (!ring.hasColumn(number, column, definition.updateEverySec)) continue;
      const segment = ring.segments[number]!;
      // Without a record nothing tells of when it is: the chart had given the column up, or lost the record.
      if (this.records.get(number)?.get(key) === undefined) segment.clearColumns([column]);
      // After a power cut a page may still show what its column held for its owner before.
      else if (this.wholes.get(number) === false) segment.clearColumnBefore(column, sinceSec);
    }
  }

  /** From when to when the ring holds a chart; what is in the future, or older than the ring, is not shown. */
  private restoreTimes(chart: Chart): void {
    const stepSec = chart.definition.updateEverySec;
    const nowSec = this.share.nowSec();
    let firstSec = Number.POSITIVE_INFINITY;
    let lastSec = 0;
    this.host.ring!.eachRecord(chart, (segment, record) => {
      const last = lastDated(segment, record, nowSec + stepSec);
      const first = segment.records[(record << 2) + 1]!;
      const isDated = first > 0 && first % stepSec === 0;
      // All of it is in the future: the clock was put back.
      if (last === 0 || (isDated && first > last)) return;
      lastSec = Math.max(lastSec, last);
      firstSec = Math.min(firstSec, isDated ? first : last - this.host.historyEntries * stepSec + stepSec);
    });
    if (lastSec === 0 || nowSec - lastSec > this.host.historyEntries * stepSec) return;
    chart.lastUpdatedUs = lastSec * 1e6;
    chart.slotsPassed = (lastSec - firstSec) / stepSec + 1;
  }
}

/**
 * The time of the newest slot of a chart that a segment can prove; 0 = none. When the clock was put back meanwhile,
 * that is the newest one that is not in the future.
 */
function lastDated(segment: Segment, record: number, maxSec: number): number {
  const stepSec = segment.updateEverySec;
  let best = 0;
  let isAhead = false;
  for (const at of [record << 2, (record << 2) + 3]) {
    const time = segment.records[at]!;
    if (!(time > 0 && time % stepSec === 0)) continue;
    if (time > maxSec) isAhead = true;
    else best = Math.max(best, time);
  }
  if (best === 0 && isAhead) best = Math.floor(maxSec / stepSec) * stepSec;
  return best === 0 || segment.holds(best) ? best : segment.newestHeldSec(best);
}

function mismatch(segment: Segment, { updateEverySec }: Geometry): string {
  if (segment.updateEverySec === updateEverySec) return "";
  return `it has an interval of ${segment.updateEverySec} s, the catalogue says ${updateEverySec} s`;
}

/** Segments whose catalogue is gone: the charts of the next one must not find themselves in them. */
export function setAsideSegments(path: string, share: DirectoryShare): void {
  for (const name of share.files.list(path)) {
    if (segmentNumber(name) >= 0) setAside(join(path, name), "there is no catalogue for it", share);
  }
}

/** Renames a file that cannot be used, and tells it. It is never deleted. */
export function setAside(path: string, problem: string, { files, nowSec, events }: DirectoryShare): void {
  const movedTo = `${path}.bad-${Math.floor(nowSec())}`;
  files.rename(path, movedTo);
  events.setAside(path, movedTo, problem);
}
