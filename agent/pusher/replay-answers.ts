import type { SendBuffer } from "../base/send-buffer.ts";
import { dimensionState } from "../rrd/backfill.ts";
import type { Chart } from "../rrd/chart.ts";
import { isResetAt, latestStored, readStored } from "../rrd/read.ts";
import {
  chartStateLine,
  dimensionStateLine,
  replayBeginLine,
  replayEndLine,
  replayRowLine,
  replaySetHead,
  replaySetLine,
} from "../wire/encode-replay.ts";
import type { WrittenRows } from "./written-rows.ts";

/** Points in one piece of an answer: between two pieces, live values of other charts go out. */
const PIECE_POINTS_MAX = 2000;
/** A piece is to fit beside what waits already, so it holds no more than one point for so many bytes of the buffer. */
const BUFFER_BYTES_PER_POINT = 200;
/** Share of the send buffer that answers may fill; the rest is for live values. */
const BUFFER_SHARE = 0.5;

/** A chart without a point is given time for its second collection: so many of its intervals, … */
const FIRST_POINT_INTERVALS = 2;
/** … and what collections come late by. */
const FIRST_POINT_SEC = 2;

/** Answers without a chart that wait. */
const REFUSED_MAX = 1000;

/** A parent's request, and how far the answer has come. */
interface OpenAnswer {
  readonly chart: Chart;
  readonly startsStreaming: boolean;
  readonly afterSec: number;
  readonly beforeSec: number;
  /** The next row is the first after this second. */
  cursorSec: number;
  /** Rows up to here are told once more: empty ones too, as the parent holds other values there. */
  readonly correctedSec: number;
  /** Wall clock by which it is answered, whether the chart has a point by then or not; 0 = not looked at yet. */
  dueSec: number;
}

/** What becomes of a chart when its answer is whole. */
export interface ReplayEvents {
  /** From here on its values go out as they are collected. */
  streaming(chart: Chart): void;
  /** How far back the chart was collected once more since the parent was told; +∞ = it was not. */
  redoneSec(chart: Chart): number;
  /** It is told up to here now. */
  retold(chart: Chart, toSec: number): void;
  /** Defines the chart as it is now, if it has changed since. @returns false when there is no room. */
  ensureDefined(chart: Chart): boolean;
}

/**
 * Answers to REPLAY_CHART (streaming.md §9): stored points from the ring, in pieces, as long as there is room in the
 * send buffer, and at the end of the last one the state from which the parent goes on with live values.
 */
export class ReplayAnswers {
  private readonly buffer: SendBuffer;
  private readonly events: ReplayEvents;
  private readonly written: WrittenRows;
  /** Rows of the piece at hand. */
  private pieceRows = 0;
  /** The parent is an agent of our kind: states are told in full. */
  tellsAll = false;
  /** By chart; the one that was asked for first comes first. */
  private readonly open = new Map<Chart, OpenAnswer>();
  /** Ids of charts that are not here, to be answered all the same. */
  private readonly refused: string[] = [];
  private values = new Float64Array(0);

  constructor(buffer: SendBuffer, events: ReplayEvents, written: WrittenRows) {
    this.buffer = buffer;
    this.written = written;
    this.events = events;
  }

  get isIdle(): boolean {
    return this.open.size === 0 && this.refused.length === 0;
  }

  /** The parent has asked for this chart, and its answer is not whole. */
  isOpen(chart: Chart): boolean {
    return this.open.has(chart);
  }

  /**
   * A parent asks for the points in (afterSec, beforeSec], or with a `beforeSec` of 0 for none but those after a second
   * that it knows of. One answer a chart is open at a time; a second request takes its place.
   */
  ask(chart: Chart, startsStreaming: boolean, afterSec: number, beforeSec: number): void {
    this.open.delete(chart);
    // A parent may not know where the chart's slots begin.
    const U = chart.definition.updateEverySec;
    const cursorSec = Math.floor(afterSec / U) * U;
    this.open.set(chart, {
      chart,
      startsStreaming,
      afterSec,
      beforeSec,
      cursorSec,
      correctedSec: cursorSec,
      dueSec: 0,
    });
  }

