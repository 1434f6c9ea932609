import { describe, expect, test } from "bun:test";
import { SourceError } from "../../agent/base/source-error.ts";
import type { CollectorModule } from "../../agent/collector/collector.ts";
import type { CollectorPlan } from "../../agent/collector/collector-runner.ts";
import { Scheduler } from "../../agent/collector/scheduler.ts";
import { createTestContext, RecordedLog, SteppedClock } from "../collector-world.ts";

const SECOND_US = 1_000_000;

/** A collector that does what the test says and remembers what happened to it. */
class FakeCollector {
  readonly ranAtUs: number[] = [];
  starts = 0;
  disposals = 0;
  removals = 0;
  /** Called in each cycle. */
  work: () => void = () => {};
  startFailure: Error | undefined;
  readonly module: CollectorModule;

  constructor(name: string, everySecMin = 1) {
    this.module = {
      name,
      everySecMin,
      start: () => {
        if (this.startFailure !== undefined) throw this.startFailure;
        this.starts++;
        return {
          collect: (nowUs) => {
            this.ranAtUs.push(nowUs);
            this.work();
          },
          [Symbol.dispose]: () => {
            this.disposals++;
          },
        };
      },
    };
  }

  plan(updateEverySec = 0, revision = "1"): CollectorPlan {
    const { module } = this;
    return {
      module,
      updateEverySec,
      revision,
      createContext: (everySec) => createTestContext(module, { updateEverySec: everySec }),
      onRemoved: () => {
        this.removals++;
      },
    };
  }
}

function createWorld(plans: readonly CollectorPlan[], updateEverySec = 1, phase = 0.4) {
  const clock = new SteppedClock();
  const log = new RecordedLog();
  const afterTicksUs: number[] = [];
  const afterTick = (): void => void afterTicksUs.push(clock.nowUs());
  const scheduler = new Scheduler({ clock, random: () => phase, log, updateEverySec, afterTick });
  scheduler.configure(plans);
  return { clock, log, scheduler, afterTicksUs };
}

/** Seconds since the start of the test world. */
function seconds(timesUs: readonly number[]): number[] {
  const start = new SteppedClock().nowUs();
  return timesUs.map((timeUs) => (timeUs - start) / SECOND_US);
}

