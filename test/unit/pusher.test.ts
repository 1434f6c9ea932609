import { describe, expect, test } from "bun:test";
import { PROMPT_V1, PROMPT_V2, PROMPT_VN, REFUSALS } from "../../agent/wire/answers.ts";
import { dimension } from "../simulated-host.ts";
import { START_SEC, settle } from "./exporter-fixture.ts";
import { KEY, PusherScene, readStrictly } from "./pusher-fixture.ts";

const NO_LOSS = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };

describe("a link that works", () => {
  test("connects at the first commit, sends what was committed meanwhile, and delivers", async () => {
    const scene = new PusherScene();
    const cpu = scene.chart("system.cpu", "user", "system");
    const load = scene.chart("system.load", "load1");
    await scene.pass(3);
    expect(scene.attempts).toEqual([]);
    expect(scene.status).toMatchObject({ state: "waiting", to: "", error: "" });

    scene.commit(cpu, 1, 2);
    scene.commit(load, 3);
    expect(scene.attempts).toEqual([]);
    await scene.flush();
    expect(scene.attempt.destination.name).toBe("parent-1:19999");
    expect(scene.attempt.timeoutMs).toBe(60_000);
    expect(scene.status).toMatchObject({ state: "connecting", to: "parent-1:19999" });

    const socket = await scene.accept();
    expect(socket.request).toMatchObject({ key: KEY, hostname: "edge-7", hops: 1, problem: null });
    expect(scene.status).toMatchObject({ state: "connected", error: "", reason: "" });
    expect(scene.status.values).toMatchObject({ offered: 3, inFlight: 3, queued: 0, delivered: 0, lost: NO_LOSS });

    await scene.pass(1);
    await scene.send(cpu);
    expect(scene.status.values).toMatchObject({ offered: 5, delivered: 3, inFlight: 2, acknowledged: 0 });
    await scene.pass(1);
    await scene.send(cpu);
    await scene.pass(1);
    expect(scene.status.values).toMatchObject({ offered: 7, delivered: 7, inFlight: 0, lost: NO_LOSS });

    const reader = readStrictly(socket.stream);
    expect(reader.updates.map(({ chart, elapsedUs }) => [chart, elapsedUs > 0])).toEqual([
      ["system.cpu", false],
      ["system.load", false],
      // The interval from the first collection on is not known for sure.
      ["system.cpu", false],
      ["system.cpu", true],
    ]);
    expect(scene.status.bytesSent).toBe(socket.stream.length);
    expect(scene.pushers.counters).toMatchObject({ connects: 1, rejected: 0, lost: 0, overflows: 0 });
    expect(scene.pushers.counters.bytesOut).toBe(socket.stream.length);
    expect(scene.pushers.counters.bytesIn).toBe(PROMPT_V1.length);
  });

  test("nothing is written without news, and one write carries a whole batch", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const socket = await scene.accept();
    const before = socket.bytes.length;
    let writes = 0;
    const write = socket.write.bind(socket);
    socket.write = (...parameters) => {
      writes++;
      return write(...parameters);
    };
    await scene.flush();
    await scene.pass(2);
    expect([writes, socket.bytes.length]).toEqual([0, before]);
    for (let i = 0; i < 50; i++) scene.commit(chart, i);
    await scene.flush();
    expect(writes).toBe(1);
    expect(readStrictly(socket.stream).updates.length).toBe(51);
  });

  test("a request that the kernel takes in pieces, and a prompt in pieces", async () => {
    const whole = new PusherScene();
    await whole.send(whole.chart("a.b", "x"));
    const { bytes: head } = await whole.attempt.open();

    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open("192.0.2.1", 0);
    expect(socket.bytes.length).toBe(0);
    for (let taken = 0; taken < head.length; taken += 100) socket.drain(100);
    expect(socket.bytes.equals(head)).toBe(true);
    for (const letter of PROMPT_V1.slice(0, -1)) socket.send(letter);
    expect(scene.status.state).toBe("connecting");
    socket.drain();
    socket.send(".");
    expect(scene.status.state).toBe("connected");
    expect(readStrictly(socket.stream).updates.length).toBe(1);
  });

  test("a prompt before the request is out is none", async () => {
    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open("192.0.2.1", 10);
    socket.send(PROMPT_V1);
    await settle();
    expect([socket.closedBy, scene.status.reason]).toEqual(["terminate", "not_understood"]);
  });

  test.each([
    { prompt: PROMPT_V2, state: "connected", version: 2 },
    { prompt: `${PROMPT_VN}4`, state: "connected", version: 4 },
    { prompt: `${PROMPT_VN}704`, state: "connected", version: 704 },
    { prompt: `${PROMPT_VN}4800`, state: "waiting", version: 0 },
  ])("$prompt", async ({ prompt, state, version }) => {
    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    await scene.accept(prompt);
    await scene.clock.advance(99);
    if (prompt.startsWith(PROMPT_VN)) expect(scene.status.state).toBe("connecting");
    await scene.clock.advance(1);
    expect(scene.status.state).toBe(state as "connected");
    if (version > 0) expect(scene.lines.at(-1)).toMatchObject({ event: "pusher.established", fields: { version } });
    else expect(scene.status.reason).toBe("not_understood");
  });

  test("digits of a version that come late", async () => {
    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.accept(`${PROMPT_VN}7`);
    await scene.clock.advance(60);
    socket.send("0");
    await scene.clock.advance(60);
    socket.send("4");
    expect(scene.status.state).toBe("connecting");
    await scene.clock.advance(100);
    expect(scene.lines.at(-1)?.fields).toMatchObject({ version: 704 });
  });
});

