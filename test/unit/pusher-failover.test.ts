import { describe, expect, test } from "bun:test";
import { clockProblem } from "../../agent/pusher/rejection-text.ts";
import { REFUSALS } from "../../agent/wire/answers.ts";
import { settle } from "./exporter-fixture.ts";
import { type FakeSocket, infoAnswer, PusherScene } from "./pusher-fixture.ts";

const GREETING = 'TRIBUTARY 1 "bbbbbbbb-0000-0000-0000-000000000001" "parent"\n';

function knows(lastSec: number, more: Record<string, unknown> = {}): string {
  return infoAnswer({ status: 200, ingest_type: "child", ingest_status: "online", last_time_s: lastSec, ...more });
}

/** A scene whose host has sent its first value to the parent that was tried first. */
async function started(
  destinations: string[],
  infos: Record<string, string> = {},
  settings: ConstructorParameters<typeof PusherScene>[0] = {},
) {
  const scene = new PusherScene({ destinations, ...settings });
  scene.chance = 0.5;
  for (const [name, info] of Object.entries(infos)) scene.infos.set(name, info);
  const chart = scene.chart("a.b", "x");
  await scene.send(chart);
  /** Seconds pass, each with a value and, from a parent of our kind, with its confirmation. */
  const live = async (seconds: number, socket?: FakeSocket) => {
    for (let i = 0; i < seconds; i++) {
      await scene.send(chart);
      socket?.send(`TRIBUTARY STORED ${socket.stream.length} ${Math.round(scene.clock.nowUs())} 0 3600\n`);
      await scene.pass(1);
    }
  };
  return { scene, chart, live };
}

const tried = (scene: PusherScene) => scene.attempts.map(({ destination }) => destination.host).join(" ");

describe("before a connect", () => {
  test("a single parent is not asked, nor are those that are left alone", async () => {
    const { scene } = await started(["a"]);
    expect(scene.probed).toEqual([]);
    const two = (await started(["a", "b"])).scene;
    expect(two.probed).toEqual(["a", "b"]);
    await two.accept(REFUSALS.internal.wire);
    await two.attempt.refuse();
    expect(tried(two)).toBe("a b");
    await two.pass(6);
    expect([tried(two), two.probed.length]).toEqual(["a b b", 2]);
  });

  test.each([
    { name: "who holds the newest values comes first", infos: { b: knows(900), c: knows(2000) }, order: "c b a" },
    { name: "who does not know the host keeps the order", infos: { b: infoAnswer({ status: 404 }) }, order: "b a c" },
    { name: "its own host comes last", infos: { a: knows(2000, { ingest_type: "localhost" }) }, order: "b c a" },
    { name: "one that starts too", infos: { a: knows(2000, { ingest_status: "initializing" }) }, order: "b c a" },
    { name: "nobody answers: the configured order", infos: {}, order: "a b c" },
  ])("$name", async ({ infos, order }) => {
    const { scene } = await started(["a", "b", "c"], infos as Record<string, string>);
    for (let i = 0; i < 3; i++) await scene.attempt.refuse();
    expect(tried(scene)).toBe(order);
  });

  test("a parent that does not answer is waited for 2 s, and values that come meanwhile are counted", async () => {
    const { scene, chart } = await started(["a", "b"], { a: "", b: knows(7) });
    expect(scene.attempts.length).toBe(0);
    expect(scene.status).toMatchObject({ state: "connecting", values: { offered: 1, queued: 1 } });
    await scene.pass(1);
    await scene.send(chart);
    await scene.pass(1);
    expect(tried(scene)).toBe("b");
    await scene.accept();
    expect(scene.status.values).toMatchObject({ offered: 2, queued: 0, lost: { not_connected: 1 } });
    expect(scene.imbalance).toBe(0);
  });

  test("a link that is closed meanwhile stays closed", async () => {
    const { scene } = await started(["a", "b"], { a: "" });
    scene.pushers.detach(scene.host);
    await scene.pass(5);
    expect(scene.attempts.length).toBe(0);
  });

  test("an endless answer is cut off, and says nothing", async () => {
    const { scene } = await started(["a", "b"], { a: "x".repeat(100_000), b: knows(7) });
    expect(tried(scene)).toBe("b");
  });
});

