import { forgetState, refusePast, restoreDimension, restoreTimes, storePast } from "../rrd/backfill.ts";
import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { trustClock } from "../rrd/interval.ts";
import { missFrom } from "../rrd/missing.ts";
import type { DimensionState, ReplayEnd, ReplayRow } from "../wire/stream-handler.ts";
import type { ReplayRequest } from "./chart-replay.ts";
import type { ReplayPlan } from "./replay-plan.ts";

/** A child whose times are ahead of our clock by more than this is dated by ours: they would lie in the future. */
const AHEAD_SEC_MAX = 5;

/** Seconds after which a child that does not say so has defined all its charts. */
const DEFINED_AFTER_TICKS = 60;

/** What is missing shrinks all the time while it is fetched; files are told of steps of this length. */
const REMEMBER_SEC = 60;

/** Writes what a child replays into its host, and lets each chart go on where the child is (streaming.md §9). */
export class HostBackfill {
  private readonly host: Host;
  private readonly plan: ReplayPlan;
  private isTributary = false;
  /** Charts that hold older values than before, which their files do not know yet. */
  private readonly reached = new Set<Chart>();
  /** {@link Host.missingFromSec} as the files know it. */
  private rememberedSec: number;
  private ticks = 0;
  /** What the child itself still lacks, of a host that it passes on. */
  private childMissingSec = 0;

  constructor(host: Host, plan: ReplayPlan) {
    this.host = host;
    this.plan = plan;
    this.rememberedSec = host.missingFromSec;
    host.clockOffsetSec = Number.NaN;
    trustClock(host, true);
  }

  /** Its times are taken from the child. */
  get isTrusting(): boolean {
    return !(this.host.clockOffsetSec > AHEAD_SEC_MAX);
  }

  definitionEnd(chart: Chart, firstSec: number, lastSec: number, childNowSec: number, nowUs: number): void {
    const nowSec = nowUs / 1e6;
    this.noteClock(childNowSec, lastSec, nowSec);
    forgetState(chart);
    const fromSec = this.plan.defined(chart, firstSec, this.heldUpTo(lastSec, nowSec), Math.floor(nowSec));
    // Other charts may go on before the next tick, and whoever it is passed on to in order must know.
    if (this.isTributary) missFrom(this.host, fromSec);
  }

  replay(chart: Chart, row: ReplayRow, nowUs: number): void {
    this.plan.heard();
    if (!this.isTrusting) {
      refusePast(chart, row);
      return;
    }
    const { endSec, values, isReset } = row;
    const firstSec = chart.slotsPassed > 0 ? chart.firstEntrySec : Number.POSITIVE_INFINITY;
    storePast(chart, { endSec, values, isReset, isCorrection: endSec <= this.plan.correctsUpTo(chart) }, nowUs);
    if (chart.firstEntrySec < firstSec) this.reached.add(chart);
  }

  dimensionState(chart: Chart, index: number, state: DimensionState): void {
    if (this.isTrusting) restoreDimension(chart, index, state);
  }

  chartState(chart: Chart, collectedUs: number, updatedUs: number, nowUs: number): void {
    if (!this.isTrusting || restoreTimes(chart, collectedUs, updatedUs, nowUs)) return;
    // Without its times what it was compared with is of another time too.
    forgetState(chart);
    const aheadSec = (collectedUs - nowUs) / 1e6;
    if (aheadSec <= this.host.clockOffsetSec + AHEAD_SEC_MAX) this.noteAhead(Math.ceil(10 * aheadSec) / 10);
  }

  /**
   * What is told late looks as if the child were behind: what was told soonest counts. Values that the child passes on
   * have the times of whoever collected them, which may be ahead of its own clock by as much as it stores; a chart that
   * is further ahead is left from a clock that was put back.
   * @param newestSec of a chart; 0 = it has none.
   */
  private noteClock(childNowSec: number, newestSec: number, nowSec: number): void {
    if (childNowSec <= 0) return;
    const isPossible = newestSec <= childNowSec + AHEAD_SEC_MAX;
    const toldSec = isPossible ? Math.max(childNowSec, newestSec) : childNowSec;
    // It is told in whole seconds: on average half a second more has passed.
    this.noteAhead(Math.round(10 * (toldSec + 0.5 - nowSec)) / 10);
  }

