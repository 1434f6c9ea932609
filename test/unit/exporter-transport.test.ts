import { describe, expect, test } from "bun:test";
import type { ExporterConfig } from "../../agent/config/schema.ts";
import { checkBalance, ExporterWorld, FedChart, feed, parseLine, START_SEC } from "./exporter-fixture.ts";

/** A world whose exporter `main` makes two points a second of a chart that counts the seconds. */
function world(config: Partial<ExporterConfig> = {}, names: string[] = ["a:2003"]) {
  const made = new ExporterWorld();
  const servers = names.map((name) => made.server(name));
  const chart = new FedChart(made.local, "t.c", { x: "absolute", y: "absolute" });
  const run = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      await feed(made, 1, (now) => [[chart, [now - START_SEC, 1]]]);
      checkBalance(made.exporters);
    }
  };
  const start = () => made.start({ main: { destination: names, update_every: 1, ...config } });
  const status = () => made.exporters.status()[0]!;
  const counters = () => made.exporters.counters()[0]!;
  return { world: made, servers, server: servers[0]!, run, start, status, counters };
}

/** Times at which `x` arrived; each value must be its second. */
function seconds(lines: string[]): number[] {
  const points = lines.map(parseLine).filter(({ path }) => path.endsWith(".x"));
  for (const { value, timeSec } of points) expect(Number(value)).toBe(timeSec - START_SEC);
  return points.map(({ timeSec }) => timeSec);
}

/** `from`, `from + 1` … */
function consecutive(from: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => from + i);
}

describe("confirmation", () => {
  test("a batch is sent once its connection stands 1 s after the last byte", async () => {
    const { start, run, status, server, world: w } = world();
    start();
    await run(10);
    const { sent, queued } = status();
    expect(queued).toBeGreaterThanOrEqual(2);
    expect(sent + queued).toBe(server.lines.length);
    const stopped = w.exporters.stop(2000);
    await w.clock.advance(1000);
    await stopped;
    expect(status()).toMatchObject({ sent: server.lines.length, queued: 0 });
    expect(server.socket.finished).toBe("fin");
  });

  test("lost less than 1 s after: the whole batch goes again", async () => {
    const { start, run, status, server } = world();
    start();
    await run(10);
    const before = server.lines.length;
    server.socket.drop();
    expect(status()).toMatchObject({ state: "backoff", failures: 1, error: "a:2003: connection lost" });
    await run(5);
    expect(server.sockets.length).toBe(2);
    const first = server.lines[before];
    expect(server.lines.indexOf(first!)).toBeLessThan(before);
    expect(new Set(seconds(server.lines)).size).toBe(seconds(server.lines).at(-1)! - seconds(server.lines)[0]! + 1);
    expect(status()).toMatchObject({ lost: 0, error: null });
  });

  test("a server that accepts and closes at once gets nothing counted as sent, and is not hammered", async () => {
    const { start, run, status, counters, server } = world();
    server.onConnect = (socket) => socket.hangUp();
    start();
    await run(60);
    expect(status().sent).toBe(0);
    expect(counters().reconnect).toBeLessThan(10);
    expect(server.sockets.every(({ isClosed }) => isClosed)).toBe(true);
    server.onConnect = () => {};
    await run(70);
    expect(status()).toMatchObject({ lost: 0, state: "sending" });
    const got = [...new Set(seconds(server.lines))];
    expect(got).toEqual(consecutive(got[0]!, got.length));
  });
});

