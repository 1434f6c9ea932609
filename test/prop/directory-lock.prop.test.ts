import { expect, test } from "bun:test";
import fc from "fast-check";
import { errorCode } from "../../agent/base/errors.ts";
import type { Files } from "../../agent/base/files.ts";
import { lockDirectory } from "../../agent/rrd/store/directory-lock.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import { SimulatedDisk } from "../simulated-disk.ts";

const DIRECTORY = "/db";
const BOOT = "0f3a-11";
/** Steps after which every starter has come to an end: the longest way takes far fewer. */
const STEPS_MAX = 500;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

/** Ends a run of the code under test at the call that is not its turn yet. */
class NotYet extends Error {}

/**
 * One agent that starts, holds the lock and lets go, one call at a time: each step runs the code again from its start,
 * hands out the results of the calls made so far, makes one more call, and stops it there.
 */
class Starter {
  state: "starting" | "holding" | "refused" | "releasing" | "gone" = "starting";
  readonly pid: number;
  private readonly results: { value?: unknown; error?: unknown }[] = [];
  private readonly files: Files;
  private readonly startTicks: (pid: number) => number | null;
  private position = 0;
  private isStopped = false;

  constructor(pid: number, disk: Files, startTicks: (pid: number) => number | null) {
    this.pid = pid;
    this.files = new Proxy(disk, {
      get: (_target, name) => {
        const method = disk[name as keyof Files] as (...values: unknown[]) => unknown;
        return (...values: unknown[]) => this.call(() => method.apply(disk, values));
      },
    });
    this.startTicks = (other) => this.call(() => startTicks(other));
  }

  get isOver(): boolean {
    return this.state === "refused" || this.state === "gone";
  }

  /** Makes the next call; one that holds the lock begins to let go. */
  step(): void {
    if (this.state === "holding") this.state = "releasing";
    this.position = 0;
    this.isStopped = false;
    try {
      const lock = lockDirectory(this.files, DIRECTORY, { pid: this.pid, bootId: BOOT, startTicks: this.startTicks });
      if (this.isStopped) return;
      if (this.state !== "releasing") {
        this.state = "holding";
        return;
      }
      lock[Symbol.dispose]();
      if (!this.isStopped) this.state = "gone";
    } catch (error) {
      if (this.isStopped) return;
      if (errorCode(error) !== "database_in_use") throw error;
      this.state = "refused";
    }
  }

  private call<T>(run: () => T): T {
    // Handlers on the way out must not make calls either.
    if (this.isStopped) throw new NotYet();
    if (this.position === this.results.length) {
      try {
        this.results.push({ value: run() });
      } catch (error) {
        this.results.push({ error });
      }
      this.isStopped = true;
      throw new NotYet();
    }
    const result = this.results[this.position++]!;
    if ("error" in result) throw result.error;
    return result.value as T;
  }
}

/** The agents of one machine; one that has come to an end is followed by another one. */
class Machine {
  readonly disk = new SimulatedDisk();
  readonly starters: Starter[] = [];
  private readonly living = new Set<number>();
  private pidLast = 10;

  /** @param left the record an earlier run left in the lock; null = none. */
  constructor(left: string | null, count: number) {
    this.disk.makeDirectory(DIRECTORY);
    if (left !== null) this.disk.createExclusive(`${DIRECTORY}/.lock`, Buffer.from(left));
    for (let i = 0; i < count; i++) this.starters.push(this.start());
  }

  start(): Starter {
    const pid = ++this.pidLast;
    this.living.add(pid);
    return new Starter(pid, this.disk, (other) => (this.living.has(other) ? other * 10 : null));
  }

  /** @returns the state the agent came to by this turn, null = no other than before. */
  turn(who: number, isKilled: boolean): Starter["state"] | null {
    const starter = this.starters[who]!;
    if (isKilled || starter.isOver) {
      this.living.delete(starter.pid);
      this.starters[who] = this.start();
      return null;
    }
    const before = starter.state;
    starter.step();
    return starter.state === before ? null : starter.state;
  }

  get holders(): number {
    return this.starters.filter(({ state }) => state === "holding").length;
  }

  /** Lets all come to an end, kills those that hold the lock, and starts one more. */
  end(): Starter {
    for (const starter of this.starters) {
      for (let i = 0; i < STEPS_MAX && !starter.isOver && starter.state !== "holding"; i++) starter.step();
      expect(["holding", "refused", "gone"]).toContain(starter.state);
      this.living.delete(starter.pid);
    }
    const last = this.start();
    for (let i = 0; i < STEPS_MAX && last.state === "starting"; i++) last.step();
    return last;
  }
}

const leftovers = fc.constantFrom<string | null>(null, "", `1 100 ${BOOT}\n`, "11 100 0f3a-10\n");
const turns = fc.array(fc.record({ who: fc.nat(3), isKilled: fc.nat(24).map((n) => n === 0) }), {
  minLength: 50,
  maxLength: 200,
  size: "max",
});

test(
  "whatever the order of their calls and whoever is killed, one process at most holds the lock",
  () => {
    const reached = { holding: 0, refused: 0, gone: 0 };
    const property = fc.property(leftovers, turns, (left, order) => {
      const machine = new Machine(left, 4);
      for (const { who, isKilled } of order) {
        const state = machine.turn(who, isKilled);
        if (state === "holding" || state === "refused" || state === "gone") reached[state]++;
        expect(machine.holders).toBeLessThanOrEqual(1);
      }
      expect(machine.end().state).toBe("holding");
      expect(machine.disk.list(DIRECTORY)).toEqual([".lock"]);
    });
    const numRuns = IS_SOAK ? 50_000 : 500;
    fc.assert(property, { seed: TEST_SEED, numRuns });
    // The orders met what they are there for.
    for (const count of Object.values(reached)) expect(count).toBeGreaterThan(numRuns);
  },
  TIMEOUT_MS,
);
