import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import { ringSlots, segmentBytes } from "../../agent/rrd/store/geometry.ts";
import { Segment } from "../../agent/rrd/store/segment.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { addHost, dimension, newDatabase, stored, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 3000 : 60;
/** Slots of the segment that is tested alone. */
const SLOTS = 128;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

/** A segment and beside it the naive ring: every value under its own time, and the lap each block belongs to. */
class SegmentTwin {
  readonly columns = new Map<number, Map<number, number>>();
  private readonly laps = new Map<number, number>();
  private readonly segment: Segment;
  private readonly step: number;

  constructor(step: number) {
    this.step = step;
    const geometry = { columns: 64, slots: SLOTS, updateEverySec: step };
    this.segment = new Segment(new ArrayBuffer(segmentBytes(geometry)), geometry);
  }

  take(count: number): void {
    for (const column of this.segment.takeColumns(count)) {
      expect(this.columns.has(column)).toBe(false);
      this.columns.set(column, new Map());
    }
  }

  give(column: number): void {
    this.segment.giveColumn(column);
    this.columns.delete(column);
  }

  write(column: number, time: number, value: number): void {
    const slot = this.slotOf(time);
    const block = Math.floor(slot / 64);
    const start = time - (slot % 64) * this.step;
    const lap = this.laps.get(block) ?? 0;
    expect(this.segment.open(block, start)).toBe(lap <= start);
    if (lap > start) return;
    if (lap < start) for (const values of this.columns.values()) this.empty(values, block);
    this.laps.set(block, start);
    this.columns.get(column)!.set(time, value);
    this.segment.values[this.segment.valueIndex(slot, column << 6)] = value;
  }

  compare(from: number, to: number): void {
    for (const [column, values] of this.columns) {
      for (let time = from; time <= to; time += this.step) {
        expect(this.segment.read(time, column << 6)).toBe(values.get(time) ?? Number.NaN);
      }
    }
  }

  private slotOf(time: number): number {
    return (time / this.step) % SLOTS;
  }

  private empty(values: Map<number, number>, block: number): void {
    for (const time of values.keys()) if (Math.floor(this.slotOf(time) / 64) === block) values.delete(time);
  }
}

