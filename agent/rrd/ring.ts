import { assert } from "../base/assert.ts";
import type { Chart } from "./chart.ts";
import { RESET_FLAG } from "./counter-drop.ts";
import type { DimensionPool } from "./dimension-pool.ts";
import { AHEAD_US_MAX } from "./interval.ts";
import { ringSlots, SEGMENT_COLUMNS, SEGMENT_COLUMNS_SMALL, segmentBytes, TILE_SLOTS } from "./store/geometry.ts";
import type { Segment } from "./store/segment.ts";
import type { SegmentStore } from "./store/segment-store.ts";

/** Segment number of a dimension whose column is chosen at the next commit, when the whole chart is known. */
export const UNPLACED = 0xffff;
/** Segment number of a dimension for which there was no room: its values are dropped, counted `no_space`. */
export const NO_SEGMENT = 0xfffe;

/**
 * Opens the slot of a time in a segment. A lap of the future was written under a clock that has been put right since:
 * it must not bar the slot for years.
 * @param nowUs wall clock. @returns false when the block holds a later lap.
 */
export function openSlot(segment: Segment, timeSec: number, nowUs: number): boolean {
  if (segment.openFor(timeSec)) return true;
  if (segment.stampOf(timeSec) * 1e6 <= nowUs + AHEAD_US_MAX) return false;
  segment.wipeFor(timeSec);
  return true;
}

/** All segments of one host: gives columns to dimensions and takes them back. */
export class Ring {
  readonly segments: Segment[] = [];
  private readonly store: SegmentStore;
  /** Of all its segments. */
  readonly phase: number;
  private readonly slots: number;
  private readonly refused: (bytes: number) => void;
  /** By segment number: the charts with columns there, and their record. */
  private readonly records: Map<Chart, number>[] = [];

  /**
   * @param history entries that must stay readable. @param phase slots, 0 … 63, by which blocks begin earlier.
   * @param refused called when there is no room for a segment.
   */
  constructor(store: SegmentStore, history: number, phase: number, refused: (bytes: number) => void) {
    this.store = store;
    this.phase = phase;
    this.refused = refused;
    this.slots = ringSlots(history);
  }