describe("what is sent", () => {
  test("resync iterations per chart and connection, at least one, then measured time", async () => {
    for (const [iterations, zeros] of [
      [0, 1],
      [1, 1],
      [3, 3],
    ] as const) {
      const scene = new PusherScene({ initialClockResyncIterations: iterations });
      const chart = scene.chart("a.b", "x");
      for (let i = 0; i < 2; i++) {
        await scene.pass(1);
        await scene.send(chart);
      }
      const socket = await scene.accept();
      for (let i = 0; i < 5; i++) {
        await scene.pass(1);
        await scene.send(chart);
      }
      const elapsed = readStrictly(socket.stream).updates.map(({ elapsedUs }) => elapsedUs);
      expect(elapsed).toEqual(Array.from({ length: 6 }, (_, index) => (index < zeros ? 0 : 1_000_000)));
    }
  });

  test("definitions once a connection, again when they change, and when told to", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const first = await scene.accept();
    const definitions = (stream: Buffer) => stream.toString().match(/^(?:CHART|DIMENSION)/gm)?.length;
    await scene.send(chart);
    expect(definitions(first.stream)).toBe(2);
    scene.host.defineDimension(chart, dimension("y"));
    await scene.send(chart);
    expect(definitions(first.stream)).toBe(2 + 3);
    scene.host.defineChart({ id: "a.b", title: "new" });
    await scene.send(chart);
    expect(definitions(first.stream)).toBe(5 + 3);
    scene.pushers.repeatDefinitions(scene.host);
    await scene.send(chart);
    expect(definitions(first.stream)).toBe(8 + 3);
    await scene.pass(11);
    first.reset();
    await scene.send(chart);
    const second = await scene.accept();
    expect(definitions(second.stream)).toBe(3);
    readStrictly(first.stream);
    readStrictly(second.stream);
  });

  test("a retired chart is not spoken of; it is defined again when it comes back", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const socket = await scene.accept();
    const before = socket.stream.length;
    scene.host.retireChart(chart);
    await scene.flush();
    expect(socket.stream.length).toBe(before);
    await scene.send(chart);
    expect(readStrictly(socket.stream).updates.length).toBe(2);
  });

  test("only collected dimensions; an iteration without any is still one", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x", "y", "z");
    scene.commit(chart, 1, undefined, 3);
    scene.commit(chart);
    await scene.flush();
    const socket = await scene.accept();
    await scene.pass(1);
    scene.commit(chart, undefined, -7);
    await scene.flush();
    const { updates } = readStrictly(socket.stream);
    expect(updates.map(({ values }) => [...values])).toEqual([[], [["y", -7n]]]);
    expect(scene.status.values).toMatchObject({ offered: 3, lost: { ...NO_LOSS, not_connected: 2 } });
  });

  test("charts by pattern, on id or name; others are not offered", async () => {
    const scene = new PusherScene({ sendChartsMatching: "!system.secret* system.* disk.root" });
    const charts = [
      scene.chart("system.cpu", "x"),
      scene.chart("system.secrets", "x"),
      scene.chart("net.eth0", "x"),
      scene.host.defineChart({ id: "disk.sda1", name: "root" })!,
    ];
    for (const chart of charts) scene.commit(chart, ...chart.dimensions.list.map(() => 1));
    await scene.flush();
    const socket = await scene.accept();
    expect([...readStrictly(socket.stream).charts.keys()]).toEqual(["system.cpu"]);
    scene.host.defineDimension(charts[3]!, dimension("x"));
    for (const chart of charts) scene.commit(chart, 1);
    await scene.flush();
    expect([...readStrictly(socket.stream).charts.keys()]).toEqual(["system.cpu", "disk.sda1"]);
    expect(scene.status.values.offered).toBe(3);
    scene.pushers.attach(scene.host, { ...scene.settings, sendChartsMatching: "net.*" });
    for (const chart of charts) scene.commit(chart, 1);
    await scene.flush();
    expect(readStrictly(socket.stream).updates.at(-1)?.chart).toBe("net.eth0");
    expect([scene.status.values.offered, scene.attempts.length]).toEqual([4, 1]);
  });

  test("a proxied host keeps its identity, one hop further on", async () => {
    const scene = new PusherScene(
      {},
      { isLocal: false, hostname: "child", machineGuid: "aaaaaaaa-0000-0000-0000-000000000001", updateEverySec: 2 },
    );
    Object.assign(scene.host, { hops: 3, program: "netdata", version: "v1.37.1", timezone: "Etc/UTC", tags: "a b" });
    scene.host.registryHostname = "child.example";
    scene.host.systemInfo = new Map([["NETDATA_SYSTEM_OS_NAME", "Debian GNU/Linux"]]);
    await scene.send(scene.chart("a.b", "x"));
    const socket = await scene.attempt.open();
    const { request } = socket;
    expect(request).toMatchObject({
      machineGuid: "aaaaaaaa-0000-0000-0000-000000000001",
      hostname: "child",
      registryHostname: "child.example",
      hops: 4,
      updateEverySec: 2,
      program: "netdata",
      version: "v1.37.1",
      timezone: "Etc/UTC",
      tags: "a b",
    });
    expect(request.systemInfo.get("NETDATA_SYSTEM_OS_NAME")).toBe("Debian GNU/Linux");
    expect(request.systemInfo.get("NETDATA_SYSTEM_KERNEL_NAME")).toBe("unknown");
    expect(request.systemInfo.size).toBe(5);
  });
});

