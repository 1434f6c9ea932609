import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SimplePattern } from "../../agent/base/pattern.ts";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { ChartStream, SetHeadsCache } from "../../agent/pusher/chart-stream.ts";
import { FinalPoints } from "../../agent/pusher/final-points.ts";
import { LinkAccount } from "../../agent/pusher/link-account.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal } from "../../agent/rrd/commit.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { expectEqualRings, RandomChart } from "../random-chart.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";

const RUNS = IS_SOAK ? 20_000 : 300;
const STEPS = 150;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);
const HISTORY = 130;
/** A few seconds of the widest chart: a parent that does not read fills it. */
const BUFFER_BYTES = 3000;

/** A chart at its child, and at a parent that is sent its points; or at a proxy between them as well. */
class Tree {
  points = 0;
  readonly account = new LinkAccount(BUFFER_BYTES);
  private readonly random: SeededRandom;
  private readonly child: Host;
  private readonly proxy: Host;
  private readonly parent: Host;
  private readonly here: Chart;
  private readonly links: Link[];
  private readonly collected: RandomChart;
  private nowUs = T0_SEC * 1e6;
  /** Up to here the child's clock went back: whoever was told of those seconds still holds what was collected then. */
  private blurredSec = 0;

  constructor(random: SeededRandom) {
    this.random = random;
    this.collected = new RandomChart(random);
    const options = { historyEntries: HISTORY, gapIterations: random.pick([3, 3, 5]) };
    this.child = newHost({ ...options, isLocal: true });
    this.proxy = newHost(options);
    this.parent = newHost(options);
    const clock = () => this.nowUs;
    this.links = [new Link(this.child, this.proxy, clock), new Link(this.proxy, this.parent, clock)];
    this.here = this.child.defineChart({
      id: "t.c",
      updateEverySec: random.pick([1, 1, 2, 5]),
      storeFirst: random.chance(15),
    })!;
    const count = 1 + random.below(6);
    for (let i = 0; i < count; i++) this.addDimension();
  }

  step(): void {
    const { random, here } = this;
    if (random.chance(1)) this.addDimension();
    const intervalUs = this.collected.intervalUs(here);
    if (intervalUs < 0) this.blurredSec = Math.max(this.blurredSec, here.lastEntrySec);
    this.nowUs += intervalUs;
    this.collected.collect();
    commitLocal(here, this.collected.row, this.nowUs);
    this.collected.row.clear();
    for (const link of this.links) if (random.chance(link.isSlow ? 2 : 70)) link.deliver(random);
    if (random.chance(2)) random.pick(this.links).isSlow = random.chance(50);
    this.check();
  }

  /** Everything that the child holds is at the others, and nothing else is within that time. */
  compare(): void {
    for (let i = 0; i < 400; i++) for (const link of this.links) link.deliver(this.random);
    this.check();
    const { here } = this;
    const from = Math.max(here.firstEntrySec, this.blurredSec) + here.definition.updateEverySec;
    for (const host of [this.proxy, this.parent]) this.points += expectEqualRings(here, host.chart("t.c"), from);
  }

  private check(): void {
    for (const host of [this.child, this.proxy, this.parent]) expect(imbalance(host.balance)).toBe(0);
    for (const { account } of this.links) expect(hopImbalance(account)).toBe(0);
    expect(this.links[0]!.account.offered).toBe(this.child.balance.collected);
    // What the proxy refuses, it does not pass on.
    const { received, dropped } = this.proxy.balance;
    expect(this.links[1]!.account.offered).toBe(received - dropped.clock - dropped.gap_too_long);
  }

  private addDimension(): void {
    this.child.defineDimension(this.here, this.collected.addDimension());
  }
}

/** What goes from one host to the next: nothing but points and the definitions before them. */
class Link {
  readonly account = new LinkAccount(BUFFER_BYTES);
  /** The parent reads rarely. */
  isSlow = false;
  private readonly buffer = new SendBuffer(BUFFER_BYTES);
  private readonly points: FinalPoints;
  private readonly decoder: StreamDecoder<Chart>;
  private readonly nowUs: () => number;
  private handedMs = 0;

  constructor(from: Host, to: Host, nowUs: () => number) {
    this.nowUs = nowUs;
    const stream = new ChartStream(this.buffer, new SetHeadsCache(), new SimplePattern("*"), 60);
    this.points = new FinalPoints({ nowUs }, this.buffer, stream, this.account);
    from.listener = {
      commit: (chart, row) => this.points.hold(chart, row.setCount),
      point: (chart, timeSec, setCount) => {
        this.points.hold(chart, setCount, timeSec);
        return true;
      },
    };
    const problem = (kind: string, line: Uint8Array) => {
      throw new Error(`${kind}: ${Buffer.from(line)}`);
    };
    this.decoder = new StreamDecoder<Chart>(new HostWriter(to, { problem, disable: () => {} }));
  }

  deliver(random: SeededRandom): void {
    const { buffer, account } = this;
    this.points.write();
    account.mark(buffer.appendedBytes, buffer.takenBytes, 0);
    buffer.flush({
      write: (bytes, offset = 0, length = 0) => {
        const taken = random.chance(70) ? length : random.below(length + 1);
        this.decoder.feed(Buffer.from(bytes.subarray(offset, offset + taken)), this.nowUs());
        return taken;
      },
    });
    this.handedMs += 2000;
    account.handOver(buffer.takenBytes, this.handedMs);
    account.settle(this.handedMs, Number.POSITIVE_INFINITY);
  }
}

describe("final points", () => {
  test(
    "every stored point of a child is at its parents, equal to the bit, and accounted for",
    () => {
      let points = 0;
      const property = fc.property(fc.integer(), (seed) => {
        const tree = new Tree(new SeededRandom(seed));
        for (let step = 0; step < STEPS; step++) tree.step();
        tree.compare();
        points += tree.points;
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
      expect(points).toBeGreaterThan(RUNS * 25);
    },
    TIMEOUT_MS,
  );
});
