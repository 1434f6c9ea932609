import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import type { Algorithm } from "../../agent/rrd/dimension.ts";
import { collectedSec, isResetAt } from "../../agent/rrd/read.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { ModelChart, type ModelDimension } from "../collection-model.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { dimension, newHost, stored, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 5000 : 120;
const STEPS = 250;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

/** Dimensions of a chart of our own. */
const COLUMNS = 6;
const PLAIN: Algorithm[] = ["absolute", "incremental"];
const ALL: Algorithm[] = [...PLAIN, "percentage-of-absolute-row", "percentage-of-incremental-row"];

/** How one dimension's collected values go on. */
type Course = (random: SeededRandom, last: bigint) => bigint;
const int64 = (value: bigint) => BigInt.asIntN(64, value);
const COURSES: Course[] = [
  (random) => BigInt(random.below(100_000)),
  (random) => BigInt(random.below(200) - 100),
  (random, last) => last + BigInt(random.below(1000)),
  (random, last) => last + BigInt(random.below(1000)),
  (random, last) => (random.chance(5) ? BigInt(random.below(100)) : last + BigInt(random.below(1_000_000))),
  // Wraps at 2³² and at 2⁶⁴.
  (random, last) => (last + BigInt(random.below(400_000_000))) % 2n ** 32n,
  (random, last) => int64(last + (random.bits(64) >> 5n)),
  (random, last) => int64(last + 2n ** 53n + BigInt(random.below(99))),
  (random) => int64(random.bits(64)),
  (random, last) => last - BigInt(random.below(50)),
];

interface Twin {
  chart: Chart;
  isSteadyAllowed: boolean;
}

/** One chart three times: in the model, in a host where the short loops may serve it, in one where they may not. */
class Triplet {
  values = 0;
  fastSteps = 0;
  readonly model: ModelChart;
  readonly twins: Twin[];
  private readonly row = new ValueRow();
  private readonly last: bigint[] = [];
  private readonly courses: Course[] = [];
  private readonly random: SeededRandom;
  private readonly algorithms: Algorithm[];
  private nowUs = T0_SEC * 1e6;

  constructor(random: SeededRandom, isPlain: boolean) {
    this.random = random;
    this.algorithms = isPlain ? PLAIN : ALL;
    const updateEverySec = random.pick([1, 1, 1, 2, 5]);
    const history = random.pick([5, 60, 130]);
    const gap = random.pick([3, 3, 4, 8]);
    const storeFirst = random.chance(15);
    this.model = new ModelChart({ updateEverySec, history, gap, storeFirst });
    this.twins = [true, false].map((isSteadyAllowed) => {
      const host = newHost({ historyEntries: history, gapIterations: gap });
      return { chart: host.defineChart({ id: "t.c", updateEverySec, storeFirst })!, isSteadyAllowed };
    });
    const count = random.chance(3) ? 300 : 1 + random.below(8);
    for (let i = 0; i < count; i++) this.addDimension();
    this.nowUs += random.below(5_000_000);
  }

  step(): void {
    const { random, model } = this;
    if (random.chance(1)) this.addDimension();
    if (random.chance(0.5)) this.redefine();
    const U = this.twins[0]!.chart.updateEveryUs;
    const intervalUs = this.interval(U);
    // The wall clock goes with the child's, a bit unsteadily, and now and then steps.
    this.nowUs += Math.max(0, intervalUs + random.below(20_001) - 10_000);
    if (random.chance(0.5)) this.nowUs += (random.below(40) - 20) * 1_000_000;
    const counts = this.collect();
    const givenUs = random.chance(5) ? 0 : random.chance(0.5) ? 4_000_000_000 : intervalUs;
    for (const { chart, isSteadyAllowed } of this.twins) {
      if (!isSteadyAllowed) chart.isSteady = false;
      else if (chart.isSteady && givenUs > 0) this.fastSteps++;
      commitStreamed(chart, this.row, givenUs, this.nowUs);
      expect(imbalance(chart.host.balance)).toBe(0);
    }
    model.done(givenUs, this.nowUs, counts);
    this.row.clear();
  }

  /** Everything a reader can see must be equal. */
  compare(): void {
    const { model } = this;
    const [fast, general] = this.twins.map(({ chart }) => chart) as [Chart, Chart];
    for (const chart of [fast, general]) {
      expect([chart.lastCollectedUs, chart.lastUpdatedUs]).toEqual([model.LC, model.LU]);
      expect(chart.entriesHeld).toBe(Math.min(model.counter, chart.host.historyEntries));
    }
    expect(fast.host.balance).toEqual(general.host.balance);
    expect(fast.host.balance.dropped.clock).toBe(model.refused);
    const step = fast.definition.updateEverySec;
    const to = model.LU / 1e6 + 3 * step;
    const from = to - (fast.host.historyEntries + 70) * step;
    for (let i = 0; i < model.dimensions.length; i++) {
      const values = stored(fast, i, from, to);
      expect(stored(general, i, from, to)).toEqual(values);
      expect(collectedSec(fast, i)).toBe(collectedSec(general, i));
      values.forEach((value, k) => {
        const time = from + k * step;
        const slot = model.at(time);
        const expected = slot?.values[i] ?? Number.NaN;
        const tolerance = 1e-6 * Math.max(1, Math.abs(expected)) + 1e-12 * (slot?.scales[i] ?? 0);
        const isEqual = Number.isNaN(expected) ? Number.isNaN(value) : Math.abs(value - expected) <= tolerance;
        if (!isEqual) throw new Error(`dimension ${i} at ${time - T0_SEC}: expected ${expected}, got ${value}`);
      });
    }
    for (let time = from; time <= to; time += step) {
      const isReset = model.at(time)?.isReset ?? false;
      // Slots outside of the window are nobody's business.
      if (model.at(time) !== undefined) expect([time, isResetAt(fast, time)]).toEqual([time, isReset]);
      if (model.at(time) !== undefined) expect([time, isResetAt(general, time)]).toEqual([time, isReset]);
    }
  }

  private addDimension(): void {
    const { random } = this;
    const definition: ModelDimension = {
      algorithm: random.pick(this.algorithms),
      multiplier: random.pick([1, 1, 1, 8, -1, 1000]),
      divisor: random.pick([1, 1, 1, 1024, 3, -10]),
      noReset: random.chance(20),
    };
    const index = this.model.dimensions.length;
    this.model.add(definition);
    for (const { chart } of this.twins) {
      expect(chart.host.defineDimension(chart, dimension(`d${index}`, definition.algorithm, definition))).toBe(index);
    }
    this.row.reserve(index + 1);
    this.last.push(BigInt(random.below(1_000_000)));
    this.courses.push(random.pick(COURSES));
  }

  private redefine(): void {
    this.model.redefine();
    for (const { chart } of this.twins) {
      const { updateEverySec, storeFirst } = chart.definition;
      expect(chart.host.defineChart({ id: "t.c", updateEverySec, storeFirst })).toBe(chart);
    }
  }

  private interval(U: number): number {
    const { random } = this;
    if (random.chance(70)) return U + random.below(60_001) - 30_000;
    return random.pick([
      () => U,
      () => U,
      // Exactly onto the next boundary.
      () => U - (this.model.LC % U),
      () => 1 + random.below(U),
      () => U + random.below(3 * U),
      () => U * (1 + random.below(12)),
      () => U * this.twins[0]!.chart.host.historyEntries + random.below(3 * U),
    ])();
  }

  /** SETs most dimensions once, some not, some twice. */
  private collect(): number[] {
    const { random } = this;
    const hasHoles = random.chance(30);
    return this.last.map((last, i) => {
      if (hasHoles && random.chance(30)) return 0;
      const count = random.chance(2) ? 2 : 1;
      for (let k = 0; k < count; k++) {
        const value = this.courses[i]!(random, last);
        this.last[i] = value;
        this.row.setExact(i, value);
        this.model.set(i, value);
        this.values++;
      }
      return count;
    });
  }
}

/** One chart of our own twice: the short loops may serve the first one only. */
class LocalTwins {
  steadySteps = 0;
  private readonly random: SeededRandom;
  private readonly charts: readonly [Chart, Chart];
  private readonly row = new ValueRow();
  private nowUs: number;

  constructor(random: SeededRandom) {
    this.random = random;
    this.nowUs = T0_SEC * 1e6 + random.below(1_000_000);
    const updateEverySec = random.pick([1, 1, 2, 5]);
    this.charts = [this.newChart(updateEverySec), this.newChart(updateEverySec)];
    this.row.reserve(COLUMNS);
  }

  step(number: number): void {
    const { random, row, charts } = this;
    const [fast, general] = charts;
    this.nowUs += Math.max(1, fast.updateEveryUs + random.below(40_001) - 20_000);
    if (random.chance(2)) this.nowUs += (random.below(30) - 15) * 1_000_000;
    for (let i = 0; i < COLUMNS; i++) {
      if (!random.chance(5)) row.set(i, number * 10 + random.below(random.chance(3) ? 5000 : 10));
    }
    if (fast.isSteady) this.steadySteps++;
    general.isSteady = false;
    for (const chart of charts) commitLocal(chart, row, this.nowUs);
    row.clear();
  }

  compare(): void {
    const [fast, general] = this.charts;
    expect(fast.host.balance).toEqual(general.host.balance);
    expect(imbalance(fast.host.balance)).toBe(0);
    expect([fast.lastCollectedUs, fast.lastUpdatedUs]).toEqual([general.lastCollectedUs, general.lastUpdatedUs]);
    const to = fast.lastEntrySec;
    const from = to - 100 * fast.definition.updateEverySec;
    for (let i = 0; i < COLUMNS; i++) expect(stored(fast, i, from, to)).toEqual(stored(general, i, from, to));
  }

  private newChart(updateEverySec: number): Chart {
    const host = newHost({ isLocal: true });
    const chart = host.defineChart({ id: "t.c", updateEverySec })!;
    for (let i = 0; i < COLUMNS; i++) host.defineDimension(chart, dimension(`d${i}`, PLAIN[i % PLAIN.length]!));
    return chart;
  }
}

describe("commit", () => {
  test.each([
    { name: "absolute and incremental", isPlain: true },
    { name: "all algorithms", isPlain: false },
  ])(
    "short loops, general commit and model agree: $name",
    ({ isPlain }) => {
      let values = 0;
      let fastSteps = 0;
      const property = fc.property(fc.integer(), (seed) => {
        const triplet = new Triplet(new SeededRandom(seed), isPlain);
        for (let step = 0; step < STEPS; step++) {
          triplet.step();
          if (step % 25 === 0) triplet.compare();
        }
        triplet.compare();
        values += triplet.values;
        fastSteps += triplet.fastSteps;
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
      expect(values).toBeGreaterThan(105_000);
      if (isPlain) expect(fastSteps).toBeGreaterThan((RUNS * STEPS) / 3);
    },
    TIMEOUT_MS,
  );

  test("short loops and general commit agree on our own charts, whose interval is the clock's", () => {
    let steadySteps = 0;
    const property = fc.property(fc.integer(), (seed) => {
      const twins = new LocalTwins(new SeededRandom(seed));
      for (let step = 0; step < STEPS; step++) twins.step(step);
      twins.compare();
      steadySteps += twins.steadySteps;
    });
    fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
    expect(steadySteps).toBeGreaterThan((RUNS * STEPS) / 2);
  });
});