  /** There is no such chart; more of these than of charts are not answered. */
  refuse(chartId: string): void {
    if (this.refused.length < REFUSED_MAX) this.refused.push(chartId);
  }

  /** The chart is gone. */
  drop(chart: Chart): void {
    if (this.open.delete(chart)) this.refuse(chart.id);
  }

  /**
   * Writes pieces while there is room. Seconds without any value take none, but time.
   * @param limitBytes of the buffer. @param nowSec wall clock. @param isTurnOver it has taken as long as it may.
   * @returns false when only time ran out: call it again soon.
   */
  write(limitBytes: number, nowSec: number, isTurnOver: () => boolean): boolean {
    while (this.refused.length > 0 && this.hasRoom(limitBytes)) {
      if (!this.buffer.append(Buffer.from(emptyAnswer(this.refused[0]!, nowSec)))) return true;
      this.refused.shift();
    }
    const points = Math.min(PIECE_POINTS_MAX, limitBytes / BUFFER_BYTES_PER_POINT);
    for (const answer of this.open.values()) {
      if (this.waitsForPoint(answer, nowSec)) continue;
      while (this.open.get(answer.chart) === answer) {
        if (!this.hasRoom(limitBytes) || !this.writePiece(answer, points, nowSec)) return true;
        if (isTurnOver()) return this.open.size === 0;
      }
    }
    return true;
  }

  private hasRoom(limitBytes: number): boolean {
    return this.buffer.pendingBytes < limitBytes * BUFFER_SHARE;
  }

  /**
   * Netdata keeps no point of the first live value of a chart that is new to it. So the first point goes as a row, and
   * a chart is answered once it has one.
   */
  private waitsForPoint(answer: OpenAnswer, nowSec: number): boolean {
    const { chart, startsStreaming } = answer;
    if (this.tellsAll || !startsStreaming || chart.slotsPassed > 0) return false;
    const waitSec = FIRST_POINT_INTERVALS * chart.definition.updateEverySec + FIRST_POINT_SEC;
    if (answer.dueSec === 0) answer.dueSec = nowSec + waitSec;
    // A clock that is set back must not make it wait for long.
    return nowSec < answer.dueSec && nowSec >= answer.dueSec - waitSec;
  }

  /** Writes the next points of an answer, and closes it when it is whole. @returns false when there was no room. */
  private writePiece(answer: OpenAnswer, points: number, nowSec: number): boolean {
    const { chart, startsStreaming } = answer;
    const U = chart.definition.updateEverySec;
    // Rows of a dimension that the parent has not heard of would be lost, or end the link; those of another interval
    // would go as soon as it hears of that.
    if (!this.events.ensureDefined(chart)) return false;
    // The clock may have gone back while the answer was on its way.
    if (startsStreaming) answer.cursorSec = Math.min(answer.cursorSec, this.events.redoneSec(chart));
    const held = Math.max(answer.cursorSec, chart.firstEntrySec);
    // What was stored while the parent made up its mind belongs to the answer that starts the stream.
    const endSec = startsStreaming
      ? chart.lastEntrySec
      : Math.min(Math.floor(answer.beforeSec / U) * U, chart.lastEntrySec);
    const slots = Math.max(1, Math.floor(points / Math.max(1, chart.dimensions.count)));
    const toSec = Math.min(endSec, held + slots * U);
    this.pieceRows = 0;
    let text = replayBeginLine(chart.id);
    if (toSec > held) text += this.rows(answer, held, toSec, nowSec);
    const isWhole = toSec >= endSec;
    if (isWhole) text += this.end(answer, nowSec);
    if (!this.buffer.append(Buffer.from(text))) return false;
    this.written.add(this.pieceRows, this.pieceRows * chart.dimensions.count);
    answer.cursorSec = toSec;
    if (startsStreaming) this.events.retold(chart, toSec);
    if (!isWhole) return true;
    this.open.delete(chart);
    if (startsStreaming) this.events.streaming(chart);
    return true;
  }