describe("a parent that says nothing any more", () => {
  test("one of our kind: left after 30 s, the next one is tried, and the reason is shown", async () => {
    const { scene, live } = await started(["a", "b"]);
    const socket = await scene.accept();
    socket.send(GREETING);
    await live(100, socket);
    expect(socket.isClosed).toBe(false);
    const silentMs = scene.clock.monotonicMs();
    for (let i = 0; i < 60 && !socket.isClosed; i++) await live(1);
    expect(scene.clock.monotonicMs() - silentMs).toBeLessThanOrEqual(31_000);
    expect(socket.isClosed).toBe(true);
    await settle();
    expect(tried(scene)).toBe("a b");
    const [a] = scene.status.destinations;
    expect(a).toMatchObject({ reason: "silent", inUseSinceSec: 0 });
    expect(a!.error).toBe("it said nothing for 30 s, although it confirms every second");
    expect(a!.postponedUntilSec).toBeGreaterThan(scene.clock.nowSec);
    expect(scene.imbalance).toBe(0);
  });

  test("a shorter timeout is the limit", async () => {
    const { scene, live } = await started(["a"], {}, { timeoutSec: 7 });
    const socket = await scene.accept();
    socket.send(GREETING);
    await live(20, socket);
    await live(5);
    expect(socket.isClosed).toBe(false);
    await live(1);
    expect([socket.isClosed, scene.status.destinations[0]!.reason]).toEqual([true, "silent"]);
  });

  test("one that swallows from the first byte on is known from before, once; then it may be of another kind", async () => {
    const { scene, live } = await started(["a"]);
    const first = await scene.accept();
    first.send(GREETING);
    await live(20, first);
    first.reset();
    await settle();
    const second = await scene.accept();
    await live(32);
    expect([second.isClosed, scene.status.reason]).toEqual([true, "silent"]);
    await live(12);
    const third = await scene.accept();
    await live(200);
    expect(third.isClosed).toBe(false);
  });

  test("one of another kind has nothing to say, and one that was sent nothing neither", async () => {
    const { scene, live } = await started(["a"]);
    const socket = await scene.accept();
    await live(200);
    expect(socket.isClosed).toBe(false);
    const quiet = new PusherScene({ expectsValues: true });
    const known = await quiet.accept();
    known.send(GREETING);
    await quiet.pass(20);
    known.reset();
    await settle();
    const unused = await quiet.accept();
    await quiet.pass(200);
    expect([unused.isClosed, unused.stream.length]).toEqual([false, 0]);
  });
});

