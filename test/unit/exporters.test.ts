import { describe, expect, test } from "bun:test";
import {
  checkBalance,
  ExporterWorld,
  exporterConfigs,
  FedChart,
  feed,
  parseLine,
  START_SEC,
  type ExporterWorld as World,
} from "./exporter-fixture.ts";

/** A world with servers a and b and a chart that counts the seconds. */
function worldOfTwo() {
  const world = new ExporterWorld();
  const a = world.server("a:2003");
  const b = world.server("b:2003");
  const chart = new FedChart(world.local, "t.c", { x: "absolute" });
  const run = async (seconds: number) => {
    await feed(world, seconds, (now) => [[chart, [now - START_SEC]]]);
    checkBalance(world.exporters);
  };
  return { world, a, b, run };
}

const toA = { destination: ["a"], update_every: 1 };
const toB = { destination: ["b"], update_every: 1 };

function times(lines: string[]): number[] {
  return lines.map((line) => parseLine(line).timeSec);
}

function statusOf(world: World, name: string) {
  return world.exporters.status().find((status) => status.name === name);
}

describe("fan-out", () => {
  test("exporters that want the same lines share the work, each with its own queue", async () => {
    const { world, a, b, run } = worldOfTwo();
    let prepared = 0;
    const threadCpu = () => ({ user: prepared++, system: 0 });
    world.start({ one: toA, two: toB }, { threadCpu });
    b.isUp = false;
    await run(10);
    // Two readings an interval, not four.
    expect(prepared).toBe(2 * world.exporters.counters()[0]!.intervals);
    expect(statusOf(world, "one")).toMatchObject({ produced: a.lines.length });
    expect(statusOf(world, "two")).toMatchObject({ sent: 0, produced: a.lines.length });
    b.isUp = true;
    await run(30);
    expect(b.lines).toEqual(a.lines);
  });

  test("exporters that differ in a name have their own lines", async () => {
    const { world, a, b, run } = worldOfTwo();
    world.start({ one: toA, two: { ...toB, prefix: "other" } });
    await run(8);
    expect(a.lines.every((line) => line.startsWith("netdata.edge1.t.c.x "))).toBe(true);
    expect(b.lines.every((line) => line.startsWith("other.edge1.t.c.x "))).toBe(true);
  });
});

describe("configuration", () => {
  test("a disabled one is listed as off", () => {
    const { world } = worldOfTwo();
    world.start({ one: { ...toA, enabled: false } });
    expect(world.exporters.status()).toMatchObject([{ name: "one", state: "off", produced: 0, error: null }]);
    expect(world.exporters.counters()).toEqual([]);
    expect(world.clock.pending).toBe(0);
  });

  test("a destination that cannot be read is told, and harms nobody", async () => {
    const { world, a, run } = worldOfTwo();
    const configs = exporterConfigs({ bad: toB, good: toA });
    configs["bad"]!.destination = ["udp:b:2003"];
    world.start({}, { configs });
    await run(8);
    expect(statusOf(world, "bad")).toMatchObject({ state: "config error", sent: 0 });
    expect(statusOf(world, "bad")?.error).toContain("udp:b:2003");
    expect(a.lines.length).toBeGreaterThan(3);
  });
});

describe("reload", () => {
  test("unchanged: goes on on the same connection", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: toA });
    await run(8);
    world.exporters.reload(exporterConfigs({ one: toA, two: toB }));
    await run(8);
    expect(a.sockets.length).toBe(1);
    expect(new Set(times(a.lines)).size).toBe(a.lines.length);
    expect(world.exporters.status().map(({ name }) => name)).toEqual(["one", "two"]);
  });

  test("another server: the queue and the account go along", async () => {
    const { world, a, b, run } = worldOfTwo();
    a.isUp = false;
    world.start({ one: toA });
    await run(10);
    const before = statusOf(world, "one")!;
    world.exporters.reload(exporterConfigs({ one: toB }));
    await run(10);
    const after = statusOf(world, "one")!;
    expect(after.produced).toBeGreaterThan(before.produced);
    expect(after).toMatchObject({ destination: "b:2003", lost: 0 });
    expect(b.lines.length).toBe(after.produced);
    expect(times(b.lines)).toEqual(times(b.lines).map((_, i) => times(b.lines)[0]! + i));
  });

  test("other labels: those that send labels say them from then on, the rest go on undisturbed", async () => {
    const { world, a, b, run } = worldOfTwo();
    const labelled = { ...toA, send_configured_labels: true };
    const configs = { one: labelled, twin: labelled, plain: { ...toB, send_configured_labels: false } };
    world.start(configs, { labels: { configured: { site: "north" }, automatic: {} } });
    await run(10);
    const before = b.lines.length;
    world.exporters.reload(exporterConfigs(configs), { configured: { site: "south" }, automatic: {} });
    await run(10);
    const said = (site: string) =>
      a.lines.filter((line) => line.includes(`;site=${site} `)).map((l) => parseLine(l).timeSec);
    expect(Math.min(...said("south"))).toBeGreaterThan(Math.min(...said("north")));
    // What was on its way at the change may come under both.
    expect(Math.max(...said("north"))).toBeLessThanOrEqual(Math.min(...said("south")) + 1);
    expect(said("south").filter((second) => second === Math.max(...said("south"))).length).toBe(2);
    expect(b.lines.length).toBeGreaterThan(before);
    expect(times(b.lines)).toEqual(times(b.lines).map((_, i) => times(b.lines)[0]! + i));
  });

  test("another prefix: no second is missing, none comes under both names", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: { ...toA, update_every: 5, data_source: "sum" } });
    await run(23);
    world.exporters.reload(exporterConfigs({ one: { ...toA, update_every: 5, data_source: "sum", prefix: "new" } }));
    await run(30);
    // What was on its way at the change comes twice.
    const points = [...new Set(a.lines)].map(parseLine);
    expect(points.some(({ path }) => path.startsWith("new."))).toBe(true);
    const total = points.reduce((sum, { value }) => sum + Number(value), 0);
    const last = points.at(-1)!.timeSec - START_SEC;
    expect(total).toBe((last * (last + 1)) / 2);
  });

  test("a smaller queue: what does not fit is counted", async () => {
    const { world, a, run } = worldOfTwo();
    a.isUp = false;
    world.start({ one: toA });
    const many = new FedChart(
      world.local,
      "t.many",
      Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`d${i}`, "absolute" as const])),
    );
    for (let i = 0; i < 30; i++) {
      many.commit(
        world.clock.nowUs(),
        Array.from({ length: 200 }, () => i),
      );
      await run(1);
    }
    world.exporters.reload(exporterConfigs({ one: { ...toA, queue_memory_bytes: 65_536 } }));
    checkBalance(world.exporters);
    expect(statusOf(world, "one")!.lost).toBeGreaterThan(0);
    expect(statusOf(world, "one")!.queueBytes).toBeLessThanOrEqual(65_536);
  });

  test("removed: has time to send, the rest is lost and told; its timers end", async () => {
    const { world, a, b, run } = worldOfTwo();
    const lost: unknown[] = [];
    const log = {
      debug() {},
      info() {},
      warn() {},
      error: (event: string, fields: unknown) => lost.push([event, fields]),
    };
    b.isUp = false;
    world.start({ one: toA, two: toB }, { log });
    await run(8);
    const { points } = world.exporters.counters()[1]!;
    const { queued } = points;
    world.exporters.reload({});
    await world.clock.advance(3000);
    expect(world.exporters.status()).toEqual([]);
    expect(a.socket.finished).toBe("fin");
    expect(points).toMatchObject({ queued: 0, lost: { config: queued } });
    expect(lost).toContainEqual(["exporter.points_lost", expect.objectContaining({ exporter: "two", points: queued })]);
    expect(world.clock.pending).toBe(0);
    await run(5);
    expect(world.clock.pending).toBe(0);
  });
});

