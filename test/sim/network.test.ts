import { describe, expect, test } from "bun:test";
import { errorText } from "../../agent/base/errors.ts";
import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import type { DoorSocket } from "../../agent/door/listener.ts";
import { SeededRandom } from "../seeded-random.ts";
import { Life } from "./life.ts";
import { type NetworkMachine, SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedTime } from "./simulated-time.ts";
import { Trace } from "./trace.ts";

const PORT = 19_999;

/** One end of a connection, and what its agent heard of it. */
class End implements SocketOwner {
  socket: StreamSocket | null = null;
  text = "";
  readonly events: string[] = [];

  data(_socket: StreamSocket, chunk: Buffer): void {
    this.text += chunk.toString("latin1");
    if (this.events.at(-1) !== "data") this.events.push("data");
  }

  drain(): void {
    this.events.push("drain");
  }

  end(): void {
    this.events.push("end");
  }

  close(): void {
    this.events.push("close");
    this.socket = null;
  }

  write(text: string): number {
    return this.socket!.write(Buffer.from(text));
  }
}

/** Two machines: `a` connects to `b`. */
class Scene {
  readonly trace = new Trace();
  readonly time = new SimulatedTime(0, this.trace);
  readonly network = new SimulatedNetwork(this.time, new SeededRandom(1), this.trace);
  readonly a = this.machine("a", "10.0.0.1");
  readonly b = this.machine("b", "10.0.0.2");
  readonly lives = { a: new Life(this.time), b: new Life(this.time) };
  readonly near = new End();
  readonly far = new End();
  problem = "";

  constructor() {
    void this.network.listenOf(this.b, this.lives.b).listen(
      { kind: "tcp", host: this.b.address, port: PORT },
      {
        open: (socket: DoorSocket) => {
          this.far.socket = socket;
          this.far.events.push(`open ${socket.remoteAddress}`);
        },
        data: (socket, chunk) => this.far.data(socket, chunk),
        drain: () => this.far.drain(),
        end: () => this.far.end(),
        close: () => this.far.close(),
        error: (_socket, error) => this.far.events.push(errorText(error)),
      },
    );
  }

  get link() {
    return this.network.link("a", "b");
  }

  dial(timeoutMs = 5000): this {
    const destination = { name: "b", host: this.b.address, port: PORT, interfaceName: "", unixPath: "", tls: false };
    const limits = { timeoutMs, signal: new AbortController().signal };
    this.network
      .dialOf(this.a, this.lives.a)(destination, this.near, limits)
      .then(
        (socket) => {
          this.near.socket = socket;
        },
        (error: unknown) => {
          this.problem = errorText(error);
        },
      );
    return this;
  }

  pass(seconds: number): this {
    this.time.runUntil(this.time.nowUs + seconds * 1e6);
    return this;
  }

  private machine(name: string, address: string): NetworkMachine {
    const buffers = { sendBytes: 1000, receiveBytes: 2000 };
    const machine = { name, address, isOn: true, isMute: false, buffers, dialect: "ours" as const };
    this.network.machines.push(machine);
    return machine;
  }
}

function connected(): Scene {
  const scene = new Scene().dial().pass(1);
  expect(scene.far.events).toEqual(["open 10.0.0.1"]);
  return scene;
}

