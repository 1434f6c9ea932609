import type { ReplicationSettings } from "../config/child-settings.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { ChartReplay, type ReplayRequest } from "./chart-replay.ts";
import type { ReplayPace } from "./replay-pace.ts";
import type { ReplayAsker, ReplayShare } from "./replay-share.ts";

/** Slots that are asked for together with the live stream, where older ones can be asked for later. */
const LIVE_SLOTS = 10;
/** Values of one request while all that may be asked of all children is taken. */
const SCARCE_VALUES_MAX = 1000;
/** Requests without points that one child may be asked at a time: each still costs it a whole state. */
const ASKED_CHARTS_MAX = 200;
/** Clocks that are believed, and what was on its way, may be wrong by so much together. */
const UNSURE_SEC = 60;
/** Seconds without a row or an answer after which what a child was asked for does not keep others waiting any more. */
const QUIET_TICKS_MAX = 10;
/** Charts looked through for ones that are gone at the earliest. */
const SWEEP_AT = 1024;

/**
 * What one connection asks its child for, so that nothing is missing here that the child still has (streaming.md §9).
 * A child that can be asked for more later streams at once, with its newest slots, and its backlog follows in steps,
 * oldest first, all charts side by side; any other sends what is missing before it streams.
 */
export class ReplayPlan implements ReplayAsker {
  private readonly host: Host;
  private readonly settings: ReplicationSettings;
  private readonly share: ReplayShare;
  private readonly send: (request: ReplayRequest) => void;
  private readonly byChart = new Map<Chart, ChartReplay>();
  /** Charts that have something to ask for: first those that wait to stream. */
  private readonly starting: ChartReplay[] = [];
  private readonly backlog: ChartReplay[] = [];
  private askedCharts = 0;
  /** The same and those that were waited for in vain. */
  private openCharts = 0;
  /** Of these: asked to stream. */
  private startingCharts = 0;
  private readonly pace: ReplayPace;
  /** The child can be asked for older points of a chart that streams. */
  private canAskLater = false;
  /** {@link Host.missingFromSec} when the connection began. */
  private readonly missedSec: number;
  /** Newest second of the host when the connection began; 0 = it had none. */
  private readonly newestSec: number;
  /** The child has said that it has defined all its charts. */
  private isComplete = false;
  /** Calls of {@link tick} since the child answered anything. */
  private quietTicks = 0;
  private sweepAt = SWEEP_AT;

  constructor(
    host: Host,
    settings: ReplicationSettings,
    share: ReplayShare,
    pace: ReplayPace,
    send: (request: ReplayRequest) => void,
  ) {
    this.host = host;
    this.settings = settings;
    this.share = share;
    this.pace = pace;
    this.send = send;
    this.missedSec = host.missingFromSec;
    this.newestSec = Math.floor(host.lastCollectedUs / 1e6);
  }

  /** The child is an agent of our kind. */
  allowLater(): void {
    this.canAskLater = true;
  }

  /** All charts that the child has are defined. */
  completed(): void {
    this.isComplete = true;
  }

  /** Older points than this are not asked for, s. */
  get windowSec(): number {
    return this.settings.windowSec;
  }

  /** Nothing that the child has is missing, or {@link missingFromSec} tells of it. */
  get isSettled(): boolean {
    return this.isComplete && this.starting.length === 0 && this.startingCharts === 0;
  }

  /** Rows up to this second tell once more, and otherwise, what this chart holds; 0 = none do. */
  correctsUpTo(chart: Chart): number {
    const replay = this.byChart.get(chart);
    return replay?.asked?.startsStreaming === true ? replay.heldSec : 0;
  }