describe("a segment", () => {
  test(
    "equals a map of times, over laps, gaps, late samples and columns that change hands",
    () => {
      const property = fc.property(fc.integer(), fc.constantFrom(1, 2, 10), (seed, step) => {
        const random = new SeededRandom(seed);
        const twin = new SegmentTwin(step);
        let time = step * SLOTS * 1_000_000;
        for (let i = 0; i < 600; i++) {
          if (twin.columns.size === 0 || random.chance(3)) twin.take(1 + random.below(5));
          const column = random.pick([...twin.columns.keys()]);
          if (random.chance(50)) time += step * random.pick([1, 1, 1, 1, 2, 40, 130, 700]);
          twin.write(column, time - step * random.pick([0, 0, 0, 1, 5, 70, 200]), i);
          if (random.chance(2)) twin.give(column);
        }
        twin.compare(time - 300 * step, time + 130 * step);
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
    },
    TIMEOUT_MS,
  );
});

function newCharts(hosts: number, charts: number, dimensions: number, history: number): Chart[] {
  const database = newDatabase();
  return Array.from({ length: hosts }, () => addHost(database, { historyEntries: history })!).flatMap((host) =>
    Array.from({ length: charts }, (_, c) => {
      const chart = host.defineChart({ id: `t.c${c}` })!;
      for (let i = 0; i < dimensions; i++) host.defineDimension(chart, dimension(`d${i}`));
      return chart;
    }),
  );
}

/** A chart of absolute dimensions, collected right on the second, so that each value lands under its own time. */
class Follower {
  readonly chart: Chart;
  readonly lagSec: number;
  /** Seconds that have values. */
  private readonly times = new Set<number>();
  private readonly number: number;
  private readonly row = new ValueRow();

  constructor(chart: Chart, number: number, lagSec: number) {
    this.chart = chart;
    this.number = number;
    this.lagSec = lagSec;
    this.row.reserve(chart.dimensions.count);
  }

  collect(nowSec: number): void {
    const { chart, row } = this;
    const time = nowSec - this.lagSec;
    for (let i = 0; i < chart.dimensions.count; i++) row.set(i, this.valueAt(i, time));
    const givenUs = time * 1e6 - chart.lastCollectedUs;
    const isStart = chart.lastCollectedUs === 0 || givenUs > chart.host.historyEntries * 1e6;
    chart.syncClock = false;
    commitStreamed(chart, row, isStart && chart.lastCollectedUs === 0 ? 1e6 : givenUs, nowSec * 1e6);
    row.clear();
    expect(imbalance(chart.host.balance)).toBe(0);
    if (!isStart) this.times.add(time);
    else {
      this.times.clear();
      chart.isSteady = false;
      chart.lastCollectedUs = time * 1e6;
      chart.lastUpdatedUs = time * 1e6;
    }
  }

  /** @param newestSec newest time in the ring. */
  compare(newestSec: number): void {
    const { chart } = this;
    const { historyEntries } = chart.host;
    const last = chart.lastEntrySec;
    const from = last - historyEntries - 70;
    // A block is emptied as a whole when the most advanced chart of the segment comes to it.
    const keptFrom = newestSec - ringSlots(historyEntries) + 64;
    for (const i of [0, chart.dimensions.count - 1]) {
      for (const [k, value] of stored(chart, i, from, last + 10).entries()) {
        const time = from + k;
        const isHeld = time > chart.firstEntrySec && time <= last;
        if (!isHeld) expect([time, value]).toEqual([time, Number.NaN]);
        else if (this.times.has(time) && (time >= keptFrom || !Number.isNaN(value))) {
          expect([time, value]).toEqual([time, Math.fround(this.valueAt(i, time))]);
        }
      }
    }
  }

  /** None of its neighbours' at any time. */
  private valueAt(i: number, second: number): number {
    return this.number * 1000 + i * 100_000 + (second % 997);
  }
}

describe("charts of several hosts in one ring", () => {
  test(
    "every chart reads its own values in its own window, whoever is late, pauses or starts anew",
    () => {
      const property = fc.property(fc.integer(), fc.constantFrom(5, 64, 200), (seed, history) => {
        const random = new SeededRandom(seed);
        const charts = newCharts(2, 3, random.pick([1, 3, 40, 270]), history);
        const followers = charts.map((chart, c) => new Follower(chart, c, random.below(30)));
        const seconds = ringSlots(history) * 2 + random.below(100);
        const pauses = followers.map(() => random.below(2 * seconds));
        for (let second = 30; second < seconds; second++) {
          followers.forEach((follower, c) => {
            const isPaused = second >= pauses[c]! && second < pauses[c]! + 40;
            if (!isPaused) follower.collect(T0_SEC + second);
          });
        }
        for (const follower of followers) follower.compare(T0_SEC + seconds - 1);
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS / 2 });
    },
    TIMEOUT_MS,
  );

  test("a chart behind by more than the ring stores nothing and loses nothing uncounted; the newer lap stays", () => {
    const [ahead, behind] = newCharts(1, 2, 2, 60) as [Chart, Chart];
    const row = new ValueRow();
    const feed = (chart: Chart, value: number, givenUs: number, nowUs: number) => {
      row.set(0, value);
      row.set(1, value);
      commitStreamed(chart, row, givenUs, nowUs);
      row.clear();
    };
    // Both start together, then one is a lap and a half ahead.
    const slots = ringSlots(60);
    for (let k = 0; k < 3; k++) feed(behind, k, 1e6, (T0_SEC + k) * 1e6);
    for (let k = 0; k < slots * 1.5; k++) feed(ahead, k, 1e6, (T0_SEC + k) * 1e6);
    const nowUs = (T0_SEC + slots * 1.5) * 1e6;
    const { balance } = behind.host;
    const storedBefore = balance.stored;
    for (let k = 3; k < 50; k++) feed(behind, k, 1e6, nowUs);
    expect(balance.dropped.clock).toBe(2 * 47);
    expect(balance.stored).toBe(storedBefore);
    expect(imbalance(balance)).toBe(0);
    const last = ahead.lastEntrySec;
    expect(stored(ahead, 0, last - 59, last).some(Number.isNaN)).toBe(false);
  });

  test("a block written under a clock far ahead does not bar its slots when the clock is put right", () => {
    const [chart] = newCharts(1, 1, 1, 60) as [Chart];
    const row = new ValueRow();
    const year = 365 * 86_400;
    const feedFrom = (startSec: number) => {
      chart.syncClock = true;
      for (let k = 0; k < 300; k++) {
        row.set(0, k);
        // The child was restarted with the clock: its chart starts anew.
        commitStreamed(chart, row, 1e6, (startSec + k) * 1e6);
        row.clear();
      }
    };
    feedFrom(T0_SEC + year);
    chart.lastCollectedUs = chart.lastUpdatedUs = 0;
    chart.slotsPassed = chart.iterations = 0;
    chart.isSteady = false;
    feedFrom(T0_SEC);
    expect(chart.host.balance.dropped.clock).toBe(0);
    const last = chart.lastEntrySec;
    expect(last).toBeLessThan(T0_SEC + 400);
    expect(stored(chart, 0, last - 59, last).some(Number.isNaN)).toBe(false);
    expect(imbalance(chart.host.balance)).toBe(0);
  });
});
