import type { StoredChart } from "../query-fixture.ts";

/** Size of the query that is measured (design: 10 dimensions × 3600 points as JSON). */
export const DIMENSIONS = 10;
export const POINTS = 3600;
export const CHART = "bench.chart";

/** Values as they are met: counts, percentages, rates with many digits, a flat line, a gap. */
function sampleAt(dimension: number, k: number): number | null {
  if (dimension === 0) return k % 97;
  if (dimension === 1) return 0;
  if (dimension === 2) return k % 50 === 7 ? null : 1_000_000 + k * 17;
  return Math.fround(((Math.sin(k / (dimension * 3)) + 1.5) * 10 ** (dimension % 5)) / 3);
}

/** The measured chart, its oldest point stored at `fromSec`. */
export function queryLoad(fromSec: number): StoredChart {
  return {
    id: CHART,
    updateEverySec: 1,
    dimensions: Array.from({ length: DIMENSIONS }, (_, i) => ({ id: `dimension_${i}` })),
    rows: Array.from({ length: POINTS }, (_, k) => {
      return [fromSec + k, ...Array.from({ length: DIMENSIONS }, (_, i) => sampleAt(i, k))];
    }),
  };
}
