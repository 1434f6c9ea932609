import { expect, test } from "bun:test";
import { storePast } from "../../agent/rrd/backfill.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { isResetAt } from "../../agent/rrd/read.ts";
import { TILE_SLOTS } from "../../agent/rrd/store/geometry.ts";
import type { HostDirectory } from "../../agent/rrd/store/host-directory.ts";
import { SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const PATH = `/state/db/${GUID}/seg-0.rrd`;
const MORE = { historyEntries: 500 };
const SECONDS = 400;
const CUTS = 60;

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;

/** A host whose first blocks are sealed and, like all of it, on the disk. */
async function flushed(): Promise<{ world: StorageWorld; host: Host; charts: Chart[]; startSec: number }> {
  const world = new StorageWorld();
  const host = world.host("map", MORE);
  const charts = [define(host, "a.one", 3), define(host, "b.other", 2)];
  for (let i = 0; i < SECONDS; i++) world.tick(charts, expectedAt);
  // The second of a flush need not be on the disk.
  world.nowSec++;
  await (host.files as HostDirectory).flush();
  const startSec = host.ring!.segments[0]!.stampOf(world.nowSec - 200);
  expect(isSealed(host, startSec)).toBe(true);
  return { world, host, charts, startSec };
}

function isSealed(host: Host, second: number): boolean {
  const [segment] = host.ring!.segments;
  return segment!.stamps[segment!.slotOf(second) >> 6] === -segment!.stampOf(second);
}

/** The first dimension of a chart gets another value in a second; the others stay. */
function storeLate(world: StorageWorld, chart: Chart, endSec: number, value: number, isReset = false): void {
  const values = new Float64Array(chart.dimensions.count).fill(Number.NaN);
  values[0] = value;
  storePast(chart, { endSec, values, isReset, isCorrection: false }, world.nowSec * 1e6);
}

/** All values of a chart, by dimension. */
function valuesOf(world: StorageWorld, host: Host, id: string): Map<number, number>[] {
  const chart = host.chart(id)!;
  return chart.dimensions.list.map((_, index) => held(chart, index, world.nowSec - 500, world.nowSec));
}

test("a late value leaves its block sealed, and a killed agent loses nothing", async () => {
  const { world, host, charts, startSec } = await flushed();
  storeLate(world, charts[0]!, startSec + 5, -1, true);
  expect(isSealed(host, startSec)).toBe(true);
  world.kill();
  const again = world.host("map", MORE);
  const values = valuesOf(world, again, "a.one");
  expect(values.map((one) => one.size)).toEqual([SECONDS - 1, SECONDS - 1, SECONDS - 1]);
  expect(values[0]!.get(startSec + 5)).toBe(-1);
  expect(isResetAt(again.chart("a.one")!, startSec + 5)).toBe(true);
  // The start has sealed it anew.
  world.kill();
  expect(valuesOf(world, world.host("map", MORE), "a.one")).toEqual(values);
  expect(world.told).toEqual([]);
});

test("a power cut after a late value costs its own tile at most", async () => {
  const random = new SeededRandom(TEST_SEED);
  const outcomes = new Set<string>();
  for (let cut = 0; cut < CUTS; cut++) {
    const { world, host, charts, startSec } = await flushed();
    const before = ["a.one", "b.other"].map((id) => valuesOf(world, host, id));
    storeLate(world, charts[0]!, startSec + 5, -1);
    if (cut % 2 === 1) for (let i = 0; i < 64; i++) world.storage.tick();
    world.cutPower(() => random.next());
    const again = world.host("map", MORE);
    const after = ["a.one", "b.other"].map((id) => valuesOf(world, again, id));
    expect([after[0]!.slice(1), after[1]]).toEqual([before[0]!.slice(1), before[1]]);
    const tile = [...after[0]![0]!].filter(([second]) => second >= startSec && second < startSec + TILE_SLOTS);
    const isLost = tile.length === 0;
    const hasValue = after[0]![0]!.get(startSec + 5) === -1;
    outcomes.add(isLost ? "lost" : `kept, ${hasValue ? "with" : "without"} it`);
    const expected = new Map(before[0]![0]!);
    if (hasValue) expected.set(startSec + 5, -1);
    if (isLost) for (let slot = 0; slot < TILE_SLOTS; slot++) expected.delete(startSec + slot);
    expect(after[0]![0]).toEqual(expected);
  }
  expect([...outcomes].sort()).toEqual(["kept, with it", "kept, without it", "lost"]);
});

test("a column that is given to another dimension costs the others of its block nothing", async () => {
  const random = new SeededRandom(TEST_SEED);
  for (let cut = 0; cut < CUTS; cut++) {
    const { world, host, charts } = await flushed();
    const before = valuesOf(world, host, "a.one");
    host.retireChart(charts[1]!);
    world.nowSec++;
    world.database.removeObsoleteCharts(world.nowSec * 1e6, 0);
    world.tick([define(host, "c.new", 2)], expectedAt);
    world.cutPower(() => random.next());
    const again = world.host("map", MORE);
    expect(valuesOf(world, again, "a.one")).toEqual(before);
    const left = again.chart("c.new");
    if (left !== undefined) expect(held(left, 0, world.nowSec - 500, world.nowSec - 1).size).toBe(0);
  }
});

test("what was damaged is emptied before its block gets a late value, and stays empty", async () => {
  const { world, host, startSec } = await flushed();
  const [segment] = host.ring!.segments;
  const at = segment!.values.byteOffset + 4 * segment!.valueIndex(segment!.slotOf(startSec), 1 << 6);
  world.kill();
  world.disk.map(PATH)[at + 1]! ^= 1;
  world.kill();
  let again = world.host("map", MORE);
  storeLate(world, again.chart("a.one")!, startSec + 5, -1);
  for (let run = 0; run < 2; run++) {
    const [first, second] = valuesOf(world, again, "a.one");
    expect([first!.size, first!.get(startSec + 5), second!.size]).toEqual([SECONDS - 1, -1, SECONDS - 1 - TILE_SLOTS]);
    world.kill();
    again = world.host("map", MORE);
  }
  expect(world.told).toEqual([`corrupt seg-0.rrd: ${startSec} 64, 1 tiles`]);
});

test("marks of resets that are damaged are none, and the values stay", async () => {
  const { world, host, charts, startSec } = await flushed();
  storeLate(world, charts[0]!, startSec + 5, -1, true);
  await (host.files as HostDirectory).flush();
  const [segment] = host.ring!.segments;
  const slot = segment!.slotOf(startSec + 5);
  const at = segment!.flags.byteOffset + segment!.valueIndex(slot, charts[0]!.record << 6);
  const before = valuesOf(world, host, "a.one");
  world.kill();
  world.disk.map(PATH)[at + 1]! ^= 1;
  world.kill();
  const chart = world.host("map", MORE).chart("a.one")!;
  expect([isResetAt(chart, startSec + 5), isResetAt(chart, startSec + 6)]).toEqual([false, false]);
  expect(valuesOf(world, chart.host, "a.one")).toEqual(before);
});

test("a past time whose block is begun after a flush takes nothing of what was flushed", async () => {
  const random = new SeededRandom(TEST_SEED);
  for (let cut = 0; cut < CUTS; cut++) {
    const world = new StorageWorld();
    const host = world.host("map", MORE);
    const chart = define(host, "a.one", 2);
    for (let i = 0; i < 100; i++) world.tick([chart], expectedAt);
    world.nowSec += 130;
    const later = define(host, "b.other", 2);
    for (let i = 0; i < 20; i++) world.tick([later], expectedAt);
    world.nowSec++;
    await (host.files as HostDirectory).flush();
    const before = ["a.one", "b.other"].map((id) => valuesOf(world, host, id));
    const firstSec = world.nowSec - 140;
    for (let endSec = firstSec; endSec < world.nowSec - 30; endSec++) {
      const values = Float64Array.of(-1, -1);
      storePast(chart, { endSec, values, isReset: false, isCorrection: false }, world.nowSec * 1e6);
    }
    world.cutPower(() => random.next());
    const again = world.host("map", MORE);
    expect(valuesOf(world, again, "b.other")).toEqual(before[1]!);
    // Only where its own tiles were written again.
    const lateSec = host.ring!.segments[0]!.stampOf(firstSec);
    const [first] = valuesOf(world, again, "a.one");
    for (const [second, value] of before[0]![0]!) if (second < lateSec) expect(first!.get(second)).toBe(value);
    for (const [second, value] of first!) expect([expectedAt(chart, 0, second), -1]).toContain(value);
  }
});

test("what was filled into new columns for times before they were given survives a cut once it is flushed", async () => {
  const world = new StorageWorld();
  const host = world.host("map", MORE);
  const chart = define(host, "a.one", 2);
  for (let endSec = world.nowSec - 300; endSec <= world.nowSec; endSec++) {
    const values = Float64Array.of(endSec % 1000, 2);
    storePast(chart, { endSec, values, isReset: false, isCorrection: false }, world.nowSec * 1e6);
  }
  world.nowSec++;
  await (host.files as HostDirectory).flush();
  const before = valuesOf(world, host, "a.one");
  expect(before[0]!.size).toBe(301);
  world.cutPower(() => 0.9);
  expect(valuesOf(world, world.host("map", MORE), "a.one")).toEqual(before);
});
