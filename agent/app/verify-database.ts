import { counted } from "../base/counted.ts";
import { AgentError, errorText } from "../base/errors.ts";
import { TILE_SLOTS } from "../rrd/store/geometry.ts";
import type { ChartPart, HostReader } from "../rrd/store/host-reader.ts";
import { recordsByKey } from "../rrd/store/restore-rules.ts";
import type { SegmentReader } from "../rrd/store/segment-reader.ts";
import { DatabaseFiles, type InspectWorld } from "./database-files.ts";

/** One thing that is wrong with the files of a database, or worth knowing. */
export interface VerifyFinding {
  /** Notes are as they should be after what happened to the machine; problems are not. */
  readonly kind: "problem" | "note";
  /** Absolute. */
  readonly file: string;
  readonly what: string;
  /** What of the data it costs. */
  readonly cost: string;
}

/** How far it is; told before each file. */
export interface VerifyProgress {
  readonly kind: "progress";
  readonly file: string;
}

export interface VerifySummary {
  readonly hosts: number;
  readonly segments: number;
  /** Sealed blocks whose checksums were computed. */
  readonly blocks: number;
  readonly problems: number;
}

/** What the catalogue's reader says of a line and what that line cost; any other: {@link LINE_COST}. */
const LINE_COSTS: readonly (readonly [pattern: RegExp, cost: string])[] = [
  [/^cut$/, "a definition whose writing was cut short; it is written again when its chart is next defined"],
  [/^end of line$/, "nothing, the line itself is whole"],
  [/left out: /, "what is stored of this chart"],
];
/** Dates from here on were never meant as such. */
const FAR_SEC = 1e10;
/** Dimensions that are named one by one. */
const NAMES_MAX = 3;
/** Marks of resets, or a column that no dimension has. */
const NO_VALUES = "no values, at most the marks of counters that were reset";
const LINE_COST = "what this line said; its chart is as the lines before left it";

/**
 * Checks every line, header, sealed block and record of a database; memory holds one segment at a time.
 * @param directory absolute: a state directory, its `db`, or a host's directory. @throws as {@link DatabaseFiles} does.
 */
export function* verifyDatabase(
  directory: string,
  world: InspectWorld,
): Generator<VerifyFinding | VerifyProgress, VerifySummary> {
  const sum = { hosts: 0, segments: 0, blocks: 0, problems: 0 };
  for (const host of new DatabaseFiles(directory, world).hosts()) {
    sum.hosts++;
    for (const step of verifyHost(host, world.nowSec, sum)) {
      if (step.kind === "problem") sum.problems++;
      yield step;
    }
  }
  return sum;
}

function* verifyHost(
  host: HostReader,
  nowSec: () => number,
  sum: { segments: number; blocks: number },
): Generator<VerifyFinding | VerifyProgress> {
  yield* catalogueFindings(host);
  const numbers = new Set([...host.segmentNumbers, ...host.wanted.keys()]);
  let cutSegments = 0;
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const file = host.segmentPath(number);
    yield { kind: "progress", file };
    sum.segments++;
    try {
      const opened = host.openSegment(number);
      if (typeof opened === "string") {
        yield problem(file, opened, `the history of ${partsText(host.partsIn(number))}`);
        continue;
      }
      using segment = opened;
      if (!segment.isWhole) cutSegments++;
      yield* recordFindings(host, number, segment, nowSec());
      sum.blocks += segment.sealedBlocks().length;
      yield* blockFindings(host, number, segment);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      yield problem(file, errorText(error), `the history of ${partsText(host.partsIn(number))}, as long as it lasts`);
    }
  }
  if (cutSegments > 0) yield powerCutNote(host, cutSegments);
}

function* catalogueFindings(host: HostReader): Generator<VerifyFinding> {
  const file = host.cataloguePath;
  const { content } = host;
  if (content === null) {
    yield problem(file, host.problem, "all that is stored of this host: nothing else says what is in its segments");
    return;
  }
  for (const { line, reason } of content.problems) {
    const cost = LINE_COSTS.find(([pattern]) => pattern.test(reason))?.[1] ?? LINE_COST;
    yield problem(`${file}:${line}`, reason, cost);
  }
  const more = content.problemCount - content.problems.length;
  if (more > 0) yield problem(file, `${more} more such lines`, "what these lines said");
}

