import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { LinkAccount } from "../../agent/pusher/link-account.ts";
import { ValueSteps } from "../../agent/pusher/value-steps.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";

const RUNS = IS_SOAK ? 20_000 : 1000;

type Event =
  | { kind: "send"; values: number; bytes: number }
  | { kind: "stored" | "confirmed"; part: number }
  | { kind: "pass"; ms: number }
  | { kind: "hold" | "release"; values: number }
  | { kind: "break" | "all" };

const events: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("send" as const),
      values: fc.integer({ min: 1, max: 50 }),
      bytes: fc.integer({ min: 1, max: 9000 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom("stored" as const, "confirmed" as const),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("pass" as const), ms: fc.integer({ min: 1, max: 5000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("hold" as const, "release" as const),
      values: fc.integer({ min: 1, max: 50 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("break" as const, "all" as const) }) },
);

/** One batch of values as a bookkeeper without limits of memory sees it. */
interface Batch {
  readonly end: number;
  readonly values: number;
  /** When the oldest of them was held back or sent. */
  readonly sinceMs: number;
  state: "sent" | "delivered" | "done";
  isEarlier: boolean;
}

/** An account that follows the end of a path, and the same kept naively. */
class Play {
  readonly account = new LinkAccount(65_536);
  /** By a bookkeeper who knows when each batch was sent, to the ms. */
  confirmedMax = 0;
  private readonly reachMs: number;
  private batches: Batch[] = [];
  private nowMs = 10_000;
  private appended = 0;
  private storedBytes = 0;
  private held = 0;
  private heldSinceMs = Number.POSITIVE_INFINITY;

  constructor(reachMs: number) {
    this.reachMs = reachMs;
    this.account.followEnd(true, false);
  }

  apply(event: Event): void {
    const { account } = this;
    if (event.kind === "send") {
      account.enqueue(event.values);
      this.handOver(event.values, event.bytes, this.nowMs);
    } else if (event.kind === "hold") {
      account.hold(event.values);
      if (this.held === 0) this.heldSinceMs = this.nowMs;
      this.held += event.values;
    } else if (event.kind === "release" && this.held > 0) {
      account.release(this.held);
      this.handOver(this.held, 100, this.heldSinceMs);
      this.held = 0;
    } else if (event.kind === "pass") {
      for (let left = event.ms; left > 0; left -= 1000) {
        this.nowMs += Math.min(left, 1000);
        account.tick(this.nowMs);
      }
    } else if (event.kind === "stored") this.store(event.part);
    else if (event.kind === "confirmed") this.confirm(event.part);
    else if (event.kind === "break") this.breakOff();
    else if (event.kind === "all") this.confirmEarlier();
  }

  /** The end tells that it has everything. */
  finish(): void {
    this.store(1);
    this.confirm(1);
    this.confirmEarlier();
  }

  private handOver(values: number, bytes: number, sinceMs: number): void {
    this.appended += bytes;
    this.batches.push({ end: this.appended, values, sinceMs, state: "sent", isEarlier: false });
    this.account.mark(this.appended, this.appended - bytes, this.nowMs);
    this.account.handOver(this.appended, this.nowMs);
  }

  private store(part: number): void {
    this.storedBytes = Math.max(this.storedBytes, Math.floor(part * this.appended));
    this.account.settle(Number.POSITIVE_INFINITY, this.storedBytes, true);
    for (const batch of this.batches) {
      if (!batch.isEarlier && batch.state === "sent" && batch.end <= this.storedBytes) batch.state = "delivered";
    }
  }

  private confirm(part: number): void {
    const endBytes = Math.floor(part * this.storedBytes);
    this.account.confirm(endBytes, this.nowMs, this.reachMs);
    for (const batch of this.batches) if (!batch.isEarlier && batch.end <= endBytes) this.close(batch);
  }

  private confirmEarlier(): void {
    this.account.confirmEarlier(this.nowMs, this.reachMs);
    for (const batch of this.batches) if (batch.isEarlier) this.close(batch);
    this.batches = this.batches.filter(({ state }) => state !== "done");
  }

  private close(batch: Batch): void {
    if (batch.state !== "delivered") return;
    batch.state = "done";
    if (this.nowMs - batch.sinceMs <= this.reachMs) this.confirmedMax += batch.values;
  }

  private breakOff(): void {
    this.account.breakOff("disconnect");
    this.batches = this.batches.filter(({ state }) => state === "delivered");
    for (const batch of this.batches) batch.isEarlier = true;
    this.appended = 0;
    this.storedBytes = 0;
    this.held = 0;
  }
}

describe("an account that follows the end of a path", () => {
  test("confirms what the end has, whatever comes in between, and adds up", () => {
    const property = fc.property(fc.array(events, { maxLength: 100 }), (list) => {
      const play = new Play(Number.POSITIVE_INFINITY);
      const { account } = play;
      for (const event of list) {
        play.apply(event);
        expect(hopImbalance(account)).toBe(0);
        expect(account.acknowledged).toBeLessThanOrEqual(Math.min(account.delivered, play.confirmedMax));
      }
      play.finish();
      expect(account.acknowledged).toBe(play.confirmedMax);
      expect(account.acknowledged).toBe(account.delivered);
    });
    fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
  });

  test("never confirms what was too old to come to the end", () => {
    let given = 0;
    let lacking = 0;
    const reaches = fc.integer({ min: 1500, max: 20_000 });
    const property = fc.property(reaches, fc.array(events, { maxLength: 100 }), (reachMs, list) => {
      const play = new Play(reachMs);
      const { account } = play;
      for (const event of list) {
        // What was held back for long counts as if it had come evenly; that is another test.
        if (event.kind === "hold") continue;
        play.apply(event);
        // Neighbours in time become one step, which is as old as its oldest.
        if (event.kind === "send") play.apply({ kind: "pass", ms: 130 });
        expect(account.acknowledged).toBeLessThanOrEqual(Math.min(account.delivered, play.confirmedMax));
      }
      play.finish();
      expect(account.acknowledged).toBeLessThanOrEqual(play.confirmedMax);
      given += account.acknowledged;
      lacking += account.delivered - account.acknowledged;
    });
    fc.assert(property, { seed: TEST_SEED, numRuns: RUNS });
    expect([given > 1000, lacking > 1000]).toEqual([true, true]);
  });

  test("takes what was lost for a time, and fetched then, to have come evenly", () => {
    const account = new LinkAccount(65_536);
    account.followEnd(true, false);
    account.lose(1000, "not_connected");
    account.recover(1, 10_000);
    account.mark(100, 0, 20_000);
    account.handOver(100, 20_000);
    account.settle(Number.POSITIVE_INFINITY, 100, true);
    expect([account.delivered, account.acknowledged]).toEqual([1000, 0]);
    // The first were lost 12 s ago, and what is older than 6 s did not come to the end.
    account.confirm(100, 22_000, 6000);
    expect(account.acknowledged).toBe(400);
  });

  test("forgets the end when that is not asked for any more", () => {
    const account = new LinkAccount(65_536);
    account.followEnd(true, false);
    account.enqueue(7);
    account.mark(100, 0, 5000);
    account.handOver(100, 5000);
    account.settle(Number.POSITIVE_INFINITY, 100, true);
    expect([account.delivered, account.acknowledged]).toEqual([7, 0]);
    account.followEnd(false, true);
    expect(account.acknowledged).toBe(7);
    account.confirm(100, 5000, Number.POSITIVE_INFINITY);
    expect(account.acknowledged).toBe(7);
  });
});

test("steps: any number takes bounded memory, and no value is forgotten", () => {
  const property = fc.property(fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 10 }), (sizes) => {
    const steps = new ValueSteps();
    let end = 0;
    for (let i = 0; i < 5000; i++) {
      end += sizes[i % sizes.length]!;
      steps.push(end, 1, 1000 * i, 1000 * i);
      expect(steps.length).toBeLessThanOrEqual(1024);
    }
    let values = 0;
    for (let i = 0; i < steps.length; i++) {
      values += steps.valuesOf(i);
      expect(steps.endOf(i)).toBeGreaterThan(i === 0 ? 0 : steps.endOf(i - 1));
      // It holds just those that came since the step before it.
      expect(steps.lastMsOf(i) - steps.sinceMsOf(i)).toBe(1000 * (steps.valuesOf(i) - 1));
    }
    expect([values, steps.endOf(steps.length - 1)]).toEqual([5000, end]);
  });
  fc.assert(property, { seed: TEST_SEED, numRuns: 20 });
});
