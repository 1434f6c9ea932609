import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import { segmentBytes } from "../../agent/rrd/store/geometry.ts";
import type { HostDirectory } from "../../agent/rrd/store/host-directory.ts";
import { readIdentity, type SegmentIdentity, writeIdentity } from "../../agent/rrd/store/segment-header.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension } from "../simulated-host.ts";
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

  test.each(["a flush", "an orderly end"] as const)("after %s, definitions are on the disk too", async (how) => {
    const world = new StorageWorld({ flushEverySec: how === "a flush" ? 1 : 0 });
    const chart = define(world.host(), "a.one", 1);
    world.tick([chart], expectedAt);
    world.disk.syncDirectory(`/state/db/${GUID}`);
    world.storage.tick();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    if (how === "an orderly end") await world.storage[Symbol.asyncDispose]();
    // Files are no longer than what was flushed of them.
    world.cutPower(() => 0.4);
    expect(world.host().chart("a.one")?.dimensions.count).toBe(1);
  });

  test("a segment file that is too narrow for what the catalogue says is set aside", () => {
    const narrow = new StorageWorld();
    narrow.tick([define(narrow.host(), "a.one", 3)], expectedAt);
    const world = new StorageWorld();
    world.tick([define(world.host(), "a.wide", 200)], expectedAt);
    world.disk.crash();
    using file = world.disk.create(`/state/db/${GUID}/seg-0.rrd`);
    file.write(narrow.disk.read(`/state/db/${GUID}/seg-0.rrd`)!);
    world.start();
    const chart = world.host().chart("a.wide")!;
    expect(world.told).toEqual(["aside seg-0.rrd: it has 64 columns, the catalogue says at least 200"]);
    for (let i = 0; i < 3; i++) world.tick([chart], expectedAt);
    expect(held(chart, 199, world.nowSec, world.nowSec).get(world.nowSec)).toBe(expectedAt(chart, 199, world.nowSec));
  });

  test.each([
    { slots: 100, says: "100 slots" },
    { slots: 64, says: "64 slots" },
    { columns: 0, says: "0 columns" },
    { columns: 300, says: "300 columns" },
    { updateEverySec: 0, says: "an interval of 0 s" },
  ])("a segment file with $says is set aside, though its checksum is right", ({ says, ...odd }) => {
    const world = new StorageWorld();
    world.tick([define(world.host(), "a.one", 3)], expectedAt);
    world.disk.crash();
    const geometry = { columns: 64, slots: 192, updateEverySec: 1, ...odd };
    const bytes = new ArrayBuffer(segmentBytes(geometry));
    writeIdentity(bytes, { ...geometry, number: 0, machineGuid: GUID, createdSec: 0 });
    using file = world.disk.create(`/state/db/${GUID}/seg-0.rrd`);
    file.write(new Uint8Array(bytes));
    world.start();
    expect(world.host().chart("a.one")!.dimensions.count).toBe(3);
    expect(world.told).toEqual([`aside seg-0.rrd: it says it has ${says}`]);
  });

  test("killed while it restores after a power cut: a column never shows what its owner before it left", async () => {
    const world = new StorageWorld({}, {});
    const host = world.host("map", { historyEntries: 400 });
    const [first, old, heir] = [define(host, "a.one", 1), define(host, "a.old", 70), define(host, "a.heirs", 1)];
    for (let i = 0; i < 300; i++) {
      world.tick([first!, old!, heir!], expectedAt);
      world.storage.tick(); // seals blocks
    }
    for (const name of world.disk.list(`/state/db/${GUID}`)) await world.disk.sync(`/state/db/${GUID}/${name}`);
    host.retireChart(old!);
    for (const nowUs of [1, 1e18]) host.removeObsolete(nowUs, 0);
    for (let index = 1; index < 240; index++) host.defineDimension(heir!, dimension(`d${index}`, "absolute"));
    for (let i = 0; i < 40; i++) world.tick([first!, heir!], expectedAt);
    await world.disk.sync(`/state/db/${GUID}/catalog.jsonl`);
    for (const directory of ["/state/db", `/state/db/${GUID}`]) world.disk.syncDirectory(directory);
    // Nothing that was not flushed.
    world.cutPower(() => 0.9);
    const { nowSec } = world;
    Object.defineProperty(world, "nowSec", {
      configurable: true,
      get() {
        throw new Error("killed");
      },
    });
    expect(() => world.host("map", { historyEntries: 400 })).toThrow("killed");
    Object.defineProperty(world, "nowSec", { value: nowSec, writable: true });
    world.kill();
    const chart = world.host("map", { historyEntries: 400 }).chart("a.heirs")!;
    expect(chart.dimensions.count).toBe(240);
    const wrong = chart.dimensions.list.flatMap((_, index) =>
      [...held(chart, index, nowSec - 400, nowSec)].filter(
        ([second, value]) => value !== expectedAt(chart, index, second),
      ),
    );
    expect(wrong).toEqual([]);
    expect(held(chart, 0, nowSec - 400, nowSec).size).toBeGreaterThan(40);
  });

  test("a flush that fails is a host that cannot use its files, and no unhandled rejection", async () => {
    const world = new StorageWorld({ flushEverySec: 1 });
    const chart = define(world.host(), "a.one", 1);
    world.tick([chart], expectedAt);
    world.disk.fail("sync", "EIO");
    world.storage.tick();
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    expect(world.told).toEqual([
      expect.stringMatching(/^degraded child: .*catalog\.jsonl: cannot flush to the disk: .*EIO/),
    ]);
    for (let second = 0; second < 60; second++) world.storage.tick();
    expect(world.told.slice(1)).toEqual(["recovered child"]);
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
  test("a chart that is retired by its definition is retired in the next run too", () => {
    const world = new StorageWorld();
    const host = world.host();
    world.tick([define(host, "a.one", 1)], expectedAt);
    host.defineChart({ id: "a.one", obsolete: true });
    world.kill();
    const again = world.host();
    expect(again.chart("a.one")!.isObsolete).toBe(true);
    // A chart of an earlier run that nobody collects any more.
    again.reviveChart(again.chart("a.one")!);
    again.retireChart(again.chart("a.one")!);
    world.kill();
    expect(world.host().chart("a.one")!.isObsolete).toBe(true);
  });

  test("a clock that goes back by minutes leaves sealed blocks sound", () => {
    const world = new StorageWorld();
    const more = { historyEntries: 500 };
    const host = world.host("map", more);
    const [one, two] = [define(host, "a.one", 1), define(host, "a.two", 1)];
    for (let i = 0; i < 400; i++) world.tick([one, two], expectedAt);
    for (let i = 0; i < 64; i++) world.storage.tick();
    world.nowSec -= 300;
    const before = held(two, 0, world.nowSec - 90, world.nowSec + 290);
    expect(before.size).toBeGreaterThan(350);
    for (let i = 0; i < 5; i++) world.tick([one], expectedAt);
    world.nowSec += 300;
    world.kill();
    expect(held(world.host("map", more).chart("a.two")!, 0, world.nowSec - 395, world.nowSec - 15)).toEqual(before);
  });

  test("a chart that began anew after a long pause shows nothing from before in the next run", () => {
    const world = new StorageWorld();
    const more = { historyEntries: 60 };
    const chart = define(world.host("map", more), "a.one", 1);
    for (let i = 0; i < 30; i++) world.tick([chart], expectedAt);
    world.nowSec += 70;
    for (let i = 0; i < 10; i++) {
      world.nowSec++;
      const row = new ValueRow();
      row.set(0, i);
      commitStreamed(chart, row, i === 0 ? 0 : 1e6, world.nowSec * 1e6 + 500_000);
    }
    const entries = chart.entriesHeld;
    world.kill();
    expect([entries, world.host("map", { historyEntries: 200 }).chart("a.one")!.entriesHeld]).toEqual([9, 9]);
  });

  test("what is defined anew costs a power cut nothing of what was flushed", async () => {
    const world = new StorageWorld();
    const more = { historyEntries: 500 };
    const host = world.host("map", more);
    const chart = define(host, "a.one", 2);
    for (let i = 0; i < 400; i++) world.tick([chart], expectedAt);
    const before = held(chart, 0, world.nowSec - 400, world.nowSec - 1);
    host.defineChart({ id: "a.one", title: "another title" });
    host.defineDimension(chart, dimension("d0", "absolute", { name: "other" }));
    world.tick([chart], expectedAt);
    world.tick([chart], expectedAt);
    await (host.files as HostDirectory).flush();
    world.cutPower(() => 0.9);
    expect(held(world.host("map", more).chart("a.one")!, 0, world.nowSec - 402, world.nowSec - 3)).toEqual(before);
  });

  test("a history that memory has no room for sets the file aside, whole", async () => {
    const world = new StorageWorld({}, { memoryBytes: 400_000 });
    const path = `/state/db/${GUID}`;
    const chart = define(world.host("map", { historyEntries: 200 }), "a.one", 2);
    for (let i = 0; i < 100; i++) world.tick([chart], expectedAt);
    await world.restart();
    const before = Buffer.from(world.disk.read(`${path}/seg-0.rrd`)!);
    world.host("map", { historyEntries: 3600 });
    const aside = world.disk.list(path).filter((name) => name.includes(".bad-"));
    expect(aside).toHaveLength(1);
    expect(world.disk.read(`${path}/${aside[0]}`)!.length).toBe(before.length);
    expect(world.told[0]).toContain("no room in memory");
  });

  test("a history that no disk has room for does not cost what is there", async () => {
    const world = new StorageWorld();
    const chart = define(world.host(), "a.one", 2);
    for (let i = 0; i < 100; i++) world.tick([chart], expectedAt);
    const before = held(chart, 0, world.nowSec - 120, world.nowSec);
    await world.restart();
    world.disk.fail("create", "ENOSPC", { times: 1000 });
    const host = world.host("map", { historyEntries: 500 });
    expect(held(host.chart("a.one")!, 0, world.nowSec - 120, world.nowSec)).toEqual(before);
    expect(host.files!.problem).toContain("no space");
    world.disk.heal();
    for (let i = 0; i < 60; i++) world.storage.tick();
    expect(host.files!.problem).toBe("");
    world.kill();
    expect(
      held(world.host("map", { historyEntries: 500 }).chart("a.one")!, 0, world.nowSec - 120, world.nowSec),
    ).toEqual(before);
  });
});