describe("stop", () => {
  test("waits for the confirmation, then closes; nothing runs on", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: toA });
    await run(8);
    const stopped = world.exporters.stop(2000);
    await world.clock.advance(2000);
    await stopped;
    expect(statusOf(world, "one")).toMatchObject({ queued: 0, sent: a.lines.length, lost: 0 });
    expect(world.clock.pending).toBe(0);
    await world.exporters.stop(2000);
  });

  test("a server that is down does not hold it up", async () => {
    const { world, a, run } = worldOfTwo();
    a.isUp = false;
    world.start({ one: toA });
    await run(8);
    await world.exporters.stop(2000);
    expect(statusOf(world, "one")!.queued).toBeGreaterThan(0);
    checkBalance(world.exporters);
    expect(world.clock.pending).toBe(0);
  });

  test("the server goes away meanwhile: nothing is tried again", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: toA });
    await run(8);
    const stopped = world.exporters.stop(2000);
    a.kill();
    await stopped;
    expect(statusOf(world, "one")!.queued).toBeGreaterThan(0);
    checkBalance(world.exporters);
    expect(a.sockets.length).toBe(1);
    expect(world.clock.pending).toBe(0);
  });

  test("a server that takes nothing: closed at the deadline, at a line end if it can be", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: { ...toA, timeout_ms: 60_000 } });
    await run(8);
    let budget = 10;
    a.takes = (length) => {
      const taken = Math.min(length, budget);
      budget -= taken;
      return taken;
    };
    await run(2);
    const stopped = world.exporters.stop(2000);
    budget = 1000;
    await world.clock.advance(2000);
    await stopped;
    expect(a.socket.text.endsWith("\n")).toBe(true);
    expect(a.socket.finished).toBe("fin");
    await world.clock.advance(5000);
    expect(world.clock.pending).toBe(0);
  });

  test("half a line that cannot be ended is cut by a reset, not by an orderly end", async () => {
    const { world, a, run } = worldOfTwo();
    world.start({ one: { ...toA, timeout_ms: 60_000 } });
    await run(8);
    let budget = 10;
    a.takes = (length) => {
      const taken = Math.min(length, budget);
      budget -= taken;
      return taken;
    };
    await run(2);
    const stopped = world.exporters.stop(2000);
    await world.clock.advance(2000);
    await stopped;
    expect(a.socket.text.endsWith("\n")).toBe(false);
    expect(a.socket.finished).toBe("reset");
    checkBalance(world.exporters);
  });

  test("while connecting: a connection that comes too late is closed", async () => {
    const { world, run } = worldOfTwo();
    const opened: (() => void)[] = [];
    const { dial } = world;
    world.start(
      { one: toA },
      {
        dial: async (...args) => {
          await new Promise<void>((resolve) => opened.push(resolve));
          return dial(...args);
        },
      },
    );
    await run(8);
    expect(statusOf(world, "one")).toMatchObject({ state: "connecting" });
    const stopped = world.exporters.stop(500);
    await world.clock.advance(500);
    await stopped;
    for (const open of opened) open();
    await world.clock.advance(3000);
    expect(world.servers.get("a:2003")!.sockets.every(({ isClosed }) => isClosed)).toBe(true);
    expect(world.clock.pending).toBe(0);
  });
});
