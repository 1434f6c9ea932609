import { expect, test } from "bun:test";
import fc from "fast-check";
import { storePast } from "../../agent/rrd/backfill.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { TILE_SLOTS } from "../../agent/rrd/store/geometry.ts";
import type { HostDirectory } from "../../agent/rrd/store/host-directory.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { dimension } from "../simulated-host.ts";
import { held, StorageWorld } from "../storage-world.ts";

const RUNS = IS_SOAK ? 20_000 : 400;
const STEPS = 40;
const TIMEOUT_MS = 120_000 * (IS_SOAK ? 30 : 1);
const CHART_IDS = ["a.one", "a.two", "b.three", "b.four"];
const DIMENSIONS_MAX = 4;
/** Seconds that are looked at: more than any ring here holds. */
const WINDOW_SEC = 700;
/** Rings of 128 and of 448 slots: in the short ones no open block is certain. */
const HISTORIES = [60, 350, 350];
const TRUSTED_HISTORY_MIN = 321;

/** The kernel leaves no page unwritten for longer; the shortest ring takes twice that for a lap. */
const WRITE_BACK_SEC = 60;

/** Columns that were given so shortly before a flush, or a start, need not count as emptied on the disk. */
const GIVEN_SEC = 2;

/** Tells where it belongs: no two of the last days are equal. */
function valueAt(chart: Chart, index: number, second: number): number {
  return (second % 262_144) * 32 + CHART_IDS.indexOf(chart.id) * 8 + index;
}

/** Whether the block of a second is sealed. */
function isSealed({ ring }: Host, second: number): boolean {
  return ring!.segments.some((segment) => segment.holds(second) && segment.stamps[segment.slotOf(second) >> 6]! < 0);
}

/** An agent whose machine loses its power now and then. */
class PowerHistory {
  cuts = 0;
  /** Values that were there after a cut. */
  survived = 0;
  /** Blocks of charts that were written into when they were sealed. */
  lateWrites = 0;
  private readonly random: SeededRandom;
  private readonly mode: "map" | "save";
  private readonly world = new StorageWorld();
  private readonly row = new ValueRow();
  /** What no cut may take: `chart dimension second`. */
  private safe = new Set<string>();
  private host: Host;

  constructor(random: SeededRandom, mode: "map" | "save") {
    this.random = random;
    this.mode = mode;
    this.host = this.start();
    for (const id of CHART_IDS.slice(2)) this.define(id);
  }

  async step(): Promise<string> {
    const { random } = this;
    const event = random.below(100);
    if (event < 45) return this.collect(1 + random.below(random.chance(30) ? 100 : 20));
    if (event < 50) return this.pause(1 + random.below(random.chance(20) ? 150 : 10));
    if (event < 56) return this.define(random.pick(CHART_IDS));
    if (event < 58) return this.backfill();
    if (event < 62) return this.removeChart();
    if (event < 72) return await this.flush();
    if (event < 80) return await this.upkeep();
    if (event < 84) return await this.restart();
    if (event < 87) return this.kill();
    return await this.cut();
  }

  /** Every value that is read was stored for just that chart, dimension and second. */
  check(): void {
    if (imbalance(this.host.balance) !== 0) throw new Error("the balance is out");
    const seen = new Set<string>();
    for (const chart of this.host.chartList()) {
      chart.dimensions.list.forEach(({ id }, index) => {
        for (const [second, value] of held(chart, index, this.world.nowSec - WINDOW_SEC, this.world.nowSec + 10)) {
          const expected = valueAt(chart, index, second);
          if (value !== expected) throw new Error(`${chart.id} ${id} at ${second}: ${value}, stored was ${expected}`);
          seen.add(`${chart.id} ${id} ${second}`);
        }
      });
    }
    for (const key of this.safe) {
      const isLapsed = Number(key.slice(key.lastIndexOf(" ") + 1)) <= this.world.nowSec - this.host.historyEntries;
      if (isLapsed) this.safe.delete(key);
      else if (!seen.has(key)) throw new Error(`${key} is gone`);
    }
    this.survived += seen.size;
  }

