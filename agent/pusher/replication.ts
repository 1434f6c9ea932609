import type { SendBuffer } from "../base/send-buffer.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { definitionEndLine, extensionLine } from "../wire/encode-replay.ts";
import { wireChartId } from "../wire/wire-text.ts";
import type { ChartStream } from "./chart-stream.ts";
import type { FinalPoints } from "./final-points.ts";
import type { LinkAccount } from "./link-account.ts";
import { ReplayAnswers, type ReplayEvents } from "./replay-answers.ts";
import { ReplicatedChart } from "./replicated-chart.ts";
import { WaitingCharts } from "./waiting-charts.ts";

/** Share of the send buffer that definitions may fill before the first values. */
const BUFFER_SHARE = 0.5;

/**
 * Longest wait of a parent that wants all in order for what comes no nearer: whoever held it, further down, may be gone
 * for good. Such a parent hears nothing meanwhile, and closes a connection on which nothing comes for two minutes.
 */
const STUCK_SEC_MAX = 60;

/**
 * One connection to a parent that replicates (streaming.md §9): no chart sends values before the parent has asked for
 * what it lacks of it and the answer has told where to go on. Until then they wait in the ring.
 */
export class Replication implements ReplayEvents {
  private readonly host: Host;
  private readonly buffer: SendBuffer;
  private readonly stream: ChartStream;
  private readonly account: LinkAccount;
  private readonly points: FinalPoints | null;
  private readonly answers: ReplayAnswers;
  private readonly states: (ReplicatedChart | undefined)[] = [];
  /** Charts whose id is written in another way than it is. */
  private readonly byWireId = new Map<string, Chart>();
  private undefined: ReplicatedChart[] = [];
  /** Charts that are defined and wait for the parent. */
  private readonly waiting: WaitingCharts;
  /** The parent has said that it is an agent of our kind. */
  private isTributary = false;
  /** What such a parent was told last. */
  private hasToldAll = false;
  private toldMissingSec = 0;
  /** Position behind the newest line that such a parent may answer with a request. */
  private toldBytes = 0;
  /** Older points that a parent of our kind has not been told of: (after, before] of their charts. */
  private readonly untold = new Map<Chart, { afterSec: number; beforeSec: number }>();
  /** What such a parent waits for: the host's missing second, and since when that has not changed. */
  private awaitedSec = 0;
  private awaitedSinceSec = 0;

  /**
   * Every chart that has a past is offered, collected now or not.
   * @param points what goes out of a chart that is live, each with its time; null = values as they are collected.
   */
  constructor(
    host: Host,
    buffer: SendBuffer,
    stream: ChartStream,
    account: LinkAccount,
    points: FinalPoints | null = null,
  ) {
    this.points = points;
    this.host = host;
    this.buffer = buffer;
    this.stream = stream;
    this.account = account;
    this.answers = new ReplayAnswers(buffer, this, stream.written);
    this.waiting = new WaitingCharts(buffer, this.answers);
    for (const chart of host.chartList()) {
      if (chart.slotsPassed > 0 && stream.wants(chart)) this.define(this.stateOf(chart));
    }
  }

  /** The parent takes values of this chart as they come. */
  isLive(chart: Chart): boolean {
    const state = this.states[chart.index];
    if (state === undefined || state.chart !== chart || state.phase !== "live" || state.wasRetired) return false;
    return this.points !== null || state.restarts === chart.restarts;
  }

  /** Keeps account of values that are not sent as they are collected: they will be asked for. */
  hold(chart: Chart, values: number): void {
    const state = this.stateOf(chart);
    state.heldValues += values;
    state.heldFromSec ||= Math.floor(chart.lastCollectedUs / 1e6);
    this.account.hold(values);
    if (state.isWaiting) {
      if (state.restarts !== chart.restarts) state.redoneSec = Math.min(state.redoneSec, chart.lastEntrySec);
      state.restarts = chart.restarts;
      return;
    }
    if (state.phase === "new" && state.restarts >= 0) return;
    this.redefine(state);
  }

  /** Something is to be written. */
  get hasNews(): boolean {
    return this.undefined.length > 0 || (this.isTributary && this.untold.size > 0);
  }

  /** A chart is retired: should it come back, it is offered anew, as the parent may have forgotten it by then. */
  retired(chart: Chart): void {
    const state = this.states[chart.index];
    if (state?.chart === chart) state.wasRetired = true;
  }

  /** Every chart is live or idle, or the parent will not have it, and nothing is left to answer. */
  get isUpToDate(): boolean {
    return !this.hasNews && this.waiting.isSettled && this.answers.isIdle;
  }

