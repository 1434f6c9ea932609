import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { readIdentity, type SegmentIdentity, writeIdentity } from "../../agent/rrd/store/segment-header.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;

describe.each(["map", "save"] as const)("mode %s", (mode) => {
  test("what was stored is there after an orderly restart, what comes after goes on", async () => {
    const world = new StorageWorld();
    let host = world.host(mode);
    let charts = [define(host, "a.one", 3), define(host, "a.two22", 70)];
    for (let i = 0; i < 100; i++) world.tick(charts, expectedAt);
    const before = charts.map((chart) => held(chart, 1, world.nowSec - 130, world.nowSec + 10));
    expect(before[0]!.size).toBeGreaterThan(95);
    await world.restart();
    world.nowSec += 5;
    host = world.host(mode);
    charts = ["a.one", "a.two22"].map((id) => host.chart(id)!);
    expect(charts.map((chart) => held(chart, 1, world.nowSec - 135, world.nowSec + 10))).toEqual(before);
    for (let i = 0; i < 10; i++) world.tick(charts, expectedAt);
    const after = held(charts[1]!, 69, world.nowSec - 20, world.nowSec);
    // The first value after a start is only a base; the pause is a gap.
    expect([...after.keys()].filter((second) => second > world.nowSec - 9)).toHaveLength(9);
    for (const [second, value] of after) expect(value).toBe(expectedAt(charts[1]!, 69, second));
    expect(world.told).toEqual([]);
  });
});

describe("mode map", () => {
  test("kill -9 takes nothing that was committed", () => {
    const world = new StorageWorld();
    const host = world.host();
    const chart = define(host, "a.one", 3);
    for (let i = 0; i < 100; i++) world.tick([chart], expectedAt);
    const before = held(chart, 2, world.nowSec - 130, world.nowSec);
    world.kill();
    expect(held(world.host().chart("a.one")!, 2, world.nowSec - 130, world.nowSec)).toEqual(before);
    expect(before.get(world.nowSec)).toBe(expectedAt(chart, 2, world.nowSec));
  });

  test("a block that cannot be emptied through its file is emptied through the mapping", () => {
    const world = new StorageWorld();
    const chart = define(world.host(), "a.one", 3);
    world.disk.fail("overwrite", "EIO", { times: Number.POSITIVE_INFINITY });
    for (let i = 0; i < 400; i++) world.tick([chart], expectedAt);
    const values = held(chart, 2, world.nowSec - 119, world.nowSec);
    expect(values.size).toBe(120);
    for (const [second, value] of values) expect(value).toBe(expectedAt(chart, 2, second));
    expect(world.told).toEqual([]);
  });

  test("hosts of earlier runs are there before they connect", () => {
    const world = new StorageWorld();
    const chart = define(world.host("map", { hostname: "edge-7" }), "a.one", 1);
    for (let i = 0; i < 10; i++) world.tick([chart], expectedAt);
    world.kill();
    world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
    const host = world.database.host(GUID)!;
    expect([host.hostname, host.isArchived, host.chartCount]).toEqual(["edge-7", true, 1]);
    expect(held(host.chart("a.one")!, 0, world.nowSec - 5, world.nowSec).size).toBe(6);
  });

  test("a directory that cannot be read is told, and leaves out what is in it", () => {
    const world = new StorageWorld();
    world.host();
    world.kill();
    world.disk.fail("list", "EACCES", { times: Number.POSITIVE_INFINITY });
    expect(world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }))).toBe(true);
    expect(world.database.hostCount).toBe(0);
    expect(world.told).toHaveLength(1);
    expect(world.told[0]).toContain("left out db: ");
  });

  test("hosts begin their blocks at different seconds, each at its own again after a start", () => {
    const world = new StorageWorld();
    const beginnings = () => {
      const guids = Array.from({ length: 40 }, (_, i) => `dddddddd-0000-0000-0000-${String(i).padStart(12, "0")}`);
      const charts = guids.map((machineGuid) => {
        const host = world.host("map", { machineGuid });
        return host.chart("a.b") ?? define(host, "a.b", 1);
      });
      for (let i = 0; i < 130; i++) world.tick(charts, expectedAt);
      return charts.map((chart) => chart.segment!.stampOf(chart.lastEntrySec) % 64);
    };
    const before = beginnings();
    expect(new Set(before).size).toBeGreaterThan(20);
    world.kill();
    expect(beginnings()).toEqual(before);
    expect(world.told).toEqual([]);
  });

  test("a file whose blocks begin at other times than those of its host is set aside", () => {
    const world = new StorageWorld();
    world.tick([define(world.host(), "a.one", 3)], expectedAt);
    world.kill();
    const header = world.disk.map(`/state/db/${GUID}/seg-0.rrd`);
    const identity = readIdentity(header, header.length) as SegmentIdentity;
    writeIdentity(header.buffer, { ...identity, phase: (identity.phase! + 1) % 64 });
    world.kill();
    expect(held(world.host().chart("a.one")!, 0, world.nowSec - 10, world.nowSec).size).toBe(0);
    expect(world.told).toHaveLength(1);
    expect(world.told[0]).toContain("aside seg-0.rrd: its blocks begin at a phase of");
  });
});
