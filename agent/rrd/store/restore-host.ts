import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import type { StoredChart, StoredDimension } from "./catalogue-format.ts";
import { type CatalogueContent, readCatalogue } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare, type RestoreEvents } from "./directory-share.ts";
import { type Geometry, ringSlots, SEGMENT_COLUMNS } from "./geometry.ts";
import type { Segment } from "./segment.ts";
import {
  distrustAfterPowerCut,
  type OpenedSegment,
  openSegmentFile,
  resizedBuffer,
  segmentFileName,
  segmentNumber,
} from "./segment-file.ts";

/** The directory of a host, as far as a restore needs it. */
export interface RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  /** Takes over a segment that was opened. @param isMapped else it was read. @returns false = no room in memory. */
  adopt(number: number, segment: Segment, isMapped: boolean): boolean;
  /** Puts a segment with content in a file's place. @returns null = no room in memory. @throws AgentError `file_…` */
  replace(number: number, buffer: ArrayBuffer, geometry: Geometry): Segment | null;
  create(number: number, geometry: Geometry): Segment | null;
  /** Takes over a chart. @param sinceSec by dimension: what its column holds before is not its own. */
  adoptChart(chart: Chart, key: number, sinceSec: number[]): void;
  /** The files cannot be used as they should: until they can be, the host lives in memory. */
  fail(error: unknown): void;
}

/** The catalogue of a host directory, if it can be used. */
export function readHostCatalogue(path: string, machineGuid: string, share: DirectoryShare): CatalogueContent | null {
  const { events } = share;
  const file = join(path, CATALOGUE_FILE);
  const bytes = share.files.read(file);
  if (bytes === null) return null;
  const content = readCatalogue(bytes);
  const problem = catalogueProblem(content, machineGuid);
  if (problem !== "") {
    setAside(file, problem, share);
    return null;
  }
  for (const { line, reason } of content.problems.slice(0, 10)) events.leftOut(file, `line ${line}: ${reason}`);
  return content;
}

/** Why a catalogue cannot be used for a host; empty = it can. */
export function catalogueProblem(content: CatalogueContent, machineGuid: string): string {
  if (content.isNewer) return "written by a newer version";
  if (content.host === null) return "it names no host";
  return content.host.machineGuid === machineGuid ? "" : `it belongs to host ${content.host.machineGuid}`;
}

/** What a segment must be to hold the charts that the catalogue puts there. */
export interface WantedSegment {
  readonly updateEverySec: number;
  readonly columnsMin: number;
}

/** Segments that hold columns of charts, by number. */
export function wantedSegments(charts: Iterable<StoredChart>): Map<number, WantedSegment> {
  const wanted = new Map<number, WantedSegment>();
  for (const { definition, dimensions } of charts) {
    const { updateEverySec } = definition;
    for (const { segment, column } of dimensions) {
      const columnsMin = wanted.get(segment)?.columnsMin ?? 0;
      if (segment >= 0 && column >= columnsMin) wanted.set(segment, { updateEverySec, columnsMin: column + 1 });
    }
  }
  return wanted;
}

/** Records of a segment by the key of their chart. @param keys of the charts in the catalogue. */
export function recordsByKey(segment: Segment, keys: { has(key: number): boolean }): Map<number, number> {
  const records = new Map<number, number>();
  for (let record = 0; record < segment.columns; record++) {
    const key = segment.recordKey(record);
    if (keys.has(key) && !records.has(key)) records.set(key, record);
  }
  return records;
}

/** First and last slot of a chart that its ring shows, both inclusive. */
export interface HeldTimes {
  readonly firstSec: number;
  readonly lastSec: number;
}

/**
 * From when to when the ring holds a chart, by its records in all its segments; null = nothing that can be proved.
 * @param historyEntries slots that the ring shows at most. What lies in the future is not believed.
 */