  /** Oldest second that is missing in a chart although newer ones may be there; 0 = none is. */
  get missingFromSec(): number {
    // All that is to be asked for is in turn, or asked for.
    if (!this.canAskLater || (!this.isWaiting && this.openCharts === 0)) return 0;
    let oldest = Number.POSITIVE_INFINITY;
    for (const { afterSec, beforeSec, chart } of this.byChart.values()) {
      // What was asked for at another update_every may be less than a slot of this one.
      if (afterSec < beforeSec) oldest = Math.min(oldest, afterSec + chart.definition.updateEverySec, beforeSec);
    }
    return Number.isFinite(oldest) ? oldest : 0;
  }

  /**
   * The child has defined a chart and waits to be asked.
   * @param firstSec its oldest point, or the second before. @param lastSec its newest; 0 = none.
   * @param nowSec our clock.
   * @returns the oldest second that is missing here; 0 = none is.
   */
  defined(chart: Chart, firstSec: number, lastSec: number, nowSec: number): number {
    const replay = this.replayOf(chart);
    replay.lastSec = lastSec;
    if (replay.asked !== null || (replay.isQueued && !replay.isLive)) {
      // It has been asked to stream, or will be as soon as it has answered for older points.
      replay.isLive = false;
      return 0;
    }
    const wasQueued = replay.isQueued;
    replay.isLive = false;
    // What is missing since an earlier definition still is.
    const openSec = replay.afterSec < replay.beforeSec ? replay.afterSec : Number.POSITIVE_INFINITY;
    const afterSec = this.missingAfter(replay, firstSec, lastSec, nowSec, openSec);
    replay.isFirst = false;
    replay.afterSec = Math.min(afterSec, lastSec);
    replay.beforeSec = lastSec;
    if (wasQueued) this.backlog.splice(this.backlog.indexOf(replay), 1);
    const isMissing = replay.afterSec < lastSec;
    const fromSec = isMissing ? Math.min(replay.afterSec + chart.definition.updateEverySec, lastSec) : 0;
    this.queue(replay);
    return fromSec;
  }

  /** The child got older points of a chart that it streams. */
  grown(chart: Chart, afterSec: number, beforeSec: number): void {
    const replay = this.byChart.get(chart);
    if (replay === undefined || !this.settings.isEnabled) return;
    const U = chart.definition.updateEverySec;
    const reachSec = beforeSec - this.host.historyEntries * U;
    const fromSec = Math.floor(Math.max(afterSec, reachSec) / U) * U;
    const toSec = Math.floor(beforeSec / U) * U;
    if (fromSec >= toSec) return;
    const isEmpty = replay.afterSec >= replay.beforeSec;
    replay.beforeSec = isEmpty ? toSec : Math.max(replay.beforeSec, toSec);
    // Whatever it says: no more than we can keep.
    const keptSec = Math.min(Math.floor(this.settings.windowSec / U), this.host.historyEntries) * U;
    replay.afterSec = Math.max(isEmpty ? fromSec : Math.min(replay.afterSec, fromSec), replay.beforeSec - keptSec);
    if (replay.asked !== null) replay.regrownSec = Math.min(replay.regrownSec, Math.max(fromSec, replay.afterSec));
    else if (replay.isLive && !replay.isQueued) this.queue(replay);
  }

  /** The request that a chart is answering now. */
  askedOf(chart: Chart): ReplayRequest | null {
    return this.byChart.get(chart)?.asked ?? null;
  }

  /** A row of an answer came. */
  heard(): void {
    this.quietTicks = 0;
  }

  /** An answer is whole. @param beforeSec how far it says to have come. */
  answered(chart: Chart, isStreaming: boolean, beforeSec: number, lastSec: number): void {
    const replay = this.byChart.get(chart);
    if (replay === undefined) return;
    const { asked } = replay;
    // To a question that nobody asked.
    if (asked === null) return;
    this.heard();
    this.close(replay);
    replay.lastSec = Math.max(replay.lastSec, lastSec);
    replay.isLive ||= isStreaming;
    // A child may take smaller steps than it was asked for; none at all would never end.
    const cameTo = beforeSec > asked.afterSec ? Math.min(beforeSec, asked.beforeSec) : asked.beforeSec;
    if (asked.beforeSec > 0 && asked.afterSec === replay.afterSec) replay.afterSec = cameTo;
    replay.afterSec = Math.min(replay.afterSec, replay.regrownSec);
    replay.regrownSec = Number.POSITIVE_INFINITY;
    if (!replay.isLive) {
      replay.beforeSec = Math.max(replay.beforeSec, replay.lastSec);
      this.queue(replay);
    } else if (!this.canAskLater) replay.afterSec = replay.beforeSec;
    else if (replay.afterSec < replay.beforeSec) this.queue(replay);
    this.takeTurn();
  }