describe("writing", () => {
  test("whatever the kernel takes, no line is cut, lost or repeated", async () => {
    const { start, run, server, status } = world({ timeout_ms: 600_000 });
    let turn = 0;
    server.takes = () => [0, 1, 7, 0, 300][turn++ % 5]!;
    start();
    await run(5);
    for (let i = 0; i < 40; i++) {
      await run(1);
      for (let drains = 0; drains < 6; drains++) server.socket.drain();
    }
    const got = seconds(server.lines);
    expect(got).toEqual(consecutive(got[0]!, got.length));
    expect(got.length).toBeGreaterThan(25);
    expect(status()).toMatchObject({ failures: 0, lost: 0 });
  });

  test("pieces of at most 64 KiB that end at a line end", async () => {
    const w = new ExporterWorld();
    const server = w.server("a:2003");
    const cuts: string[] = [];
    server.takes = (length, socket) => {
      cuts.push(socket.text.at(-1) ?? "\n");
      return length;
    };
    const dimensions = Object.fromEntries(
      consecutive(0, 900).map((i) => [`dimension_number_${i}`, "absolute" as const]),
    );
    const charts = [0, 1, 2].map((i) => new FedChart(w.local, `wide.c${i}`, dimensions));
    const row = consecutive(0, 900);
    w.start({ main: { destination: ["a"], update_every: 2 } });
    await feed(w, 12, () => charts.map((chart) => [chart, row] as const));
    expect(Math.max(...server.writes)).toBeLessThanOrEqual(65_536);
    expect(server.writes.filter((length) => length > 60_000).length).toBeGreaterThan(2);
    expect(new Set(cuts)).toEqual(new Set(["\n"]));
    expect(server.lines.length % 2700).toBe(0);
  });

  test("the time limit counts from the last progress, not from the start of the batch", async () => {
    const { start, run, server, status } = world({ timeout_ms: 3000 });
    start();
    await run(6);
    let budget = 0;
    server.takes = (length) => {
      const taken = Math.min(length, budget);
      budget -= taken;
      return taken;
    };
    // Five bytes every two seconds is slow, but it moves.
    for (let i = 0; i < 6; i++) {
      await run(2);
      budget = 5;
      server.socket.drain();
    }
    expect(status().failures).toBe(0);
    await run(4);
    expect(status()).toMatchObject({ failures: 1, error: "a:2003: nothing moved for 3000 ms" });
    expect(server.sockets[0]!.finished).toBe("reset");
    server.takes = (length) => length;
    await run(10);
    const got = [...new Set(seconds(server.lines))];
    expect(got).toEqual(consecutive(got[0]!, got.length));
    expect(status().lost).toBe(0);
  });

  test("a closed socket that still takes writes", async () => {
    const { start, run, server, status } = world();
    start();
    await run(5);
    server.takes = () => -1;
    await run(2);
    expect(status().failures).toBeGreaterThan(0);
    server.takes = (length) => length;
    await run(10);
    expect(status()).toMatchObject({ lost: 0, state: "sending" });
    const got = [...new Set(seconds(server.lines))];
    expect(got).toEqual(consecutive(got[0]!, got.length));
  });

  test("what the server says is read, counted and thrown away", async () => {
    const { start, run, server, counters } = world();
    start();
    await run(5);
    server.socket.say("hello\n");
    server.socket.say("x");
    expect(counters()).toMatchObject({ read: 2, receivedBytes: 7 });
  });

  test("closed while idle: connects before the next batch, no failure", async () => {
    const { start, run, server, status } = world({ update_every: 5 });
    start();
    await run(14);
    while (status().queued > 0) await run(1);
    server.socket.hangUp();
    expect(status()).toMatchObject({ state: "idle", failures: 0 });
    await run(10);
    expect(server.sockets.length).toBe(2);
    expect(status()).toMatchObject({ failures: 0, lost: 0 });
  });
});

