import { describe, expect, test } from "bun:test";
import { rejectionText } from "../../agent/pusher/rejection-text.ts";
import { REFUSALS } from "../../agent/wire/answers.ts";
import { settle } from "./exporter-fixture.ts";
import { type FakeSocket, KEY, PusherScene, readStrictly } from "./pusher-fixture.ts";

const NO_LOSS = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };

/** A connected scene that has sent one iteration. */
async function connected(settings: ConstructorParameters<typeof PusherScene>[0] = {}) {
  const scene = new PusherScene(settings);
  const chart = scene.chart("a.b", "x", "y");
  await scene.send(chart);
  const socket = await scene.accept();
  return { scene, chart, socket };
}

/** Seconds until the next attempt. */
async function secondsToNextAttempt(scene: PusherScene): Promise<number> {
  const tries = scene.attempts.length;
  let seconds = 0;
  for (; scene.attempts.length === tries && seconds < 5000; seconds++) await scene.pass(1);
  return seconds;
}

describe("a parent that refuses", () => {
  const cases = [
    { answer: REFUSALS.no_key.wire, reason: "not_permitted", seconds: 60 },
    { answer: REFUSALS.own_guid.wire, reason: "own_guid", seconds: 3600 },
    { answer: REFUSALS.duplicate.wire, reason: "already_streaming", seconds: 10 },
    { answer: REFUSALS.busy.wire, reason: "busy", seconds: 120 },
    { answer: REFUSALS.internal.wire, reason: "internal", seconds: 300 },
    { answer: REFUSALS.initializing.wire, reason: "initializing", seconds: 30 },
    { answer: "HTTP/1.1 400 Bad Request\r\n\r\n", reason: "not_understood", seconds: 60 },
    { answer: "Hit me baby, push them ower", reason: "not_understood", seconds: 60 },
  ] as const;
  test.each(cases)("$reason: asked again after $seconds s", async ({ answer, reason, seconds }) => {
    const scene = new PusherScene();
    // Half way between least and most: exactly the documented delay.
    scene.chance = 0.5;
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const socket = await scene.accept(answer);
    expect(socket.closedBy).toBe("terminate");
    expect(scene.status).toMatchObject({ state: "waiting", reason });
    // What it means is in the status, what was said in the log.
    expect(scene.status.error).toBe(
      rejectionText(reason, `answered ${JSON.stringify(answer)}`, KEY, scene.host.machineGuid),
    );
    expect(scene.status.destinations[0]).toMatchObject({ error: scene.status.error, reason });
    const line = scene.lines.find(({ fields }) => fields["reason"] === reason);
    expect(line?.fields["problem"]).toBe(`answered ${JSON.stringify(answer)}`);
    expect(scene.pushers.counters).toMatchObject({ connects: 0, rejected: 1, lost: 0 });
    await scene.send(chart);
    expect(scene.status.values).toMatchObject({ offered: 2, queued: 0, lost: { ...NO_LOSS, refused: 2 } });
    expect(await secondsToNextAttempt(scene)).toBe(seconds);
    const event = reason === "not_understood" ? "pusher.reply_not_understood" : "pusher.rejected";
    expect(scene.events(event).length).toBe(1);
  });

  test("a crowd that was sent away does not come back at once", async () => {
    const delays: number[] = [];
    for (const chance of [0, 0.999]) {
      const scene = new PusherScene();
      scene.chance = chance;
      await scene.send(scene.chart("a.b", "x"));
      await scene.accept(REFUSALS.busy.wire);
      delays.push(await secondsToNextAttempt(scene));
    }
    expect(delays).toEqual([96, 144]);
  });

  test("already streaming: twice soon, then patiently, soon again after a connection", async () => {
    const scene = new PusherScene();
    scene.chance = 0.5;
    await scene.send(scene.chart("a.b", "x"));
    const delays: number[] = [];
    for (let i = 0; i < 4; i++) {
      await scene.accept(REFUSALS.duplicate.wire);
      delays.push(await secondsToNextAttempt(scene));
    }
    const socket = await scene.accept();
    await scene.pass(10);
    socket.reset();
    await settle();
    await scene.accept(REFUSALS.duplicate.wire);
    delays.push(await secondsToNextAttempt(scene));
    expect(delays).toEqual([10, 10, 120, 120, 10]);
  });

  const silent: { name: string; act: (socket: FakeSocket) => void; reason: string; seconds: number; lost: string }[] = [
    { name: "nothing, then EOF, as v1.6 does", act: (s) => s.finish(), reason: "closed", seconds: 60, lost: "refused" },
    {
      name: "half a prompt, then EOF",
      act: (s) => {
        s.send("Hit me");
        s.finish();
      },
      reason: "not_understood",
      seconds: 60,
      lost: "refused",
    },
    { name: "a reset", act: (s) => s.reset(), reason: "", seconds: 4, lost: "not_connected" },
  ];
  test.each(silent)("$name", async ({ act, reason, seconds, lost }) => {
    const scene = new PusherScene();
    scene.chance = 0.5;
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open();
    act(socket);
    await settle();
    expect(scene.status).toMatchObject({ state: "waiting", reason });
    expect(scene.status.values.lost).toEqual({ ...NO_LOSS, [lost]: 1 });
    expect(await secondsToNextAttempt(scene)).toBe(seconds);
  });

  test("nothing, then EOF, of a parent that took the stream before: tried again as one that is away", async () => {
    const { scene, socket } = await connected();
    await scene.pass(10);
    socket.reset();
    await settle();
    const delays: number[] = [];
    for (let i = 0; i < 5; i++) {
      (await scene.attempt.open()).finish();
      await settle();
      expect(scene.status).toMatchObject({ state: "waiting", reason: "closed" });
      delays.push(await secondsToNextAttempt(scene));
    }
    // One that refused would be left alone for a minute each time.
    expect(delays).toEqual([5, 5, 8, 16, 32]);
  });

  test("no answer: closed after the timeout, asked again 30 s later", async () => {
    const scene = new PusherScene({ timeoutSec: 5 });
    scene.chance = 0.5;
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open();
    await scene.pass(4);
    expect(socket.isClosed).toBe(false);
    await scene.pass(1);
    expect([socket.closedBy, scene.status.reason]).toEqual(["terminate", "no_reply"]);
    expect(scene.status.values.lost).toEqual({ ...NO_LOSS, not_connected: 1 });
    expect(scene.pushers.counters.rejected).toBe(0);
    expect(await secondsToNextAttempt(scene)).toBe(30);
  });

  test("an endless answer is cut off", async () => {
    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open();
    socket.send("x".repeat(100_000));
    await settle();
    expect([socket.isClosed, scene.status.error.length < 200]).toEqual([true, true]);
  });
});

