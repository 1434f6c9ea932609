import type { ChartReference, DimensionReference } from "./reference.ts";

/** One value that a proxy or a parent has stored. */
export interface StoredPoint {
  readonly reference: ChartReference;
  readonly dimension: DimensionReference;
  /** Second of the keeper's clock. */
  readonly second: number;
  readonly value: number;
  /** Differences between the keeper's clock and the true time, all that it ever had. */
  readonly wallOffsetsUs: Iterable<number>;
  /** The same of every machine that a value may have come through. */
  readonly allWallOffsetsUs: Iterable<number>;
  /**
   * Second of the value before the gap that this one follows on; NaN = none is known. Undefined: it follows on a value.
   * The last two boundaries of a gap get values on the line from what was before it (rrd.md §2.5).
   */
  readonly gapFromSec: number | undefined;
  /** How old what arrived in that second may have been, by true time. @param atUs true time. */
  ageUs(atUs: number): number;
}

/** How far a stored value may be from the child's. @returns what is wrong with it; empty = nothing. */
export type Looseness = (point: StoredPoint) => string;

/** A sample is never younger than its arrival, give or take this (agent/rrd/interval.ts). */
const EARLY_US = 150_000;
/** What is on its way when nothing is wrong, on all links together. */
export const USUAL_AGE_US = 600_000;
/** From here on a chart goes back with the clock of its keeper (agent/rrd/interval.ts). */
const SET_BACK_US = 5_000_000;
/** A boundary further from the iteration that passes it stays empty. */
const GAP_STEPS = 3;
const ROUNDING = 1e-5;

/** A link that replicates: every value is the child's of the same second. */
export const exact: Looseness = ({ dimension, second, value }) => {
  if (dimension.hasStored(second, value)) return "";
  return `is ${value}, the child stored ${dimension.storedAt(second)}`;
};

/**
 * What the V1 protocol can keep (streaming.md §2.4): a value lies in the second in which it arrived, or, once intervals
 * are sent, in that of its collection; values that arrive together may fall into one second, and a rate may hold what
 * was counted since the one before. So it must come from what the child collected shortly before, never later.
 */
export const v1: Looseness = (point) => {
  const { second, value } = point;
  const offsetsUs = [...point.wallOffsetsUs];
  const backUs = setBackUs(offsetsUs);
  const isPossible = offsetsUs.some((offsetUs) => isWithin(value, rangeAt(point, second * 1e6 - offsetUs, backUs)));
  return isPossible ? "" : `is ${value}, ${textOf(point, second * 1e6 - offsetsUs[0]!, backUs)}`;
};

/**
 * How far a keeper's clock may have been put back while the child was elsewhere; 0 = it was not. Then the increase of
 * all that time counts as one second's, and a gap was longer than its seconds show: the line over it, on which its last
 * two values lie, comes from where the child was before (of seed 9: from 1261 to 1978, over seconds 1261 to 1377).
 */
function setBackUs(offsetsUs: readonly number[]): number {
  const isSetBack = offsetsUs.some((offsetUs, i) => i > 0 && offsetUs < offsetsUs[i - 1]! - SET_BACK_US);
  return isSetBack ? Math.max(...offsetsUs) - Math.min(...offsetsUs) : 0;
}

/**
 * Links that replicate as long as the clocks of both ends agree: a value is the child's of the same second by the child's
 * clock, or lies where V1 puts it by the clock of whoever on its way dated it.
 */
export const mixed: Looseness = (point) => {
  return exact(point) === "" ? "" : v1({ ...point, wallOffsetsUs: point.allWallOffsetsUs });
};

/** What the child collected of which a value may be made. */
interface Range {
  readonly low: number;
  readonly high: number;
  /** Positions of its iterations. */
  readonly first: number;
  readonly end: number;
}

/** @param trueUs of the second, if the keeper's clock was right in this way. */
function rangeAt(point: StoredPoint, trueUs: number, backUs: number): Range {
  const { reference, dimension, gapFromSec, second } = point;
  const stepUs = reference.updateEverySec * 1e6;
  const ageUs = point.ageUs(trueUs);
  const isGap = gapFromSec !== undefined;
  const gapUs = Number.isNaN(gapFromSec) ? trueUs : (second - (gapFromSec ?? 0) + 1) * 1e6 + backUs;
  const fromUs = isGap ? trueUs - gapUs : trueUs;
  // One before the oldest: a value may lie between two, and a rate begins with the one before.
  const first = Math.max(0, reference.firstFrom(fromUs - ageUs) - 1);
  // It may have been stored only when the next one came.
  const isLoose = isGap || Math.max(ageUs, point.ageUs(trueUs + 2 * stepUs)) > USUAL_AGE_US;
  const end = endOf(reference, trueUs, isLoose ? 2 * stepUs : stepUs);
  const { algorithm } = dimension.meaning;
  const isCountedLate = backUs > 0 && algorithm === "incremental";
  const [low, high] = rangeOf(algorithm, dimension.values, isCountedLate ? 0 : first, end);
  return { low, high, first, end };
}

function isWithin(value: number, { low, high }: Range): boolean {
  const room = ROUNDING * Math.max(Math.abs(low), Math.abs(high), 1);
  return value >= low - room && value <= high + room;
}

function textOf(point: StoredPoint, trueUs: number, backUs: number): string {
  const { low, high, first, end } = rangeAt(point, trueUs, backUs);
  if (first >= end) return "the child collected nothing in that time";
  const { atUs } = point.reference;
  const from = (atUs[first]! - trueUs) / 1e6;
  const to = (atUs[end - 1]! - trueUs) / 1e6;
  return `the child collected ${low}…${high} from ${from.toFixed(3)} s to ${to.toFixed(3)} s after`;
}

/** Position behind the last iteration that a value may come from. @param lateUs which was collected so much later. */
function endOf(reference: ChartReference, trueUs: number, lateUs: number): number {
  const { atUs, updateEverySec } = reference;
  const stepUs = updateEverySec * 1e6;
  const end = reference.firstFrom(trueUs + lateUs + EARLY_US);
  // When the child left seconds out, the last two boundaries before it goes on lie on the line to there (rrd.md §2.5).
  const isNext = end > 0 && end < atUs.length && atUs[end]! - atUs[end - 1]! > 1.5 * stepUs;
  return isNext && atUs[end]! <= trueUs + GAP_STEPS * stepUs + EARLY_US ? end + 1 : end;
}

function rangeOf(algorithm: string, values: readonly number[], first: number, end: number): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (let i = first; i < end; i++) {
    const value = values[i] ?? Number.NaN;
    if (Number.isNaN(value)) continue;
    sum += value;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [low, high];
  if (algorithm === "incremental") return [0, sum];
  return algorithm === "absolute" ? [low, high] : [0, 100];
}
