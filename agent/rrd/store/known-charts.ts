import type { Chart } from "../chart.ts";
import { NO_SEGMENT } from "../ring.ts";
import type { StoredChart, StoredDimension } from "./catalogue-format.ts";

/** A chart as the catalogue knows it. */
export interface KnownChart {
  readonly key: number;
  /** By dimension: what its column holds before this second is not its own; −1 = it has no column, or one not dated. */
  sinceSec: number[];
  /** That of the columns it got last; infinite = there were none. */
  newestSec: number;
}

/** The charts of one host that have a key: what its catalogue says of them. */
export class KnownCharts {
  /** Smallest key that was never used. */
  nextKey = 1;
  private readonly charts = new Map<Chart, KnownChart>();

  /** Takes over a chart that was read from the catalogue. */
  adopt(chart: Chart, key: number, sinceSec: number[]): void {
    this.charts.set(chart, { key, sinceSec, newestSec: Number.POSITIVE_INFINITY });
  }

  /** A chart has got its columns: new ones are its own from now on, the others stay what they were. */
  settle(chart: Chart, nowSec: number): KnownChart {
    const known = this.charts.get(chart) ?? { key: this.nextKey++, sinceSec: [], newestSec: 0 };
    this.charts.set(chart, known);
    known.newestSec = Number.POSITIVE_INFINITY;
    const sinceSec = emptyUntilSec(chart, nowSec);
    for (let index = 0; index < chart.dimensions.count; index++) {
      const isPlaced = chart.host.pool.segment[chart.start + index]! < NO_SEGMENT;
      if (!isPlaced) known.sinceSec[index] = -1;
      else if ((known.sinceSec[index] ?? -1) < 0) known.newestSec = known.sinceSec[index] = sinceSec;
    }
    return known;
  }

  /** Columns of a chart were emptied or exchanged: what they held is not its own any more. */
  emptied(chart: Chart, first: number, count: number): void {
    this.charts.get(chart)?.sinceSec.fill(-1, first, first + count);
  }

  /** Columns of a chart are its own from its oldest slot on. */
  reached(chart: Chart): void {
    const known = this.charts.get(chart);
    const firstSec = chart.firstEntrySec + chart.definition.updateEverySec;
    if (known !== undefined) known.sinceSec = known.sinceSec.map((since) => Math.min(since, firstSec));
  }

  /** @returns the key that the chart had; undefined = none. */
  remove(chart: Chart): number | undefined {
    const key = this.charts.get(chart)?.key;
    this.charts.delete(chart);
    return key;
  }

  /** What the catalogue says of each, as they are now. */
  *stored(): Iterable<StoredChart> {
    for (const [chart, known] of this.charts) yield storedChart(chart, known);
  }
}

export function storedChart(chart: Chart, known: KnownChart): StoredChart {
  const { definition, isObsolete } = chart;
  return { key: known.key, definition, isObsolete, dimensions: storedDimensions(chart, known, 0) };
}

/** Dimensions of a chart from a position on, and their columns. */
export function storedDimensions(chart: Chart, { sinceSec }: KnownChart, from: number): StoredDimension[] {
  const { pool } = chart.host;
  const stored: StoredDimension[] = [];
  for (let index = from; index < chart.dimensions.count; index++) {
    const place = chart.start + index;
    const isPlaced = pool.segment[place]! < NO_SEGMENT;
    stored.push({
      dimension: chart.dimensions.list[index]!,
      segment: isPlaced ? pool.segment[place]! : -1,
      column: isPlaced ? pool.tile[place]! >> 6 : -1,
      sinceSec: Math.max(0, sinceSec[index] ?? 0),
    });
  }
  return stored;
}

/**
 * Second from which on new columns of a chart are its own. Nothing is stored in them before their next collection, but
 * whoever had them last may have stored up to now.
 */
function emptyUntilSec(chart: Chart, nowSec: number): number {
  const stepSec = chart.definition.updateEverySec;
  const nextSec = chart.lastUpdatedUs > 0 ? chart.lastEntrySec + stepSec : 0;
  return Math.max(nextSec, Math.floor(nowSec / stepSec) * stepSec);
}