  /** Bytes of all segments. */
  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segmentBytes(segment), 0);
  }

  /** Gives a column to each {@link UNPLACED} dimension of a chart, all in one segment if they fit in one. */
  place(chart: Chart): void {
    const { pool } = chart.host;
    const end = chart.start + chart.dimensions.count;
    const unplaced: number[] = [];
    for (let place = chart.start; place < end; place++) if (pool.segment[place] === UNPLACED) unplaced.push(place);
    while (unplaced.length > 0) {
      const number = this.segmentFor(chart, unplaced.length);
      const columns = number === NO_SEGMENT ? null : this.segments[number]!.takeColumns(unplaced.length);
      const placed = unplaced.splice(0, columns?.length ?? unplaced.length);
      placed.forEach((place, index) => {
        pool.segment[place] = number;
        if (columns !== null) pool.tile[place] = columns[index]! << 6;
      });
    }
    this.settle(chart);
  }

  /** Whether there is such a column, for charts of an update_every. */
  hasColumn(number: number, column: number, updateEverySec: number): boolean {
    const segment = this.segments[number];
    return segment !== undefined && segment.updateEverySec === updateEverySec && column < segment.columns;
  }

  /** Takes the next segment of a host that is restored, in the order of numbers. */
  adopt(segment: Segment): void {
    this.segments.push(segment);
    this.records.push(new Map());
  }

  /**
   * Takes in a chart whose columns are known. @param recordOf its record in a segment, if it has one there.
   */
  restore(chart: Chart, recordOf: (number: number) => number | undefined): void {
    const { pool } = chart.host;
    for (let place = chart.start; place < chart.start + chart.dimensions.count; place++) {
      const number = pool.segment[place]!;
      const record = number < NO_SEGMENT ? recordOf(number) : undefined;
      if (record !== undefined) this.records[number]!.set(chart, record);
    }
    this.settle(chart);
  }

  /** Each segment that holds columns of a chart, with the chart's record there. */
  eachRecord(chart: Chart, each: (segment: Segment, record: number) => void): void {
    this.records.forEach((records, number) => {
      const record = records.get(chart);
      if (record !== undefined) each(this.segments[number]!, record);
    });
  }

  /** Takes back all columns of a chart; its dimensions are {@link UNPLACED} then. */
  release(chart: Chart): void {
    const { pool } = chart.host;
    for (let place = chart.start; place < chart.start + chart.dimensions.count; place++) {
      const number = pool.segment[place]!;
      pool.segment[place] = UNPLACED;
      if (number >= NO_SEGMENT) continue;
      this.segments[number]!.giveColumn(pool.tile[place]! >> 6);
      const record = this.records[number]!.get(chart);
      if (record !== undefined) this.segments[number]!.giveRecord(record);
      this.records[number]!.delete(chart);
    }
    chart.segment = null;
    chart.firstTile = -1;
  }

  /** Empties the column of a dimension, which keeps it. @param place of the dimension in the pool of its host. */
  clearColumn(place: number, pool: DimensionPool): void {
    this.segments[pool.segment[place]!]?.clearColumns([pool.tile[place]! >> 6]);
  }

  /** Record of a chart in a segment that holds at least one of its columns. */
  recordOf(chart: Chart, number: number): number {
    const record = this.records[number]!.get(chart);
    assert(record !== undefined, "a chart has columns but no record in a segment");
    return record;
  }

  /** Whether a counter of the chart was reset in the slot of a time; nothing happens if the slot is not held. */
  setReset(chart: Chart, timeSec: number, isReset: boolean): void {
    const segment = this.flagSegment(chart);
    if (segment === null || !segment.holds(timeSec)) return;
    const at = this.flagIndex(chart, segment, timeSec);
    const flags = segment.holdsFlags(timeSec, this.flagRecord(chart)) ? segment.flags[at]! : 0;
    const wanted = isReset ? flags | RESET_FLAG : flags & ~RESET_FLAG;
    // Opened once more: a sealed block must know of every change.
    if (wanted !== flags && segment.openFor(timeSec)) segment.flags[at] = wanted;
  }

  /** True if {@link setReset} marked the slot. */
  isReset(chart: Chart, timeSec: number): boolean {
    const segment = this.flagSegment(chart);
    if (segment === null || !segment.holdsFlags(timeSec, this.flagRecord(chart))) return false;
    return (segment.flags[this.flagIndex(chart, segment, timeSec)]! & RESET_FLAG) !== 0;
  }

  /** Passes `count` slots of a chart from a time on, which stay empty, block by block. */
  emptySlots(chart: Chart, fromSec: number, count: number): void {
    this.eachRun(chart, fromSec, count, (timeSec, run) => this.emptyRun(chart, timeSec, run, true));
  }

  /** Forgets what `count` slots of a chart hold from a time on; what belongs to other laps stays. */
  clearSlots(chart: Chart, fromSec: number, count: number): void {
    // Of more than a ring the newest are those that it may hold.
    const held = Math.min(count, this.slots);
    const heldFromSec = fromSec + (count - held) * chart.definition.updateEverySec;
    this.eachRun(chart, heldFromSec, held, (timeSec, run) => this.emptyRun(chart, timeSec, run, false));
  }

  /** Gives all memory back. */
  dispose(): void {
    this.segments.forEach((segment, number) => {
      this.store.release(number, segment);
    });
    this.segments.length = 0;
    this.records.length = 0;
  }

  /** Cuts a range of slots at the ends of blocks. */
  private eachRun(chart: Chart, fromSec: number, count: number, each: (timeSec: number, run: number) => void): void {
    const { updateEverySec } = chart.definition;
    let left = count;
    for (let timeSec = fromSec; left > 0; ) {
      const run = Math.min(left, TILE_SLOTS - ((timeSec / updateEverySec + this.phase) % TILE_SLOTS));
      each(timeSec, run);
      timeSec += run * updateEverySec;
      left -= run;
    }
  }

  /** Empties slots within one block. @param opens blocks of another lap are taken for this one. */
  private emptyRun(chart: Chart, timeSec: number, count: number, opens: boolean): void {
    const { pool } = chart.host;
    const flagged = this.flagSegment(chart);
    if (flagged?.holds(timeSec)) {
      flagged.openFor(timeSec);
      const at = this.flagIndex(chart, flagged, timeSec);
      flagged.flags.fill(0, at, at + count);
    }
    let number = -1;
    let isHeld = false;
    for (let place = chart.start; place < chart.start + chart.dimensions.count; place++) {
      const segment = this.segments[pool.segment[place]!];
      if (segment === undefined) continue;
      if (pool.segment[place] !== number) {
        number = pool.segment[place]!;
        // A block that is opened now is empty, one that holds a later lap is not touched.
        isHeld = segment.holds(timeSec);
        if (isHeld || opens) segment.openFor(timeSec);
      }
      if (!isHeld) continue;
      const at = segment.valueIndex(segment.slotOf(timeSec), pool.tile[place]!);
      segment.values.fill(Number.NaN, at, at + count);
    }
  }

  /** The segment with the flags of a chart: the one of its first dimension. */
  private flagSegment(chart: Chart): Segment | null {
    if (chart.dimensions.count === 0) return null;
    return this.segments[chart.host.pool.segment[chart.start]!] ?? null;
  }

  private flagIndex(chart: Chart, segment: Segment, timeSec: number): number {
    return segment.valueIndex(segment.slotOf(timeSec), this.flagRecord(chart) << 6);
  }

  private flagRecord(chart: Chart): number {
    return this.recordOf(chart, chart.host.pool.segment[chart.start]!);
  }

  /** Gives the chart a record in each of its segments, and tells whether one segment holds it all. */
  private settle(chart: Chart): void {
    const { pool } = chart.host;
    // The place of a chart without dimensions is another's.
    const first = chart.dimensions.count === 0 ? UNPLACED : pool.segment[chart.start]!;
    let isOne = first < NO_SEGMENT;
    let isRow = isOne;
    for (let place = chart.start; place < chart.start + chart.dimensions.count; place++) {
      const number = pool.segment[place]!;
      if (number !== first) isOne = false;
      if (pool.tile[place] !== pool.tile[chart.start]! + ((place - chart.start) << 6)) isRow = false;
      if (number >= NO_SEGMENT || this.records[number]!.has(chart)) continue;
      this.records[number]!.set(chart, this.segments[number]!.takeRecord());
    }
    chart.segment = isOne ? this.segments[first]! : null;
    if (isOne) chart.record = this.recordOf(chart, first);
    chart.firstTile = isOne && isRow ? pool.tile[chart.start]! : -1;
  }

  /** The segment for the next `count` dimensions of a chart: its own, else one that takes them all, else a new one. */
  private segmentFor(chart: Chart, count: number): number {
    const wanted = Math.min(count, SEGMENT_COLUMNS);
    const { updateEverySec } = chart.definition;
    const own = this.segments.findIndex((segment, number) => {
      return segment.columnPool.free >= wanted && this.records[number]!.has(chart);
    });
    if (own >= 0) return own;
    for (let number = this.segments.length - 1; number >= 0; number--) {
      const segment = this.segments[number]!;
      if (segment.updateEverySec === updateEverySec && segment.columnPool.free >= wanted) return number;
    }
    return this.addSegment(updateEverySec, wanted);
  }

  private addSegment(updateEverySec: number, wanted: number): number {
    const isFirst = !this.segments.some((segment) => segment.updateEverySec === updateEverySec);
    const columns = isFirst && wanted <= SEGMENT_COLUMNS_SMALL ? SEGMENT_COLUMNS_SMALL : SEGMENT_COLUMNS;
    if (this.segments.length >= NO_SEGMENT) return NO_SEGMENT;
    const geometry = { columns, slots: this.slots, updateEverySec, phase: this.phase };
    const segment = this.store.create(this.segments.length, geometry);
    if (segment === null) {
      this.refused(segmentBytes(geometry));
      return NO_SEGMENT;
    }
    this.segments.push(segment);
    this.records.push(new Map());
    return this.segments.length - 1;
  }
}