describe("a connection that breaks", () => {
  test.each([
    { name: "EOF", act: (socket: FakeSocket) => socket.finish() },
    { name: "reset", act: (socket: FakeSocket) => socket.reset() },
  ])("$name: what was not delivered is lost; reconnected at once after 10 s", async ({ act }) => {
    const { scene, chart, socket } = await connected();
    await scene.pass(10);
    await scene.send(chart);
    act(socket);
    await settle();
    expect(scene.attempts.length).toBe(2);
    expect(scene.status.values).toMatchObject({ offered: 4, delivered: 2, lost: { ...NO_LOSS, disconnect: 2 } });
    expect(scene.pushers.counters).toMatchObject({ lost: 1, connects: 1 });
    await scene.send(chart);
    const second = await scene.accept();
    expect(readStrictly(second.stream).updates.map(({ elapsedUs }) => elapsedUs)).toEqual([0]);
    expect(scene.imbalance).toBe(0);
  });

  test("one that lives shorter waits, longer each time", async () => {
    const { scene, socket } = await connected();
    const delays: number[] = [];
    for (let live = socket, i = 0; i < 5; i++) {
      await scene.pass(9);
      live.reset();
      await settle();
      delays.push(await secondsToNextAttempt(scene));
      live = await scene.accept();
    }
    expect(delays).toEqual([5, 8, 16, 32, 48]);
  });

  const outages = [1, 2, 5, 15].flatMap((delaySec) =>
    [0, 0.3, 0.7, 1].flatMap((chance) => [500, 2900, 4900].map((backMs) => ({ delaySec, chance, backMs }))),
  );
  test.each(outages)("found in time: $delaySec s, chance $chance, parent back after $backMs ms", async (outage) => {
    const { delaySec, chance, backMs } = outage;
    const { scene, socket } = await connected({ reconnectDelaySec: delaySec });
    scene.chance = chance;
    await scene.pass(20);
    await scene.clock.advance(300);
    socket.reset();
    await settle();
    const lostMs = scene.clock.monotonicMs();
    while (scene.clock.monotonicMs() - lostMs < backMs) {
      await scene.attempt.refuse();
      await secondsToNextAttempt(scene);
    }
    expect(scene.clock.monotonicMs() - lostMs).toBeLessThanOrEqual(delaySec * 1000 + 5000);
  });

  test("a write that finds it closed", async () => {
    const { scene, chart, socket } = await connected();
    await scene.pass(10);
    socket.isClosed = true;
    await scene.send(chart);
    expect(scene.status.values).toMatchObject({
      offered: 4,
      delivered: 2,
      queued: 0,
      lost: { ...NO_LOSS, disconnect: 2 },
    });
    expect([scene.status.state, scene.attempts.length]).toEqual(["connecting", 2]);
  });

  test("a late fate of an attempt that was given up changes nothing", async () => {
    const { scene, socket } = await connected();
    await scene.pass(10);
    socket.reset();
    await settle();
    const old = scene.attempt;
    scene.pushers.attach(scene.host, { ...scene.settings, destinations: ["other"] });
    expect([old.isAborted(), scene.attempt.destination.host]).toEqual([true, "other"]);
    const late = await old.open();
    expect(late.isClosed || late.bytes.length === 0).toBe(true);
    const good = await scene.accept();
    await old.refuse();
    expect([scene.status.state, good.isClosed]).toEqual(["connected", false]);
  });
});

