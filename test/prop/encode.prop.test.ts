import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SimplePattern } from "../../agent/base/pattern.ts";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { ChartStream, SetHeadsCache } from "../../agent/pusher/chart-stream.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { exactValue } from "../../agent/rrd/collected-row.ts";
import { commitLocal } from "../../agent/rrd/commit.ts";
import type { Algorithm } from "../../agent/rrd/dimension.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";
import { StrictV16Reader } from "../strict-v16-reader.ts";

/** A busy machine is slow; a stuck test still ends. */
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);
const runs = (count: number) => ({ seed: TEST_SEED, numRuns: IS_SOAK ? 20 * count : count });

/** Characters that have broken text protocols before. */
const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(..."abcXYZ019_-.:/") },
  { weight: 1, arbitrary: fc.constantFrom(..." \t\r\n\0='\"\\\u007f\u0085\u2028ü😀\ud800") },
);
const text = (max: number) => fc.array(character, { maxLength: max }).map((list) => list.join(""));
const algorithm = fc.constantFrom<Algorithm>(
  "absolute",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
);
const value = fc.oneof(
  fc.integer({ min: -1000, max: 1000 }).map(BigInt),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
);
const dimensionInput = fc.record({
  id: fc.oneof(text(12), text(600)),
  name: text(20),
  algorithm,
  multiplier: fc.oneof(fc.integer(), fc.constant(1)),
  divisor: fc.oneof(fc.integer(), fc.constant(1000)),
  hidden: fc.boolean(),
  noReset: fc.boolean(),
  obsolete: fc.boolean(),
});
const chartInput = fc.record({
  id: fc.tuple(text(8), text(8)).map(([type, id]) => `${type.replaceAll(".", "") || "t"}.${id || "i"}`),
  name: text(10),
  title: fc.oneof(text(40), text(3000)),
  units: text(20),
  family: text(300),
  context: text(300),
  chartType: fc.constantFrom("line" as const, "area" as const, "stacked" as const),
  priority: fc.integer({ min: 1 }),
  plugin: text(30),
  module: text(30),
});
/** Per iteration: which chart, and a value or nothing for each of its dimensions. */
const iteration = fc.record({
  chart: fc.nat(3),
  values: fc.array(fc.option(value), { minLength: 1, maxLength: 6 }),
  elapsedUs: fc.oneof(fc.nat(5_000_000), fc.constant(1_000_000)),
});

/** A host whose commits go through a link's encoder into `sink`. */
function streamingHost(sink: (bytes: Buffer) => void, resyncIterations: number) {
  const host = newHost({ isLocal: true });
  const buffer = new SendBuffer(1e9);
  const stream = new ChartStream(buffer, new SetHeadsCache(), new SimplePattern("*"), resyncIterations);
  const seen: { chart: Chart; values: Map<number, bigint>; elapsedUs: number }[] = [];
  host.listener = {
    commit(chart: Chart, row: CollectedRow, elapsedUs: number) {
      const values = new Map<number, bigint>();
      chart.dimensions.list.forEach((_, index) => {
        if (row.complete || row.sets[index]! > 0) values.set(index, exactValue(row, index));
      });
      seen.push({ chart, values, elapsedUs });
      expect(stream.write(chart, row, elapsedUs)).toBe(values.size);
      buffer.flush({
        write(bytes, offset = 0, length = 0) {
          sink(Buffer.from(bytes.subarray(offset, offset + length)));
          return length;
        },
      });
    },
  };
  return { host, seen };
}

/** Defines what is asked for; ids that are not new change what is there. */
function define(host: Host, charts: fc.Arbitrary<unknown>[] | object[], dimensions: object[][]): Chart[] {
  const made: Chart[] = [];
  charts.forEach((input, index) => {
    const chart = host.defineChart(input as Parameters<Host["defineChart"]>[0]);
    if (chart === null) return;
    for (const each of dimensions[index]!) {
      host.defineDimension(chart, each as Parameters<Host["defineDimension"]>[1]);
    }
    made.push(chart);
  });
  return made;
}