  /**
   * All that the host has stored so far was written, also of charts that may never be collected again: those that have
   * something to be asked for are offered. @param fetchedBytes position at which the parent had nothing to ask for.
   */
  isWhole(fetchedBytes: number): boolean {
    for (const chart of this.host.chartList()) {
      if (chart.slotsPassed === 0 || !this.stream.wants(chart)) continue;
      const state = this.stateOf(chart);
      const isFollowed = state.phase === "new" ? state.restarts >= 0 : state.restarts === chart.restarts;
      if (!isFollowed && !state.isWaiting) this.redefine(state);
    }
    return this.isUpToDate && this.toldBytes <= fetchedBytes;
  }

  /** Only a parent of our kind asks for older points of a chart that streams. */
  get needsOrder(): boolean {
    return !this.isTributary;
  }

  /** The parent is an agent of our kind: it may be told more, and ask for more. */
  greeted(): void {
    this.isTributary = true;
    this.answers.tellsAll = true;
  }

  /** The parent asks for the points in (afterSec, beforeSec]. @param chartId as it was written to it. */
  ask(chartId: string, startsStreaming: boolean, afterSec: number, beforeSec: number): void {
    const chart = this.host.chart(chartId) ?? this.byWireId.get(chartId);
    const state = chart === undefined ? undefined : this.states[chart.index];
    // One that is to be defined once more is known by what it was.
    if (chart === undefined || state?.chart !== chart || !state.isOffered) {
      this.answers.refuse(chartId);
      return;
    }
    this.waiting.asked(state);
    if (beforeSec > 0) this.answers.ask(chart, startsStreaming, afterSec, beforeSec);
    // Nothing of what was offered; what came since it could not know of.
    else this.answers.ask(chart, startsStreaming, state.offeredSec, 0);
  }

  /** Points of a chart came in from its own sender, which replicates too. */
  grown(chart: Chart, afterSec: number, beforeSec: number): void {
    if (!this.stream.wants(chart)) return;
    const state = this.stateOf(chart);
    if (state.phase === "new" && state.restarts < 0) {
      // It has never been collected while this connection stood, and may be retired before it is.
      if (chart.slotsPassed > 0) this.define(state);
    } else if (state.phase === "live" || state.phase === "idle") {
      const isElsewhere = state.restarts !== chart.restarts;
      // One that is never collected again may have got newer points, and nothing else will tell of them.
      const isLonger = state.phase === "idle" && chart.lastEntrySec > state.offeredSec;
      if (isElsewhere || isLonger) this.redefine(state);
    }
    // One of our kind may not have said yet that it is.
    const known = this.untold.get(chart);
    this.untold.set(chart, {
      afterSec: Math.min(afterSec, known?.afterSec ?? afterSec),
      beforeSec: Math.max(beforeSec, known?.beforeSec ?? beforeSec),
    });
    if (this.isTributary) this.tellPast();
  }

  /**
   * Writes definitions and answers while there is room.
   * @param limitBytes of the buffer. @param nowSec wall clock. @param isTurnOver it has taken as long as it may.
   * @returns false when only time ran out: call it again soon.
   */
  write(limitBytes: number, nowSec: number, isTurnOver: () => boolean): boolean {
    if (this.waitsForChild(nowSec)) return true;
    this.waiting.look(nowSec);
    if (this.undefined.length === 0) this.undefined = this.waiting.due(nowSec, this.stream);
    while (this.undefined.length > 0 && this.buffer.pendingBytes < limitBytes * BUFFER_SHARE) {
      if (!this.writeDefinition(this.undefined[0]!, nowSec)) return true;
      this.undefined.shift();
    }
    if (this.isTributary) this.tell();
    return this.answers.write(limitBytes, nowSec, isTurnOver);
  }

  streaming(chart: Chart): void {
    const state = this.states[chart.index];
    if (state?.chart !== chart) return;
    this.waiting.enter(state, chart.lastCollectedUs > 0 ? "live" : "idle");
    if (state.phase === "idle") state.offeredSec = chart.lastEntrySec;
    state.restarts = chart.restarts;
    state.redoneSec = Number.POSITIVE_INFINITY;
    this.points?.begin(chart);
    this.account.giveUp(state.takeGone());
    this.account.release(state.heldValues);
    state.heldValues = 0;
    state.heldFromSec = 0;
  }

  /** The connection is over: nobody will fetch the past of a chart that the parent did not ask for. */
  end(): void {
    for (const state of this.states) {
      if (state?.phase !== "unasked") continue;
      this.account.giveUp(state.heldValues);
      state.heldValues = 0;
    }
  }

  /** What part of the values of all charts the parent has asked for, 0…1, as it is now. */
  get shareAsked(): number {
    let all = 0;
    let unasked = 0;
    for (const state of this.states) {
      if (state === undefined) continue;
      const perSec = state.chart.dimensions.count / state.chart.definition.updateEverySec;
      all += perSec;
      if (state.phase === "unasked") unasked += perSec;
    }
    return all === 0 ? 1 : 1 - unasked / all;
  }

