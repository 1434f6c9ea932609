import { describe, expect, test } from "bun:test";
import { createDial } from "../../agent/base/dial.ts";
import { createTcpQueues } from "../../agent/base/tcp-queues.ts";
import { PROMPT_V1 } from "../../agent/wire/answers.ts";
import { settle } from "./exporter-fixture.ts";
import { type FakeSocket, PusherScene } from "./pusher-fixture.ts";

const NO_LOSS = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };

/** A connection that the kernel lists; one value was sent on it, and confirmed. */
async function watched(settings: ConstructorParameters<typeof PusherScene>[0] = {}) {
  const scene = new PusherScene(settings);
  const chart = scene.chart("a.b", "x");
  await scene.send(chart);
  const socket = await scene.accept();
  socket.confirmedBytes = socket.stream.length;
  await scene.pass(10);
  expect(scene.status.values).toMatchObject({ offered: 1, delivered: 1, inFlight: 0 });
  /** Sends a value a second. @returns how many bytes of the stream there were after each. */
  const live = async (seconds: number) => {
    const ends: number[] = [];
    for (let i = 0; i < seconds; i++) {
      await scene.send(chart);
      ends.push(socket.stream.length);
      await scene.pass(1);
      expect(scene.imbalance).toBe(0);
    }
    return ends;
  };
  return { scene, chart, socket, live };
}

describe("delivered, where the kernel tells what the peer has confirmed", () => {
  test("only what is confirmed, however long it is under way", async () => {
    const { scene, socket, live } = await watched();
    const ends = await live(20);
    expect(scene.status.values).toMatchObject({ offered: 21, delivered: 1, inFlight: 20 });
    socket.confirmedBytes = ends[6]! + 1;
    await scene.pass(6);
    expect(scene.status.values).toMatchObject({ delivered: 1 + 7, inFlight: 13, lost: NO_LOSS });
    socket.confirmedBytes = socket.stream.length;
    await scene.pass(6);
    expect(scene.status.values).toMatchObject({ delivered: 21, inFlight: 0, lost: NO_LOSS });
  });

  test("also on a new connection, before the kernel was asked", async () => {
    const { scene, chart, socket } = await watched();
    socket.reset();
    await scene.send(chart);
    const second = await scene.accept();
    second.confirmedBytes = 0;
    scene.clock.freeze(4000);
    await scene.send(chart);
    second.reset();
    await settle();
    expect(scene.status.values).toMatchObject({ offered: 3, delivered: 1, lost: { ...NO_LOSS, disconnect: 2 } });
  });

  const ends: { name: string; act: (socket: FakeSocket, scene: PusherScene) => unknown; delivered: number }[] = [
    { name: "EOF: the kernel is asked once more", act: (socket) => socket.finish(), delivered: 7 },
    { name: "a reset: what was known stands", act: (socket) => socket.reset(), delivered: 4 },
    {
      name: "another key: the kernel is asked once more",
      act: (_, scene) => scene.pushers.attach(scene.host, { ...scene.settings, apiKey: "b".repeat(36) }),
      delivered: 7,
    },
  ];
  test.each(ends)("$name", async ({ act, delivered }) => {
    const { scene, socket, live } = await watched();
    const positions = await live(10);
    expect(scene.status.values).toMatchObject({ delivered: 1, inFlight: 10 });
    socket.confirmedBytes = positions[2]!;
    // The kernel was asked in the first second, and every fifth from then on.
    await scene.pass(2);
    expect(scene.status.values).toMatchObject({ delivered: 4, inFlight: 7 });
    scene.clock.freeze(300);
    socket.confirmedBytes = positions[5]!;
    await act(socket, scene);
    await settle();
    expect(socket.isClosed).toBe(true);
    expect(scene.status.values).toMatchObject({
      offered: 11,
      delivered,
      inFlight: 0,
      lost: { ...NO_LOSS, disconnect: 11 - delivered },
    });
  });

  test("the send timeout: the kernel is asked once more", async () => {
    const { scene, socket, live } = await watched({ timeoutSec: 13 });
    const positions = await live(10);
    socket.confirmedBytes = positions[2]!;
    await scene.pass(13);
    expect(socket.isClosed).toBe(false);
    socket.confirmedBytes = positions[5]!;
    await scene.pass(1);
    expect([socket.closedBy, scene.status.reason]).toEqual(["terminate", "send_timeout"]);
    expect(scene.status.values).toMatchObject({ offered: 11, delivered: 7, lost: { ...NO_LOSS, disconnect: 4 } });
  });

  test("a full buffer: what is queued is lost for it, what the kernel held for the end of the connection", async () => {
    const { scene, chart, socket, live } = await watched({ bufferSizeBytes: 2000 });
    const positions = await live(10);
    socket.room = 0;
    scene.clock.freeze(300);
    socket.confirmedBytes = positions[3]!;
    for (let i = 0; scene.pushers.counters.overflows === 0; i++) {
      scene.commit(chart, i);
      expect(scene.imbalance).toBe(0);
      expect(i).toBeLessThan(1000);
    }
    const { values } = scene.status;
    expect(values).toMatchObject({
      delivered: 1 + 4,
      lost: { ...NO_LOSS, disconnect: 6, overflow: values.offered - 11 },
    });
  });

  test("of twins the larger amount counts", async () => {
    const { scene, socket, live } = await watched();
    await live(5);
    socket.confirmedBytes = socket.stream.length;
    socket.twinBytes = 1;
    await scene.pass(6);
    expect(scene.status.values).toMatchObject({ delivered: 1 + 4, inFlight: 1 });
  });

  test("a listed connection that vanishes from the table is not delivered by time", async () => {
    const { scene, socket, live } = await watched();
    socket.confirmedBytes = Number.NaN;
    await live(20);
    expect(scene.status.values).toMatchObject({ delivered: 1, inFlight: 20 });
  });

  test("many links that break at once ask the kernel once", async () => {
    const { scene, socket } = await watched();
    scene.clock.freeze(1000);
    const before = scene.looks;
    for (let i = 0; i < 50; i++) scene.pushers.lookAgain(scene.clock.monotonicMs());
    socket.finish();
    expect(scene.looks).toBe(before + 1);
  });

  test("any number of hand-overs takes bounded memory and loses little detail", async () => {
    const { scene, chart, socket } = await watched();
    const start = socket.stream.length;
    for (let i = 0; i < 20_000; i++) {
      // All lines are equally long.
      scene.commit(chart, 10_000 + i);
      scene.pushers.flushAll();
      scene.clock.freeze(200);
    }
    socket.confirmedBytes = start + Math.floor((socket.stream.length - start) / 2);
    await scene.pass(6);
    expect(scene.status.values.delivered).toBeLessThanOrEqual(10_001);
    expect(scene.status.values.delivered).toBeGreaterThan(9900);
    expect(scene.imbalance).toBe(0);
  });
});