  private start(): Host {
    // Nothing is interpolated: a value stands where it was collected, or nowhere.
    const historyEntries = this.random.pick(HISTORIES);
    const host = this.world.host(this.mode, { historyEntries, gapIterations: 2 });
    if (this.isUntrusted(host)) this.forget((_id, second) => !isSealed(host, second));
    return host;
  }

  /** What is open is not certain there, flushed or not. */
  private isUntrusted({ historyEntries }: Host): boolean {
    return this.mode === "map" && historyEntries < TRUSTED_HISTORY_MIN;
  }

  private collect(seconds: number): string {
    const charts = this.host.chartList().filter(() => this.random.chance(90));
    for (let i = 0; i < seconds; i++) {
      this.passSec(1);
      for (const chart of charts) this.commit(chart);
      this.world.storage.tick();
    }
    return `collect ${seconds}`;
  }

  private passSec(seconds: number): void {
    const before = this.world.nowSec;
    this.world.nowSec += seconds;
    if (Math.floor(before / WRITE_BACK_SEC) < Math.floor(this.world.nowSec / WRITE_BACK_SEC))
      this.world.disk.writeBack();
  }

  private commit(chart: Chart): void {
    const { row, world } = this;
    this.noteLate(chart, world.nowSec);
    for (let index = 0; index < chart.dimensions.count; index++) row.set(index, valueAt(chart, index, world.nowSec));
    commitStreamed(chart, row, 0, world.nowSec * 1e6 + 500_000);
    row.clear();
  }

  /**
   * A chart that fills the time it has missed writes into sealed blocks: until they are sealed anew and on the disk, its
   * own tiles there are at the mercy of a cut, and nobody else's (agent/rrd/store/README.md, "What a crash leaves").
   * @param untilSec the second that it stores next; slots between its newest one and that are emptied.
   */
  private noteLate(chart: Chart, untilSec: number): void {
    const { lastEntrySec } = chart;
    if (this.mode !== "map") return;
    const fromSec = lastEntrySec === 0 ? untilSec : Math.min(lastEntrySec + 1, untilSec);
    for (let second = fromSec; second <= untilSec; second++) {
      if (!isSealed(this.host, second)) continue;
      const startSec = chart.host.ring!.segments[0]!.stampOf(second);
      this.forget((id, at) => id === chart.id && at >= startSec && at < startSec + TILE_SLOTS);
      this.lateWrites++;
      second = startSec + TILE_SLOTS - 1;
    }
  }

  /** Values of the past come in, of seconds that a chart has and of others. */
  private backfill(): string {
    const { random, world } = this;
    const charts = this.host.chartList();
    if (charts.length === 0) return "no chart";
    const chart = random.pick(charts);
    const count = 1 + random.below(random.chance(50) ? this.host.historyEntries : 10);
    const lastSec = world.nowSec - random.below(this.host.historyEntries);
    for (
      let endSec = Math.max(lastSec - count, world.nowSec - this.host.historyEntries + 1);
      endSec <= lastSec;
      endSec++
    ) {
      const values = Float64Array.from(chart.dimensions.list, (_, index) => valueAt(chart, index, endSec));
      this.noteLate(chart, endSec);
      storePast(chart, { endSec, values, isReset: false, isCorrection: false }, world.nowSec * 1e6 + 500_000);
    }
    return `backfill ${chart.id}, ${count} up to ${lastSec}`;
  }

  private pause(seconds: number): string {
    this.passSec(seconds);
    return `pause ${seconds}`;
  }