  /** The points in (afterSec, toSec]. */
  private rows(answer: OpenAnswer, afterSec: number, toSec: number, nowSec: number): string {
    const { chart, startsStreaming, correctedSec } = answer;
    const U = chart.definition.updateEverySec;
    const isNewThere = !this.tellsAll && startsStreaming && answer.afterSec <= chart.firstEntrySec + U;
    const slots = Math.floor((toSec - afterSec) / U);
    const { list, count } = chart.dimensions;
    if (this.values.length < slots * count) this.values = new Float64Array(slots * count);
    const { values } = this;
    for (let i = 0; i < count; i++) readStored(chart, i, afterSec + U, toSec, values, i * slots);
    const heads = list.map(({ id }) => replaySetHead(id));
    let text = "";
    for (let slot = 0; slot < slots; slot++) {
      const timeSec = afterSec + (slot + 1) * U;
      const isReset = isResetAt(chart, timeSec);
      let row = "";
      let isEmpty = true;
      for (let i = 0; i < count; i++) {
        const value = values[i * slots + slot]!;
        if (!Number.isNaN(value)) isEmpty = false;
        row += replaySetLine(heads[i]!, value, isReset);
      }
      const lines = replayRowLine(timeSec - U, timeSec, nowSec) + row;
      if (!isEmpty || timeSec <= correctedSec) text += this.counted(lines);
      // Netdata 1.37 in mode ram, save or map writes the first live value of a chart that is new to it over the last
      // replayed one, so that all others show a second late. Told twice, that one stays; where points go by their time
      // it makes no difference.
      if (isNewThere && timeSec === chart.lastEntrySec) text += this.counted(lines);
    }
    return text;
  }

  private counted(row: string): string {
    this.pieceRows++;
    return row;
  }

  private end({ chart, startsStreaming, afterSec, beforeSec }: OpenAnswer, nowSec: number): string {
    let text = "";
    // Not collected in this run: there is no state to go on from, and the first value brings a new definition.
    if (startsStreaming && chart.lastCollectedUs > 0) {
      chart.dimensions.list.forEach(({ id }, index) => {
        const state = dimensionState(chart, index);
        // Of one that was never collected there is nothing to go on from: its first value is none yet.
        const collectedUs = state.collections > 0 ? chart.lastCollectedUs : 0;
        const stored = latestStored(chart, index);
        text += dimensionStateLine(id, { ...state, collectedUs, stored }, this.tellsAll);
      });
      text += chartStateLine(chart.lastCollectedUs, chart.lastUpdatedUs);
    }
    const { updateEverySec } = chart.definition;
    const firstSec = chart.slotsPassed > 0 ? chart.firstEntrySec + updateEverySec : 0;
    const lastSec = chart.slotsPassed > 0 ? chart.lastEntrySec : 0;
    const isStreaming = startsStreaming;
    const toSec = startsStreaming ? Math.max(beforeSec, lastSec) : beforeSec;
    return (
      text +
      replayEndLine({
        updateEverySec,
        firstSec,
        lastSec,
        isStreaming,
        afterSec: beforeSec > 0 ? afterSec : 0,
        beforeSec: toSec,
        senderNowSec: nowSec,
      })
    );
  }
}

function emptyAnswer(chartId: string, nowSec: number): string {
  const end = { updateEverySec: 0, firstSec: 0, lastSec: 0, isStreaming: true, afterSec: 0, beforeSec: 0 };
  return replayBeginLine(chartId) + replayEndLine({ ...end, senderNowSec: nowSec });
}