describe("a parent that does not read", () => {
  test("bytes wait in order while the kernel takes 0, 1 or a few", async () => {
    const { scene, chart, socket } = await connected();
    const whole = new PusherScene();
    const twin = whole.chart("a.b", "x", "y");
    await whole.send(twin);
    const other = await whole.accept();
    for (let i = 0; i < 40; i++) {
      socket.room = [0, 1, 7, 0, 30][i % 5]!;
      await scene.pass(1);
      await whole.pass(1);
      await scene.send(chart);
      await whole.send(twin);
      expect(scene.imbalance).toBe(0);
      if (i % 3 === 0) socket.drain(5);
    }
    expect(scene.status.values.queued).toBeGreaterThan(40);
    for (let i = 0; scene.status.bufferUsedBytes > 0; i++) {
      expect(i).toBeLessThan(5000);
      socket.drain(11);
    }
    expect(socket.stream.equals(other.stream)).toBe(true);
    await scene.pass(1);
    expect(scene.status.values).toMatchObject({ offered: 82, delivered: 82, lost: NO_LOSS });
  });

  test("a full buffer ends the connection; everything in it is counted; the next one starts anew", async () => {
    const { scene, chart, socket } = await connected();
    await scene.pass(10);
    socket.room = 0;
    for (let i = 0; scene.pushers.counters.overflows === 0; i++) {
      scene.commit(chart, i, -i);
      if (i % 100 === 0) await scene.flush();
      expect(scene.status.bufferUsedBytes).toBeLessThanOrEqual(65_536);
      expect(i).toBeLessThan(5000);
    }
    expect(socket.closedBy).toBe("terminate");
    const { values } = scene.status;
    expect(values.offered - 2).toBeGreaterThan(65_536 / 50);
    expect(values).toMatchObject({ delivered: 2, queued: 0, lost: { ...NO_LOSS, overflow: values.offered - 2 } });
    expect(scene.lines.find(({ event }) => event === "pusher.buffer_overflow")?.fields).toMatchObject({
      buffer_bytes: 65_536,
      connection_bytes: socket.stream.length,
    });
    scene.commit(chart, 1, 2);
    await scene.flush();
    expect(scene.attempts.length).toBe(2);
    expect(readStrictly((await scene.accept()).stream).updates.length).toBe(1);
    expect(scene.imbalance).toBe(0);
  });

  test("a kernel that has room again when the buffer is full saves the connection", async () => {
    const { scene, chart, socket } = await connected();
    socket.room = 0;
    for (let i = 0; scene.status.bufferUsedBytes < 65_000; i++) {
      expect(i).toBeLessThan(5000);
      scene.commit(chart, i);
      if (i % 50 === 0) await scene.flush();
    }
    await scene.flush();
    socket.room = 1e9;
    for (let i = 0; i < 30; i++) scene.commit(chart, i);
    await scene.flush();
    expect([scene.pushers.counters.overflows, scene.status.bufferUsedBytes]).toEqual([0, 0]);
    readStrictly(socket.stream);
  });

  test("one chart larger than the buffer still passes an empty one", async () => {
    const { scene, socket } = await connected();
    const wide = scene.chart("a.wide", ...Array.from({ length: 2000 }, (_, i) => `a_dimension_with_a_long_id_${i}`));
    await scene.send(wide);
    expect(scene.pushers.counters.overflows).toBe(0);
    expect(readStrictly(socket.stream).updates.at(-1)?.values.size).toBe(2000);
  });

  test("no output taken for the timeout: closed, that parent is left alone for a minute", async () => {
    const { scene, chart, socket } = await connected({ timeoutSec: 5, destinations: ["parent-1", "parent-2"] });
    // A link that has been quiet for long has not stalled.
    await scene.pass(30);
    socket.room = 0;
    await scene.send(chart);
    await scene.pass(4);
    await scene.send(chart);
    expect(socket.isClosed).toBe(false);
    await scene.pass(1);
    expect(socket.closedBy).toBe("terminate");
    expect(scene.status.values).toMatchObject({ offered: 6, delivered: 2, lost: { ...NO_LOSS, disconnect: 4 } });
    expect(scene.attempt.destination.host).toBe("parent-2");
    await scene.attempt.refuse();
    await scene.pass(50);
    expect(scene.attempts.slice(2).every(({ destination }) => destination.host === "parent-2")).toBe(true);
  });

  test("a parent that vanished: the kernel takes bytes, but nobody confirms them", async () => {
    const { scene, chart, socket } = await connected({ timeoutSec: 20 });
    const live = async (seconds: number, unconfirmed: (taken: number) => number) => {
      for (let i = 0; i < seconds; i++) {
        await scene.send(chart);
        socket.confirmedBytes = socket.stream.length - unconfirmed(socket.stream.length);
        await scene.pass(1);
      }
    };
    // Nothing on the way, then a slow peer that always has some: both are well.
    await live(40, () => 0);
    await live(60, () => 30);
    expect(socket.isClosed).toBe(false);
    const confirmed = socket.stream.length;
    await live(19, (taken) => taken - confirmed);
    expect(socket.isClosed).toBe(false);
    await live(10, (taken) => taken - confirmed);
    expect([socket.closedBy, scene.status.reason]).toEqual(["terminate", "send_timeout"]);
    expect(scene.imbalance).toBe(0);
  });

  test("bytes that move keep it alive", async () => {
    const { scene, chart, socket } = await connected({ timeoutSec: 5 });
    socket.room = 0;
    for (let i = 0; i < 20; i++) {
      await scene.send(chart);
      await scene.pass(1);
      if (i % 4 === 0) socket.drain(3);
    }
    expect([socket.isClosed, scene.status.state]).toEqual([false, "connected"]);
  });
});