describe("a simulated connection", () => {
  test("carries bytes both ways, whatever their cuts", () => {
    const scene = connected();
    scene.link.cutPercent = 100;
    scene.near.write("from near to far");
    scene.far.write("and back");
    scene.pass(1);
    expect([scene.far.text, scene.near.text]).toEqual(["from near to far", "and back"]);
  });

  test("arrives after the latency and the time the line takes", () => {
    const scene = connected();
    Object.assign(scene.link, { latencyUs: 200_000, bytesPerSec: 100 });
    scene.near.write("x".repeat(100));
    scene.pass(0.5);
    expect(scene.far.text.length).toBeLessThan(50);
    scene.pass(0.8);
    expect(scene.far.text.length).toBe(100);
  });

  test("takes what the kernel's buffers hold, and tells when there is room again", () => {
    const scene = connected();
    scene.lives.b.freeze();
    // 2000 bytes lie at the reader; of what is confirmed no more is kept.
    for (let i = 0; i < 4; i++) scene.pass(1).near.write("x".repeat(1000));
    expect(scene.near.write("x")).toBe(0);
    scene.pass(60);
    expect([scene.far.text, scene.near.events.includes("drain")]).toEqual(["", false]);
    scene.lives.b.thaw();
    scene.pass(1);
    expect(scene.far.text.length).toBe(3000);
    expect(scene.near.events).toContain("drain");
    const [queue] = scene.network.tcpQueuesOf(scene.lives.a)().values();
    expect(queue).toEqual({ leastBytes: 0, mostBytes: 0 });
  });

  test("closed in order: what was written arrives, then the end", () => {
    const scene = connected();
    scene.near.write("last words");
    scene.near.socket!.end();
    expect(scene.near.events).toEqual(["close"]);
    scene.pass(1);
    expect([scene.far.text, scene.far.events]).toEqual(["last words", ["open 10.0.0.1", "data", "end"]]);
    scene.far.socket!.end();
    expect(scene.far.events.at(-1)).toBe("close");
  });

  test("half-closed: the other way goes on", () => {
    const scene = connected();
    scene.near.socket!.shutdown();
    scene.pass(1);
    scene.far.write("still here");
    scene.pass(1);
    expect([scene.far.events.at(-1), scene.near.text]).toEqual(["end", "still here"]);
  });

  test("a reset ends it at both ends, at any byte", () => {
    const scene = connected();
    scene.near.write("abc");
    scene.near.socket!.terminate();
    scene.pass(1);
    expect([scene.near.events.at(-1), scene.far.events.at(-1)]).toEqual(["close", "close"]);
    expect("abc".startsWith(scene.far.text)).toBe(true);
  });

  test("a partition loses nothing, and a silent one is not noticed", () => {
    const scene = connected();
    scene.network.setCut("a", "b", true);
    scene.near.write("patience");
    scene.pass(300);
    expect([scene.far.text, scene.near.events]).toEqual(["", []]);
    scene.network.setCut("a", "b", false);
    scene.pass(1);
    expect(scene.far.text).toBe("patience");
  });

  test("pieces that a partition catches on their way are sent once more, in order", () => {
    for (const cutSec of [0.35, 0.45, 0.55, 1.5]) {
      const scene = connected();
      Object.assign(scene.link, { latencyUs: 300_000, bytesPerSec: 500, cutPercent: 100 });
      const text = Array.from({ length: 200 }, (_, i) => String(i % 10)).join("");
      scene.near.write(text);
      scene.pass(0.2);
      scene.network.setCut("a", "b", true);
      scene.pass(cutSec - 0.2);
      scene.network.setCut("a", "b", false);
      scene.pass(120);
      expect(scene.far.text).toBe(text);
    }
  });

  test("what is swallowed is confirmed and goes nowhere", () => {
    const scene = connected();
    scene.network.swallow("a", "b");
    for (let i = 0; i < 10; i++) {
      expect(scene.near.write("x".repeat(1000))).toBe(1000);
      scene.pass(1);
    }
    expect([scene.far.text, scene.near.events]).toEqual(["", []]);
  });

  test("forgotten by one end only: the other learns it when it writes", () => {
    const scene = connected();
    scene.network.reset("a", "b", "listener");
    scene.pass(60);
    // Its kernel closed it with an error; the dialler knows nothing, and nothing is left that could tell.
    expect([scene.far.events.at(-1), scene.near.events]).toEqual(["close", []]);
    const again = connected();
    again.network.reset("a", "b", "dialler");
    again.far.write("x");
    again.pass(1);
    expect(again.far.events.at(-1)).toBe("close");
  });
});

describe("an agent's end", () => {
  test("killed: its peer gets the end, and nothing reaches the dead", () => {
    const scene = connected();
    scene.lives.a.die();
    scene.network.processGone(scene.lives.a);
    scene.pass(1);
    expect([scene.far.events.at(-1), scene.near.events]).toEqual(["end", []]);
  });

  test("killed with unread bytes: its peer gets a reset", () => {
    const scene = connected();
    scene.lives.a.freeze();
    scene.far.write("unread");
    scene.pass(1);
    scene.lives.a.die();
    scene.network.processGone(scene.lives.a);
    scene.pass(1);
    expect([scene.far.events.at(-1), scene.near.events]).toEqual(["close", []]);
  });

  test("without power: silence, until its machine is back and knows of nothing", () => {
    const scene = connected();
    scene.lives.b.die();
    scene.network.powerGone(scene.b, scene.lives.b);
    scene.near.write("hello?");
    scene.pass(120);
    expect(scene.near.events).toEqual([]);
    scene.network.powerBack(scene.b);
    scene.pass(31);
    expect(scene.near.events).toEqual(["close"]);
  });
});

describe("an attempt to connect", () => {
  test("is refused where nobody listens", () => {
    const scene = new Scene();
    scene.network.processGone(scene.lives.b);
    expect(scene.dial().pass(1).problem).toBe("b: connection refused");
  });

  test("gets no answer over a path that is cut, or from a machine without power", () => {
    for (const spoil of [
      (scene: Scene) => scene.network.setCut("a", "b", true),
      (scene: Scene) => scene.network.powerGone(scene.b, scene.lives.b),
    ]) {
      const scene = new Scene();
      spoil(scene);
      expect(scene.dial(5000).pass(4.9).problem).toBe("");
      expect(scene.pass(0.2).problem).toBe("b: no answer within the time");
    }
  });

  test("is accepted by a kernel whose agent never hears of it", () => {
    const scene = new Scene();
    scene.b.isMute = true;
    scene.dial().pass(1);
    expect(scene.near.write("hello?")).toBe(6);
    expect([scene.pass(300).near.text, scene.far.events]).toEqual(["", []]);
  });

  test("waits for an agent that is stopped", () => {
    const scene = new Scene();
    scene.lives.b.freeze();
    scene.dial().pass(1);
    scene.near.write("hello");
    scene.pass(60);
    expect(scene.far.events).toEqual([]);
    scene.lives.b.thaw();
    scene.pass(1);
    expect([scene.far.events, scene.far.text]).toEqual([["open 10.0.0.1", "data"], "hello"]);
  });
});
