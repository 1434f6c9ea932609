import type { Chart } from "./chart.ts";
import type { Host } from "./host.ts";

/**
 * Samples whose time is ahead of our clock by more than this are not stored (streaming.md §2.4). The clock of a child
 * is never used, so only one interval that is far too long gets there.
 */
export const AHEAD_US_MAX = 5_000_000;
/**
 * A sample that its child's intervals put ahead of our clock by more than this, and that yet has come, shows that an
 * earlier one came late and was dated by its arrival. Below it is what two arrivals differ by anyway: nothing is
 * corrected all the time.
 */
export const EARLY_US_MAX = 100_000;
/** Natural phase of a chart whose first collection is not known to the µs (rrd.md §2.3). */
export const START_PHASE_US = 500_000;
/** A sender's interval beyond this (and beyond twice update_every) is not believed. */
const GIVEN_US_MAX = 3_600_000_000;

/** Whether the sender of a host says at which times its charts are: then its intervals are never doubted. */
export function trustsClock(host: Host): boolean {
  return host.earlyUsMax === AHEAD_US_MAX;
}

/** See {@link trustsClock}. */
export function trustClock(host: Host, isTrusted: boolean): void {
  host.earlyUsMax = isTrusted ? AHEAD_US_MAX : EARLY_US_MAX;
}

/**
 * Interval of a child's iteration, µs: what the child measured is taken as it is (rrd.md §2.2), within the guards of
 * streaming.md §2.4. A chart that is far ahead of our clock, where no sample may be stored, shows that our clock was
 * put back: the chart goes back with it.
 * @param givenUs what BEGIN said; 0 = by our clock.
 */
export function streamedInterval(chart: Chart, givenUs: number, nowUs: number): number {
  if (chart.lastCollectedUs === 0) return chart.updateEveryUs;
  if (chart.lastCollectedUs > nowUs + AHEAD_US_MAX) return setBack(chart, nowUs);
  // No sample is collected after it came: an interval that says so starts from a time that was too late. Left alone,
  // every later value would lie in a wrong second for as long as the connection lasts.
  const aheadUs = chart.lastCollectedUs + givenUs - nowUs;
  const isImpossible = aheadUs > chart.host.earlyUsMax && aheadUs <= AHEAD_US_MAX;
  if (isMeasured(chart, givenUs) && !isImpossible) return givenUs;
  // A small step back of our clock: wait where we are instead of running away from it.
  return Math.max(0, nowUs - chart.lastCollectedUs);
}

/** What the sender says is an interval that it measured, and one to go by. */
export function isMeasured(chart: Chart, givenUs: number): boolean {
  if (givenUs <= 0 || chart.syncClock) return false;
  return trustsClock(chart.host) || givenUs <= Math.max(GIVEN_US_MAX, 2 * chart.updateEveryUs);
}

/**
 * Whether a chart that takes its time from our clock has done so with this interval. The first iteration has none yet:
 * it is the second that has to follow our clock (rrd.md §2.2). A chart that is ahead waits for our clock; where
 * intervals are never doubted, nothing else would hold it back, and all its values would lie in wrong seconds.
 */
export function isInStep(chart: Chart, elapsedUs: number, nowUs: number): boolean {
  if (chart.lastCollectedUs === 0) return false;
  return !trustsClock(chart.host) || chart.lastCollectedUs + elapsedUs <= nowUs + EARLY_US_MAX;
}

/** Interval of this agent's own collectors, µs: what our clock says (rrd.md §2.2). */
export function localInterval(chart: Chart, nowUs: number): number {
  if (chart.lastCollectedUs === 0) return chart.updateEveryUs;
  const sinceUs = nowUs - chart.lastCollectedUs;
  return sinceUs >= 0 ? sinceUs : setBack(chart, nowUs);
}

/** Last boundary of the chart at or before a time. */
export function alignUs(timeUs: number, chart: Chart): number {
  return Math.floor(timeUs / chart.updateEveryUs) * chart.updateEveryUs;
}

/**
 * Puts the clock of a chart one interval before ours, and forgets what was stored under the old one for the seconds
 * that come once more. @returns that interval.
 */
function setBack(chart: Chart, nowUs: number): number {
  const U = chart.updateEveryUs;
  const before = alignUs(nowUs - U, chart);
  setBackTo(chart, before);
  chart.lastCollectedUs += START_PHASE_US;
  chart.isDatedByGuess = true;
  return U;
}

/** A chart is ahead of our clock, which was put back: it goes on after an earlier boundary, µs. */
export function setBackTo(chart: Chart, boundaryUs: number): void {
  goBack(chart, boundaryUs);
  chart.lastCollectedUs = boundaryUs;
  chart.host.clockSetbacks++;
  chart.restarts++;
}

/** The newest slot of a chart is that of an earlier boundary now; what was stored after it is forgotten. */
export function goBack(chart: Chart, boundaryUs: number): void {
  const U = chart.updateEveryUs;
  const passed = Math.ceil((chart.lastUpdatedUs - boundaryUs) / U);
  if (passed > 0) {
    chart.host.ring?.clearSlots(chart, (boundaryUs + U) / 1e6, passed);
    chart.slotsPassed = Math.max(0, chart.slotsPassed - passed);
  }
  chart.lastUpdatedUs = boundaryUs;
}
