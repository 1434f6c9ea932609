import { commitLocal, commitStreamed } from "../agent/rrd/commit.ts";
import { Database } from "../agent/rrd/database.ts";
import type { Algorithm } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";
import { ValueRow } from "../agent/rrd/value-row.ts";

/** The format `rrd-collection/1` (fixtures/vectors/rrd-collection.json explains it in its head). */
export interface CollectionVectors {
  format: string;
  cases: CollectionCase[];
}

export interface CollectionCase {
  id: string;
  update_every: number;
  gap_when_lost: number;
  chart_options: string[];
  start: { collected_usec: number; stored_usec: number } | "store_first";
  dims: { algorithm: Algorithm; multiplier: number; divisor: number; options: string[] }[];
  dim_added_before_feed_row?: Record<string, number>;
  feed: (number | string | null)[][];
  expected: (number | null)[][];
}

/** A time of day that is a multiple of every update_every in use. */
const T0_SEC = 1_700_000_000 - (1_700_000_000 % 3600);

/** @returns what differs, empty when the case holds. `withFastPath` lets the short loops of the commit serve it. */
export function checkCollection(test: CollectionCase, withFastPath: boolean): string[] {
  const host = newHost(test);
  const chart = host.defineChart({
    id: "test.case",
    updateEverySec: test.update_every,
    storeFirst: test.chart_options.includes("store_first"),
  })!;
  const added = new Set<number>();
  const addDimensions = (row: number) => {
    test.dims.forEach((dim, index) => {
      if (added.has(index) || (test.dim_added_before_feed_row?.[index] ?? 0) > row) return;
      added.add(index);
      host.defineDimension(chart, {
        id: `d${index}`,
        name: `d${index}`,
        algorithm: dim.algorithm,
        multiplier: dim.multiplier,
        divisor: dim.divisor,
        hidden: dim.options.includes("hidden"),
        noReset: dim.options.includes("noreset") || dim.options.includes("nooverflow"),
        obsolete: false,
      });
    });
  };
  const row = new ValueRow();
  row.reserve(test.dims.length);
  test.feed.forEach(([usec, ...values], feedRow) => {
    addDimensions(feedRow);
    values.forEach((value, index) => {
      if (value !== null) row.setExact(chart.dimensions.indexOf(`d${index}`), BigInt(value!));
    });
    const nowUs = feedRow === 0 ? T0_SEC * 1e6 : chart.lastCollectedUs + Number(usec);
    if (!withFastPath) chart.isSteady = false;
    if (feedRow === 0) commitLocal(chart, row, nowUs);
    else commitStreamed(chart, row, Number(usec), nowUs);
    row.clear();
    if (feedRow > 0) return;
    chart.syncClock = false;
    if (test.start === "store_first") return;
    chart.isSteady = false;
    chart.lastCollectedUs = T0_SEC * 1e6 + test.start.collected_usec;
    chart.lastUpdatedUs = T0_SEC * 1e6 + test.start.stored_usec;
  });
  return compare(test, host);
}

function newHost(test: CollectionCase): Host {
  const limits = {
    memoryBytes: 2 ** 30,
    hosts: 1,
    chartsPerHost: 10,
    dimensionsPerChart: 100,
    newChartsPerMinute: 1e9,
  };
  const host = new Database(limits, () => {}).addHost({
    machineGuid: "00000000-0000-0000-0000-000000000000",
    hostname: "vectors",
    os: "linux",
    updateEverySec: test.update_every,
    historyEntries: 3600,
    memoryMode: "ram",
    gapIterations: test.gap_when_lost + 2,
    isLocal: true,
  });
  return host!;
}

function compare(test: CollectionCase, host: Host): string[] {
  const chart = host.chart("test.case")!;
  const shift = test.start === "store_first" ? 0 : 1;
  const wrong: string[] = [];
  test.expected.forEach((series, dimension) => {
    const place = chart.start + chart.dimensions.indexOf(`d${dimension}`);
    const segment = host.ring!.segments[host.pool.segment[place]!]!;
    series.forEach((expected, k) => {
      const timeSec = T0_SEC + (k + shift) * test.update_every;
      const got = segment.read(timeSec, host.pool.tile[place]!);
      const isEqual =
        expected === null ? Number.isNaN(got) : Math.abs(got - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
      if (!isEqual) wrong.push(`d${dimension}[${k}]: expected ${expected}, got ${got}`);
    });
  });
  return wrong;
}
