import { expect, test } from "bun:test";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { define, held, StorageWorld } from "../storage-world.ts";

const DAY_SEC = 86_400;
const HOUR_SEC = 3600;

/** One day of one chart: a gap of an hour, a step back of ten minutes, a suspended machine, and a restart. */
class Day {
  readonly world = new StorageWorld();
  /** Last value stored for a second: a second that comes twice keeps the second value. */
  readonly stored = new Map<number, number>();
  private readonly isLocal: boolean;
  private readonly historyEntries: number;
  private readonly row = new ValueRow();
  private serial = 0;
  private newestSec = 0;
  private chart: Chart;

  constructor(isLocal: boolean, historyEntries: number) {
    this.isLocal = isLocal;
    this.historyEntries = historyEntries;
    this.chart = define(this.host(), "a.one", 1);
  }

  private host() {
    return this.world.host("map", { isLocal: this.isLocal, historyEntries: this.historyEntries });
  }

  collect(seconds: number): void {
    const { world, row } = this;
    for (let i = 0; i < seconds; i++) {
      world.nowSec++;
      const value = ++this.serial;
      const before = this.chart.lastEntrySec;
      row.set(0, value);
      const nowUs = world.nowSec * 1e6 + 500_000;
      if (this.isLocal) commitLocal(this.chart, row, nowUs);
      // A child measures its intervals; after a pause of any kind it sends none.
      else commitStreamed(this.chart, row, i === 0 ? 0 : 1e6, nowUs);
      row.clear();
      world.storage.tick();
      this.newestSec = Math.max(this.newestSec, world.nowSec);
      if (this.chart.lastEntrySec !== before) this.stored.set(world.nowSec, value);
    }
  }

  /** The time goes on, or back, without the agent. */
  jump(seconds: number): void {
    if (seconds < 0)
      for (const second of this.stored.keys()) if (second > this.world.nowSec + seconds) this.stored.delete(second);
    this.world.nowSec += seconds;
  }

  async restart(): Promise<void> {
    await this.world.restart();
    this.chart = this.host().chart("a.one")!;
  }

  /** @returns number of values in the history, each of which stands at the second in which it was collected. */
  check(): number {
    const { nowSec } = this.world;
    const values = held(this.chart, 0, nowSec - this.historyEntries - 200, nowSec + 2 * HOUR_SEC);
    let count = 0;
    for (const [second, value] of values) {
      // The two boundaries after a pause are interpolated towards the value that ends it.
      const next = this.stored.get(second) ?? this.stored.get(second + 1) ?? Number.NaN;
      if (!(value <= next && value > next - 2)) throw new Error(`${second - nowSec}: ${value}, collected was ${next}`);
      if (this.stored.get(second) === value) count++;
    }
    for (const second of this.stored.keys()) {
      // Before the clock went back, its seconds took the places of older ones.
      if (second <= this.newestSec - this.historyEntries || second > nowSec || values.has(second)) continue;
      // The first value after a start or a reset is only a base.
      if (this.stored.has(second - 1)) throw new Error(`${second - nowSec} is missing`);
    }
    expect(imbalance(this.chart.host.balance)).toBe(0);
    expect(this.chart.lastEntrySec).toBe(nowSec);
    return count;
  }
}

test.each([
  { isLocal: true, history: HOUR_SEC },
  { isLocal: true, history: DAY_SEC },
  { isLocal: false, history: HOUR_SEC },
  { isLocal: false, history: DAY_SEC },
])(
  "24 hours with a gap, a step back, a suspended machine and a restart: local $isLocal, $history slots",
  async (given) => {
    const day = new Day(given.isLocal, given.history);
    const startSec = day.world.nowSec;
    day.collect(5 * HOUR_SEC);
    day.jump(HOUR_SEC);
    day.collect(3 * HOUR_SEC);
    expect(day.check()).toBeGreaterThan(3 * HOUR_SEC > given.history ? given.history - 10 : 7.9 * HOUR_SEC);
    day.jump(-600);
    day.collect(20);
    day.check();
    day.collect(4 * HOUR_SEC);
    day.check();
    await day.restart();
    day.check();
    day.jump(30);
    day.collect(HOUR_SEC / 2);
    day.check();
    // Suspended: neither the agent nor its clock runs, and then it is hours later.
    day.jump(3 * HOUR_SEC);
    day.collect(startSec + DAY_SEC - day.world.nowSec);
    const count = day.check();
    expect(count).toBeGreaterThan(given.history === HOUR_SEC ? HOUR_SEC - 10 : 19 * HOUR_SEC);
    expect(day.world.told).toEqual([]);
  },
);