describe.each(["save", "map"] as const)("mode %s: a host that is made anew", (mode) => {
  test.each(["at rest", "while files are saved"] as const)(
    "with another history, %s, keeps what it held",
    async (when) => {
      const world = new StorageWorld();
      world.database.watch({
        hostAdded: () => {},
        hostRemoved: (host) => void world.storage.closeHost(host.machineGuid, false),
      });
      const chart = define(world.host(mode), "a.one", 70);
      for (let i = 0; i < 20; i++) world.tick([chart], expectedAt);
      const saving = when === "at rest" ? null : world.storage.save();
      for (let i = 0; i < 20; i++) world.tick([chart], expectedAt);
      const before = held(chart, 69, world.nowSec - 40, world.nowSec);
      expect(before.size).toBe(39);
      const { hostname, os, updateEverySec, gapIterations } = chart.host;
      const kept = { machineGuid: GUID, hostname, os, updateEverySec, memoryMode: mode, gapIterations, isLocal: false };
      world.database.remakeHost(chart.host, { ...kept, historyEntries: 500 });
      const again = () => held(world.database.host(GUID)!.chart("a.one")!, 69, world.nowSec - 40, world.nowSec);
      expect(again()).toEqual(before);
      await saving;
      for (let turn = 0; turn < 100; turn++) await Promise.resolve();
      expect(again()).toEqual(before);
      await world.restart();
      world.host(mode, { historyEntries: 500 });
      expect(again()).toEqual(before);
      expect(world.told).toEqual([]);
    },
  );
});