  askNext(): boolean {
    if (!this.mayAsk) return false;
    this.askFirst();
    return this.isWaiting && this.mayAsk;
  }

  /**
   * Call once a second: a child that does not answer must not keep others from being asked. It is asked something else
   * now and then: perhaps there are charts that it does not know any more.
   */
  tick(): void {
    if (this.openCharts === 0) this.quietTicks = 0;
    else this.quietTicks++;
    if (this.quietTicks === 0 || this.quietTicks % QUIET_TICKS_MAX > 0) return;
    this.askFirst();
    for (const replay of this.byChart.values()) {
      this.uncount(replay);
      replay.askedValues = 0;
    }
    if (this.pace.open > 0) this.giveAll();
  }

  private askFirst(): void {
    const replay = this.starting.shift() ?? this.backlog.shift();
    if (replay === undefined) return;
    replay.isQueued = false;
    this.ask(replay, replay.isLive ? this.olderOf(replay) : this.startOf(replay));
  }

  /** The connection is over. */
  end(): void {
    this.share.leave(this);
    this.byChart.clear();
    this.starting.length = 0;
    this.backlog.length = 0;
    this.giveAll();
  }

  /** Nothing of what is asked for counts any more. */
  private giveAll(): void {
    this.share.give(this.pace.open);
    this.pace.open = 0;
    this.share.ask();
  }

  private queue(replay: ChartReplay): void {
    replay.isQueued = true;
    if (replay.isLive) this.backlog.push(replay);
    else this.starting.push(replay);
    this.takeTurn();
  }

  /** Asks what there is room for; one request may be open whatever others have taken. */
  private takeTurn(): void {
    if (this.isWaiting) this.share.wait(this);
    this.share.ask();
    if (this.isWaiting && this.askedCharts === 0) this.askNext();
  }

  private get isWaiting(): boolean {
    return this.starting.length + this.backlog.length > 0;
  }

  private get mayAsk(): boolean {
    return this.askedCharts < ASKED_CHARTS_MAX && this.pace.hasRoom && this.quietTicks < QUIET_TICKS_MAX;
  }

  private replayOf(chart: Chart): ChartReplay {
    let replay = this.byChart.get(chart);
    if (replay === undefined) {
      if (this.byChart.size >= this.sweepAt) this.sweep();
      replay = new ChartReplay(chart);
      this.byChart.set(chart, replay);
    }
    return replay;
  }

  /** A child that runs for years makes and retires charts all the time. */
  private sweep(): void {
    for (const [chart, replay] of this.byChart) {
      if (!chart.isRemoved || replay.isQueued) continue;
      this.close(replay);
      this.byChart.delete(chart);
    }
    this.sweepAt = Math.max(SWEEP_AT, 2 * this.byChart.size);
  }