describe("loops", () => {
  test("a host that ten agents have passed on goes no further", async () => {
    for (const [hops, state] of [
      [9, "connecting"],
      [10, "off"],
    ] as const) {
      const scene = new PusherScene({}, { isLocal: false });
      scene.host.hops = hops;
      const chart = scene.chart("a.b", "x");
      await scene.send(chart);
      await scene.send(chart);
      expect(scene.status.state).toBe(state);
      if (state === "off") expect(scene.status.values.lost).toEqual({ ...NO_LOSS, refused: 2 });
      await scene.pass(5);
      expect(scene.attempts.length).toBe(hops === 9 ? 1 : 0);
    }
  });

  test.each([
    { from: "192.0.2.7", peer: "192.0.2.7", isRefused: true },
    { from: "192.0.2.7", peer: "::ffff:192.0.2.7", isRefused: true },
    { from: "192.0.2.7", peer: "192.0.2.8", isRefused: false },
    { from: "127.0.0.1", peer: "127.0.0.1", isRefused: false },
    { from: "::1", peer: "::1", isRefused: false },
    { from: null, peer: "192.0.2.7", isRefused: false },
  ])("received from $from, parent at $peer", async ({ from, peer, isRefused }) => {
    const scene = new PusherScene({}, { isLocal: false });
    scene.chance = 0.5;
    scene.host.receivedFrom = from;
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open(peer);
    expect(socket.isClosed).toBe(isRefused);
    expect(scene.events("pusher.loop_refused").length).toBe(isRefused ? 1 : 0);
    if (!isRefused) return;
    expect(socket.bytes.length).toBe(0);
    expect(scene.status).toMatchObject({ state: "waiting", reason: "loop" });
    expect(scene.status.values.lost).toEqual({ ...NO_LOSS, refused: 1 });
    expect(await secondsToNextAttempt(scene)).toBe(60);
  });
});

