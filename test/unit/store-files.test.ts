import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;

test("a damaged block is told, with its time, and counted, once", async () => {
  const world = new StorageWorld();
  const more = { historyEntries: 500 };
  const host = world.host("map", more);
  const chart = define(host, "a.one", 3);
  for (let i = 0; i < 300; i++) world.tick([chart], expectedAt);
  const startSec = chart.segment!.stampOf(world.nowSec - 150);
  const slot = chart.segment!.slotOf(startSec);
  const at = chart.segment!.values.byteOffset + 4 * chart.segment!.valueIndex(slot, 1 << 6);
  await world.storage[Symbol.asyncDispose]();
  const path = `/state/db/${GUID}/seg-0.rrd`;
  world.disk.map(path)[at + 1]! ^= 1;
  world.kill();
  const again = world.host("map", more);
  const [first, neighbour] = [1, 2].map((index) => {
    held(again.chart("a.one")!, index, world.nowSec - 300, world.nowSec);
    return held(again.chart("a.one")!, index, world.nowSec - 300, world.nowSec);
  });
  expect([...first!.keys()].filter((second) => second >= startSec && second < startSec + 64)).toEqual([]);
  expect(first!.size).toBe(299 - 64);
  expect([world.told, again.files!.corruptBlocks]).toEqual([[`corrupt seg-0.rrd: ${startSec} 64, 1 tiles`], 1]);
  expect(neighbour!.size).toBe(299);
});

test("what is set aside twice in one second is kept twice", () => {
  const world = new StorageWorld();
  world.disk.makeDirectory(`/state/db/${GUID}`);
  for (let run = 0; run < 2; run++) {
    using file = world.disk.create(`/state/db/${GUID}/catalog.jsonl`);
    file.write(Buffer.from(`damaged ${run}`));
    world.host();
    world.kill();
  }
  const aside = world.disk.list(`/state/db/${GUID}`).filter((name) => name.includes(".bad-"));
  expect(aside.map((name) => String(world.disk.read(`/state/db/${GUID}/${name}`)))).toEqual(["damaged 0", "damaged 1"]);
  expect(world.told).toHaveLength(2);
});

describe.each(["save", "map"] as const)("mode %s", (mode) => {
  test("what a killed run left of files it was writing is removed, and nothing else", async () => {
    const world = new StorageWorld();
    world.tick([define(world.host(mode), "a.one", 3)], expectedAt);
    await world.restart();
    const path = `/state/db/${GUID}`;
    const foreign = ["notes.tmp", "seg-0.rrd.bad-1", "seg-00.rrd.tmp", "seg-0.rrd.tmp.tmp"];
    for (const name of [...foreign, "seg-0.rrd.tmp", "seg-7.rrd.tmp", "catalog.jsonl.tmp"]) {
      using file = world.disk.create(`${path}/${name}`);
      file.write(Buffer.from("half"));
    }
    const disk = world.disk.list(path).length;
    world.host(mode);
    expect(world.disk.list(path)).toEqual(["catalog.jsonl", ...foreign, "seg-0.rrd"].sort());
    expect([disk, world.told]).toEqual([9, []]);
  });

  test("one damaged line that names the host costs nothing", async () => {
    const world = new StorageWorld();
    const chart = define(world.host(mode), "a.one", 3);
    for (let i = 0; i < 50; i++) world.tick([chart], expectedAt);
    const before = held(chart, 2, world.nowSec - 60, world.nowSec);
    await world.restart();
    const path = `/state/db/${GUID}/catalog.jsonl`;
    const text = String(world.disk.read(path));
    const lines = text.split("\n").filter((line) => line.startsWith('["host"'));
    expect(lines.length).toBeGreaterThan(1);
    {
      using file = world.disk.create(path);
      file.write(Buffer.from(text.replace("child", "chilt")));
    }
    world.start();
    const host = world.host(mode);
    expect([host.hostname, held(host.chart("a.one")!, 2, world.nowSec - 60, world.nowSec)]).toEqual(["child", before]);
    expect(world.told).toEqual(["left out catalog.jsonl: line 1: checksum"]);
  });
});

test("mode save: what nobody fed since the start is not written again", async () => {
  const world = new StorageWorld();
  const chart = define(world.host("save"), "a.one", 3);
  for (let i = 0; i < 50; i++) world.tick([chart], expectedAt);
  await world.restart();
  let host = world.host("save");
  await world.restart();
  expect(world.storage.counters.bytesWritten).toBe(0);
  host = world.host("save");
  const before = held(host.chart("a.one")!, 2, world.nowSec - 60, world.nowSec);
  expect(before.size).toBe(49);
  const { storage } = world;
  await world.restart();
  expect(storage.counters.bytesWritten).toBe(0);
  // What changes without a value is written.
  host = world.host("save");
  host.retireChart(host.chart("a.one")!);
  await world.restart();
  host = world.host("save");
  expect(host.chart("a.one")!.isObsolete).toBe(true);
  await world.restart();
  // Another history has to be written, once.
  host = world.host("save", { historyEntries: 400 });
  const again = world.storage;
  await world.restart();
  expect(again.counters.bytesWritten).toBeGreaterThan(0);
  host = world.host("save", { historyEntries: 400 });
  expect(held(host.chart("a.one")!, 2, world.nowSec - 60, world.nowSec)).toEqual(before);
  const last = world.storage;
  await world.restart();
  expect(last.counters.bytesWritten).toBe(0);
});

test.each(["map", "save"] as const)("mode %s: all that is written by calls is counted", async (mode) => {
  const world = new StorageWorld();
  let written = 0;
  const count = (bytes: Uint8Array) => {
    written += bytes.length;
  };
  for (const name of ["create", "append"] as const) {
    const open = world.disk[name].bind(world.disk);
    world.disk[name] = (path) => {
      const file = open(path);
      const write = file.write.bind(file);
      file.write = (bytes) => {
        write(bytes);
        count(bytes);
      };
      return file;
    };
  }
  const overwrite = world.disk.overwrite.bind(world.disk);
  world.disk.overwrite = (path, parts) => {
    overwrite(path, parts);
    for (const { bytes } of parts) count(bytes);
  };
  const host = world.host(mode);
  for (let i = 0; i < 300; i++) {
    if (i % 100 === 0) define(host, `a.c${i}`, 3);
    world.tick(host.chartList(), expectedAt);
    world.storage.tick();
  }
  await world.storage.save();
  const { counters } = world.storage;
  await world.restart();
  expect([written > 50_000, counters.bytesWritten]).toEqual([true, written]);
});