describe("servers", () => {
  test("absent at the start is the same as absent later; delays grow to a minute", async () => {
    const { start, run, status, counters, server, world: w } = world();
    server.isUp = false;
    start();
    await run(30);
    expect(status()).toMatchObject({ state: "backoff", sent: 0, error: "a:2003: connection refused" });
    expect(counters().reconnect).toBeLessThanOrEqual(6);
    await run(270);
    expect(w.dialled.length).toBeLessThanOrEqual(12);
    server.isUp = true;
    await run(70);
    expect(status()).toMatchObject({ lost: 0, error: null });
    const got = seconds(server.lines);
    expect(got).toEqual(consecutive(got[0]!, got.length));
    expect(got.length).toBeGreaterThan(300);
  });

  test("the first that accepts; back to the preferred one between two batches", async () => {
    const { start, run, servers, status, world: w } = world({ failback_seconds: 10 }, ["a:2003", "b:2003", "c:2003"]);
    const [a, b, c] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]];
    a.isUp = false;
    b.isUp = false;
    start();
    await run(15);
    expect(w.dialled.slice(0, 3)).toEqual(["a:2003", "b:2003", "c:2003"]);
    expect(status().destination).toBe("c:2003");
    b.isUp = true;
    await run(12);
    expect(status().destination).toBe("b:2003");
    expect(c.socket.finished).toBe("fin");
    a.isUp = true;
    await run(12);
    expect(status()).toMatchObject({ destination: "a:2003", failures: 0, lost: 0 });
    expect(b.socket.finished).toBe("fin");
    const all = [c, b, a].flatMap((server) => seconds(server.lines));
    expect(all).toEqual(consecutive(all[0]!, all.length));
  });

  test("the preferred one found again is used at once when the other breaks", async () => {
    const { start, run, servers, status } = world({ failback_seconds: 5, timeout_ms: 600_000 }, ["a:2003", "b:2003"]);
    const [a, b] = servers as [(typeof servers)[0], (typeof servers)[0]];
    a.isUp = false;
    start();
    await run(6);
    b.takes = () => 0;
    a.isUp = true;
    await run(6);
    // Half a batch is on b, so it stays there, with a ready.
    expect(status().destination).toBe("b:2003");
    expect(a.sockets.length).toBe(1);
    b.kill();
    await run(3);
    expect(status()).toMatchObject({ destination: "a:2003", lost: 0 });
    expect(a.sockets.length).toBe(1);
  });

  test("the preferred one found again and lost again: the other goes on", async () => {
    const { start, run, servers, status } = world({ failback_seconds: 5, timeout_ms: 600_000 }, ["a:2003", "b:2003"]);
    const [a, b] = servers as [(typeof servers)[0], (typeof servers)[0]];
    a.isUp = false;
    start();
    await run(6);
    b.takes = () => 0;
    a.isUp = true;
    await run(6);
    a.kill();
    b.takes = (length) => length;
    b.socket.drain();
    await run(10);
    expect(status()).toMatchObject({ destination: "b:2003", lost: 0, failures: 0 });
    const got = seconds(b.lines);
    expect(got).toEqual(consecutive(got[0]!, got.length));
    a.isUp = true;
    await run(8);
    expect(status().destination).toBe("a:2003");
  });

  test("one instance whose server is dead does not touch the other", async () => {
    const w = new ExporterWorld();
    const server = w.server("b:2003");
    const chart = new FedChart(w.local, "t.c", { x: "absolute" });
    w.start({
      dead: { destination: ["a"], update_every: 1, buffer_on_failures: 3 },
      alive: { destination: ["b"], update_every: 1 },
    });
    await feed(w, 30, (now) => [[chart, [now - START_SEC]]]);
    const [dead, alive] = w.exporters.status();
    expect(dead).toMatchObject({ name: "dead", sent: 0 });
    expect(dead!.lost).toBeGreaterThan(10);
    expect(alive).toMatchObject({ name: "alive", lost: 0, produced: server.lines.length });
    expect(w.exporters.counters()[0]!.skipped).toBe(w.exporters.counters()[1]!.skipped);
    checkBalance(w.exporters);
  });
});

