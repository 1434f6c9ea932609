import { expect, test } from "bun:test";
import fc from "fast-check";
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
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);
const CHART_IDS = ["a.one", "a.two", "b.three", "b.four"];
const DIMENSIONS_MAX = 4;
/** Seconds that are looked at: more than any ring here holds. */
const WINDOW_SEC = 700;
/** Rings of 128 and of 448 slots: in the short ones no open block is certain. */
const HISTORIES = [60, 350, 350];
const TRUSTED_HISTORY_MIN = 321;

/** The kernel leaves no page unwritten for longer; the shortest ring takes twice that for a lap. */
const WRITE_BACK_SEC = 60;

/** Tells where it belongs: no two of the last days are equal. */
function valueAt(chart: Chart, index: number, second: number): number {
  return (second % 262_144) * 32 + CHART_IDS.indexOf(chart.id) * 8 + index;
}

/** An agent whose machine loses its power now and then. */
class PowerHistory {
  cuts = 0;
  /** Values that were there after a cut. */
  survived = 0;
  private readonly random: SeededRandom;
  private readonly mode: "map" | "save";
  private readonly world = new StorageWorld();
  private readonly row = new ValueRow();
  /** What no cut may take: `chart dimension second`. */
  private safe = new Set<string>();
  /** Starts of the blocks that the last flush left sealed, and nobody has written into since. */
  private sealed = new Set<number>();
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
    if (event < 58) return this.define(random.pick(CHART_IDS));
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

  private start(isAfterCut = false): Host {
    // Nothing is interpolated: a value stands where it was collected, or nowhere.
    const historyEntries = this.random.pick(HISTORIES);
    if (this.mode === "map" && historyEntries < TRUSTED_HISTORY_MIN) this.safe.clear();
    const host = this.world.host(this.mode, { historyEntries, gapIterations: 2 });
    // What columns hold from before they changed hands is emptied after a cut.
    this.noteUnsealed(host, () => isAfterCut);
    return host;
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
    const { isSettled, lastEntrySec } = chart;
    for (let index = 0; index < chart.dimensions.count; index++) row.set(index, valueAt(chart, index, world.nowSec));
    commitStreamed(chart, row, 0, world.nowSec * 1e6 + 500_000);
    row.clear();
    // It takes a column, which is emptied, or it fills the time it has missed.
    this.noteUnsealed(this.host, (startSec) => !isSettled || lastEntrySec < startSec + TILE_SLOTS - 1);
  }

  /**
   * A sealed block that is written into is at the mercy of a cut until the next flush (agent/rrd/store/README.md, "What
   * a crash leaves"). @param mayWrite whether there is a reason to write into the block that starts at a second.
   */
  private noteUnsealed({ ring }: Host, mayWrite: (startSec: number) => boolean): void {
    if (this.mode !== "map" || this.sealed.size === 0) return;
    for (const { stamps } of ring!.segments) {
      for (const startSec of stamps) {
        if (startSec <= 0 || !this.sealed.delete(startSec)) continue;
        if (!mayWrite(startSec)) throw new Error(`the block of ${startSec} was unsealed for nothing`);
        this.forget((_id, second) => second >= startSec && second < startSec + TILE_SLOTS);
      }
    }
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
    const { isSettled } = chart;
    this.host.retireChart(chart);
    this.noteUnsealed(this.host, () => !isSettled);
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
    this.host = this.start(true);
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
    const stamps = (this.host.ring?.segments ?? []).flatMap((segment) => [...segment.stamps]);
    this.sealed = new Set(stamps.filter((stamp) => stamp < 0).map((stamp) => -stamp));
    if (this.mode === "map" && this.host.historyEntries < TRUSTED_HISTORY_MIN) return;
    for (const chart of this.host.chartList()) {
      chart.dimensions.list.forEach(({ id }, index) => {
        for (const second of held(chart, index, this.world.nowSec - WINDOW_SEC, untilSec).keys()) {
          this.safe.add(`${chart.id} ${id} ${second}`);
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
    });
    await fc.assert(property, { seed: TEST_SEED, numRuns: RUNS, endOnFailure: true });
    expect(cuts).toBeGreaterThan(RUNS);
    expect(survived).toBeGreaterThan(RUNS * 1000);
  },
  TIMEOUT_MS,
);
