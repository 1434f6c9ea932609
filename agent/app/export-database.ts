import { counted } from "../base/counted.ts";
import { AgentError } from "../base/errors.ts";
import type { SimplePattern } from "../base/pattern.ts";
import { ByteBuffer } from "../format/byte-buffer.ts";
import { DECIMAL_BYTES_MAX } from "../format/decimal.ts";
import { writeFloat } from "../format/float-row.ts";
import { TILE_SLOTS } from "../rrd/store/geometry.ts";
import type { ChartPart, HostReader } from "../rrd/store/host-reader.ts";
import type { HeldTimes } from "../rrd/store/restore-rules.ts";
import type { SegmentReader } from "../rrd/store/segment-reader.ts";
import { DatabaseFiles, type InspectWorld } from "./database-files.ts";

/** A piece is handed on when it has this many bytes. */
const PIECE_BYTES = 65_536;
/** A number, and the few bytes behind it that writing it may touch. */
const ROW_ROOM = DECIMAL_BYTES_MAX + 16;
/** Hosts named in an error. */
const HOSTS_TOLD_MAX = 10;

/** What is exported, and how. */
export interface ExportOptions {
  readonly format: "csv" | "jsonl";
  /** Times as Unix seconds instead of ISO 8601 in UTC. */
  readonly isUnix: boolean;
  /** Hostname or machine GUID; null = all hosts. */
  readonly host: string | null;
  /** Of chart ids or names; null = all charts. */
  readonly charts: SimplePattern | null;
  /** Seconds, both inclusive. */
  readonly fromSec: number;
  readonly toSec: number;
}

/** How much was exported, and what there is. */
export interface ExportSummary {
  readonly rows: number;
  /** First and last second that the files hold of the charts asked for; 0 = none. */
  readonly oldestSec: number;
  readonly newestSec: number;
  /** Files that could not be used, in whole or in part, and why. */
  readonly leftOut: readonly string[];
}

/**
 * Every stored value as a row of time, host, chart id, dimension id and value; empty slots have none. Host by host,
 * segment by segment, chart by chart, oldest first. Memory holds one segment and one piece of text.
 * @param directory absolute: a state directory, its `db`, or a host's directory.
 * @yields pieces of text, valid until the next one is asked for.
 * @throws AgentError as {@link DatabaseFiles} does, `host_unknown`, `chart_unknown`: before the first piece.
 */
export function* exportDatabase(
  directory: string,
  options: ExportOptions,
  world: InspectWorld,
): Generator<Uint8Array, ExportSummary> {
  const database = new DatabaseFiles(directory, world);
  const rows = new RowWriter(options);
  const seen: string[] = [];
  let isHostKnown = false;
  for (const host of database.hosts()) {
    const hostname = host.host?.hostname ?? "";
    seen.push(hostname === "" ? host.machineGuid : hostname);
    if (options.host !== null && options.host !== hostname && options.host.toLowerCase() !== host.machineGuid) continue;
    isHostKnown = true;
    if (host.problem !== "") rows.leftOut.push(`${host.cataloguePath}: ${host.problem}`);
    yield* exportHost(host, options, rows);
  }
  if (!isHostKnown) throw unknownHost(database.directory, options.host, seen);
  if (!rows.isChartKnown && options.charts !== null) throw unknownChart(database.directory, options.charts.text);
  if (rows.length > 0) yield rows.take();
  const { count, oldestSec, newestSec, leftOut } = rows;
  return { rows: count, oldestSec, newestSec, leftOut };
}

function* exportHost(host: HostReader, options: ExportOptions, rows: RowWriter): Generator<Uint8Array> {
  const { charts } = options;
  const isWanted = ({ chart: { definition } }: ChartPart) =>
    charts === null || charts.matches(definition.id) || charts.matches(definition.name);
  const numbers = [...host.wanted.keys()].filter((number) => host.partsIn(number).some(isWanted));
  if (numbers.length === 0) return;
  rows.isChartKnown = true;
  const times = host.chartTimes();
  for (const number of numbers.sort((a, b) => a - b)) {
    const opened = host.openSegment(number);
    if (typeof opened === "string") {
      rows.leftOut.push(`${host.segmentPath(number)}: ${opened}`);
      continue;
    }
    using segment = opened;
    for (const part of host.partsIn(number)) {
      const held = times.get(part.chart.key);
      if (held === undefined || !isWanted(part)) continue;
      rows.see(held);
      yield* exportPart(host.host!.hostname, segment, part, clip(held, options, segment.updateEverySec), rows);
    }
    if (segment.corruptBlocks > 0) {
      rows.leftOut.push(`${host.segmentPath(number)}: ${counted(segment.corruptBlocks, "block")} with wrong checksums`);
    }
  }
}

