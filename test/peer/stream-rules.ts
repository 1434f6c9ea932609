import type { DimensionResult, Sums } from "./compare.ts";

/** At least so many dimensions change under the load; only they count. */
const CHANGING_MIN = 60;
/** Absolute and percentage dimensions: share of their points that are equal. */
const EQUAL_SHARE_MIN = 0.97;
/** Incremental dimensions are equal in their sum. */
const SUM_DIFFERENCE_MAX = 0.01;
/** In the first minute: share of the seconds in which a dimension has a value. */
const PRESENT_SHARE_MIN = 0.97;

/** The figures of one way through the agents in one window. Only dimensions that changed count. */
export interface StreamFigures {
  readonly changing: number;
  /** Of the points of absolute and percentage dimensions: how many there are, and which share of them … */
  readonly points: number;
  /** … is equal in its second, 0…1 … */
  readonly equalShare: number;
  /** … has a value that the source has in that second or beside it … */
  readonly nearShare: number;
  /** … has the value of the second before: near 1 where all values lie a second late. */
  readonly lateShare: number;
  readonly incremental: number;
  /** The dimensions that changed. */
  readonly results: readonly DimensionResult[];
  /** Of all dimensions, those without a value in too many seconds for the first minute. */
  readonly sparse: readonly DimensionResult[];
}

/** @param all dimensions of all charts. */
export function figuresOf(all: readonly DimensionResult[]): StreamFigures {
  const results = all.filter(({ isChanging }) => isChanging);
  const gauges = results.filter(({ isIncremental }) => !isIncremental);
  const sum = (count: (result: DimensionResult) => number) => gauges.reduce((total, each) => total + count(each), 0);
  const points = sum((each) => each.points);
  return {
    changing: results.length,
    points,
    equalShare: sum((each) => each.equal) / points,
    nearShare: sum((each) => each.near) / points,
    lateShare: sum((each) => each.late) / points,
    incremental: results.length - gauges.length,
    results,
    sparse: all.filter(({ missing, points: count }) => missing > (1 - PRESENT_SHARE_MIN) * count),
  };
}

/** What is wrong once the intervals of the child count: every value has its second. */
export function steadyProblems(figures: StreamFigures): string[] {
  const { equalShare, results } = figures;
  return [
    ...loadProblems(figures),
    ...results.filter(({ isIncremental, missing }) => isIncremental && missing > 0).map(missingProblem),
    ...sumProblems(results, (each) => each.sums),
    ...shareProblems("equal", equalShare, results, (each) => each.equal),
  ];
}

/**
 * What is wrong in the first minute of a link. In it the child sends 0 instead of its intervals, and the receiver takes
 * the moment at which values come for their time. So no more can be asked than that values lie in their second or,
 * where one came on the other side of a full second, beside it; a value that another one overtook may be missing. Of a
 * counter that rises in bursts, a different part of the burst lies before each full second: the sums are taken between
 * seconds in which little happened.
 */
export function firstMinuteProblems(figures: StreamFigures): string[] {
  const { nearShare, results, sparse } = figures;
  return [
    ...loadProblems(figures),
    ...sparse.map(missingProblem),
    ...sumProblems(results, (each) => each.quietSums),
    ...shareProblems("near", nearShare, results, (each) => each.near),
  ];
}

/** There must be something to compare. */
function loadProblems({ changing, points, incremental }: StreamFigures): string[] {
  if (changing >= CHANGING_MIN && points > 0 && incremental > 0) return [];
  return [`only ${changing} dimensions change, ${incremental} of them incremental`];
}

function missingProblem({ name, missing, points }: DimensionResult): string {
  return `${name}: ${missing} of ${points} points are missing`;
}

function sumProblems(results: readonly DimensionResult[], sums: (result: DimensionResult) => Sums): string[] {
  return results.flatMap((result) => {
    const [source, target] = sums(result);
    if (!result.isIncremental || Math.abs(source - target) <= SUM_DIFFERENCE_MAX * Math.abs(source)) return [];
    return [`${result.name}: sums to ${source} at the source and ${target} at the target`];
  });
}

function shareProblems(
  word: string,
  share: number,
  results: readonly DimensionResult[],
  good: (result: DimensionResult) => number,
): string[] {
  // No points at all are no share: that is wrong too.
  if (share >= EQUAL_SHARE_MIN) return [];
  const worst = results.filter((each) => !each.isIncremental && good(each) < each.points);
  worst.sort((one, other) => good(one) / one.points - good(other) / other.points);
  const shown = worst.slice(0, 10).map((each) => `${each.name}: ${good(each)} of ${each.points} ${word}`);
  return [`only ${(100 * share).toFixed(2)} % of the points are ${word}`, ...shown];
}
