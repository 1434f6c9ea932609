import type { Chart } from "./chart.ts";
import type { CollectedRow } from "./collected-row.ts";
import { commitGeneral } from "./commit-general.ts";
import { dropDelta } from "./counter-drop.ts";
import { ABSOLUTE, INCREMENTAL } from "./dimension.ts";
import { ABSENT, markAbsent } from "./dimension-pool.ts";

/**
 * Commits one iteration of a streamed chart: passes it on, brings the collected values onto second boundaries and
 * stores them (rrd.md §2). Called for every END: the common case is decided here and done by one of two short loops,
 * everything else by {@link commitGeneral}, with equal results.
 * @param givenUs what BEGIN said; 0 = unknown, the interval is taken from our clock.
 * @param nowUs wall clock of the read that brought the data.
 */
export function commitStreamed(chart: Chart, row: CollectedRow, givenUs: number, nowUs: number): void {
  const { host } = chart;
  host.balance.received += row.setCount;
  const isEarly = chart.lastCollectedUs + givenUs > nowUs + host.earlyUsMax;
  if (givenUs === 0 || isEarly || !commitSteady(chart, row, givenUs)) commitGeneral(chart, row, givenUs, nowUs, true);
}

/** Commits one iteration of a chart of this agent itself; the interval is what its clock says. */
export function commitLocal(chart: Chart, row: CollectedRow, nowUs: number): void {
  chart.host.balance.collected += row.setCount;
  if (!commitSteady(chart, row, nowUs - chart.lastCollectedUs)) commitGeneral(chart, row, 0, nowUs, false);
}

/**
 * The common case: a steady chart that passes just one boundary.
 * @param elapsedUs since its last collection. @returns false, and does nothing, in any other case.
 */
function commitSteady(chart: Chart, row: CollectedRow, elapsedUs: number): boolean {
  const collectedUs = chart.lastCollectedUs + elapsedUs;
  const boundaryUs = chart.lastUpdatedUs + chart.updateEveryUs;
  if (!chart.isSteady || row.wide || collectedUs < boundaryUs || collectedUs >= boundaryUs + chart.updateEveryUs) {
    return false;
  }
  const host = chart.host;
  const segment = chart.segment!;
  const slot = chart.nextSlot;
  const block = slot >> 6;
  const boundarySec = boundaryUs / 1e6;
  const startSec = boundarySec - (slot & 63) * segment.updateEverySec;
  if (segment.stamps[block] !== startSec && !segment.open(block, startSec)) return false;
  const listener = host.listener;
  if (listener !== null) listener.commit(chart, row, elapsedUs, elapsedUs);
  // Share of this iteration that lies before the boundary.
  const share = (boundaryUs - chart.lastCollectedUs) / elapsedUs;
  const base = ((block * segment.columns) << 6) + (slot & 63);
  if (row.complete && !chart.isIrregular) {
    storeComplete(chart, row.values, base, share);
    host.balance.stored += row.setCount;
  } else storeWithHoles(chart, row, base, share);
  chart.lastCollectedUs = collectedUs;
  chart.lastUpdatedUs = boundaryUs;
  chart.nextSlot = slot + 1 === segment.slots ? 0 : slot + 1;
  chart.slotsPassed++;
  chart.iterations++;
  segment.date(chart.record, boundarySec);
  host.lastCollectedUs = collectedUs;
  return true;
}

/** Every dimension was SET once and every one has a base: nothing to look at but the values. */
function storeComplete(chart: Chart, collected: Float64Array, base: number, share: number): void {
  const segment = chart.segment!;
  const { state } = chart.host.pool;
  const { algorithms, ratios } = chart.dimensions;
  const { values, perUpdate } = segment;
  const count = algorithms.length;
  let at = base + chart.firstTile;
  let place = chart.start << 1;
  for (let i = 0; i < count; i++, place += 2, at += 64) {
    const value = collected[i]!;
    if (algorithms[i] === ABSOLUTE) values[at] = value * ratios[i]!;
    else {
      const last = state[place]!;
      const delta =
        (value >= last && last >= 0 ? value - last : dropDelta(chart, place >> 1, value, base)) * ratios[i]!;
      const part = delta * share;
      values[at] = (part + state[place + 1]!) * perUpdate;
      state[place + 1] = delta - part;
    }
    state[place] = value;
  }
}

/** As {@link storeComplete}, for rows in which dimensions are missing, new, or SET more than once. */
function storeWithHoles(chart: Chart, row: CollectedRow, base: number, share: number): void {
  const { pool, balance } = chart.host;
  const { state, collections, flags } = pool;
  const { algorithms, ratios } = chart.dimensions;
  const { values, perUpdate } = chart.segment!;
  const count = algorithms.length;
  let at = base + chart.firstTile;
  let isIrregular = false;
  let firsts = 0;
  let present = 0;
  for (let i = 0, place = chart.start; i < count; i++, place++, at += 64) {
    const sets = row.complete ? 1 : row.sets[i]!;
    if (sets === 0) {
      storeAbsent(chart, i, at);
      isIrregular = true;
      continue;
    }
    present++;
    flags[place] = flags[place]! & ~ABSENT;
    const value = row.values[i]!;
    const before = collections[place]!;
    if (before < 2) collections[place] = Math.min(2, before + sets);
    if (before + sets < 2) {
      values[at] = Number.NaN;
      state[2 * place + 1] = 0;
      isIrregular = true;
      firsts++;
    } else if (algorithms[i] === ABSOLUTE) values[at] = value * ratios[i]!;
    else {
      const last = state[2 * place]!;
      const delta = (value >= last && last >= 0 ? value - last : dropDelta(chart, place, value, base)) * ratios[i]!;
      const part = delta * share;
      values[at] = (part + state[2 * place + 1]!) * perUpdate;
      state[2 * place + 1] = delta - part;
    }
    state[2 * place] = value;
  }
  chart.isIrregular = isIrregular;
  balance.base += firsts;
  balance.stored += present - firsts;
  balance.merged += row.setCount - present;
}

/** The dimension was not SET: an empty slot; a rate's base stays and the next SET brings the whole increase. */
function storeAbsent(chart: Chart, index: number, at: number): void {
  const { pool } = chart.host;
  const place = chart.start + index;
  chart.segment!.values[at] = Number.NaN;
  if (chart.dimensions.algorithms[index] === INCREMENTAL) pool.state[2 * place + 1] = 0;
  if ((pool.flags[place]! & ABSENT) === 0) markAbsent(pool, place, chart.lastCollectedUs);
}
