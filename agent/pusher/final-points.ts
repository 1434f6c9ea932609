import type { Clock } from "../base/clock.ts";
import type { SendBuffer } from "../base/send-buffer.ts";
import { dimensionState } from "../rrd/backfill.ts";
import type { Chart } from "../rrd/chart.ts";
import type { DimensionSet } from "../rrd/dimension.ts";
import type { Host } from "../rrd/host.ts";
import { isResetAt, readStored } from "../rrd/read.ts";
import { FINAL_END_LINE, finalBeginLine, finalSetHead, finalSetLine } from "../wire/encode-final.ts";
import type { ChartStream } from "./chart-stream.ts";
import type { LinkAccount } from "./link-account.ts";

/** Seconds of one chart that came late and wait; with more of them, all from the oldest on are told again. */
const LATE_MAX = 100;

/** One chart whose points go out on this connection. */
class PointedChart {
  readonly chart: Chart;
  /** The newest second that was told, or that the parent has from elsewhere. */
  cursorSec: number;
  /** Values since then. */
  heldValues = 0;
  /** Seconds up to the cursor that were stored since. */
  late: number[] = [];
  /** It is in the list of those that may have something to tell. */
  isListed = false;
  private heads: string[] = [];
  private headsOf: DimensionSet | null = null;

  constructor(chart: Chart) {
    this.chart = chart;
    this.cursorSec = chart.lastEntrySec;
  }

  /** What the SET2 of each dimension begins with. */
  setHeads(): readonly string[] {
    const { dimensions } = this.chart;
    // A set that is not shared yet may still grow.
    const isSame = this.headsOf === dimensions && this.heads.length === dimensions.count;
    if (!isSame) this.heads = dimensions.list.map(({ id }) => finalSetHead(id));
    this.headsOf = dimensions;
    return this.heads;
  }
}

/**
 * One connection to a parent that takes final values (streaming.md §6): each second of a chart is read from the ring
 * once it is complete. What is committed waits there, not in the send buffer, so a parent that does not read costs no
 * more memory. An iteration that ends no second goes with the next one that does: so do bases, and what is merged.
 */
export class FinalPoints {
  private readonly clock: Pick<Clock, "nowUs">;
  private readonly buffer: SendBuffer;
  private readonly stream: ChartStream;
  private readonly account: LinkAccount;
  private readonly states: (PointedChart | undefined)[] = [];
  private listed: PointedChart[] = [];
  private values = new Float64Array(16);

  constructor(clock: Pick<Clock, "nowUs">, buffer: SendBuffer, stream: ChartStream, account: LinkAccount) {
    this.clock = clock;
    this.buffer = buffer;
    this.stream = stream;
    this.account = account;
  }

  /** The parent has all that the ring holds of this chart now. */
  begin(chart: Chart): void {
    this.stateOf(chart).cursorSec = chart.lastEntrySec;
  }

  /** What is stored from here on is told, whichever way it comes. */
  beginAll(host: Host): void {
    for (const chart of host.chartList()) this.begin(chart);
  }

  /**
   * Values are about to be stored.
   * @param timeSec their second, if it is known: it may be one that was told before.
   */
  hold(chart: Chart, values: number, timeSec = Number.POSITIVE_INFINITY): void {
    const state = this.stateOf(chart);
    // What is told of a second is what had been collected when it was over: not what is collected now.
    if (state.isListed) this.writeChart(state);
    this.account.hold(values);
    state.heldValues += values;
    state.cursorSec = Math.min(state.cursorSec, chart.lastEntrySec);
    if (timeSec <= state.cursorSec) addLate(state, timeSec);
    this.list(state);
  }

  /** Points after a second were stored that no value tells of: of a chart that is new here, all of them are. */
  grown(chart: Chart, afterSec: number): void {
    if (!this.stream.wants(chart)) return;
    const isKnown = this.states[chart.index]?.chart === chart;
    const state = this.stateOf(chart);
    if (!isKnown) state.cursorSec = Math.min(state.cursorSec, afterSec);
    this.list(state);
  }