export function heldTimes(
  records: Iterable<readonly [Segment, number]>,
  {
    updateEverySec: stepSec,
    historyEntries,
    nowSec,
  }: { updateEverySec: number; historyEntries: number; nowSec: number },
): HeldTimes | null {
  let firstSec = Number.POSITIVE_INFINITY;
  let lastSec = 0;
  for (const [segment, record] of records) {
    const last = lastDated(segment, record, nowSec + stepSec);
    if (last === 0) continue;
    lastSec = Math.max(lastSec, last);
    const first = segment.records[(record << 2) + 1]!;
    const isFirst = first > 0 && first <= last && first % stepSec === 0;
    firstSec = Math.min(firstSec, isFirst ? first : last - historyEntries * stepSec + stepSec);
  }
  return lastSec === 0 ? null : { firstSec, lastSec };
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
  /** By number of the segment. */
  private owned: ReadonlyMap<number, readonly StoredDimension[]> = new Map();
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
    this.owned = Map.groupBy(
      charts.flatMap(({ dimensions }) => dimensions),
      ({ segment }) => segment,
    );
    this.openSegments(charts);
    this.occupy(charts);
    this.host.pool.reserve(charts.reduce((sum, { dimensions }) => sum + dimensions.length, 0));
    for (const stored of charts) this.restoreChart(stored);
  }

  /** Every segment that the catalogue names, in order; one that is missing or damaged begins anew. */
  private openSegments(charts: readonly StoredChart[]): void {
    const wanted = wantedSegments(charts);
    const slots = ringSlots(this.host.historyEntries);
    const { phase } = this.host.ring!;
    for (const name of this.share.files.list(this.directory.path)) {
      const number = segmentNumber(name);
      if (number < 0 || wanted.has(number)) continue;
      this.clear(join(this.directory.path, name));
    }
    const end = Math.max(-1, ...wanted.keys()) + 1;
    for (let number = 0; number < end; number++) {
      const { updateEverySec, columnsMin } = wanted.get(number) ?? { updateEverySec: 1, columnsMin: 0 };
      const geometry = { columns: SEGMENT_COLUMNS, slots, updateEverySec, phase };
      const segment = this.openSegment(number, geometry, columnsMin) ?? this.directory.create(number, geometry);
      if (segment === null) return;
      this.host.ring!.adopt(segment);
    }
  }

  /** No chart has a column there: the next segment may take its place, unless its charts were lost with their lines. */
  private clear(path: string): void {
    try {
      if (this.content.problems.length === 0) this.share.files.remove(path);
      else setAside(path, "no chart of the catalogue is in it", this.share);
    } catch (error) {
      this.directory.fail(error);
    }
  }

  /** @returns null when there is no such file that can be used; a damaged one was set aside. */
  private openSegment(number: number, wanted: Geometry, columnsMin: number): Segment | null {
    const path = join(this.directory.path, segmentFileName(number));
    try {
      if (this.share.files.size(path) === null) return null;
      const { opened, isMapped } = this.open(path, number);
      const { phase } = this.host.ring!;
      const problem = "problem" in opened ? opened.problem : misfit(opened.segment, { ...wanted, columnsMin }, phase);
      if (problem !== "" || "problem" in opened) {
        setAside(path, problem, this.share);
        return null;
      }
      return this.takeOver(number, opened.segment, isMapped, wanted);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.events.leftOut(path, error.message);
      return null;
    }
  }

  /** Maps the file in mode `map`, else reads it. What cannot be mapped (a read-only disk) can often be read. */
  private open(path: string, number: number): { opened: OpenedSegment; isMapped: boolean } {
    const { files, bootCrc } = this.share;
    const expected = { number, machineGuid: this.host.machineGuid, bootCrc };
    if (this.directory.mode === "map") {
      try {
        return { opened: openSegmentFile(files, path, { ...expected, isMapped: true }), isMapped: true };
      } catch (error) {
        this.directory.fail(error);
      }
    }
    return { opened: openSegmentFile(files, path, { ...expected, isMapped: false }), isMapped: false };
  }

  /**
   * Gives up what a power cut may have spoilt, and fits the ring to the configured history. All of it is given up
   * before the file is marked as in use under this boot: after a kill in between it must not count as whole.
   */
  private takeOver(number: number, segment: Segment, isMapped: boolean, wanted: Geometry): Segment | null {
    // Then a page may also still show what a column held for its owner before.
    const isWhole = distrustAfterPowerCut(segment, this.share.bootCrc);
    if (!isWhole) segment.clearColumnsBefore(this.owned.get(number) ?? []);
    if (segment.slots === wanted.slots) return this.directory.adopt(number, segment, isMapped) ? segment : null;
    const geometry = { ...wanted, columns: segment.columns };
    return this.directory.replace(number, resizedBuffer(segment, wanted.slots), geometry);
  }

  /** Columns and records that the catalogue names are in use. */
  private occupy(charts: readonly StoredChart[]): void {
    const columns = new Map<number, Set<number>>();
    const keys = new Set(charts.map(({ key }) => key));
    for (const { dimensions } of charts) {
      for (const { segment, column } of dimensions) {
        if (segment < 0) continue;
        const used = columns.get(segment) ?? new Set();
        columns.set(segment, used.add(column));
      }
    }
    this.host.ring!.segments.forEach((segment, number) => {
      segment.columnPool.occupy(columns.get(number) ?? new Set());
      const records = recordsByKey(segment, keys);
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
    host.ring!.restore(chart, (number) => this.records.get(number)?.get(stored.key));
    host.ring!.eachRecord(chart, (segment, record) => segment.setRecordKey(record, stored.key));
    this.restoreTimes(chart);
  }

  /** What is older than the ring is not shown: the next slot of the chart would be a lap away. */
  private restoreTimes(chart: Chart): void {
    const { updateEverySec } = chart.definition;
    const { historyEntries } = this.host;
    const nowSec = this.share.nowSec();
    const records: [Segment, number][] = [];
    this.host.ring!.eachRecord(chart, (segment, record) => records.push([segment, record]));
    const times = heldTimes(records, { updateEverySec, historyEntries, nowSec });
    if (times === null || nowSec - times.lastSec > historyEntries * updateEverySec) return;
    chart.lastUpdatedUs = times.lastSec * 1e6;
    chart.slotsPassed = (times.lastSec - times.firstSec) / updateEverySec + 1;
  }
}

/** The time of the newest slot of a chart that a segment can prove; 0 = none. */
function lastDated(segment: Segment, record: number, maxSec: number): number {
  const stepSec = segment.updateEverySec;
  let best = 0;
  for (const at of [record << 2, (record << 2) + 3]) {
    const time = segment.records[at]!;
    if (!(time > best && time <= maxSec && time % stepSec === 0)) continue;
    best = Math.max(best, segment.holds(time) ? time : segment.newestHeldSec(time));
  }
  return best;
}

/** Why a segment cannot hold the charts that the catalogue puts there; empty = it can. */
export function misfit(segment: Segment, { updateEverySec, columnsMin }: WantedSegment, phase: number): string {
  if (segment.columns < columnsMin) {
    return `it has ${segment.columns} columns, the catalogue says at least ${columnsMin}`;
  }
  if (segment.phase !== phase) return `its blocks begin at a phase of ${segment.phase}, those of its host at ${phase}`;
  if (segment.updateEverySec === updateEverySec) return "";
  return `it has an interval of ${segment.updateEverySec} s, the catalogue says ${updateEverySec} s`;
}

/** Renames a file that cannot be used, and tells it. It is never deleted. */
export function setAside(path: string, problem: string, { files, nowSec, events }: DirectoryShare): void {
  const movedTo = `${path}.bad-${Math.floor(nowSec())}`;
  files.rename(path, movedTo);
  events.setAside(path, movedTo, problem);
}
