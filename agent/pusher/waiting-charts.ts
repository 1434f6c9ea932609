import type { SendBuffer } from "../base/send-buffer.ts";
import type { ChartStream } from "./chart-stream.ts";
import type { ReplayAnswers } from "./replay-answers.ts";
import type { Phase, ReplicatedChart } from "./replicated-chart.ts";

/**
 * Time in which a parent asks for a chart, unless it will not have it. Parents ask within seconds of the definition, or
 * as soon as those before it are answered.
 */
const ASKED_AFTER_SEC = 60;
/** A chart that nobody asked for is offered again: limits of a parent end, some of them within a minute. */
const OFFER_EVERY_SEC = 120;
/** Charts that are offered again at a time, as there may be thousands: some 300 KB. */
const OFFERED_MAX = 500;

/** Charts of one connection that are defined and that the parent has not asked for. */
export class WaitingCharts {
  private readonly buffer: SendBuffer;
  private readonly answers: ReplayAnswers;
  private readonly defined = new Set<ReplicatedChart>();
  /** The one that was offered first comes first. */
  private readonly unasked = new Set<ReplicatedChart>();
  /** Where the first definition ends of those that were asked for since the last look. */
  private askedBytes = Number.POSITIVE_INFINITY;
  private hasAsked = false;
  private lookedSec = 0;
  private offeredSec = 0;

  constructor(buffer: SendBuffer, answers: ReplayAnswers) {
    this.buffer = buffer;
    this.answers = answers;
  }

  /** The parent has asked for all that it wants. One that has asked for nothing has none of it. */
  get isSettled(): boolean {
    return this.defined.size === 0 && (this.hasAsked || this.unasked.size === 0);
  }

  /** A chart comes into another phase. */
  enter(state: ReplicatedChart, phase: Phase): void {
    this.drop(state);
    state.phase = phase;
    state.waitedSec = 0;
    if (phase === "defined") this.defined.add(state);
    else if (phase === "unasked") this.unasked.add(state);
  }

  /** A chart is not waited for any more. */
  drop(state: ReplicatedChart): void {
    this.defined.delete(state);
    this.unasked.delete(state);
  }

  /** The parent asks for a chart. */
  asked(state: ReplicatedChart): void {
    this.hasAsked = true;
    if (state.phase === "unasked") this.enter(state, "defined");
    // Older points of one that streams are asked for when no other waits.
    if (state.phase === "defined") this.askedBytes = Math.min(this.askedBytes, state.definedBytes);
  }

  /** Finds out which charts the parent does not ask for. Call once a second or more often. @param nowSec wall clock. */
  look(nowSec: number): void {
    // Seconds are counted, not subtracted: a clock that is set takes no time from the parent.
    if (this.defined.size === 0 || nowSec === this.lookedSec) return;
    this.lookedSec = nowSec;
    let workedBytes = Math.min(this.askedBytes, this.buffer.takenBytes + 1);
    for (const { chart, definedBytes } of this.defined) {
      if (definedBytes < workedBytes && this.answers.isOpen(chart)) workedBytes = definedBytes;
    }
    this.askedBytes = Number.POSITIVE_INFINITY;
    for (const state of this.defined) {
      // It asks for what was defined before, or cannot have read of this one yet.
      if (state.definedBytes >= workedBytes) state.waitedSec = 0;
      else if (++state.waitedSec >= ASKED_AFTER_SEC) this.enter(state, "unasked");
    }
  }

  /** Those of the charts that nobody asked for that are to be offered again now. @param nowSec wall clock. */
  due(nowSec: number, stream: ChartStream): ReplicatedChart[] {
    if (this.unasked.size === 0) return [];
    const isDue = nowSec >= this.offeredSec + OFFER_EVERY_SEC || nowSec < this.offeredSec;
    if (!isDue) return [];
    this.offeredSec = nowSec;
    const due: ReplicatedChart[] = [];
    for (const state of this.unasked) {
      // Not collected since, or not to be sent any more.
      if (state.chart.lastEntrySec === state.offeredSec || !stream.wants(state.chart)) continue;
      due.push(state);
      if (due.length === OFFERED_MAX) break;
    }
    for (const state of due) this.enter(state, "unasked");
    return due;
  }
}