  /** No more will come of this chart, as far as is known. */
  retire(chart: Chart): void {
    const state = this.states[chart.index];
    if (state?.chart === chart && this.writeChart(state)) this.release(state);
  }

  /** Writes what is complete, while there is room. */
  write(): void {
    const { listed } = this;
    let written = 0;
    while (written < listed.length && this.writeChart(listed[written]!)) listed[written++]!.isListed = false;
    if (written === listed.length) this.listed = [];
    else listed.splice(0, written);
  }

  /** @returns false when there was no room for all of it. */
  private writeChart(state: PointedChart): boolean {
    const { chart } = state;
    if (chart.isRemoved) {
      this.giveUp(state, state.heldValues);
      return true;
    }
    const U = chart.definition.updateEverySec;
    const lastSec = chart.lastEntrySec;
    // Its clock may have gone back.
    state.cursorSec = Math.min(state.cursorSec, lastSec);
    if (state.late.length === 0 && state.cursorSec === lastSec) return true;
    if (!this.stream.ensureDefined(chart)) return false;
    for (; state.late.length > 0; state.late.shift()) if (!this.writePoint(state, state.late[0]!)) return false;
    const firstSec = Math.max(state.cursorSec, chart.firstEntrySec);
    // The ring is shorter than the parent was slow.
    const share = (firstSec - state.cursorSec) / (lastSec - state.cursorSec);
    if (state.cursorSec > 0 && share > 0) this.giveUp(state, Math.round(state.heldValues * share));
    for (let second = Math.floor(firstSec / U) * U + U; second <= lastSec; second += U) {
      if (!this.writePoint(state, second)) return false;
      state.cursorSec = second;
    }
    state.cursorSec = lastSec;
    this.release(state);
    return true;
  }

  /** @returns false when there is no room. */
  private writePoint(state: PointedChart, timeSec: number): boolean {
    const { chart } = state;
    const { count } = chart.dimensions;
    if (this.values.length < count) this.values = new Float64Array(2 * count);
    const { values } = this;
    const heads = state.setHeads();
    const isReset = isResetAt(chart, timeSec);
    let lines = "";
    let sets = 0;
    for (let i = 0; i < count; i++) {
      readStored(chart, i, timeSec, timeSec, values, i);
      if (Number.isNaN(values[i]!)) continue;
      const { collected, rest } = dimensionState(chart, i);
      lines += finalSetLine(heads[i]!, collected, rest, values[i]!, isReset);
      sets++;
    }
    if (lines === "") return true;
    const nowSec = Math.floor(this.clock.nowUs() / 1e6);
    const begin = finalBeginLine(chart.id, chart.definition.updateEverySec, timeSec, nowSec);
    if (!this.buffer.append(Buffer.from(begin + lines + FINAL_END_LINE))) return false;
    this.stream.written.add(1, sets);
    return true;
  }

  private list(state: PointedChart): void {
    if (!state.isListed) this.listed.push(state);
    state.isListed = true;
  }

  private release(state: PointedChart): void {
    this.account.release(state.heldValues);
    state.heldValues = 0;
  }

  private giveUp(state: PointedChart, values: number): void {
    this.account.giveUp(values);
    state.heldValues -= values;
  }

  private stateOf(chart: Chart): PointedChart {
    const known = this.states[chart.index];
    if (known !== undefined && known.chart === chart) return known;
    // Another chart had this place.
    if (known !== undefined) this.giveUp(known, known.heldValues);
    const state = new PointedChart(chart);
    while (this.states.length < chart.index) this.states.push(undefined);
    this.states[chart.index] = state;
    return state;
  }
}

function addLate(state: PointedChart, timeSec: number): void {
  if (!state.late.includes(timeSec)) state.late.push(timeSec);
  if (state.late.length <= LATE_MAX) return;
  state.cursorSec = Math.min(...state.late) - state.chart.definition.updateEverySec;
  state.late = [];
}
