import type { SimplePattern } from "../base/pattern.ts";
import type { SendBuffer } from "../base/send-buffer.ts";
import type { Chart } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import type { DimensionSet } from "../rrd/dimension.ts";
import { type Capabilities, PLAIN } from "../wire/capabilities.ts";
import { definitionLines, saysMore } from "../wire/encode.ts";
import {
  BEGIN_BYTES_MAX,
  beginHead,
  HeadPool,
  SetHeads,
  writeElapsed,
  writeHead,
  writeSets,
  written,
} from "../wire/encode-values.ts";
import { DIMENSION_TEXT_BYTES_MAX, isWireId } from "../wire/wire-text.ts";
import { WrittenRows } from "./written-rows.ts";

/** Heads of SET lines, shared by all charts of the process that have the same dimensions. */
export class SetHeadsCache {
  private readonly bySet = new WeakMap<DimensionSet, SetHeads>();

  of(set: DimensionSet): SetHeads {
    const known = this.bySet.get(set);
    if (known !== undefined) return known;
    const heads = new SetHeads(set.list.map(({ id }) => id));
    // A set that is not shared yet may still change.
    if (set.isShared) this.bySet.set(set, heads);
    return heads;
  }
}

/** One chart as one link knows it. */
class ChartState {
  readonly chart: Chart;
  /** Its BEGIN head in the pool: first word, bytes. */
  readonly beginStart: number;
  readonly beginBytes: number;
  /** Version of the chart at which the pattern was asked; 0 = not yet. */
  filterVersion = 0;
  isWanted = false;
  /** Version defined on this connection; 0 = none, or it is to be defined once more. */
  sentVersion = 0;
  /** The other end knows it. */
  isKnown = false;
  /** Iterations that still go out with 0 µs. */
  resyncLeft = 0;
  /** The child's own SET lines may be passed on: they name the dimensions as our definition does. */
  isVerbatim = false;
  heads: SetHeads | null = null;
  /** Its definition as lines, and the version these are of; kept as long as nothing could be sent. */
  definition: Buffer | null = null;
  definitionVersion = 0;

  constructor(chart: Chart, begins: HeadPool) {
    const head = beginHead(chart.id);
    this.chart = chart;
    this.beginStart = begins.add(head);
    this.beginBytes = head.length;
  }
}

/**
 * Turns commits of one host into the lines of one link, V1 protocol: definitions where this connection has not had
 * them, BEGIN with the right interval, and the values, copied from the child's own lines where they allow it.
 */
export class ChartStream {
  /** On this connection, by whoever writes its rows. */
  readonly written = new WrittenRows();
  private readonly buffer: SendBuffer;
  private readonly cache: SetHeadsCache;
  private pattern: SimplePattern;
  private resyncIterations: number;
  private readonly states: (ChartState | undefined)[] = [];
  private begins = new HeadPool(16);
  /** The kernel has been offered nothing of this connection yet. */
  private isUnsent = true;
  /** What the other end understands; as long as it has not answered, nothing but the base protocol. */
  private agreed: Capabilities = PLAIN;
  /** Intervals go out as they are from the first one on. */
  private isExact = false;

  constructor(buffer: SendBuffer, cache: SetHeadsCache, pattern: SimplePattern, resyncIterations: number) {
    this.buffer = buffer;
    this.cache = cache;
    this.pattern = pattern;
    this.resyncIterations = resyncIterations;
  }

  /** Takes a new pattern and count; the count holds from the next connection on. */
  configure(pattern: SimplePattern, resyncIterations: number): void {
    this.resyncIterations = resyncIterations;
    if (pattern.text === this.pattern.text) return;
    this.pattern = pattern;
    for (const state of this.states) if (state !== undefined) state.filterVersion = 0;
  }

  /** A new connection: nothing was said on it yet. What was kept of charts that are gone goes too. */
  restart(): void {
    this.states.length = 0;
    this.written.reset();
    this.begins = new HeadPool(16);
    this.isUnsent = true;
    this.agreed = PLAIN;
    this.isExact = false;
  }

  /** The connection stands: charts that were defined before are, if there is more to be said of them than was. */
  agree(agreed: Capabilities): void {
    this.agreed = agreed;
    for (const state of this.states) {
      if (state === undefined) continue;
      state.definition = null;
      if (saysMore(state.chart.dimensions.list, state.chart, agreed)) state.sentVersion = 0;
    }
  }

  /**
   * What was written for a connection that does not stand yet was thrown away, and newer values take its place. This
   * may happen every second for all charts, so their definitions are not made anew.
   */
  rewrite(): void {
    this.written.reset();
    for (const state of this.states) {
      if (state === undefined) continue;
      state.sentVersion = 0;
      state.isKnown = false;
      state.resyncLeft = Math.max(1, this.resyncIterations);
    }
  }

