/** Stored points of one chart: dimension → second → value; seconds without a value are left out. */
export type ChartPoints = ReadonlyMap<string, ReadonlyMap<number, number>>;

/** How the points of one chart at a second agent compare with those at the first. */
export interface ChartComparison {
  /** Points of dimensions that are compared second by second: how many, and how many are equal. */
  points: number;
  equal: number;
  /** Rates are compared by what they sum up to: how many dimensions, and how many have equal sums. */
  rates: number;
  equalRates: number;
  /** Points the first agent has and the second has not. */
  missing: number;
  /** The first thing that is wrong, for people; empty if nothing is. */
  problem: string;
}

/** Two values are equal when they differ by no more than this part of the larger … */
const RELATIVE_DIFFERENCE = 1e-4;
/** … or by no more than the last of the seven decimals in which agents print. */
const PRINTED_DIFFERENCE = 1.1e-7;
const SUM_DIFFERENCE = 0.01;

/**
 * @param isRate its dimensions count up: as long as every agent takes the time of an iteration from its own clock, the
 * seconds of each begin a little earlier or later, so that only sums can be compared.
 */
export function comparePoints(isRate: boolean, first: ChartPoints, second: ChartPoints): ChartComparison {
  const result: ChartComparison = { points: 0, equal: 0, rates: 0, equalRates: 0, missing: 0, problem: "" };
  for (const [dimension, values] of first) {
    const others = second.get(dimension) ?? new Map<number, number>();
    const missing = [...values.keys()].filter((second) => !others.has(second));
    result.missing += missing.length;
    if (missing.length > 0) result.problem ||= `${dimension} has no value at ${clockTime(missing[0]!)}`;
    if (isRate) compareSums(result, dimension, values, others);
    else compareEach(result, dimension, values, others);
  }
  return result;
}

type Values = ReadonlyMap<number, number>;

function compareEach(result: ChartComparison, dimension: string, values: Values, others: Values): void {
  for (const [second, value] of values) {
    const other = others.get(second);
    if (other === undefined) continue;
    result.points++;
    const difference = Math.abs(value - other);
    const allowed = Math.max(PRINTED_DIFFERENCE, RELATIVE_DIFFERENCE * Math.max(Math.abs(value), Math.abs(other)));
    if (difference <= allowed) result.equal++;
    else result.problem ||= `${dimension} is ${other} at ${clockTime(second)}, at the child ${value}`;
  }
}

/** Of the seconds that both have, so that a missing one is one fault, not two. */
function compareSums(result: ChartComparison, dimension: string, values: Values, others: Values): void {
  const seconds = [...values.keys()].filter((second) => others.has(second)).toSorted((a, b) => a - b);
  if (seconds.length === 0) return;
  const sum = (of: Values) => seconds.reduce((total, second) => total + of.get(second)!, 0);
  const [here, there] = [sum(values), sum(others)];
  // What one agent counts in the first or last of these seconds may lie just outside of them at the other.
  const edges = [seconds[0]!, seconds.at(-1)!];
  const atEdges = Math.max(
    ...edges.flatMap((second) => [Math.abs(values.get(second)!), Math.abs(others.get(second)!)]),
  );
  const allowed = SUM_DIFFERENCE * Math.max(Math.abs(here), Math.abs(there)) + atEdges;
  result.rates++;
  if (Math.abs(here - there) <= allowed) result.equalRates++;
  else result.problem ||= `${dimension} sums up to ${there}, at the child to ${here}`;
}

/** UTC, `12:34:56`. */
export function clockTime(second: number): string {
  return new Date(1000 * second).toISOString().slice(11, 19);
}
