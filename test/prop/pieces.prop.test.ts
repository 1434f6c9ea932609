import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { dumpHost } from "../host-dump.ts";
import { RandomStream } from "../random-stream.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 3000 : 60;

/** A child's stream as what arrives in each second; a second ends with a whole line, pieces may end anywhere. */
function seconds(seed: number, oddness: number, rounds: number): Buffer[] {
  const random = new SeededRandom(seed);
  const lines = new RandomStream(random, oddness).write(rounds).split("\n").slice(0, -1);
  const parts: Buffer[] = [];
  const perSecond = Math.ceil(lines.length / (2 * rounds));
  while (lines.length > 0) {
    const text = `${lines.splice(0, 1 + random.below(2 * perSecond)).join("\n")}\n`;
    parts.push(Buffer.from(text, "latin1"));
  }
  return parts;
}

function feed(parts: Buffer[], pieceOf: (left: number) => number): Host {
  const host = newHost({ historyEntries: 5 }, { chartsPerHost: 4, dimensionsPerChart: 14 });
  const decoder = new StreamDecoder<Chart>(new HostWriter(host, { problem() {}, disable() {} }));
  parts.forEach((part, second) => {
    for (let at = 0; at < part.length; ) {
      const next = Math.min(part.length, at + pieceOf(part.length - at));
      if (!decoder.feed(part.subarray(at, next), (T0_SEC + second) * 1e6 + 700_000)) throw new Error("given up");
      if (imbalance(host.balance) !== 0) throw new Error("values are not accounted for");
      at = next;
    }
  });
  decoder.end();
  expect(imbalance(host.balance)).toBe(0);
  return host;
}

describe("a stream in pieces", () => {
  test(
    "of 1 byte, 7 bytes, 64 KiB and any length gives the same database, to the byte",
    () => {
      let stored = 0;
      const property = fc.property(
        fc.integer(),
        fc.constantFrom(0, 1, 4, 15),
        fc.integer({ min: 2, max: 30 }),
        (...args) => {
          const parts = seconds(...args);
          const random = new SeededRandom(args[0]);
          const whole = feed(parts, () => 65_536);
          const expected = dumpHost(whole);
          stored += whole.balance.stored;
          const cuts = [() => 1, () => 7, (left: number) => 1 + random.below(left), () => 1 + random.below(60)];
          for (const cut of cuts) {
            const got = dumpHost(feed(parts, cut));
            expect(got.text).toBe(expected.text);
            expect(got.segments.map((bytes, i) => bytes.equals(expected.segments[i]!))).toEqual(
              expected.segments.map(() => true),
            );
          }
        },
      );
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
      expect(stored).toBeGreaterThan(20 * RUNS);
    },
    60_000 * (IS_SOAK ? 60 : 1),
  );
});
