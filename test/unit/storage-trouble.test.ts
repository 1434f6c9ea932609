import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { dimension } from "../simulated-host.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;
const DIRECTORY = `/state/db/${GUID}`;
/** Long enough for the next try to use the files. */
const RETRY_SEC = 61;

function run(world: StorageWorld, charts: readonly Chart[], seconds: number): void {
  for (let i = 0; i < seconds; i++) {
    world.tick(charts, expectedAt);
    world.storage.tick();
  }
}

/** Seconds of the newest values of a chart's dimension, checked one by one. */
function rightValues(world: StorageWorld, chart: Chart, index: number): number[] {
  const values = held(chart, index, world.nowSec - 110, world.nowSec);
  for (const [second, value] of values) expect(value).toBe(expectedAt(chart, index, second));
  return [...values.keys()];
}

describe("without files", () => {
  test("a directory that cannot be made: everything goes on in memory, later in files", () => {
    const world = new StorageWorld();
    world.disk.isReadOnly = true;
    world.start();
    const host = world.host();
    const chart = define(host, "a.one", 3);
    run(world, [chart], 10);
    expect(rightValues(world, chart, 2)).toHaveLength(9);
    expect(host.files!.problem).toContain("EROFS");
    world.disk.isReadOnly = false;
    run(world, [chart], RETRY_SEC);
    expect(host.files!.problem).toBe("");
    world.kill();
    expect(rightValues(world, world.host().chart("a.one")!, 2)).toHaveLength(70);
  });

  test("a full disk: charts and dimensions that came meanwhile are in the files later", () => {
    const world = new StorageWorld();
    const host = world.host();
    const early = define(host, "a.early", 3);
    run(world, [early], 3);
    world.disk.capacityBytes = 0;
    const late = define(host, "a.late", 100);
    run(world, [early, late], 5);
    host.defineDimension(late, dimension("more"));
    host.defineDimension(early, dimension("more"));
    run(world, [early, late], 5);
    expect(host.files!.problem).toContain("ENOSPC");
    world.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    run(world, [early, late], RETRY_SEC);
    expect(host.files!.problem).toBe("");
    world.kill();
    const again = world.host();
    expect(rightValues(world, again.chart("a.early")!, 2)).toHaveLength(73);
    expect(rightValues(world, again.chart("a.late")!, 99)).toHaveLength(70);
    expect(rightValues(world, again.chart("a.late")!, 100).length).toBeGreaterThan(60);
    expect(rightValues(world, again.chart("a.early")!, 3).length).toBeGreaterThan(60);
  });

  test("a read-only disk shows what it holds, and keeps it when it can be written again", () => {
    const world = new StorageWorld();
    run(world, [define(world.host(), "a.one", 3)], 20);
    world.kill();
    world.disk.isReadOnly = true;
    world.start();
    const host = world.host();
    const chart = host.chart("a.one")!;
    expect(rightValues(world, chart, 2)).toHaveLength(19);
    expect(host.files!.problem).toContain("EROFS");
    run(world, [chart], 5);
    world.disk.isReadOnly = false;
    run(world, [chart], RETRY_SEC);
    expect(host.files!.problem).toBe("");
    world.kill();
    expect(rightValues(world, world.host().chart("a.one")!, 2)).toHaveLength(19 + 4 + RETRY_SEC);
  });
});

describe("many hosts without files", () => {
  test("get them one after the other, and others come to their turn in between", async () => {
    const world = new StorageWorld();
    world.disk.isReadOnly = true;
    world.start();
    const hosts = [1, 2, 3].map((number) => world.host("map", { machineGuid: GUID.replace("0001", `000${number}`) }));
    const charts = hosts.map((host) => define(host, "a.one", 3));
    run(world, charts, 59);
    world.disk.isReadOnly = false;
    run(world, charts, 1);
    const usable = () => hosts.map((host) => host.files!.problem === "");
    expect(usable()).toEqual([true, false, false]);
    for (let turn = 0; turn < 50; turn++) await Promise.resolve();
    expect(usable()).toEqual([true, true, true]);
    expect(rightValues(world, charts[2]!, 2)).toHaveLength(59);
  });
});

describe("without the lock", () => {
  test("a directory that another agent took meanwhile is left to it", () => {
    const world = new StorageWorld();
    run(world, [define(world.host(), "a.one", 3)], 5);
    world.kill();
    world.disk.isReadOnly = true;
    world.start();
    const host = world.host();
    const chart = host.chart("a.one")!;
    world.disk.isReadOnly = false;
    world.disk.remove("/state/db/.lock");
    const otherPid = 7;
    world.running.add(otherPid);
    world.disk.createExclusive("/state/db/.lock", Buffer.from(`${otherPid} 1 ${world.bootId}\n`));
    const before = world.disk.read(`${DIRECTORY}/seg-0.rrd`)!;
    run(world, [chart], RETRY_SEC);
    expect(world.disk.read(`${DIRECTORY}/seg-0.rrd`)!.equals(before)).toBe(true);
    expect(host.files!.problem).toContain("EROFS");
    expect(world.told.at(-1)).toContain(`in use by the process ${otherPid}`);
    world.running.delete(otherPid);
    run(world, [chart], RETRY_SEC);
    expect(host.files!.problem).toBe("");
    expect(rightValues(world, chart, 2).length).toBeGreaterThan(100);
  });
});

describe("without a catalogue", () => {
  test.each(["map", "save"] as const)("mode %s: the segments are set aside, not overwritten", async (mode) => {
    const world = new StorageWorld();
    run(world, [define(world.host(mode), "a.one", 3)], 5);
    await world.restart();
    const before = world.disk.read(`${DIRECTORY}/seg-0.rrd`)!;
    world.disk.remove(`${DIRECTORY}/catalog.jsonl`);
    run(world, [define(world.host(mode), "a.one", 3)], 5);
    await world.restart();
    const [aside = ""] = world.disk.list(DIRECTORY).filter((name) => name.startsWith("seg-0.rrd.bad-"));
    expect(world.disk.read(`${DIRECTORY}/${aside}`)).toEqual(before);
    expect(world.told).toEqual([expect.stringMatching(/^aside seg-0\.rrd: .*catalogue/)]);
  });
});

describe("the disk limit", () => {
  test("left to the agent: what the files take already is no reason to refuse more", async () => {
    const world = new StorageWorld({ diskLimitBytes: 0 });
    world.disk.capacityBytes = 1_000_000;
    for (const id of ["a.one", "a.two", "a.three"]) {
      await world.restart();
      // A segment of 258,048 bytes each time.
      run(world, [define(world.host(), id, 256)], 3);
    }
    expect(world.told).toEqual([]);
    await world.restart();
    expect(world.host().chartCount).toBe(3);
  });

  test("left to the agent: a part of the disk stays free", () => {
    const world = new StorageWorld({ diskLimitBytes: 0 });
    world.disk.capacityBytes = 270_000;
    world.start();
    run(world, [define(world.host(), "a.one", 256)], 3);
    expect(world.told).toEqual([expect.stringContaining("the disk limit of 24")]);
  });
});
