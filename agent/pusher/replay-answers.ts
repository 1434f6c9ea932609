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

/** Points in one piece of an answer: between two pieces, live values of other charts go out. */
const PIECE_POINTS = 2000;
/** Share of the send buffer that answers may fill; the rest is for live values. */
const BUFFER_SHARE = 0.5;

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
}

/** What becomes of a chart when its answer is whole. */
export interface ReplayEvents {
  /** From here on its values go out as they are collected. */
  streaming(chart: Chart): void;
  /** How far back the chart was collected once more since the parent was told; +∞ = it was not. */
  redoneSec(chart: Chart): number;
}

/**
 * Answers to REPLAY_CHART (streaming.md §9): stored points from the ring, in pieces, as long as there is room in the
 * send buffer, and at the end of the last one the state from which the parent goes on with live values.
 */
export class ReplayAnswers {
  private readonly buffer: SendBuffer;
  private readonly events: ReplayEvents;
  private readonly open: OpenAnswer[] = [];
  private values = new Float64Array(0);

  constructor(buffer: SendBuffer, events: ReplayEvents) {
    this.buffer = buffer;
    this.events = events;
  }

  get isIdle(): boolean {
    return this.open.length === 0;
  }

  /** A parent asks. One answer a chart is open at a time; a second request takes its place. */
  ask(chart: Chart, startsStreaming: boolean, afterSec: number, beforeSec: number): void {
    const same = this.open.findIndex((answer) => answer.chart === chart);
    if (same >= 0) this.open.splice(same, 1);
    const redoneSec = startsStreaming ? this.events.redoneSec(chart) : Number.POSITIVE_INFINITY;
    const correctedSec = beforeSec > 0 ? afterSec : chart.lastEntrySec;
    const cursorSec = Math.min(correctedSec, redoneSec);
    this.open.push({ chart, startsStreaming, afterSec, beforeSec, cursorSec, correctedSec });
  }

  /** A new connection. */
  clear(): void {
    this.open.length = 0;
  }

  /** Writes pieces while there is room. @param limitBytes of the buffer. @param nowSec wall clock. */
  write(limitBytes: number, nowSec: number): void {
    while (this.open.length > 0 && this.buffer.pendingBytes < limitBytes * BUFFER_SHARE) {
      const answer = this.open.shift()!;
      const isWhole = this.writePiece(answer, nowSec);
      if (isWhole === null) {
        this.open.unshift(answer);
        return;
      }
      if (!isWhole) this.open.push(answer);
      else if (answer.startsStreaming) this.events.streaming(answer.chart);
    }
  }

  /** @returns whether the answer is whole; null when there was no room for the piece. */
  private writePiece(answer: OpenAnswer, nowSec: number): boolean | null {
    const { chart, startsStreaming } = answer;
    const U = chart.definition.updateEverySec;
    const held = Math.max(answer.cursorSec, chart.firstEntrySec);
    // What was stored while the parent made up its mind belongs to the answer that starts the stream.
    const endSec = startsStreaming ? chart.lastEntrySec : Math.min(answer.beforeSec, chart.lastEntrySec);
    const slots = Math.max(1, Math.floor(PIECE_POINTS / Math.max(1, chart.dimensions.count)));
    const toSec = Math.min(endSec, held + slots * U);
    let text = replayBeginLine(chart.id);
    if (toSec > held) text += this.rows(answer, held, toSec, nowSec);
    const isWhole = toSec >= endSec;
    if (isWhole) text += this.end(answer, nowSec);
    if (!this.buffer.append(Buffer.from(text))) return null;
    answer.cursorSec = toSec;
    return isWhole;
  }

  /** The points in (afterSec, toSec]. */
  private rows({ chart, correctedSec }: OpenAnswer, afterSec: number, toSec: number, nowSec: number): string {
    const U = chart.definition.updateEverySec;
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
      if (!isEmpty || timeSec <= correctedSec) text += replayRowLine(timeSec - U, timeSec, nowSec) + row;
    }
    return text;
  }

  private end({ chart, startsStreaming, afterSec, beforeSec }: OpenAnswer, nowSec: number): string {
    let text = "";
    // Not collected in this run: there is no state to go on from, and the first value brings a new definition.
    if (startsStreaming && chart.lastCollectedUs > 0) {
      chart.dimensions.list.forEach(({ id }, index) => {
        const collectedUs = chart.lastCollectedUs;
        const stored = latestStored(chart, index);
        text += dimensionStateLine(id, { ...dimensionState(chart, index), collectedUs, stored });
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
        afterSec,
        beforeSec: toSec,
        senderNowSec: nowSec,
      })
    );
  }
}