describe("back to the preferred parent", () => {
  /** `a` is away, the link stands with `b`. */
  async function away(settings: ConstructorParameters<typeof PusherScene>[0] = {}) {
    const world = await started(["a", "b"], {}, settings);
    await world.scene.attempt.refuse();
    const socket = await world.scene.accept();
    world.scene.probed.length = 0;
    return { ...world, socket };
  }

  test("once it has answered for the time that was set: in order, nothing left behind", async () => {
    const { scene, live, socket } = await away();
    await live(59);
    expect(scene.probed).toEqual([]);
    scene.infos.set("a", infoAnswer({ status: 404 }));
    await live(300);
    expect([socket.isClosed, scene.status.to]).toEqual([false, "b:19999"]);
    expect(scene.probed).toEqual(["a", "a", "a", "a", "a"]);
    await live(1);
    expect(tried(scene)).toBe("a b a");
    expect(socket.closedBy).toBe("shutdown");
    await scene.accept();
    expect(scene.status).toMatchObject({ to: "a:19999", state: "connected", error: "" });
    expect(scene.status.values.lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(scene.lines.find(({ event }) => event === "pusher.returning")?.fields).toMatchObject({
      parent: "b:19999",
      preferred: "a:19999",
    });
    const [a, b] = scene.status.destinations;
    expect([a!.inUseSinceSec > 0, b!.inUseSinceSec, b!.error]).toEqual([true, 0, ""]);
    scene.probed.length = 0;
    await live(400);
    expect(scene.probed).toEqual([]);
  });

  test.each([
    { name: "0 = never", settings: { returnAfterSec: 0 }, info: knows(5), asked: 0 },
    { name: "not to one that would refuse", settings: {}, info: knows(5, { ingest_type: "localhost" }), asked: 16 },
    { name: "not to one that is away", settings: {}, info: undefined, asked: 16 },
  ])("$name", async ({ settings, info, asked }) => {
    const { scene, live, socket } = await away(settings);
    if (info !== undefined) scene.infos.set("a", info);
    await live(1000);
    expect([socket.isClosed, scene.probed.length]).toEqual([false, asked]);
  });

  test("one that comes and goes is not gone back to", async () => {
    const { scene, live, socket } = await away();
    for (let i = 0; i < 20; i++) {
      if (i % 4 === 3) scene.infos.delete("a");
      else scene.infos.set("a", knows(5));
      await live(60);
    }
    expect(socket.isClosed).toBe(false);
  });

  test("one that takes the link and loses it again has to be there twice as long, each time", async () => {
    const { scene, live } = await away({ returnAfterSec: 100 });
    scene.infos.set("a", knows(5));
    const waits: number[] = [];
    for (let i = 0; i < 4; i++) {
      const fromMs = scene.clock.monotonicMs();
      while (scene.status.to !== "a:19999") await live(1);
      waits.push(Math.round((scene.clock.monotonicMs() - fromMs) / 100_000));
      const socket = await scene.accept();
      await live(15);
      scene.infos.set("b", knows(scene.clock.nowSec));
      socket.reset();
      await settle();
      await scene.accept();
    }
    expect(waits).toEqual([2, 3, 5, 9]);
  });

  test("what does not fit into the kernel goes first", async () => {
    const { scene, live, socket } = await away({ returnAfterSec: 60 });
    scene.infos.set("a", knows(5));
    await live(100);
    socket.room = 0;
    await live(40);
    expect([socket.isClosed, scene.status.values.queued > 0]).toEqual([false, true]);
    socket.drain();
    await live(1);
    expect([socket.isClosed, scene.status.to]).toEqual([true, "a:19999"]);
    expect(scene.status.values.lost).toMatchObject({ overflow: 0, disconnect: 0 });
  });

  test("one that refuses: back where the link was", async () => {
    const { scene, live } = await away({ returnAfterSec: 60 });
    scene.infos.set("a", knows(5));
    while (scene.status.to !== "a:19999") await live(1);
    await scene.accept(REFUSALS.busy.wire);
    expect(scene.status.to).toBe("b:19999");
    await scene.accept();
    expect(scene.status).toMatchObject({ state: "connected", error: "" });
    expect(scene.status.destinations[0]).toMatchObject({ reason: "busy", error: expect.stringContaining("too busy") });
  });
});

describe("what a child is told of its trouble", () => {
  const { no_key, own_guid, duplicate, busy, internal, initializing } = REFUSALS;
  const key = "is key …5555 enabled at the parent, and is this address allowed?";
  test.each([
    { answer: no_key.wire, error: `not permitted: ${key} its log says which` },
    { answer: own_guid.wire, error: "the parent has this machine GUID (…abcd) itself: is the destination this very " },
    { answer: duplicate.wire, error: "the parent is receiving this machine GUID (…abcd) already: after a broken " },
    { answer: busy.wire, error: "the parent is too busy: it lets in only so many children a second, or has as many " },
    { answer: internal.wire, error: "the parent had an internal error: its log says which" },
    { answer: initializing.wire, error: "the parent is just starting: this is tried again" },
    {
      answer: "SSH-2.0-x\r\n",
      error:
        "not the answer of a parent: does the destination name a streaming parent and its port? " +
        'answered "SSH-2.0-x\\r\\n"',
    },
  ])("$answer", async ({ answer, error }) => {
    const scene = new PusherScene({}, { machineGuid: "6f1f3d5e-0000-4000-8000-00000000abcd" });
    await scene.send(scene.chart("a.b", "x"));
    await scene.accept(answer);
    expect(scene.status.error).toStartWith(error);
    expect(scene.lines.find(({ fields }) => fields["text"] === scene.status.error)?.level).toBe("error");
  });

  test("nothing and EOF, and no answer at all", async () => {
    const scene = new PusherScene({ timeoutSec: 5 });
    await scene.send(scene.chart("a.b", "x"));
    (await scene.attempt.open()).finish();
    await settle();
    const closed = `closed by the parent without an answer, as netdata 1.6 to 1.8 refuse: ${key}`;
    expect(scene.status.error).toBe(closed);
    await scene.pass(60);
    await scene.attempt.open();
    await scene.pass(6);
    expect(scene.status.error).toStartWith("no answer within 5 s: the parent hangs, or something between ");
  });

  test("a clock that is off: in the status while it is, once in the log", async () => {
    const { scene, live } = await started(["a"]);
    const socket = await scene.accept();
    socket.send(GREETING);
    for (let i = 0; i < 3; i++) {
      socket.send(`TRIBUTARY STORED 0 ${Math.round(scene.clock.nowUs() - 12.3e6)} 0 0\n`);
      await scene.pass(1);
    }
    const problem =
      "the clock here is 12.3 s ahead of the parent's, which stores nothing more than 5 s ahead: set both by NTP";
    expect(scene.status).toMatchObject({ state: "connected", error: problem });
    expect(scene.lines.filter(({ event }) => event === "pusher.clock_off").map(({ fields }) => fields)).toMatchObject([
      { problem },
    ]);
    await live(1, socket);
    expect(scene.status.error).toBe("");
    expect(clockProblem(-7)).toBe("the clock here is 7.0 s behind the parent's: set both by NTP");
  });
});
