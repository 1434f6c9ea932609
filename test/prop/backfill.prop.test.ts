import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dimensionState, forgetState, restoreDimension, restoreTimes, storePast } from "../../agent/rrd/backfill.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import type { CommitListener } from "../../agent/rrd/commit-listener.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { trustClock } from "../../agent/rrd/interval.ts";
import { isResetAt } from "../../agent/rrd/read.ts";
import { expectEqualRings, RandomChart } from "../random-chart.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { newHost, stored, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 20_000 : 300;
const STEPS = 150;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);
const HISTORY = 130;

/** A chart at its child and at its parent, with a link between them that comes and goes and says what replication says. */
class Pair implements CommitListener {
  replayed = 0;
  streamed = 0;
  private readonly random: SeededRandom;
  private readonly child: Host;
  private readonly parent: Host;
  private readonly here: Chart;
  private readonly there: Chart;
  private readonly collected: RandomChart;
  private nowUs = T0_SEC * 1e6;
  private isLinked = false;
  /** Interval of the iteration that the child sends now; NaN = it sends none. */
  private onTheWire = Number.NaN;
  /** The child's clock went back to here while the parent listened: what follows is told once more. */
  private redoneSec = Number.POSITIVE_INFINITY;
  /** {@link Chart.restarts} of the child's chart when the parent was told its state. */
  private restarts = -1;
  /**
   * Up to here the child's clock went back while there was no link: the parent may still hold what was collected under
   * the old time of those seconds.
   */
  private blurredSec = 0;
  /** Seconds that the parent has not asked for yet, although newer ones stream: newest first. */
  private backlog: [fromSec: number, toSec: number][] = [];

  constructor(random: SeededRandom) {
    this.random = random;
    this.collected = new RandomChart(random);
    const options = { historyEntries: HISTORY, gapIterations: random.pick([3, 3, 5]) };
    this.child = newHost({ ...options, isLocal: true });
    this.parent = newHost(options);
    trustClock(this.parent, true);
    this.child.listener = this;
    const input = { id: "t.c", updateEverySec: random.pick([1, 1, 2, 5]), storeFirst: random.chance(15) };
    this.here = this.child.defineChart(input)!;
    this.there = this.parent.defineChart(input)!;
    const count = 1 + random.below(6);
    for (let i = 0; i < count; i++) this.addDimension();
  }

  /** Called by the child's commit, in the middle of it: another one must not begin now. */
  commit(chart: Chart, _row: CollectedRow, _elapsedUs: number, advancedUs: number): void {
    if (!this.isLinked) return;
    if (chart.restarts === this.restarts) this.onTheWire = advancedUs;
    else this.redoneSec = Math.min(this.redoneSec, chart.lastEntrySec);
  }

  step(): void {
    const { random, here } = this;
    if (random.chance(1)) this.addDimension();
    if (this.isLinked && random.chance(5)) this.isLinked = false;
    const intervalUs = this.collected.intervalUs(here);
    if (intervalUs < 0 && !this.isLinked) this.blurredSec = Math.max(this.blurredSec, here.lastEntrySec);
    this.nowUs += intervalUs;
    this.collected.collect();
    this.onTheWire = Number.NaN;
    commitLocal(here, this.collected.row, this.nowUs);
    this.stream();
    this.collected.row.clear();
    if (!this.isLinked && random.chance(20)) this.link();
    else if (this.isLinked && this.restarts !== here.restarts) this.link();
    while (this.isLinked && this.backlog.length > 0 && random.chance(40)) this.fetchOlder();
    for (const host of [this.child, this.parent]) expect(imbalance(host.balance)).toBe(0);
  }

  private stream(): void {
    if (Number.isNaN(this.onTheWire)) return;
    this.streamed++;
    commitStreamed(this.there, this.collected.row, this.onTheWire, this.nowUs + this.random.below(40_000));
  }

  /** Everything that the child holds is at the parent, and nothing else is within that time. */
  compare(): void {
    this.link();
    while (this.backlog.length > 0) this.fetchOlder();
    const { here, there } = this;
    expect([there.lastCollectedUs, there.lastUpdatedUs]).toEqual([here.lastCollectedUs, here.lastUpdatedUs]);
    expectEqualRings(here, there, Math.max(here.firstEntrySec, this.blurredSec) + here.definition.updateEverySec);
  }

  /** What happens upon a connect: some of the newest seconds, the state, and from then on what is committed. */
  private link(): void {
    const { here, there, random } = this;
    if (here.lastCollectedUs === 0) return;
    const U = here.definition.updateEverySec;
    const fromSec = Math.max(Math.min(there.lastEntrySec, this.redoneSec), here.firstEntrySec);
    const liveSec = Math.max(fromSec, here.lastEntrySec - U * random.below(random.pick([2, 200])));
    if (liveSec > fromSec) this.backlog.unshift([fromSec, liveSec]);
    forgetState(there);
    const heldSec = Math.min(there.lastEntrySec, here.lastEntrySec);
    this.replay(Math.min(liveSec, this.redoneSec), here.lastEntrySec, this.redoneSec < heldSec ? heldSec : 0);
    for (let i = 0; i < here.dimensions.count; i++) {
      restoreDimension(there, i, dimensionState(here, i));
    }
    expect(restoreTimes(there, here.lastCollectedUs, here.lastUpdatedUs, this.nowUs)).toBe(true);
    this.isLinked = true;
    this.redoneSec = Number.POSITIVE_INFINITY;
    this.restarts = here.restarts;
  }

  private fetchOlder(): void {
    const U = this.here.definition.updateEverySec;
    const range = this.backlog[0]!;
    const toSec = Math.min(range[1], range[0] + U * (1 + this.random.below(50)));
    this.replay(range[0], toSec);
    range[0] = toSec;
    if (range[0] >= range[1]) this.backlog.shift();
  }

  /** Seconds `(afterSec, beforeSec]`; those up to `redoneSec` were told before, and are others now. */
  private replay(afterSec: number, beforeSec: number, redoneSec = 0): void {
    const { here, there } = this;
    const U = here.definition.updateEverySec;
    const columns = here.dimensions.list.map((_, i) => stored(here, i, afterSec + U, beforeSec));
    for (let second = afterSec + U, k = 0; second <= beforeSec; second += U, k++) {
      const values = Float64Array.from(columns, (column) => column[k]!);
      if (second > redoneSec && values.every(Number.isNaN)) continue;
      this.replayed++;
      const row = { endSec: second, values, isReset: isResetAt(here, second), isCorrection: second <= redoneSec };
      storePast(there, row, this.nowUs);
      // Asked twice, told twice: it makes no difference.
      if (this.random.chance(3)) storePast(there, row, this.nowUs);
    }
  }

  private addDimension(): void {
    const definition = this.collected.addDimension();
    for (const chart of [this.here, this.there]) chart.host.defineDimension(chart, definition);
  }
}

describe("backfill", () => {
  test(
    "a parent has every second of its child, whatever outages there were",
    () => {
      let replayed = 0;
      let streamed = 0;
      const property = fc.property(fc.integer(), (seed) => {
        const pair = new Pair(new SeededRandom(seed));
        for (let step = 0; step < STEPS; step++) pair.step();
        pair.compare();
        replayed += pair.replayed;
        streamed += pair.streamed;
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
      expect(replayed).toBeGreaterThan(RUNS * 20);
      expect(streamed).toBeGreaterThan(RUNS * 20);
    },
    TIMEOUT_MS,
  );
});