describe("ticks", () => {
  test("fall on the whole second plus one fixed phase", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    expect(scheduler.phaseUs).toBe(350_000);
    scheduler.start();
    clock.advance(5000);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 1.35, 2.35, 3.35, 4.35]);
    expect(scheduler).toMatchObject({ ticksDone: 5, ticksMissed: 0, lagUs: 0, clockSteps: 0 });
  });

  test.each([
    { random: 0, phaseUs: 250_000 },
    { random: 0.999_999, phaseUs: 500_000 },
  ])("the phase for $random is $phaseUs µs", ({ random, phaseUs }) => {
    expect(createWorld([], 1, random).scheduler.phaseUs).toBe(phaseUs);
  });

  test("an interval of the agent is aligned too", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()], 5);
    clock.block(1000); // 1 s after a multiple of 5
    scheduler.start();
    clock.advance(15_000);
    expect(seconds(fake.ranAtUs)).toEqual([5.35, 10.35, 15.35]);
  });

  test("run whatever the length of the previous one, as long as it fits", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    fake.work = () => clock.block(600);
    scheduler.start();
    clock.advance(4000);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 1.35, 2.35, 3.35]);
    expect(scheduler.ticksMissed).toBe(0);
  });

  test("are followed by whoever sends on, once all collectors have run", () => {
    const first = new FakeCollector("first");
    const second = new FakeCollector("second");
    const { clock, scheduler, afterTicksUs } = createWorld([first.plan(), second.plan()]);
    first.work = () => clock.block(10);
    second.work = () => clock.block(20);
    scheduler.start();
    clock.advance(2000);
    expect(seconds(afterTicksUs)).toEqual([0.38, 1.38]);
  });

  test("a late one runs once; those that passed meanwhile are counted", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.advance(1000);
    clock.block(3700); // until 4.7 s: the tick of 1.35 is 3.35 s late
    clock.advance(0);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 4.7]);
    expect(scheduler).toMatchObject({ ticksDone: 2, ticksMissed: 3, lagUs: 3_350_000 });
    clock.advance(1000);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 4.7, 5.35]);
    expect(scheduler).toMatchObject({ ticksMissed: 3, lagUs: 0 });
  });

  test("a cycle that takes longer than the interval loses the ticks it covers", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    fake.work = () => clock.block(1500);
    scheduler.start();
    clock.advance(10_000);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 2.35, 4.35, 6.35, 8.35]);
    expect(scheduler).toMatchObject({ ticksDone: 5, ticksMissed: 5, lagUs: 0 });
  });

  test("a timer that fires a little early does not tick twice", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.stepWall(-700); // 0.7 ms before the second's aim when the timer fires
    clock.advance(3000);
    expect(fake.ranAtUs).toHaveLength(3);
    // Timers count whole ms.
    expect(seconds(fake.ranAtUs)).toEqual([0.3493, 1.3503, 2.3503]);
    expect(scheduler.clockSteps).toBe(0);
  });

  test("after dispose nothing runs and everything is closed", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.advance(1000);
    scheduler[Symbol.dispose]();
    clock.advance(5000);
    expect(fake.ranAtUs).toHaveLength(1);
    expect(fake.disposals).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test("dispose from inside a cycle ends the ticks", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    fake.work = () => scheduler[Symbol.dispose]();
    scheduler.start();
    clock.advance(5000);
    expect(fake.ranAtUs).toHaveLength(1);
    expect(clock.pendingTimers).toBe(0);
  });

  test("a pass over the budget is told once an hour, with the slowest collector", () => {
    const quick = new FakeCollector("quick");
    const slow = new FakeCollector("slow");
    const { clock, log, scheduler } = createWorld([quick.plan(), slow.plan()]);
    quick.work = () => clock.block(10);
    slow.work = () => clock.block(45);
    scheduler.start();
    clock.advance(3_599_000);
    expect(log.lines).toEqual([
      { level: "warn", event: "collector.tick_slow", fields: { slowest: "slow", durationMs: 55 } },
    ]);
    clock.advance(3_000);
    expect(log.lines).toHaveLength(2);
    expect(scheduler.collectors.map(({ name, durationUs }) => [name, durationUs])).toEqual([
      ["quick", 10_000],
      ["slow", 45_000],
    ]);
  });

  test("a collector that reads durations while it runs sees its own of the last cycle", () => {
    const fake = new FakeCollector("agent");
    const { clock, scheduler } = createWorld([fake.plan()]);
    const seen: number[] = [];
    fake.work = () => {
      seen.push(scheduler.collectors[0]!.durationUs);
      clock.block(7);
    };
    scheduler.start();
    clock.advance(3000);
    expect(seen).toEqual([0, 7000, 7000]);
  });
});

describe("the wall clock", () => {
  test.each([
    { what: "an hour back", stepUs: -3600 * SECOND_US },
    { what: "an hour forward", stepUs: 3600 * SECOND_US },
    { what: "half a second back", stepUs: -500_000 },
    { what: "400 ms forward", stepUs: 400_000 },
  ])("stepped $what: monotonic spacing, then aligned again", ({ stepUs }) => {
    const fake = new FakeCollector("a");
    const { clock, log, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    const ranAtMs: number[] = [];
    fake.work = () => ranAtMs.push(clock.monotonicMs());
    clock.advance(2000);
    clock.stepWall(stepUs);
    clock.advance(4000);
    // 0.35 and 1.35 before the step, 2.35 by the timer that was set before it, 3.35 by the spacing.
    expect(ranAtMs.slice(0, 4)).toEqual([1350, 2350, 3350, 4350]);
    const afterUs = fake.ranAtUs.slice(4);
    expect(afterUs.length).toBeGreaterThan(0);
    for (const timeUs of afterUs) expect(timeUs % SECOND_US).toBe(scheduler.phaseUs);
    expect(scheduler).toMatchObject({ clockSteps: 1, ticksMissed: 0, lagUs: 0 });
    expect(log.events()).toEqual(["collector.clock_stepped"]);
  });

  test("a suspend of ten minutes is a step: no replay, no missed ticks, no lag", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.advance(2000);
    clock.stepWall(600 * SECOND_US); // monotonic time stands still while the machine sleeps
    clock.advance(3000);
    expect(fake.ranAtUs).toHaveLength(5);
    expect(scheduler).toMatchObject({ ticksMissed: 0, clockSteps: 1 });
  });

  test("its slow correction is no step", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    for (let i = 0; i < 60; i++) {
      clock.stepWall(-500); // 500 ppm
      clock.advance(1000);
    }
    expect(scheduler).toMatchObject({ clockSteps: 0, ticksMissed: 0, ticksDone: 60 });
  });
});

