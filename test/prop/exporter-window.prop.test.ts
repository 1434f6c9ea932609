import { expect, test } from "bun:test";
import fc from "fast-check";
import { readStored } from "../../agent/rrd/read.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import { ExporterWorld, FedChart, parseLine, START_SEC } from "../unit/exporter-fixture.ts";

/** What happens in one step of a run. */
const step = fc.record({
  /** Time until then, ms. */
  waitMs: fc.integer({ min: 50, max: 4000 }),
  /** The process stands still meanwhile: ticks come late or not at all. */
  isFrozen: fc.boolean(),
  /** Iterations that arrive at once: 0 = none yet. */
  iterations: fc.integer({ min: 0, max: 6 }),
  /** The dimension is left out of these iterations. */
  isAbsent: fc.boolean(),
});

test("every stored point is in exactly one window, whatever came late or not at all", async () => {
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 30, maxLength: 80 }),
    fc.integer({ min: 1, max: 4 }),
    fc.integer({ min: 1, max: 7 }),
    async (steps, updateEvery, everySec) => {
      const world = new ExporterWorld();
      const server = world.server("a:2003");
      const host = world.addHost({ hostname: "kid", updateEverySec: updateEvery, historyEntries: 3600 });
      const chart = new FedChart(host, "t.c", { x: "absolute" }, updateEvery);
      world.start({ main: { destination: ["a"], update_every: everySec, data_source: "sum" } });
      let behindMs = 0;
      for (const { waitMs, isFrozen, iterations, isAbsent } of steps) {
        if (isFrozen) world.clock.freeze(waitMs);
        else await world.clock.advance(waitMs);
        // A child cannot send what it has not collected yet.
        behindMs += waitMs;
        for (let i = 0; i < iterations && behindMs >= updateEvery * 1000; i++) {
          behindMs -= updateEvery * 1000;
          chart.stream(world.clock.nowUs(), updateEvery * 1e6, [isAbsent ? null : (waitMs % 1000) + i]);
        }
      }
      const endSec = chart.chart.lastEntrySec;
      await world.clock.advance(60_000);
      checkWindows(server.lines, chart, updateEvery, endSec);
      expect(world.exporters.status()[0]!.lost).toBe(0);
    },
  );
  await fc.assert(property, { seed: TEST_SEED, numRuns: IS_SOAK ? 1000 : 40 });
});

/** Walks the stored points along the windows that arrived: their ends cut time into pieces without gap or overlap. */
function checkWindows(lines: string[], { chart }: FedChart, updateEverySec: number, endSec: number): void {
  if (chart.entriesHeld === 0) {
    expect(lines).toEqual([]);
    return;
  }
  const firstSec = START_SEC - (START_SEC % updateEverySec);
  const values = new Float64Array((endSec - firstSec) / updateEverySec + 1);
  readStored(chart, 0, firstSec, endSec, values);
  let index = 0;
  const sumUpTo = (timeSec: number) => {
    let sum = 0;
    let held = 0;
    for (; firstSec + index * updateEverySec <= timeSec && index < values.length; index++) {
      if (Number.isNaN(values[index])) continue;
      sum += values[index]!;
      held++;
    }
    return { sum, held };
  };
  let previousSec = 0;
  for (const { value, timeSec } of lines.map(parseLine)) {
    expect(timeSec).toBeGreaterThan(previousSec);
    previousSec = timeSec;
    const { sum, held } = sumUpTo(timeSec);
    expect(held).toBeGreaterThan(0);
    expect(value).toBe(sum.toFixed(7));
  }
  expect(sumUpTo(endSec).held).toBe(0);
}