describe("what a link writes", () => {
  const scene = fc.record({
    charts: fc.array(chartInput, { minLength: 1, maxLength: 4 }),
    dimensions: fc.array(fc.array(dimensionInput, { minLength: 1, maxLength: 6 }), { minLength: 4, maxLength: 4 }),
    iterations: fc.array(iteration, { minLength: 1, maxLength: 12 }),
    resync: fc.nat(3),
  });

  test(
    "a strict v1.6 parent reads every value of every iteration, whatever ids and texts are",
    () => {
      fc.assert(
        fc.property(scene, ({ charts: inputs, dimensions, iterations, resync }) => {
          const reader = new StrictV16Reader();
          const { host, seen } = streamingHost((bytes) => reader.feed(bytes), resync);
          const charts = define(host, inputs, dimensions);
          play(charts, iterations);
          reader.finish();
          expect(reader.updates.length).toBe(seen.length);
          expect(reader.charts.size).toBe(new Set(seen.map(({ chart }) => chart)).size);
          const left = new Map<Chart, number>();
          reader.updates.forEach((update, index) => {
            const { chart, values, elapsedUs } = seen[index]!;
            expect([...update.values.values()]).toEqual([...values.values()]);
            const zeros = left.get(chart) ?? Math.max(1, resync);
            left.set(chart, Math.max(0, zeros - 1));
            expect(update.elapsedUs).toBe(zeros > 0 ? 0 : Math.max(0, Math.trunc(elapsedUs)));
          });
        }),
        runs(60),
      );
    },
    TIMEOUT_MS,
  );

  test(
    "our decoder gets back what was encoded, in pieces of any size",
    () => {
      fc.assert(
        fc.property(
          scene,
          fc.integer({ min: 1, max: 70 }),
          ({ charts: inputs, dimensions, iterations }, pieceBytes) => {
            const pieces: Buffer[] = [];
            const { host, seen } = streamingHost((bytes) => pieces.push(bytes), 0);
            const charts = define(host, inputs, dimensions);
            play(charts, iterations);
            const parent = newHost();
            const problems: string[] = [];
            const writer = new Receiver(parent, problems);
            const decoder = new StreamDecoder<Chart>(writer);
            const all = Buffer.concat(pieces);
            for (let at = 0; at < all.length; at += pieceBytes) {
              expect(decoder.feed(Buffer.from(all.subarray(at, at + pieceBytes)), T0_SEC * 1e6)).toBe(true);
            }
            expect(problems).toEqual([]);
            expect(writer.values).toEqual(seen.map(({ values }) => [...values.values()]));
            for (const { chart } of seen) {
              const copy = parent.chartList().find(({ id }) => id === chart.id);
              // Ids that cannot be written are another text there.
              if (copy === undefined) continue;
              const pick = ({ chartType, priority, updateEverySec }: Chart["definition"]) => [
                chartType,
                priority,
                updateEverySec,
              ];
              expect(pick(copy.definition)).toEqual(pick(chart.definition));
              expect(
                copy.dimensions.list.map((d) => [d.algorithm, d.multiplier, d.divisor, d.hidden, d.noReset]),
              ).toEqual(chart.dimensions.list.map((d) => [d.algorithm, d.multiplier, d.divisor, d.hidden, d.noReset]));
            }
          },
        ),
        runs(60),
      );
    },
    TIMEOUT_MS,
  );
});

/** Keeps the values that arrive. */
class Receiver extends HostWriter {
  readonly values: bigint[][] = [];

  constructor(host: Host, problems: string[]) {
    super(host, { problem: (kind, line) => problems.push(`${kind} ${Buffer.from(line)}`), disable() {} });
  }

  override commit(chart: Chart, row: CollectedRow): void {
    const values: bigint[] = [];
    chart.dimensions.list.forEach((_, index) => {
      if (row.complete || row.sets[index]! > 0) values.push(exactValue(row, index));
    });
    this.values.push(values);
  }
}

function play(charts: Chart[], iterations: { chart: number; values: (bigint | null)[]; elapsedUs: number }[]): void {
  let nowUs = T0_SEC * 1e6;
  const row = new ValueRow();
  for (const { chart: which, values, elapsedUs } of iterations) {
    const chart = charts[which % charts.length];
    if (chart === undefined) return;
    nowUs += elapsedUs;
    row.clear();
    row.reserve(chart.dimensions.count);
    for (let index = 0; index < chart.dimensions.count; index++) {
      const exact = values[index] ?? null;
      if (exact !== null) row.setExact(index, exact);
    }
    commitLocal(chart, row, nowUs);
  }
}