describe("intervals of collectors", () => {
  test.each([
    { agent: 1, minimum: 1, wanted: 0, effective: 1 },
    { agent: 1, minimum: 2, wanted: 0, effective: 2 },
    { agent: 3, minimum: 2, wanted: 0, effective: 3 },
    { agent: 2, minimum: 1, wanted: 3, effective: 4 },
    { agent: 1, minimum: 5, wanted: 2, effective: 5 },
    { agent: 1, minimum: 1, wanted: 10, effective: 10 },
  ])("agent $agent s, minimum $minimum s, wanted $wanted s → $effective s", ({ agent, minimum, wanted, effective }) => {
    const fake = new FakeCollector("a", minimum);
    const { clock, scheduler } = createWorld([fake.plan(wanted)], agent);
    scheduler.start();
    clock.advance(40_000);
    const times = seconds(fake.ranAtUs);
    expect(times.length).toBeGreaterThan(3);
    for (let i = 1; i < times.length; i++) expect(times[i]! - times[i - 1]!).toBeCloseTo(effective, 6);
    for (const timeUs of fake.ranAtUs.slice(1)) expect(Math.floor(timeUs / SECOND_US) % effective).toBe(0);
  });

  test("a long interval whose tick was missed is made up for at the next one", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan(5)]);
    scheduler.start();
    clock.advance(1000);
    clock.block(4500); // over 5.35
    clock.advance(6000);
    expect(seconds(fake.ranAtUs)).toEqual([0.35, 5.5, 10.35]);
  });
});