describe("the queue", () => {
  test("buffer_on_failures n: the whole queue goes when n + 1 intervals in a row failed", async () => {
    const { start, run, counters, server } = world({ buffer_on_failures: 5 });
    server.isUp = false;
    start();
    let intervals = 0;
    while (counters().discard === 0) {
      await run(1);
      if (counters().points.queued > 0) intervals++;
      expect(intervals).toBeLessThan(20);
    }
    // Six failed, 12 points; the seventh begins with an empty queue.
    expect(intervals).toBe(7);
    expect(counters().points.lost.overflow).toBe(12);
    server.isUp = true;
    await run(20);
    expect(counters()).toMatchObject({ discard: 1 });
    expect(counters().points.lost.overflow).toBe(12);
  });

  test("buffer_on_failures: a server back in time loses nothing, a slow one is no failure", async () => {
    const { start, run, status, server } = world({ buffer_on_failures: 30, timeout_ms: 600_000 });
    start();
    await run(5);
    server.kill();
    await run(20);
    server.isUp = true;
    await run(15);
    expect(status().lost).toBe(0);
    server.takes = () => 20;
    for (let i = 0; i < 60; i++) {
      await run(1);
      server.socket.drain();
    }
    expect(status().lost).toBe(0);
  });

  test("full: the oldest points are lost and counted", async () => {
    const { start, run, status, server, world: w } = world({ queue_memory_bytes: 65_536 });
    const many = new FedChart(
      w.local,
      "t.many",
      Object.fromEntries(consecutive(0, 100).map((i) => [`d${i}`, "absolute"])),
    );
    server.isUp = false;
    start();
    await run(5);
    for (let i = 0; i < 40; i++) {
      many.commit(w.clock.nowUs(), consecutive(0, 100));
      await run(1);
    }
    expect(status().lost).toBeGreaterThan(0);
    expect(status().queueBytes).toBeLessThanOrEqual(65_536);
    expect(status().queueBytes).toBeGreaterThan(50_000);
    const { lost } = status();
    server.isUp = true;
    await run(70);
    const got = seconds(server.lines);
    expect(got).toEqual(consecutive(got[0]!, got.length));
    expect(status().lost).toBeGreaterThanOrEqual(lost);
    expect(server.lines.length).toBe(status().produced - status().lost);
  });

  test("too old: expired", async () => {
    const { start, run, counters, server } = world({ queue_max_age_seconds: 10 });
    server.isUp = false;
    start();
    await run(40);
    expect(counters().points.lost.expired).toBeGreaterThan(40);
    expect(counters().oldestAgeSec).toBeLessThanOrEqual(12);
  });

  test("a backlog is sent at the replay rate, in order, live batches behind it", async () => {
    const { start, run, server } = world({ replay_points_per_second: 10 });
    server.isUp = false;
    start();
    await run(60);
    server.isUp = true;
    while (server.sockets.length === 0) await run(1);
    const before = server.lines.length;
    await run(5);
    // One second's worth may be saved up, and 2 points a second are made meanwhile.
    expect(server.lines.length - before).toBeLessThanOrEqual(60);
    expect(server.lines.length - before).toBeGreaterThanOrEqual(40);
    await run(40);
    const got = seconds(server.lines);
    expect(got).toEqual(consecutive(got[0]!, got.length));
    expect(got.at(-1)).toBeGreaterThan(START_SEC + 95);
  });

  test("counters of the own charts", async () => {
    const { run, counters, server, world: w } = world();
    let calls = 0;
    const threadCpu = () => ({ user: 30 * calls, system: 2 * calls++ });
    w.start({ main: { destination: ["a:2003"], update_every: 1 } }, { threadCpu });
    await run(10);
    const now = counters();
    expect(now.write).toBe(server.lines.length / 2);
    expect(now.intervals).toBeGreaterThanOrEqual(9);
    expect(now.memoryPoints + now.diskPoints + now.inFlightPoints).toBe(now.points.queued);
    expect(now.memoryBytes + now.diskBytes).toBe(now.bytes.queued);
    expect(now).toMatchObject({ cpuUserUs: 30 * now.intervals, cpuSystemUs: 2 * now.intervals });
  });
});
