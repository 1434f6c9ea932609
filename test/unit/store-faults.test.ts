import { describe, expect, test } from "bun:test";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { HostDirectory } from "../../agent/rrd/store/host-directory.ts";
import { dimension } from "../simulated-host.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

/** More calls than any of the scenes makes: the walk ends by itself. */
const CALLS_MAX = 200;
const MODES = ["map", "save"] as const;
const FAULTS = ["ENOSPC", "EROFS", "EACCES", "EIO"];

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 100_000) * 16 + index + (chart.id === "a.two" ? 8 : 0);

/** A scene has a time before the fault and one during which the disk may fail. */
interface Scene {
  name: string;
  during: (world: StorageWorld, host: Host) => Promise<void> | void;
}

const SCENES: Scene[] = [
  { name: "growth", during: (_world, host) => void define(host, "a.two", 70) },
  {
    name: "a late dimension",
    during: (_world, host) => void host.defineDimension(host.chart("a.one")!, dimension("late")),
  },
  { name: "a removed chart", during: (world, host) => remove(world, host) },
  { name: "save", during: async (world) => await world.storage.save() },
  { name: "flush", during: async (_world, host) => await (host.files as HostDirectory).flush() },
  { name: "upkeep", during: (world) => ticks(world, 64) },
];

function remove(world: StorageWorld, host: Host): void {
  const chart = host.chart("a.gone")!;
  host.retireChart(chart);
  world.database.removeObsoleteCharts((world.nowSec + 5) * 1e6, 0);
  world.database.removeObsoleteCharts((world.nowSec + 10) * 1e6, 0);
}

function ticks(world: StorageWorld, count: number): void {
  for (let i = 0; i < count; i++) world.storage.tick();
}

async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

function collect(world: StorageWorld, host: Host, seconds: number): void {
  for (let i = 0; i < seconds; i++) world.tick(host.chartList(), expectedAt);
}

/** Every chart has its last values, each its own. */
function expectValues(world: StorageWorld, host: Host, seconds: number): void {
  expect(imbalance(host.balance)).toBe(0);
  for (const chart of host.chartList()) {
    for (let index = 0; index < chart.dimensions.count; index++) {
      const values = held(chart, index, world.nowSec - 200, world.nowSec + 5);
      for (let second = world.nowSec - seconds + 1; second <= world.nowSec; second++) {
        expect([chart.id, index, second, values.get(second)]).toEqual([
          chart.id,
          index,
          second,
          expectedAt(chart, index, second),
        ]);
      }
      for (const [second, value] of values) expect(value).toBe(expectedAt(chart, index, second));
    }
  }
}

/** After trouble: it ends, and within 60 s everything is in files; a kill takes nothing of it. */
async function expectRecovery(world: StorageWorld, mode: "map" | "save"): Promise<void> {
  world.disk.heal();
  world.disk.isReadOnly = false;
  world.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  ticks(world, 60);
  await settle();
  const { files } = world.database.host(GUID)!;
  expect(files!.problem).toBe("");
  expect(world.storage.counters.degradedHosts).toBe(0);
  expect(world.told.filter((text) => text.startsWith("degraded")).length).toBeLessThanOrEqual(1);
  if (mode === "save") await world.storage.save();
  const usedBytes = world.storage.disk.bytes;
  const charts = world.database.host(GUID)!.chartCount;
  world.kill();
  const host = world.host(mode);
  expect(host.chartCount).toBe(charts);
  expect(world.storage.disk.bytes).toBe(usedBytes);
  expectValues(world, host, 5);
}