describe("a failing collector", () => {
  test("never stops the others", () => {
    const bad = new FakeCollector("bad");
    const good = new FakeCollector("good");
    const { clock, log, scheduler } = createWorld([bad.plan(), good.plan()]);
    bad.work = () => {
      throw new TypeError("undefined is not an object");
    };
    scheduler.start();
    clock.advance(10_000);
    expect(good.ranAtUs).toHaveLength(10);
    expect(log.events()).toEqual(["collector.cycle_failed", "collector.failing"]);
  });

  test("ok → three failures → every 10 s → after 60 s disabled → every 600 s → ok, one line each", () => {
    const fake = new FakeCollector("a");
    const { clock, log, scheduler } = createWorld([fake.plan()]);
    const state = (): string | undefined => scheduler.collectors[0]?.state;
    scheduler.start();
    clock.advance(1000);
    expect(state()).toBe("ok");
    fake.work = () => {
      throw new SourceError("source_format", "/proc/a: expected b");
    };
    clock.advance(2000);
    expect(state()).toBe("ok");
    clock.advance(1000);
    expect(state()).toBe("retrying");
    expect(fake.ranAtUs).toHaveLength(4);
    clock.advance(59_000);
    expect(state()).toBe("retrying");
    expect(seconds(fake.ranAtUs.slice(4))).toEqual([13.35, 23.35, 33.35, 43.35, 53.35]);
    clock.advance(1000);
    expect(state()).toBe("disabled");
    const before = fake.ranAtUs.length;
    clock.advance(599_000);
    expect(fake.ranAtUs).toHaveLength(before);
    clock.advance(1000);
    expect(fake.ranAtUs).toHaveLength(before + 1);
    expect(state()).toBe("disabled");
    fake.work = () => {};
    clock.advance(600_000);
    expect(state()).toBe("ok");
    clock.advance(3000);
    expect(fake.ranAtUs.length).toBe(before + 5);
    expect(log.lines.map(({ level, event }) => `${level} ${event}`)).toEqual([
      "warn collector.cycle_failed",
      "warn collector.failing",
      "info collector.disabled",
      "info collector.recovered",
    ]);
    expect(log.lines[2]?.fields).toEqual({ collector: "a", reason: "/proc/a: expected b" });
    expect(fake.starts - fake.disposals).toBe(1);
  });

  test("two failures and a success begin to count anew", () => {
    const fake = new FakeCollector("a");
    const { clock, log, scheduler } = createWorld([fake.plan()]);
    let cycle = 0;
    fake.work = () => {
      if (cycle++ % 3 !== 2) throw new Error("now and then");
    };
    scheduler.start();
    clock.advance(30_000);
    expect(scheduler.collectors[0]?.state).toBe("ok");
    expect(fake.starts).toBe(1);
    expect(log.events()).toEqual(["collector.cycle_failed"]);
  });

  test.each(["source_missing", "source_denied", "source_unsupported"] as const)(
    "whose source is absent (%s) is disabled at once, with one line, and looked at every 600 s",
    (code) => {
      const fake = new FakeCollector("psi");
      fake.startFailure = new SourceError(code, "/proc/pressure/cpu: ENOENT");
      const { clock, log, scheduler } = createWorld([fake.plan()]);
      scheduler.start();
      clock.advance(599_000);
      expect(scheduler.collectors[0]?.state).toBe("disabled");
      expect(log.lines).toEqual([
        {
          level: "info",
          event: "collector.disabled",
          fields: { collector: "psi", reason: "/proc/pressure/cpu: ENOENT" },
        },
      ]);
      fake.startFailure = undefined; // the module was loaded
      clock.advance(2000);
      expect(scheduler.collectors[0]?.state).toBe("ok");
      expect(log.events()).toEqual(["collector.disabled", "collector.recovered"]);
    },
  );

  test("a source that vanishes after it worked is tried again soon", () => {
    const fake = new FakeCollector("a");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.advance(1000);
    fake.work = () => {
      throw new SourceError("source_missing", "/proc/a: ENOENT");
    };
    clock.advance(3000);
    expect(scheduler.collectors[0]?.state).toBe("retrying");
    fake.work = () => {};
    clock.advance(10_000);
    expect(scheduler.collectors[0]?.state).toBe("ok");
  });

  test("too many open files is a failure like others: nothing is given up for ten minutes", () => {
    const fake = new FakeCollector("a");
    fake.startFailure = new SourceError("source_read", "/proc/a: EMFILE");
    const { clock, scheduler } = createWorld([fake.plan()]);
    scheduler.start();
    clock.advance(5000);
    expect(scheduler.collectors[0]?.state).toBe("retrying");
    fake.startFailure = undefined;
    clock.advance(10_000);
    expect(scheduler.collectors[0]?.state).toBe("ok");
  });
});

describe("a reload", () => {
  test("keeps what is unchanged, restarts what changed, takes away what is gone", () => {
    const same = new FakeCollector("same");
    const changed = new FakeCollector("changed");
    const gone = new FakeCollector("gone");
    const added = new FakeCollector("added");
    const { clock, scheduler } = createWorld([same.plan(), changed.plan(), gone.plan()]);
    scheduler.start();
    clock.advance(1000);
    scheduler.configure([same.plan(), changed.plan(0, "2"), added.plan()]);
    clock.advance(1000);
    expect([same.starts, same.disposals, same.removals]).toEqual([1, 0, 0]);
    expect([changed.starts, changed.disposals, changed.removals]).toEqual([2, 1, 0]);
    expect([gone.starts, gone.disposals, gone.removals]).toEqual([1, 1, 1]);
    expect(added.ranAtUs).toHaveLength(1);
    expect(scheduler.collectors.map(({ name }) => name)).toEqual(["same", "changed", "added"]);
  });
});