/** Blocks are known by their stamps, and what a sealed one holds by the checksum of each tile. */
function* blockFindings(host: HostReader, number: number, segment: SegmentReader): Generator<VerifyFinding> {
  const file = host.segmentPath(number);
  const blockSec = TILE_SLOTS * segment.updateEverySec;
  const { undatedBlocks } = segment;
  if (undatedBlocks > 0) {
    const cost = `${undatedBlocks * blockSec} s of ${partsText(host.partsIn(number))}`;
    yield problem(file, `the time of ${counted(undatedBlocks, "block")} is damaged`, cost);
  }
  for (const block of segment.sealedBlocks()) {
    const startSec = Math.abs(segment.stamps[block]!);
    const tiles = segment.damagedTiles(block);
    // A block that its agent has taken for another lap meanwhile is none of those that were to be checked.
    if (tiles.length === 0 || Math.abs(segment.stamps[block]!) !== startSec) continue;
    const sums = tiles.length === 1 ? "a checksum" : `${tiles.length} checksums`;
    const what = `${sums} of the block from ${isoTime(startSec)} on ${tiles.length === 1 ? "is" : "are"} wrong`;
    const parts = damagedParts(host.partsIn(number), tiles);
    yield problem(file, what, parts.length === 0 ? NO_VALUES : `${blockSec} s of ${namedText(parts)}`);
  }
}

/** The dimensions of a segment whose values are in some tiles. */
function damagedParts(parts: readonly ChartPart[], tiles: readonly number[]): ChartPart[] {
  const damaged = new Set(tiles);
  return parts
    .map(({ chart, indexes }) => ({
      chart,
      indexes: indexes.filter((index) => damaged.has(chart.dimensions[index]!.column)),
    }))
    .filter(({ indexes }) => indexes.length > 0);
}

/** Records tell which chart a segment holds and up to when. */
function* recordFindings(
  host: HostReader,
  number: number,
  segment: SegmentReader,
  nowSec: number,
): Generator<VerifyFinding> {
  const file = host.segmentPath(number);
  const records = recordsByKey(segment, host.content?.charts ?? new Map());
  for (const { chart, indexes } of host.partsIn(number)) {
    const { id } = chart.definition;
    const record = records.get(chart.key);
    if (record === undefined) {
      yield problem(file, `no record of chart ${id}`, `the history of ${counted(indexes.length, "dimension")} of it`);
      continue;
    }
    const dates = [segment.records[record << 2]!, segment.records[(record << 2) + 3]!];
    const bad = dates.filter((date) => !isDate(date, segment.updateEverySec, nowSec));
    if (bad.length === 0) continue;
    const what = `the record of chart ${id} is dated ${bad.map((date) => dateText(date, nowSec)).join(" and ")}`;
    const isLost = dates.every((date) => date === 0 || bad.includes(date));
    yield problem(
      file,
      what,
      isLost ? `the history of ${counted(indexes.length, "dimension")} of it` : "nothing, its copy counts",
    );
  }
}

/** 0 = nothing is stored yet. */
function isDate(date: number, stepSec: number, nowSec: number): boolean {
  return date >= 0 && date <= nowSec + stepSec && date % stepSec === 0;
}

function dateText(date: number, nowSec: number): string {
  if (!(date > nowSec)) return "impossibly";
  return date < FAR_SEC ? `${isoTime(date)}, in the future` : "impossibly";
}

function powerCutNote(host: HostReader, segments: number): VerifyFinding {
  const what = `not closed before the machine was started anew, ${counted(segments, "segment")}`;
  const cost = "their newest one to three blocks of 64 slots, and later changes: the disk may not have them in whole";
  return { kind: "note", file: host.path, what, cost };
}

function partsText(parts: readonly ChartPart[]): string {
  const dimensions = parts.reduce((sum, { indexes }) => sum + indexes.length, 0);
  return `${counted(dimensions, "dimension")} of ${counted(parts.length, "chart")}`;
}

/** {@link partsText}, or the names of a few dimensions. */
function namedText(parts: readonly ChartPart[]): string {
  const names = parts.flatMap(({ chart, indexes }) => {
    return indexes.map((index) => `${chart.definition.id} ${chart.dimensions[index]!.dimension.id}`);
  });
  return names.length > NAMES_MAX ? partsText(parts) : names.join(", ");
}

function problem(file: string, what: string, cost: string): VerifyFinding {
  return { kind: "problem", file, what, cost };
}

function isoTime(timeSec: number): string {
  const date = new Date(timeSec * 1000);
  return Number.isNaN(date.getTime()) ? `second ${timeSec}` : date.toISOString().replace(".000", "");
}