describe("values that are sure to come", () => {
  test("the link stands before the first of them, so that none is too early", async () => {
    const scene = new PusherScene({ expectsValues: true });
    expect(scene.attempts.length).toBe(1);
    const socket = await scene.accept();
    await scene.pass(100);
    expect([scene.status.state, socket.stream.length]).toEqual(["connected", 0]);
    const chart = scene.chart("a.b", "x");
    for (let i = 0; i < 3; i++) {
      await scene.send(chart);
      await scene.pass(1);
    }
    expect(readStrictly(socket.stream).updates.length).toBe(3);
    expect(scene.status.values).toMatchObject({ offered: 3, queued: 0, lost: NO_LOSS });
  });

  const failures: { name: string; act: (scene: PusherScene) => Promise<unknown> }[] = [
    { name: "nobody listens", act: (scene) => scene.attempt.refuse() },
    { name: "the parent refuses", act: (scene) => scene.accept(REFUSALS.busy.wire) },
    { name: "no answer", act: (scene) => scene.attempt.open().then(() => scene.pass(60)) },
    { name: "the parent closes for silence", act: async (s) => (await s.accept()).finish() },
    {
      name: "it closes after a good while",
      act: async (scene) => {
        const socket = await scene.accept();
        await scene.pass(120);
        socket.finish();
      },
    },
  ];
  test.each(failures)("$name: not tried again before there is one; then at once", async ({ act }) => {
    const scene = new PusherScene({ expectsValues: true });
    await act(scene);
    await settle();
    await scene.pass(400);
    expect([scene.attempts.length, scene.status.state]).toEqual([1, "waiting"]);
    expect(scene.status.error).not.toBe("");
    await scene.send(scene.chart("a.b", "x"));
    expect(scene.attempts.length).toBe(2);
    const socket = await scene.accept();
    expect(readStrictly(socket.stream).updates.length).toBe(1);
    expect(scene.status.values).toMatchObject({ offered: 1, lost: NO_LOSS });
  });
});