/** A parent on a real socket, in this very thread: while the test does not wait for anything, it reads nothing. */
class RealParent implements Disposable {
  received = "";
  readonly closed = Promise.withResolvers<void>();
  private readonly server: Bun.TCPSocketListener;

  /** @param bytesMax it closes in order after so many. */
  constructor(bytesMax = Number.POSITIVE_INFINITY) {
    this.server = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        data: (socket, chunk) => {
          if (this.received === "") socket.write(PROMPT_V1);
          if (this.received.length < bytesMax) this.received += chunk.toString("latin1");
          if (this.received.length >= bytesMax) socket.end();
        },
        close: () => this.closed.resolve(),
        error() {},
      },
    });
  }

  get port(): number {
    return this.server.port;
  }

  /** Values that came in whole lines. */
  get values(): number {
    return this.received.match(/^SET .*\n/gm)?.length ?? 0;
  }

  [Symbol.dispose](): void {
    this.server.stop(true);
  }
}

/** Streams to a real socket until the connection stands; time is simulated. */
async function streamTo(parent: RealParent) {
  const settings = { destinations: [`127.0.0.1:${parent.port}`], bufferSizeBytes: 65_536, reconnectDelaySec: 1000 };
  const scene = new PusherScene(
    settings,
    {},
    { dial: (...call) => dial(...call), tcpQueues: createTcpQueues("/proc/net") },
  );
  const dial = createDial(scene.clock);
  const chart = scene.chart("a.b", ...Array.from({ length: 30 }, (_, i) => `dimension_${i}`));
  await scene.send(chart);
  while (scene.status.state !== "connected") await new Promise(setImmediate);
  let commits = 1;
  /** One iteration, and now and then a tick of the heart. */
  const flood = () => {
    scene.commit(chart, ...chart.dimensions.list.map((_, index) => 1_000_000_000 + commits + index));
    scene.pushers.flushAll();
    if (++commits % 100 !== 0) return;
    scene.clock.freeze(1000);
    scene.pushers.tick(scene.clock.monotonicMs());
  };
  return { scene, flood };
}

describe("delivered, on real sockets", () => {
  test("a parent that does not read: after the overflow it has all that counts as delivered", async () => {
    using parent = new RealParent();
    const { scene, flood } = await streamTo(parent);
    for (let i = 0; scene.pushers.counters.overflows === 0; i++) {
      flood();
      expect(i).toBeLessThan(500_000);
    }
    await parent.closed.promise;
    const { values } = scene.status;
    expect(scene.imbalance).toBe(0);
    expect(values.lost.disconnect).toBeGreaterThan(1000);
    expect(values.delivered).toBeLessThanOrEqual(parent.values);
    // Never more than arrived; how much less is up to the kernel, which confirms the last segments when it likes.
    expect(values.delivered).toBeGreaterThan(0.5 * parent.values);
  });

  test("a parent that closes in mid-stream", async () => {
    using parent = new RealParent(1_000_000);
    const { scene, flood } = await streamTo(parent);
    for (let i = 0; scene.status.state === "connected"; i++) {
      for (let k = 0; k < 20 && scene.status.state === "connected"; k++) flood();
      await new Promise(setImmediate);
      expect(i).toBeLessThan(500_000);
    }
    await parent.closed.promise;
    const { values } = scene.status;
    expect(scene.imbalance).toBe(0);
    expect(values.delivered).toBeLessThanOrEqual(parent.values);
  });
});