  private noteAhead(offsetSec: number): void {
    const { host } = this;
    if (!(offsetSec <= host.clockOffsetSec)) host.clockOffsetSec = offsetSec;
    trustClock(host, this.isTrusting);
  }

  replayEnd(chart: Chart, end: ReplayEnd, nowUs: number): void {
    this.noteClock(end.senderNowSec, end.lastSec, nowUs / 1e6);
    const asked = this.plan.askedOf(chart);
    if (asked !== null) this.passOn(chart, asked);
    this.plan.answered(chart, end.isStreaming, end.beforeSec, this.heldUpTo(end.lastSec, nowUs / 1e6));
  }

  /** Newest second that can be asked for: what a child says to hold of the future could not be stored. */
  private heldUpTo(lastSec: number, nowSec: number): number {
    return this.isTrusting ? Math.min(lastSec, Math.floor(nowSec) + AHEAD_SEC_MAX) : 0;
  }

  /** What an answer brought is passed on now: no value need follow. One that starts the stream may bring more. */
  private passOn(chart: Chart, { startsStreaming, afterSec, beforeSec }: ReplayRequest): void {
    const { firstEntrySec, lastEntrySec, slotsPassed } = chart;
    const fromSec = startsStreaming ? Math.max(this.plan.correctsUpTo(chart), firstEntrySec) : afterSec;
    const toSec = startsStreaming ? lastEntrySec : beforeSec;
    if (slotsPassed > 0 && fromSec < toSec) this.host.listener?.past?.(chart, fromSec, toSec);
  }

  /** The child is an agent of our kind: it can be asked for older points of charts that stream. */
  allowLater(): void {
    this.isTributary = true;
    this.plan.allowLater();
  }

  /** A line of a child of our kind; one that means nothing to us is passed over. */
  extension([word, first = "", second = "", third = ""]: readonly string[], nowUs: number): void {
    if (word === "DEFINED") this.plan.completed();
    else if (word === "MISSING") this.childMissingSec = this.secondOf(first, nowUs);
    else if (word === "PAST") {
      const chart = this.host.chart(first);
      if (chart !== undefined) this.plan.grown(chart, this.secondOf(second, nowUs), this.secondOf(third, nowUs));
    }
  }

  /** Seconds that are to come, or so old that they are not asked for, are cut to the nearest that is; 0 = no second. */
  private secondOf(word: string, nowUs: number): number {
    const second = Number(word);
    if (!Number.isSafeInteger(second) || second <= 0) return 0;
    const nowSec = Math.floor(nowUs / 1e6);
    return Math.min(nowSec, Math.max(second, nowSec - this.plan.windowSec));
  }

  /** Call once a second: keeps {@link Host.missingFromSec}. */
  tick(): void {
    const { host, plan } = this;
    this.ticks++;
    plan.tick();
    if (!this.isTributary && this.ticks === DEFINED_AFTER_TICKS) plan.completed();
    const known = [plan.missingFromSec, this.childMissingSec];
    // What an earlier connection left open counts until this one has asked for it.
    if (!plan.isSettled) known.push(host.missingFromSec);
    const missing = known.filter((second) => second > 0);
    host.missingFromSec = missing.length === 0 ? 0 : Math.min(...missing);
    this.remember();
    if (this.ticks % REMEMBER_SEC === 0) this.rememberReached();
  }

  /** The next start has to know what is missing, to a minute. */
  private remember(): void {
    const { missingFromSec, files } = this.host;
    const isSame = missingFromSec > 0 === this.rememberedSec > 0;
    if (isSame && Math.abs(missingFromSec - this.rememberedSec) < REMEMBER_SEC) return;
    this.rememberedSec = missingFromSec;
    files?.hostChanged();
  }

  /** By now the kernel has written what others had left in their columns over. */
  private rememberReached(): void {
    for (const chart of this.reached) if (!chart.isRemoved) this.host.files?.chartReached(chart);
    this.reached.clear();
  }

  /** The connection is over. */
  end(): void {
    this.tick();
    this.rememberReached();
    this.plan.end();
    trustClock(this.host, false);
  }
}