function* exportPart(
  hostname: string,
  segment: SegmentReader,
  { chart, indexes }: ChartPart,
  { firstSec, lastSec }: HeldTimes,
  rows: RowWriter,
): Generator<Uint8Array> {
  const dimensions = indexes.map((index) => {
    const { column, sinceSec, dimension } = chart.dimensions[index]!;
    // After a power cut a page may still show what its column held for its owner before.
    const ownSec = segment.isWhole || segment.isEmptiedOnDisk(sinceSec) ? 0 : sinceSec;
    return { column, ownSec, names: rows.names(hostname, chart.definition.id, dimension.id) };
  });
  const { updateEverySec } = segment;
  for (let timeSec = firstSec; timeSec <= lastSec; ) {
    const slot = segment.slotOf(timeSec);
    const run = Math.min(TILE_SLOTS - (slot % TILE_SLOTS), (lastSec - timeSec) / updateEverySec + 1);
    const held = dimensions.filter(({ column }) => segment.holdsValues(timeSec, column * TILE_SLOTS));
    for (let i = 0; i < run && held.length > 0; i++) {
      const second = timeSec + i * updateEverySec;
      rows.time(second);
      for (const { column, ownSec, names } of held) {
        if (second < ownSec) continue;
        const value = segment.values[segment.valueIndex(slot + i, column * TILE_SLOTS)]!;
        if (Number.isFinite(value)) rows.put(names, value);
      }
      if (rows.length >= PIECE_BYTES) yield rows.take();
    }
    timeSec += run * updateEverySec;
  }
}

/** The slots within a range of time. */
function clip({ firstSec, lastSec }: HeldTimes, { fromSec, toSec }: ExportOptions, stepSec: number): HeldTimes {
  return {
    firstSec: Math.max(firstSec, Math.ceil(fromSec / stepSec) * stepSec),
    lastSec: Math.min(lastSec, Math.floor(toSec / stepSec) * stepSec),
  };
}

/** Rows as text, in pieces. */
class RowWriter {
  count = 0;
  isChartKnown = false;
  oldestSec = 0;
  newestSec = 0;
  readonly leftOut: string[] = [];
  private readonly buffer = new ByteBuffer(2 * PIECE_BYTES);
  private readonly isJson: boolean;
  private readonly isUnix: boolean;
  private readonly end: Buffer;
  private timeText: Buffer = Buffer.alloc(0);

  constructor({ format, isUnix }: ExportOptions) {
    this.isJson = format === "jsonl";
    this.isUnix = isUnix;
    this.end = Buffer.from(this.isJson ? "}\n" : "\n");
    if (!this.isJson) this.bytes(Buffer.from("time,host,chart,dimension,value\n"));
  }

  get length(): number {
    return this.buffer.length;
  }

  /** Charts that are exported are held from then to then. */
  see({ firstSec, lastSec }: HeldTimes): void {
    this.oldestSec = this.oldestSec === 0 ? firstSec : Math.min(this.oldestSec, firstSec);
    this.newestSec = Math.max(this.newestSec, lastSec);
  }

  /** What stands between the time and the value of a row. */
  names(host: string, chart: string, dimension: string): Buffer {
    if (!this.isJson) return Buffer.from(`,${csvText(host)},${csvText(chart)},${csvText(dimension)},`);
    const texts = [host, chart, dimension].map((text) => JSON.stringify(text));
    return Buffer.from(`,"host":${texts[0]},"chart":${texts[1]},"dimension":${texts[2]},"value":`);
  }

  /** The time of the rows that follow. */
  time(timeSec: number): void {
    const text = this.isUnix ? String(timeSec) : new Date(timeSec * 1000).toISOString().replace(".000", "");
    this.timeText = Buffer.from(!this.isJson ? text : `{"time":${this.isUnix ? text : `"${text}"`}`);
  }

  put(names: Buffer, value: number): void {
    const { buffer } = this;
    this.bytes(this.timeText);
    this.bytes(names);
    buffer.reserve(ROW_ROOM);
    buffer.length = writeFloat(buffer.view, buffer.length, value);
    this.bytes(this.end);
    this.count++;
  }

  /** Everything written since the last time, valid until the next row. */
  take(): Uint8Array {
    const { bytes, length } = this.buffer;
    this.buffer.length = 0;
    return bytes.subarray(0, length);
  }

  private bytes(text: Uint8Array): void {
    this.buffer.reserve(text.length);
    this.buffer.bytes.set(text, this.buffer.length);
    this.buffer.length += text.length;
  }
}

/** Quoted as RFC 4180 says where that is needed. */
function csvText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function unknownHost(directory: string, asked: string | null, seen: readonly string[]): AgentError {
  const more = seen.length > HOSTS_TOLD_MAX ? [`and ${seen.length - HOSTS_TOLD_MAX} more`] : [];
  const hosts = [...seen.slice(0, HOSTS_TOLD_MAX), ...more].join(", ");
  return new AgentError("host_unknown", `${directory}: no host "${asked}"\n  hint: hosts that are there: ${hosts}`);
}

function unknownChart(directory: string, asked: string): AgentError {
  const hint = "ids and names of charts count, * stands for any characters; without --chart all are exported";
  return new AgentError("chart_unknown", `${directory}: no chart "${asked}" of these hosts\n  hint: ${hint}`);
}