describe("reload and stop", () => {
  test("another key or parent: closed in order, connected anew; anything else changes in place", async () => {
    const { scene, chart, socket } = await connected();
    const { settings } = scene;
    scene.pushers.attach(scene.host, { ...settings, timeoutSec: 10, bufferSizeBytes: 100_000, reconnectDelaySec: 7 });
    expect([socket.isClosed, scene.attempts.length, scene.status.bufferLimitBytes]).toEqual([false, 1, 100_000]);
    scene.commit(chart, 1, 2);
    scene.pushers.attach(scene.host, { ...settings, apiKey: "22222222-2222-3333-4444-555555555555" });
    expect([socket.closedBy, scene.attempts.length]).toEqual(["shutdown", 2]);
    expect(readStrictly(socket.stream).updates.length).toBe(2);
    expect(scene.status.values).toMatchObject({ offered: 4, delivered: 4, lost: NO_LOSS });
    const second = await scene.accept();
    expect(second.request.key).toStartWith("22222222");
    await scene.send(chart);
    scene.pushers.reload([scene.host], () => ({ ...settings, destinations: ["b", "a"] }));
    await settle();
    expect(scene.attempt.destination.host).toBe("b");
    scene.pushers.reload([scene.host], () => null);
    expect(scene.pushers.status()).toEqual([]);
    expect(scene.host.listener).toBeNull();
  });

  test("another timeout: for a link that is stuck already, and for the next attempt", async () => {
    const { scene, chart, socket } = await connected({ timeoutSec: 60 });
    socket.room = 0;
    await scene.send(chart);
    await scene.pass(20);
    expect(socket.isClosed).toBe(false);
    scene.pushers.attach(scene.host, { ...scene.settings, timeoutSec: 15 });
    await scene.pass(1);
    expect([socket.isClosed, scene.status.error]).toEqual([true, "no output moved for 15 s"]);
    await secondsToNextAttempt(scene);
    expect(scene.attempt.timeoutMs).toBe(15_000);
  });

  test("a larger buffer holds more of a stuck link, a smaller one less", async () => {
    const sent: number[] = [];
    for (const bufferSizeBytes of [65_536, 131_072, 65_536]) {
      const { scene, chart, socket } = await connected({ bufferSizeBytes: 100_000 });
      scene.pushers.attach(scene.host, { ...scene.settings, bufferSizeBytes });
      socket.room = 0;
      let iterations = 0;
      for (; !socket.isClosed; iterations++) await scene.send(chart);
      expect(scene.pushers.counters.overflows).toBe(1);
      sent.push(iterations);
    }
    expect(sent[1]! / sent[0]!).toBeCloseTo(2, 1);
    expect(sent[2]).toBe(sent[0]!);
  });

  test("another reconnect delay: for the attempts to come", async () => {
    const scene = new PusherScene({ reconnectDelaySec: 30 });
    await scene.send(scene.chart("a.b", "x"));
    scene.pushers.attach(scene.host, { ...scene.settings, reconnectDelaySec: 7 });
    await scene.attempt.refuse();
    expect(await secondsToNextAttempt(scene)).toBe(7);
  });

  test("other resync iterations: on the next connection", async () => {
    const { scene, chart, socket } = await connected({ initialClockResyncIterations: 1 });
    scene.pushers.attach(scene.host, { ...scene.settings, initialClockResyncIterations: 3 });
    socket.reset();
    await secondsToNextAttempt(scene);
    const second = await scene.accept();
    for (let i = 0; i < 5; i++) {
      await scene.pass(1);
      await scene.send(chart);
    }
    const begins = second.stream.toString().match(/^BEGIN .*$/gm)!;
    expect(begins.slice(0, 5).map((line) => / 0$/.test(line))).toEqual([true, true, true, false, false]);
  });

  test("a rotated list is not another list", async () => {
    const { scene, socket } = await connected({ destinations: ["a", "b"] });
    expect(scene.status.destinations.map(({ name }) => name)).toEqual(["a:19999", "b:19999"]);
    scene.pushers.attach(scene.host, { ...scene.settings });
    expect([socket.isClosed, scene.attempts.length]).toEqual([false, 1]);
  });

  test("what cannot be read changes nothing", async () => {
    const { scene, socket } = await connected();
    const bad = { ...scene.settings, apiKey: "x", destinations: ["http://parent"] };
    expect(() => scene.pushers.attach(scene.host, bad)).toThrow("parent");
    expect([socket.isClosed, scene.status.state]).toEqual([false, "connected"]);
  });

  test("stop: what the kernel takes in time goes out, then all is closed in order", async () => {
    const { scene, chart, socket } = await connected();
    socket.room = 10;
    scene.commit(chart, 1, 2);
    let isStopped = false;
    const stopping = scene.pushers.stop(1000).then(() => {
      isStopped = true;
    });
    await scene.clock.advance(500);
    expect(isStopped).toBe(false);
    socket.drain();
    await scene.clock.advance(100);
    await stopping;
    expect(socket.closedBy).toBe("shutdown");
    expect(readStrictly(socket.stream).updates.length).toBe(2);
    expect(scene.host.listener).toBeNull();
  });

  test("stop does not wait for ever", async () => {
    const { scene, chart, socket } = await connected();
    socket.room = 0;
    scene.commit(chart, 1, 2);
    const stopping = scene.pushers.stop(1000);
    await scene.clock.advance(1100);
    await stopping;
    expect(socket.isClosed).toBe(true);
  });

  test("the state of many links in sums", async () => {
    const { scene, socket } = await connected();
    expect(scene.pushers.stateCounts).toEqual({ connected: 1, connecting: 0, waiting: 0, off: 0 });
    socket.room = 0;
    const chart = scene.chart("a.c", "x");
    for (let i = 0; i < 500; i++) scene.commit(chart, i);
    await scene.flush();
    const { bufferUsedBytes, bufferLimitBytes } = scene.status;
    expect(scene.pushers.bufferPercentMax).toBeCloseTo((100 * bufferUsedBytes) / bufferLimitBytes);
    expect(scene.pushers.bufferPercentMax).toBeGreaterThan(10);
  });
});