  /** What is missing begins after this second. */
  private missingAfter(
    replay: ChartReplay,
    firstSec: number,
    lastSec: number,
    nowSec: number,
    openSec: number,
  ): number {
    const { chart, isFirst } = replay;
    const { host, settings } = this;
    if (!settings.isEnabled || host.ring === null) return lastSec;
    const U = chart.definition.updateEverySec;
    let ownSec = chart.slotsPassed > 0 ? chart.lastEntrySec : 0;
    if (isFirst && this.missedSec > 0) ownSec = Math.min(ownSec, this.missedSec - U);
    if (ownSec > lastSec) ownSec = isFirst ? this.sameUpTo(lastSec, nowSec) : 0;
    ownSec = Math.min(ownSec, openSec);
    // A child of our kind names the second before its oldest point, another that point.
    const pastSec = this.canAskLater ? firstSec : firstSec - U;
    const afterSec = Math.max(ownSec, pastSec, nowSec - settings.windowSec, lastSec - host.historyEntries * U);
    return Math.floor(afterSec / U) * U;
  }

  /**
   * Up to where a child holds what we hold, although it ends before us: it has lost its newest values, or its clock was
   * put back, and then what it says of those seconds now is what counts. It can have collected none of them once more
   * before the newest value that we have of it.
   */
  private sameUpTo(lastSec: number, nowSec: number): number {
    const unheardSec = nowSec - this.newestSec;
    return unheardSec < 0 ? 0 : Math.max(0, lastSec - unheardSec - UNSURE_SEC);
  }

  /** The request with which a chart begins to stream, or the next step on its way there. */
  private startOf(replay: ChartReplay): ReplayRequest {
    const { chart, afterSec, beforeSec } = replay;
    if (afterSec >= beforeSec) return { chart, startsStreaming: true, afterSec: 0, beforeSec: 0 };
    const U = chart.definition.updateEverySec;
    if (this.canAskLater && this.host.listener?.needsOrder !== true) {
      const liveSec = Math.max(afterSec, beforeSec - LIVE_SLOTS * U);
      replay.beforeSec = liveSec;
      return { chart, startsStreaming: true, afterSec: liveSec, beforeSec };
    }
    const toSec = Math.min(beforeSec, afterSec + this.stepOf(chart));
    return { chart, startsStreaming: toSec === beforeSec, afterSec, beforeSec: toSec };
  }

  private olderOf(replay: ChartReplay): ReplayRequest {
    const { chart, afterSec, beforeSec } = replay;
    return { chart, startsStreaming: false, afterSec, beforeSec: Math.min(beforeSec, afterSec + this.stepOf(chart)) };
  }

  private stepOf(chart: Chart): number {
    const U = chart.definition.updateEverySec;
    const valuesMax = Math.min(
      this.pace.requestValues,
      this.share.isFull ? SCARCE_VALUES_MAX : Number.POSITIVE_INFINITY,
    );
    const slots = Math.floor(valuesMax / Math.max(1, chart.dimensions.count));
    return Math.max(1, Math.min(slots, Math.floor(this.settings.stepSec / U))) * U;
  }

  private ask(replay: ChartReplay, request: ReplayRequest): void {
    const { chart } = replay;
    // A part of a slot is none: the chart may have another update_every by now.
    const slots = Math.floor((request.beforeSec - request.afterSec) / chart.definition.updateEverySec);
    replay.asked = request;
    replay.heldSec = request.beforeSec > 0 ? request.afterSec : chart.lastEntrySec;
    replay.askedValues = (slots + 1) * Math.max(1, chart.dimensions.count);
    this.openCharts++;
    this.askedCharts++;
    replay.isCounted = true;
    replay.isStarting = !replay.isLive;
    if (replay.isStarting) this.startingCharts++;
    replay.askedMs = this.pace.take(replay.askedValues);
    this.share.take(replay.askedValues);
    this.send(request);
  }

  private close(replay: ChartReplay): void {
    if (replay.asked === null) return;
    replay.asked = null;
    this.openCharts--;
    this.uncount(replay);
    this.pace.give(replay.askedValues, replay.askedMs);
    this.share.give(replay.askedValues);
  }

  /** Nothing waits for its answer any more. */
  private uncount(replay: ChartReplay): void {
    if (!replay.isCounted) return;
    replay.isCounted = false;
    this.askedCharts--;
    if (replay.isStarting) this.startingCharts--;
  }
}