  /** A new chart, or a further dimension of a known one. */
  private define(id: string): string {
    const known = this.host.chart(id);
    const chart = known ?? this.host.defineChart({ id })!;
    const { count } = chart.dimensions;
    if (count < DIMENSIONS_MAX) this.host.defineDimension(chart, dimension(`d${count}`));
    return `define ${id}`;
  }

  private removeChart(): string {
    const charts = this.host.chartList();
    if (charts.length === 0) return "no chart";
    const chart = this.random.pick(charts);
    this.host.retireChart(chart);
    this.passSec(20);
    this.world.database.removeObsoleteCharts(this.world.nowSec * 1e6, 0);
    for (const { id } of charts) if (this.host.chart(id) === undefined) this.forget((of) => of === id);
    return `remove ${chart.id}`;
  }

  /** A cut may take from now on what is chosen. */
  private forget(isChosen: (id: string, second: number) => boolean): void {
    for (const key of this.safe) {
      const [id = "", , second] = key.split(" ");
      if (isChosen(id, Number(second))) this.safe.delete(key);
    }
  }

  private async flush(): Promise<string> {
    this.passSec(GIVEN_SEC);
    const { nowSec } = this.world;
    if (this.mode === "save") await this.world.storage.save();
    else await (this.host.files as HostDirectory).flush();
    this.keepSafe(this.mode === "save" ? nowSec : nowSec - 1);
    return "flush";
  }

  /** Blocks are sealed, and the kernel writes some of what changed. */
  private async upkeep(): Promise<string> {
    for (let i = 0; i < 64; i++) this.world.storage.tick();
    await Promise.resolve();
    return "upkeep";
  }

  private async restart(): Promise<string> {
    this.passSec(GIVEN_SEC);
    await this.world.restart();
    this.host = this.start();
    this.keepSafe(this.world.nowSec);
    await this.second();
    return "restart";
  }

  private kill(): string {
    this.world.kill();
    this.host = this.start();
    return "kill";
  }

  private async cut(): Promise<string> {
    this.cuts++;
    this.world.cutPower(() => this.random.next());
    this.host = this.start();
    await this.second();
    return "cut";
  }

  /** The first second of an agent: its files are marked as used then. */
  private async second(): Promise<void> {
    this.world.storage.tick();
    for (let i = 0; i < 20; i++) await Promise.resolve();
  }

  /** From now on no cut may take what is there up to a second. */
  private keepSafe(untilSec: number): void {
    this.safe = new Set();
    const isUntrusted = this.isUntrusted(this.host);
    for (const chart of this.host.chartList()) {
      chart.dimensions.list.forEach(({ id }, index) => {
        for (const second of held(chart, index, this.world.nowSec - WINDOW_SEC, untilSec).keys()) {
          if (!isUntrusted || isSealed(this.host, second)) this.safe.add(`${chart.id} ${id} ${second}`);
        }
      });
    }
  }
}

test.each(["map", "save"] as const)(
  "mode %s: a power cut never shows a value where it was not stored, nor takes what was flushed",
  async (mode) => {
    let cuts = 0;
    let survived = 0;
    let lateWrites = 0;
    const property = fc.asyncProperty(fc.integer(), async (seed) => {
      const history = new PowerHistory(new SeededRandom(seed), mode);
      let event = "start";
      try {
        for (let step = 0; step < STEPS; step++) {
          event = `step ${step}`;
          event += `, ${await history.step()}`;
          history.check();
        }
      } catch (error) {
        throw new Error(`${event}: ${(error as Error).message}`, { cause: error });
      }
      cuts += history.cuts;
      survived += history.survived;
      lateWrites += history.lateWrites;
    });
    await fc.assert(property, { seed: TEST_SEED, numRuns: RUNS, endOnFailure: true });
    expect(cuts).toBeGreaterThan(RUNS);
    expect(survived).toBeGreaterThan(RUNS * 1000);
    if (mode === "map") expect(lateWrites).toBeGreaterThan(RUNS / 4);
  },
  TIMEOUT_MS,
);