describe.each(["ram", "save", "map"] as const)("mode %s", (mode) => {
  test.each([{ multiplier: 8 }, { divisor: 10 }, { algorithm: "incremental" as const }])(
    "another meaning empties a dimension, and no other: %o",
    (change) => {
      const world = new StorageWorld();
      const host = world.host(mode);
      const chart = define(host, "a.one", 2);
      for (let i = 0; i < 50; i++) world.tick([chart], expectedAt);
      const other = held(chart, 1, world.nowSec - 60, world.nowSec);
      host.defineDimension(chart, dimension("d0", "absolute", change));
      expect(held(chart, 0, world.nowSec - 60, world.nowSec).size).toBe(0);
      expect(held(chart, 1, world.nowSec - 60, world.nowSec)).toEqual(other);
      for (let i = 0; i < 10; i++) world.tick([chart], expectedAt);
      expect(held(chart, 0, world.nowSec - 60, world.nowSec).size).toBe(9);
    },
  );
});

test("only in its first run does a chart that stores its first value do so", async () => {
  const world = new StorageWorld();
  let host = world.host();
  let chart = host.defineChart({ id: "a.one", storeFirst: true })!;
  host.defineDimension(chart, dimension("d0", "incremental"));
  const counter = (_chart: Chart, _index: number, second: number) => second * 1000;
  for (let i = 0; i < 20; i++) world.tick([chart], counter);
  await world.restart();
  host = world.host();
  chart = host.chart("a.one")!;
  const restartSec = world.nowSec;
  for (let i = 0; i < 20; i++) world.tick([chart], counter);
  const values = [...held(chart, 0, restartSec + 1, world.nowSec).values()];
  expect(values.length).toBeGreaterThan(15);
  expect(Math.max(...values)).toBeLessThan(2001);
});
