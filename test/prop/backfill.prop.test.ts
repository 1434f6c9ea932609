import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { dimensionState, forgetState, restoreDimension, restoreTimes, storePast } from "../../agent/rrd/backfill.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import type { CommitListener } from "../../agent/rrd/commit-listener.ts";
import type { Algorithm } from "../../agent/rrd/dimension.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { trustClock } from "../../agent/rrd/interval.ts";
import { isResetAt } from "../../agent/rrd/read.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { dimension, newHost, stored, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 20_000 : 300;
const STEPS = 150;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);
const ALGORITHMS: Algorithm[] = [
  "absolute",
  "incremental",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
];
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
  private readonly row = new ValueRow();
  private readonly last: bigint[] = [];
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
    const intervalUs = this.interval();
    if (intervalUs < 0 && !this.isLinked) this.blurredSec = Math.max(this.blurredSec, here.lastEntrySec);
    this.nowUs += intervalUs;
    this.collect();
    this.onTheWire = Number.NaN;
    commitLocal(here, this.row, this.nowUs);
    this.stream();
    this.row.clear();
    if (!this.isLinked && random.chance(20)) this.link();
    else if (this.isLinked && this.restarts !== here.restarts) this.link();
    while (this.isLinked && this.backlog.length > 0 && random.chance(40)) this.fetchOlder();
    for (const host of [this.child, this.parent]) expect(imbalance(host.balance)).toBe(0);
  }

  private stream(): void {
    if (Number.isNaN(this.onTheWire)) return;
    this.streamed++;
    commitStreamed(this.there, this.row, this.onTheWire, this.nowUs + this.random.below(40_000));
  }

  /** Everything that the child holds is at the parent, and nothing else is within that time. */
  compare(): void {
    this.link();
    while (this.backlog.length > 0) this.fetchOlder();
    const { here, there } = this;
    expect([there.lastCollectedUs, there.lastUpdatedUs]).toEqual([here.lastCollectedUs, here.lastUpdatedUs]);
    const U = here.definition.updateEverySec;
    const to = here.lastEntrySec + 3 * U;
    const from = Math.max(here.firstEntrySec, this.blurredSec) + U;
    const columns = here.dimensions.list.map((_, i) => stored(here, i, from, to));
    expect(here.dimensions.list.map((_, i) => stored(there, i, from, to))).toEqual(columns);
    for (let second = from, k = 0; second <= to; second += U, k++) {
      // A mark on a second without any value is not passed on.
      if (columns.every((column) => Number.isNaN(column[k]!))) continue;
      expect([second, isResetAt(there, second)]).toEqual([second, isResetAt(here, second)]);
    }
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
    const { random } = this;
    const index = this.last.length;
    const options = { multiplier: random.pick([1, 8, -1]), divisor: random.pick([1, 3]), noReset: random.chance(20) };
    const definition = dimension(`d${index}`, random.pick(ALGORITHMS), options);
    for (const chart of [this.here, this.there]) chart.host.defineDimension(chart, definition);
    this.row.reserve(index + 1);
    this.last.push(BigInt(random.below(1_000_000)));
  }

  private interval(): number {
    const { random } = this;
    const U = this.here.updateEveryUs;
    if (random.chance(85)) return U + random.below(60_001) - 30_000;
    return random.pick([
      () => U - (this.here.lastCollectedUs % U),
      () => 1 + random.below(U),
      () => U * (1 + random.below(12)),
      () => U * HISTORY + random.below(3 * U),
      // Our own clock was put back; the next values come once more.
      () => -random.below(20 * U),
    ])();
  }

  private collect(): void {
    const { random } = this;
    const hasHoles = random.chance(30);
    this.last.forEach((last, i) => {
      if (hasHoles && random.chance(30)) return;
      const next = random.pick([
        () => last + BigInt(random.below(1000)),
        () => last + BigInt(random.below(1000)),
        () => BigInt(random.below(200) - 100),
        () => (last + BigInt(random.below(400_000_000))) % 2n ** 32n,
        () => BigInt.asIntN(64, last + 2n ** 53n + BigInt(random.below(99))),
      ])();
      this.last[i] = next;
      this.row.setExact(i, next);
    });
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
