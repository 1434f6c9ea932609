import { join } from "node:path";
import { AgentError } from "../../base/errors.ts";
import type { Chart } from "../chart.ts";
import type { Host } from "../host.ts";
import { missFrom } from "../missing.ts";
import type { StoredChart, StoredDimension } from "./catalogue-format.ts";
import { type CatalogueContent, readCatalogue } from "./catalogue-read.ts";
import { CATALOGUE_FILE, type DirectoryShare, type RestoreEvents } from "./directory-share.ts";
import { type Geometry, ringSlots, SEGMENT_COLUMNS, TILE_SLOTS } from "./geometry.ts";
import { newestHeldSec } from "./newest-held.ts";
import { distrustAfterPowerCut } from "./power-cut.ts";
import { isLeftover, setAside } from "./quarantine.ts";
import { catalogueProblem, heldTimes, misfit, recordsByKey, wantedSegments } from "./restore-rules.ts";
import type { Segment } from "./segment.ts";
import { type OpenedSegment, openSegmentFile, resizedBuffer, segmentFileName, segmentNumber } from "./segment-file.ts";

/** The directory of a host, as far as a restore needs it. */
export interface RestoreTarget {
  readonly path: string;
  readonly mode: "save" | "map";
  /** Takes over a segment that was opened. @param isMapped else it was read. @returns false = no room in memory. */
  adopt(number: number, segment: Segment, isMapped: boolean): boolean;
  /** Counts what is damaged of a segment that was opened. */
  watch(number: number, segment: Segment): void;
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
  const bytes = readOrSetAside(file, share);
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

/**
 * Slots before the newest one that a power cut may have made holes in: the kernel writes pages within half a minute, in
 * any order, and blocks that are sealed say whether they are whole.
 */
const DOUBTFUL_SLOTS = 4 * TILE_SLOTS;

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
  /** No power cut has taken anything. */
  private isWhole = true;

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
    missFrom(this.host, this.content.host?.missingFromSec ?? 0);
    // An agent that is killed again and again would never come to it.
    for (const segment of this.host.ring!.segments) segment.sealOld(this.share.nowSec());
  }

  /** Every segment that the catalogue names, in order; one that is missing or damaged begins anew. */
  private openSegments(charts: readonly StoredChart[]): void {
    const wanted = wantedSegments(charts);
    const slots = ringSlots(this.host.historyEntries);
    this.tidyUnwanted(wanted);
    const { phase } = this.host.ring!;
    const end = Math.max(-1, ...wanted.keys()) + 1;
    for (let number = 0; number < end; number++) {
      const { updateEverySec, columnsMin } = wanted.get(number) ?? { updateEverySec: 1, columnsMin: 0 };
      const geometry = { columns: SEGMENT_COLUMNS, slots, updateEverySec, phase };
      const segment = this.openSegment(number, geometry, columnsMin) ?? this.directory.create(number, geometry);
      if (segment === null) return;
      this.host.ring!.adopt(segment);
    }
  }

  /**
   * Segments in which no chart of the catalogue has a column: the next ones may take their place, unless their charts
   * were lost with their lines. What was left of files that were being written goes.
   */
  private tidyUnwanted(wanted: ReadonlyMap<number, unknown>): void {
    const { files } = this.share;
    const { path } = this.directory;
    try {
      for (const name of files.list(path)) {
        if (isLeftover(name)) files.remove(join(path, name));
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
  private openSegment(number: number, wanted: Geometry, columnsMin: number): Segment | null {
    const path = join(this.directory.path, segmentFileName(number));
    let problem = "";
    try {
      if (this.share.files.size(path) === null) return null;
      const { opened, isMapped } = this.open(path, number);
      if ("problem" in opened) problem = opened.problem;
      else {
        problem = misfit(opened.segment, { ...wanted, columnsMin }, this.host.ring!.phase);
        if (problem === "") return this.takeOver(number, opened.segment, isMapped, wanted);
      }
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      problem = error.message;
    }
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
    this.directory.watch(number, segment);
    // Then a page may also still show what a column held for its owner before, unless it was flushed since.
    const { isWhole, lostFromSec } = distrustAfterPowerCut(segment, this.share.bootCrc);
    if (!isWhole) {
      this.isWhole = false;
      const owned = this.owned.get(number) ?? [];
      segment.clearColumnsBefore(owned.filter(({ sinceSec }) => !segment.isEmptiedOnDisk(sinceSec)));
      const doubtfulSec = newestHeldSec(segment, this.share.nowSec()) - DOUBTFUL_SLOTS * segment.updateEverySec;
      // Whoever sends the host is asked for it once more.
      missFrom(this.host, Math.floor(Math.min(lostFromSec, doubtfulSec)));
    }
    const geometry = { ...wanted, columns: segment.columns };
    let taken: Segment | null = segment;
    if (segment.slots !== wanted.slots) {
      taken = this.directory.replace(number, resizedBuffer(segment, wanted.slots, this.share.nowSec()), geometry);
    } else if (!this.directory.adopt(number, segment, isMapped)) taken = null;
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
      const records = recordsByKey(segment, keys);
      const kept = new Set(records.values());
      for (let record = 0; record < segment.columns; record++) {
        // Its key may be given again, and must not find what another chart left.
        if (segment.recordKey(record) !== 0 && !kept.has(record)) segment.clearRecord(record);
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
    // What was fetched for times before the chart was here has gone with what its columns may have held before.
    const firstSec = chart.firstEntrySec + chart.definition.updateEverySec;
    if (!this.isWhole && chart.slotsPassed > 0 && firstSec < Math.max(0, ...sinceSec)) missFrom(host, firstSec);
  }

  /** Empties what columns of a chart hold that is not its own. */
  private emptyColumns({ key, definition, dimensions }: StoredChart): void {
    const ring = this.host.ring!;
    for (const { segment: number, column } of dimensions) {
      if (!ring.hasColumn(number, column, definition.updateEverySec)) continue;
      const segment = ring.segments[number]!;
      // Without a record nothing tells of when it is: the chart had given the column up, or lost the record.
      if (this.records.get(number)?.get(key) === undefined) segment.clearColumns([column]);
    }
  }

  /** From when to when the ring holds a chart; what is in the future, or older than the ring, is not shown. */
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