  /** Charts that are gone are not waited for any more, nor values that the ring has lost. Call every now and then. */
  sweep(): void {
    this.states.forEach((state, index) => {
      if (state === undefined) return;
      this.account.giveUp(state.takeGone());
      // One that was brought back has another place, or may have.
      if (!state.chart.isRemoved && state.chart.index === index) return;
      this.forget(state);
      this.states[index] = undefined;
    });
  }

  redoneSec(chart: Chart): number {
    return this.states[chart.index]?.redoneSec ?? Number.POSITIVE_INFINITY;
  }

  retold(chart: Chart, toSec: number): void {
    const state = this.states[chart.index];
    if (state !== undefined && state.redoneSec < toSec) state.redoneSec = toSec;
  }

  ensureDefined(chart: Chart): boolean {
    return this.stream.ensureDefined(chart);
  }

  /**
   * What the host's own sender still brings would come too late for a parent that wants all in order, and asks but once
   * for what it was offered.
   */
  private waitsForChild(nowSec: number): boolean {
    const { missingFromSec, isConnected } = this.host;
    if (!this.needsOrder || missingFromSec === 0 || !isConnected) return false;
    if (missingFromSec !== this.awaitedSec || nowSec < this.awaitedSinceSec) this.awaitedSinceSec = nowSec;
    this.awaitedSec = missingFromSec;
    return nowSec < this.awaitedSinceSec + STUCK_SEC_MAX;
  }

  private redefine(state: ReplicatedChart): void {
    if (state.phase === "live") state.redoneSec = Math.min(state.redoneSec, state.chart.lastEntrySec);
    this.define(state);
  }

  private define(state: ReplicatedChart): void {
    this.waiting.enter(state, "new");
    state.wasRetired = state.chart.isObsolete;
    state.restarts = state.chart.restarts;
    this.undefined.push(state);
  }

  private writeDefinition(state: ReplicatedChart, nowSec: number): boolean {
    const { chart } = state;
    if (chart.isRemoved || this.states[chart.index] !== state) return true;
    if (state.phase !== "new" && state.phase !== "unasked") return true;
    if (!this.stream.define(chart)) return false;
    const hasPast = chart.slotsPassed > 0;
    // The second before the oldest point: netdata asks for what is after the second that it is told here.
    const firstSec = hasPast ? chart.firstEntrySec : 0;
    const lastSec = hasPast ? chart.lastEntrySec : 0;
    if (!this.buffer.append(Buffer.from(definitionEndLine(firstSec, lastSec, nowSec)))) return false;
    state.isOffered = true;
    const wireId = wireChartId(chart.id);
    if (wireId !== chart.id) this.byWireId.set(wireId, chart);
    state.offeredSec = lastSec;
    state.restarts = chart.restarts;
    this.toldBytes = this.buffer.appendedBytes;
    state.definedBytes = this.toldBytes;
    // One that it has refused may be refused again: that is no reason to wait.
    if (state.phase === "new") this.waiting.enter(state, "defined");
    return true;
  }

  /** What a parent of our kind has to know of the whole host. */
  private tell(): void {
    const { missingFromSec } = this.host;
    // Before it is said that nothing is missing.
    if (!this.tellPast()) return;
    if (missingFromSec !== this.toldMissingSec && this.say(["MISSING", `${missingFromSec}`])) {
      this.toldMissingSec = missingFromSec;
    }
    if (!this.hasToldAll && this.undefined.length === 0) this.hasToldAll = this.say(["DEFINED"]);
  }

  /** @returns false when there is no room for all of it. */
  private tellPast(): boolean {
    for (const [chart, { afterSec, beforeSec }] of this.untold) {
      if (!this.say(["PAST", wireChartId(chart.id), `${afterSec}`, `${beforeSec}`])) return false;
      this.untold.delete(chart);
    }
    return true;
  }

  private say(words: readonly string[]): boolean {
    const isSaid = this.buffer.append(Buffer.from(extensionLine(words)));
    if (isSaid) this.toldBytes = this.buffer.appendedBytes;
    return isSaid;
  }

  private stateOf(chart: Chart): ReplicatedChart {
    const known = this.states[chart.index];
    if (known !== undefined && known.chart === chart) return known;
    // Another chart had this place; its ring is gone, and what waited there.
    if (known !== undefined) this.forget(known);
    const state = new ReplicatedChart(chart);
    while (this.states.length < chart.index) this.states.push(undefined);
    this.states[chart.index] = state;
    return state;
  }

  private forget(state: ReplicatedChart): void {
    this.waiting.drop(state);
    this.account.giveUp(state.heldValues);
    const { chart } = state;
    const successor = this.states[chart.index];
    // It came back in another place: what is open belongs to that.
    if (successor !== state && successor?.chart === chart) return;
    this.answers.drop(chart);
    this.untold.delete(chart);
    const wireId = wireChartId(chart.id);
    if (this.byWireId.get(wireId) === chart) this.byWireId.delete(wireId);
  }
}