describe.each(MODES)("mode %s", (mode) => {
  describe.each(SCENES)("$name", ({ during }) => {
    test.each(FAULTS)("%s at each call in turn", async (errno) => {
      let met = 0;
      for (let nth = 1; nth <= CALLS_MAX; nth++) {
        const world = new StorageWorld();
        const host = world.host(mode);
        define(host, "a.one", 3);
        define(host, "a.gone", 2);
        collect(world, host, 30);
        const before = world.disk.calls;
        // A disk that has failed stays so for a time.
        world.disk.fail("any", errno, { nth, times: 1000 });
        await during(world, host);
        collect(world, host, 10);
        await settle();
        expectValues(world, host, 8);
        const isMet = world.disk.calls - before >= nth;
        const degraded = world.told.filter((text) => text.startsWith("degraded")).length;
        // A block that cannot be emptied through its file is emptied through the mapping.
        const isTrouble = [...world.disk.failed].some((call) => call !== "overwrite");
        expect(isMet).toBe(world.disk.failed.size > 0);
        expect([nth, degraded, host.files!.problem === ""]).toEqual([nth, Number(isTrouble), !isTrouble]);
        await expectRecovery(world, mode);
        if (!isMet) break;
        met++;
      }
      expect(met).toBeLessThan(CALLS_MAX);
    });
  });

  test.each(FAULTS)("%s at each call of the first start: it collects, and the files come later", async (errno) => {
    for (let nth = 1; nth <= 30; nth++) {
      const world = new StorageWorld();
      world.disk.fail("any", errno, { nth, times: 1000 });
      const host = world.host(mode);
      define(host, "a.one", 3);
      collect(world, host, 20);
      expectValues(world, host, 15);
      await expectRecovery(world, mode);
    }
  });

  test.each(FAULTS)("%s once at each call of a load: nothing that was kept is deleted", async (errno) => {
    for (let nth = 1; nth <= 30; nth++) {
      const world = new StorageWorld();
      const first = world.host(mode);
      define(first, "a.one", 3);
      collect(world, first, 30);
      await world.restart();
      const directory = `/state/db/${GUID}`;
      const names = world.disk.list(directory);
      world.disk.fail("any", errno, { nth, below: directory });
      const host = world.host(mode);
      world.disk.heal();
      if (host.chart("a.one") === undefined) define(host, "a.one", 3);
      collect(world, host, 20);
      expectValues(world, host, 15);
      for (const name of names) {
        const versions = world.disk.list(directory).filter((found) => found.startsWith(name));
        expect([nth, name, versions.length > 0]).toEqual([nth, name, true]);
        if (!name.startsWith("seg-")) continue;
        // Under its own name it goes on, or it lies untouched beside it.
        const isKept = host.chart("a.one")!.slotsPassed > 40 || versions.some((version) => version.includes(".bad-"));
        expect([nth, name, isKept]).toEqual([nth, name, true]);
      }
      await expectRecovery(world, mode);
    }
  });

  test.each(FAULTS)("%s at each call of the end: it ends, and the next start works", async (errno) => {
    for (let nth = 1; nth <= 30; nth++) {
      const world = new StorageWorld();
      const host = world.host(mode);
      define(host, "a.one", 3);
      collect(world, host, 20);
      if (mode === "save") await world.storage.save();
      world.disk.fail("any", errno, { nth, times: 1000, below: `/state/db/${GUID}` });
      await world.storage[Symbol.asyncDispose]();
      world.disk.heal();
      world.kill();
      expectValues(world, world.host(mode), 15);
    }
  });

  test("a disk limit: what does not fit stays in memory, and goes to files when there is room", async () => {
    const world = new StorageWorld({ diskLimitBytes: 100_000 });
    const host = world.host(mode);
    define(host, "a.one", 3);
    collect(world, host, 20);
    define(host, "a.two", 200);
    collect(world, host, 20);
    if (mode === "save") await world.storage.save();
    expectValues(world, host, 15);
    expect(host.files!.problem).toContain("disk limit");
    expect(world.told.length).toBe(1);
    expect(world.storage.disk.bytes).toBeLessThanOrEqual(100_000);
    ticks(world, 180);
    await settle();
    expect(world.storage.disk.bytes).toBeLessThanOrEqual(100_000);
    expect(world.told.length).toBe(1);
  });

  test("a memory limit: values without a place are counted, the others are kept", async () => {
    const world = new StorageWorld({}, { memoryBytes: 130_000 });
    const host = world.host(mode);
    define(host, "a.one", 3);
    collect(world, host, 20);
    define(host, "a.two", 70);
    collect(world, host, 20);
    expect(imbalance(host.balance)).toBe(0);
    if (mode === "save") expect(host.balance.dropped.no_space).toBeGreaterThan(0);
    const values = held(host.chart("a.one")!, 1, world.nowSec - 30, world.nowSec);
    expect(values.get(world.nowSec)).toBe(expectedAt(host.chart("a.one")!, 1, world.nowSec));
    await world.restart();
    const again = held(world.host(mode).chart("a.one")!, 1, world.nowSec - 30, world.nowSec);
    expect(again).toEqual(values);
  });
});

test("two agents on one directory: the second one does not start, and the first goes on", () => {
  const processes = { pid: 1, bootId: "boot", startTicks: () => 7 };
  const world = new StorageWorld({ processes });
  const host = world.host();
  const chart = define(host, "a.one", 1);
  processes.pid = 2;
  expect(() => world.start()).toThrow(/in use/);
  collect(world, host, 10);
  expect(held(chart, 0, world.nowSec - 5, world.nowSec).size).toBe(6);
});