  /** The connection stands: no definition will be needed a second time. */
  settle(): void {
    if (!this.isUnsent) return;
    this.isUnsent = false;
    for (const state of this.states) if (state !== undefined) state.definition = null;
  }

  /** Every chart is defined once more before its next values. */
  repeatDefinitions(): void {
    for (const state of this.states) if (state !== undefined) state.sentVersion = 0;
  }

  /** The chart is retired: its last definition says so, where that was agreed. @returns false = the buffer is full. */
  retire(chart: Chart): boolean {
    const state = this.stateOf(chart);
    return (
      !this.agreed.obsolete || !state.isKnown || state.sentVersion === chart.version || this.writeDefinition(state)
    );
  }

  /** This link streams the chart. */
  wants(chart: Chart): boolean {
    const state = this.stateOf(chart);
    if (state.filterVersion !== chart.version) {
      const { id, name } = chart.definition;
      state.isWanted = this.pattern.matches(id) || (name !== id && this.pattern.matches(name));
      state.filterVersion = chart.version;
    }
    return state.isWanted;
  }

  /** Something of this chart was written on this connection. */
  has(chart: Chart): boolean {
    return this.stateOf(chart).sentVersion !== 0;
  }

  /**
   * Appends one iteration, BEGIN…END, definitions first if needed.
   * @param elapsedUs since the previous collection of the chart. @returns SETs appended, or −1: the buffer is full;
   * then nothing of the values was appended, and the call may be repeated.
   */
  write(chart: Chart, row: CollectedRow, elapsedUs: number): number {
    const state = this.stateOf(chart);
    if (state.sentVersion !== chart.version && !this.writeDefinition(state)) return -1;
    const raw = row.raw;
    const rawBytes = raw !== null && state.isVerbatim ? row.rawEnd - row.rawStart : 0;
    if (rawBytes === 0) return this.writeValues(state, row, elapsedUs);
    const { buffer } = this;
    if (!buffer.reserve(BEGIN_BYTES_MAX + rawBytes)) return -1;
    const at = this.writeBegin(state, elapsedUs);
    Buffer.prototype.copy.call(raw, buffer.bytes, at, row.rawStart, row.rawEnd);
    buffer.tail = at + rawBytes;
    this.written.add(1, row.setCount);
    return row.setCount;
  }

  private writeValues(state: ChartState, row: CollectedRow, elapsedUs: number): number {
    const { buffer } = this;
    state.heads ??= this.cache.of(state.chart.dimensions);
    if (!buffer.reserve(BEGIN_BYTES_MAX + state.heads.bytesMax)) return -1;
    const at = this.writeBegin(state, elapsedUs);
    buffer.tail = writeSets(buffer.view, at, state.heads, row);
    this.written.add(1, written.sets);
    return written.sets;
  }

  /** Room is reserved. @returns position behind the line; the tail stays. */
  private writeBegin(state: ChartState, elapsedUs: number): number {
    const { view, tail } = this.buffer;
    const at = writeHead(view, tail, this.begins.words, state.beginStart, state.beginBytes);
    if (state.resyncLeft === 0) return writeElapsed(view, at, elapsedUs);
    state.resyncLeft--;
    return writeElapsed(view, at, 0);
  }

  /** Writes the definition of a chart, whether it is known or not. @returns false when the buffer is full. */
  define(chart: Chart): boolean {
    return this.writeDefinition(this.stateOf(chart));
  }

  /** What is said of a chart next follows on its definition as it is now. @returns false when the buffer is full. */
  ensureDefined(chart: Chart): boolean {
    const state = this.stateOf(chart);
    return state.sentVersion === chart.version || this.writeDefinition(state);
  }

  /** The parent knows when each chart was collected last: no interval needs to be taken from its clock. */
  trustIntervals(): void {
    this.isExact = true;
  }

  private writeDefinition(state: ChartState): boolean {
    const { chart } = state;
    const { list } = chart.dimensions;
    const isKept = state.definition !== null && state.definitionVersion === chart.version;
    const lines = isKept ? state.definition! : Buffer.from(definitionLines(chart.definition, list, chart, this.agreed));
    if (!this.buffer.append(lines)) return false;
    if (this.isUnsent) {
      state.definition = lines;
      state.definitionVersion = chart.version;
    }
    state.sentVersion = chart.version;
    state.isKnown = true;
    state.isVerbatim = list.every(({ id }) => isWireId(id, DIMENSION_TEXT_BYTES_MAX));
    state.heads = null;
    return true;
  }

  private stateOf(chart: Chart): ChartState {
    const known = this.states[chart.index];
    if (known !== undefined && known.chart === chart) return known;
    const state = new ChartState(chart, this.begins);
    state.resyncLeft = this.isExact ? 0 : Math.max(1, this.resyncIterations);
    while (this.states.length < chart.index) this.states.push(undefined);
    this.states[chart.index] = state;
    return state;
  }
}
