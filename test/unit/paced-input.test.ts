import { describe, expect, test } from "bun:test";
import type { Clock, Timer } from "../../agent/base/clock.ts";
import type { StreamSocket } from "../../agent/base/stream-socket.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { InputTurns, PacedInput } from "../../agent/receiver/paced-input.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { newHost } from "../simulated-host.ts";

/** A clock by which each look at it takes a while, as work does. */
class WorkingClock implements Clock {
  lookMs = 0;
  private nowMs = 1000;
  private timers: (() => void)[] = [];

  nowUs(): number {
    return 1_700_000_000_000_000 + this.nowMs * 1000;
  }

  monotonicMs(): number {
    this.nowMs += this.lookMs;
    return this.nowMs;
  }

  setTimer(_delayMs: number, callback: () => void): Timer {
    this.timers.push(callback);
    const cancel = () => {
      this.timers = this.timers.filter((timer) => timer !== callback);
    };
    return { [Symbol.dispose]: cancel };
  }

  get pending(): number {
    return this.timers.length;
  }

  /** The event loop comes round: what waits is called. */
  turn(): void {
    for (const callback of this.timers.splice(0)) callback();
  }
}

class Scene {
  readonly clock = new WorkingClock();
  readonly host = newHost();
  readonly calls: string[] = [];
  readonly input: PacedInput;
  readonly writer: HostWriter;
  private readonly socket: StreamSocket;

  constructor(turns = new InputTurns()) {
    const note = (what: string) => void this.calls.push(what);
    this.socket = {
      write: () => 0,
      shutdown: () => {},
      end: () => {},
      terminate: () => {},
      pause: () => note("pause"),
      resume: () => note("resume"),
    };
    this.writer = new HostWriter(this.host, { problem: () => {}, disable: () => this.input.end() });
    this.input = new PacedInput(this.clock, turns, this.writer, {
      turn: (take) => {
        const before = this.writer.updates;
        if (!take()) note("not followed");
        note(`turn ${this.writer.updates - before}`);
      },
    });
  }

  take(text: string): boolean {
    return this.input.take(this.socket, Buffer.from(text), this.clock.nowUs());
  }
}

const DEFINITION = 'CHART a.b "" "" "" "" "" line 1 1\nDIMENSION x\n';
const iterations = (count: number) => "BEGIN a.b 1000\nSET x = 1\nEND\n".repeat(count);

describe("what a child sends", () => {
  test("is decoded at once when that takes no time", () => {
    const scene = new Scene();
    expect(scene.take(DEFINITION + iterations(5000))).toBe(true);
    expect([scene.writer.updates, scene.input.pendingBytes, scene.calls]).toEqual([5000, 0, []]);
  });

  test("waits for later turns when it takes long, and the socket is not read meanwhile", () => {
    const scene = new Scene();
    scene.clock.lookMs = 5;
    scene.take(`${DEFINITION + iterations(1000)}BEGIN a`);
    expect(scene.calls).toEqual(["pause"]);
    const first = scene.writer.updates;
    expect(first).toBeGreaterThan(20);
    expect(first).toBeLessThan(300);
    // Read before the pause came through.
    scene.take(".b 1000\nEND\nBEG");
    expect(scene.writer.updates).toBe(first);
    expect(scene.input.pendingBytes).toBeGreaterThan(700 * 29);
    for (let turns = 0; turns < 100 && scene.clock.pending > 0; turns++) scene.clock.turn();
    expect(scene.writer.updates).toBe(1001);
    expect(scene.calls.at(-1)).toBe("resume");
    expect(scene.calls.filter((call) => call.startsWith("turn")).length).toBeGreaterThan(3);
    expect([scene.input.pendingBytes, imbalance(scene.host.balance)]).toEqual([3, 0]);
  });

  test("is decoded when the child has left, as far as a last turn goes", () => {
    const scene = new Scene();
    scene.clock.lookMs = 5;
    scene.take(DEFINITION + iterations(10_000));
    const first = scene.writer.updates;
    const leftBytes = scene.input.finish();
    expect(scene.writer.updates - first).toBeGreaterThan(5 * first);
    expect(leftBytes).toBe((10_000 - scene.writer.updates) * 29);
    scene.input.end();
    expect([scene.clock.pending, scene.input.pendingBytes]).toEqual([0, 0]);
  });

  test("is not looked at any more once the connection was ended in the middle of it", () => {
    const scene = new Scene();
    scene.take(`${DEFINITION}${iterations(3)}DISABLE\n${iterations(3)}CHART c.d\nBEGIN a.b`);
    expect([scene.writer.updates, scene.host.chartCount, scene.input.pendingBytes]).toEqual([3, 1, 0]);
    scene.take(iterations(3));
    expect(scene.writer.updates).toBe(3);
  });

  test("is given up when a line does not end, in a later turn too", () => {
    const scene = new Scene();
    scene.clock.lookMs = 5;
    scene.take(DEFINITION + iterations(500) + "x".repeat(70_000));
    for (let turns = 0; turns < 100 && scene.clock.pending > 0; turns++) {
      scene.clock.turn();
      if (scene.calls.includes("not followed")) scene.input.end();
    }
    expect(scene.writer.updates).toBe(500);
    expect(scene.calls).toContain("not followed");
  });

  test("has shorter turns when many others wait for theirs, and is not counted when it has left", () => {
    const turns = new InputTurns();
    const updates = Array.from({ length: 20 }, () => {
      const scene = new Scene(turns);
      scene.clock.lookMs = 1;
      scene.take(DEFINITION + iterations(1000));
      return scene;
    }).map((scene) => scene.writer.updates);
    expect(updates[0]).toBeGreaterThan(3 * updates[19]!);
    const [first, second] = [new Scene(turns), new Scene(turns)];
    first.clock.lookMs = 1;
    first.take(DEFINITION + iterations(1000));
    expect([turns.waiting, turns.turnMs]).toEqual([21, 100 / 21]);
    for (let n = 0; n < 1000 && first.clock.pending > 0; n++) first.clock.turn();
    expect(turns.waiting).toBe(20);
    second.clock.lookMs = 1;
    second.take(DEFINITION + iterations(1000));
    second.input.end();
    expect(turns.waiting).toBe(20);
  });
});