describe("no connection", () => {
  test("the newest iteration of each chart waits for the first connection; older ones are counted", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    const other = scene.chart("a.c", "y");
    await scene.send(chart);
    await scene.send(other);
    expect(scene.status.values).toMatchObject({ queued: 2, lost: NO_LOSS });
    await scene.pass(1);
    await scene.send(chart);
    expect(scene.status.values).toMatchObject({ offered: 3, queued: 1, lost: { ...NO_LOSS, not_connected: 2 } });
    const socket = await scene.accept();
    const { updates } = readStrictly(socket.stream);
    expect(updates.map(({ chart: id, elapsedUs }) => [id, elapsedUs])).toEqual([["a.b", 0]]);
    expect(scene.events("pusher.values_discarded").length).toBe(1);
    expect(scene.lines.find(({ event }) => event === "pusher.ready")?.fields).toMatchObject({ discarded_values: 2 });
  });

  test("after five seconds nothing waits any more", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    await scene.pass(4);
    expect(scene.status.values).toMatchObject({ queued: 1 });
    await scene.pass(1);
    await scene.send(chart);
    expect(scene.status.values).toMatchObject({ offered: 2, queued: 0, lost: { ...NO_LOSS, not_connected: 2 } });
    const socket = await scene.accept();
    expect(socket.stream.length).toBe(0);
    await scene.send(chart);
    expect(readStrictly(socket.stream).updates.length).toBe(1);
  });

  test("failures to connect: the configured delay for a while, then it doubles up to a minute", async () => {
    for (const [chance, delays] of [
      [0, [5, 5, 8, 16, 32, 48, 48]],
      [0.5, [4, 4, 4, 10, 20, 40, 60, 60]],
      [1, [4, 4, 4, 12, 24, 48, 72, 72]],
    ] as const) {
      const scene = new PusherScene();
      scene.chance = chance;
      await scene.send(scene.chart("a.b", "x"));
      const waited: number[] = [];
      for (let i = 0; i < delays.length; i++) {
        const tries = scene.attempts.length;
        const fromMs = scene.clock.monotonicMs();
        await scene.attempt.refuse();
        expect(scene.status).toMatchObject({ state: "waiting", error: "parent-1:19999: connection refused" });
        while (scene.attempts.length === tries) await scene.pass(1);
        waited.push((scene.clock.monotonicMs() - fromMs) / 1000);
      }
      expect(waited).toEqual([...delays]);
    }
  });

  test("an outage is one line in the log, however long", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    await scene.attempt.refuse();
    for (let i = 0; i < 4; i++) {
      await scene.pass(1);
      await scene.send(chart);
    }
    expect(scene.events()).toEqual(["pusher.connecting", "pusher.connect_failed", "pusher.values_discarded"]);
    expect(scene.status.values).toMatchObject({ offered: 5, lost: { ...NO_LOSS, not_connected: 5 } });
    expect(JSON.stringify(scene.lines)).not.toContain(KEY);
  });
});

describe("several parents", () => {
  test("each is tried in turn; one that took us goes to the end, one that refused is left out", async () => {
    const scene = new PusherScene({ destinations: ["a", "b:1", "c"] });
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    expect(scene.attempt.destination.name).toBe("a:19999");
    await scene.attempt.refuse();
    expect(scene.attempt.destination.name).toBe("b:1");
    const rejecting = await scene.attempt.open();
    rejecting.send("The server is too busy now to accept this request. Try later.");
    await settle();
    expect(scene.attempt.destination.name).toBe("c:19999");
    // What was committed at first still waits: no second has passed.
    const socket = await scene.accept();
    expect(readStrictly(socket.stream).updates.length).toBe(1);
    expect(scene.status.to).toBe("c:19999");
    expect(scene.status.destinations).toMatchObject([
      { name: "a:19999", error: "a:19999: connection refused", reason: "", postponedUntilSec: 0, inUseSinceSec: 0 },
      { name: "b:1", error: expect.stringContaining("too busy"), reason: "busy", postponedUntilSec: START_SEC + 96 },
      { name: "c:19999", lastAttemptSec: START_SEC, error: "", reason: "", inUseSinceSec: START_SEC },
    ]);
    await scene.pass(10);
    socket.finish();
    await settle();
    expect(scene.attempt.destination.name).toBe("a:19999");
    await scene.attempt.refuse();
    expect(scene.attempt.destination.name).toBe("c:19999");
    await scene.attempt.refuse();
    expect(scene.status.state).toBe("waiting");
    await scene.pass(5);
    expect(scene.attempt.destination.name).toBe("a:19999");
  });

  test("all refused: the first that may be asked again is", async () => {
    const scene = new PusherScene({ destinations: ["a", "b"] });
    await scene.send(scene.chart("a.b", "x"));
    (await scene.attempt.open()).send("The server encountered an internal error. Try later.");
    await settle();
    (await scene.attempt.open()).send("The server is initializing. Try later.");
    await settle();
    expect(scene.attempts.length).toBe(2);
    await scene.pass(23);
    expect(scene.attempts.length).toBe(2);
    await scene.pass(1);
    expect(scene.attempts.map(({ destination }) => destination.host)).toEqual(["a", "b", "b"]);
  });
});
