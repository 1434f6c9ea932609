import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { HostDirectory } from "../../agent/rrd/store/host-directory.ts";
import { readState } from "../../agent/rrd/store/segment-header.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const RUNS = IS_SOAK ? 3000 : 60;
const HOST_PATH = `/state/db/${GUID}`;
/** More turns of the event loop than closing a host takes here. */
const TURNS_MAX = 40;

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;

/** A database whose hosts leave as those of an agent do. */
class LeaveWorld extends StorageWorld {
  isDeleting = false;

  override start(): void {
    super.start();
    this.database.watch({
      hostAdded: () => {},
      hostRemoved: (host, isRemade) => this.storage.closeHost(host.machineGuid, this.isDeleting && !isRemade),
    });
  }

  /** All that a host holds. */
  values(host: Host): unknown[] {
    return host.chartList().map((chart) => [chart.id, held(chart, 69, this.nowSec - 400, this.nowSec)]);
  }
}

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await Promise.resolve();
}

function collect(world: StorageWorld, host: Host, seconds: number): void {
  for (let i = 0; i < seconds; i++) world.tick(host.chartList(), expectedAt);
}

describe.each(["map", "save"] as const)("mode %s: a host that leaves", (mode) => {
  test("holds all it held, however soon it comes back", async () => {
    for (let count = 0; count <= TURNS_MAX; count++) {
      const world = new LeaveWorld();
      const host = world.host(mode);
      for (const id of ["a.one", "b.three"]) define(host, id, 70);
      collect(world, host, 20);
      // What was saved before it left must not be taken for what it had then.
      const saving = world.storage.save();
      collect(world, host, 20);
      const before = world.values(host);
      world.database.removeHost(host);
      await turns(count);
      const again = () => world.values(world.database.host(GUID)!);
      world.host(mode);
      expect([count, again()]).toEqual([count, before]);
      await saving;
      await turns(TURNS_MAX);
      expect([count, again()]).toEqual([count, before]);
      await world.restart();
      world.host(mode);
      expect([count, again()]).toEqual([count, before]);
      expect(world.told).toEqual([]);
      expect(world.disk.list(HOST_PATH).filter((name) => !/^(seg-\d+\.rrd|catalog\.jsonl)$/.test(name))).toEqual([]);
    }
  });

  test("takes no memory when its files are closed, and its files count for the disk limit as before", async () => {
    const world = new LeaveWorld({ diskLimitBytes: 130_000 });
    const host = world.host(mode);
    define(host, "a.one", 64);
    collect(world, host, 20);
    if (mode === "save") await world.storage.save();
    const fileBytes = world.disk.size(`${HOST_PATH}/seg-0.rrd`)!;
    world.database.removeHost(host);
    await turns(TURNS_MAX);
    expect([world.database.store.bytes, world.storage.counters.mappings]).toEqual([0, 0]);
    for (const when of ["now", "in the next run"]) {
      expect([when, world.storage.disk.bytes]).toEqual([when, fileBytes]);
      const machineGuid = GUID.replace("0001", when === "now" ? "0002" : "0003");
      const other = world.host(mode, { machineGuid });
      define(other, "a.one", 64);
      world.tick(other.chartList(), expectedAt);
      if (mode === "save") await world.storage.save();
      expect([when, other.files!.problem]).toEqual([when, "the disk limit of 130000 bytes is reached"]);
      expect(world.storage.disk.bytes).toBe(fileBytes);
      world.kill();
    }
    world.host(mode);
    expect(world.storage.disk.bytes).toBe(fileBytes);
  });

  test("while its files cannot be used, is told to be lost, once, and not counted as degraded any more", async () => {
    const world = new LeaveWorld();
    const host = world.host(mode);
    world.disk.fail("any", "EIO", { times: Number.POSITIVE_INFINITY, below: HOST_PATH });
    define(host, "a.one", 70);
    collect(world, host, 5);
    await world.storage.save();
    expect([world.told, world.storage.counters.degradedHosts]).toEqual([[expect.stringMatching(/^degraded/)], 1]);
    world.database.removeHost(host);
    await turns(TURNS_MAX);
    expect(world.told.slice(1)).toEqual([expect.stringMatching(/^unsaved child: .*EIO/)]);
    expect([world.storage.counters.degradedHosts, world.database.store.bytes]).toEqual([0, 0]);
  });

  test("with its files deleted, leaves nothing behind and tells nothing, whatever is going on", async () => {
    for (let count = 0; count <= TURNS_MAX; count++) {
      const world = new LeaveWorld({ flushEverySec: 1, saveEverySec: 1 });
      const host = world.host(mode);
      for (const id of ["a.one", "b.three"]) define(host, id, 70);
      collect(world, host, 5);
      world.storage.tick();
      await turns(count);
      world.isDeleting = true;
      world.database.removeHost(host);
      await turns(TURNS_MAX);
      expect([count, world.disk.list("/state/db"), world.told]).toEqual([count, [".lock"], []]);
      expect([world.storage.disk.bytes, world.database.store.bytes, world.storage.counters.mappings]).toEqual([
        0, 0, 0,
      ]);
    }
  });
});

test("mode save: an orderly end in the middle of a save writes everything, without trouble", async () => {
  for (let count = 0; count <= TURNS_MAX; count++) {
    const world = new LeaveWorld();
    const host = world.host("save");
    for (const id of ["a.one", "b.three"]) define(host, id, 70);
    collect(world, host, 20);
    const saving = world.storage.save();
    await turns(count);
    collect(world, host, 20);
    const before = world.values(host);
    await Promise.all([world.storage[Symbol.asyncDispose](), saving]);
    world.cutPower(() => 0.9);
    expect([count, world.values(world.host("save")), world.told]).toEqual([count, before, []]);
  }
});

test("mode save: an end that takes long can be told from one that loses nothing", async () => {
  for (const mode of ["save", "map"] as const) {
    const world = new LeaveWorld();
    for (const number of [1, 2, 3]) {
      const host = world.host(mode, { machineGuid: GUID.replace("0001", `000${number}`) });
      define(host, "a.one", 3);
      collect(world, host, 5);
    }
    expect(world.storage.unsavedHosts).toBe(0);
    const end = world.storage[Symbol.asyncDispose]();
    expect([mode, world.storage.unsavedHosts]).toEqual([mode, mode === "save" ? 3 : 0]);
    await end;
    expect(world.storage.unsavedHosts).toBe(0);
  }
});

test("mode save: a host that leaves does not stop the event loop until the disk has it", async () => {
  const world = new LeaveWorld();
  const host = world.host("save");
  define(host, "a.one", 200);
  define(host, "b.three", 200);
  collect(world, host, 5);
  world.database.removeHost(host);
  expect(world.disk.list(HOST_PATH)).toEqual(["seg-0.rrd.tmp"]);
  await turns(TURNS_MAX);
  expect(world.disk.list(HOST_PATH)).toEqual(["catalog.jsonl", "seg-0.rrd", "seg-1.rrd"]);
});

test("mode map: a flush that goes on when its host is made anew says nothing of what came later", async () => {
  for (let count = 0; count <= TURNS_MAX; count++) {
    const world = new LeaveWorld();
    const more = { historyEntries: 600 };
    const host = world.host("map", more);
    define(host, "a.one", 1);
    collect(world, host, 100);
    const flushing = (host.files as HostDirectory).flush();
    await turns(count);
    world.database.removeHost(host, true);
    const [segment] = world.host("map", more).ring!.segments;
    // It begins a block anew, which no flush has seen like that.
    segment!.wipeFor(world.nowSec - 5);
    await flushing;
    await turns(TURNS_MAX);
    const startSec = segment!.stampOf(world.nowSec - 5);
    const isTrusted = readState(segment!.buffer).flushedSec >= startSec;
    expect([count, isTrusted && !segment!.isBegunLate(segment!.slotOf(startSec) >> 6)]).toEqual([count, false]);
  }
});

/** An orderly end whose power is cut while the disk gets the `nth` file. @returns false when it had all before. */
async function endInPart(world: LeaveWorld, nth: number, random: SeededRandom): Promise<boolean> {
  const { disk } = world;
  const sync = disk.sync.bind(disk);
  let count = 0;
  disk.sync = (path) => (++count < nth ? sync(path) : new Promise(() => {}));
  void world.storage[Symbol.asyncDispose]();
  await turns(TURNS_MAX);
  disk.sync = sync;
  world.cutPower(() => random.next());
  return count >= nth;
}

test.each([
  { what: "after a flush", isFlushed: true },
  { what: "without one", isFlushed: false },
])(
  "mode map: a power cut in an orderly end, $what, shows no wrong value and takes nothing that was flushed",
  async ({ isFlushed }) => {
    const more = { historyEntries: 400 };
    const random = new SeededRandom(TEST_SEED);
    let cuts = 0;
    for (let run = 0; run < RUNS; run++) {
      const world = new LeaveWorld();
      const host = world.host("map", more);
      for (const id of ["a.one", "b.three"]) define(host, id, 70);
      // Pages of an earlier lap are on the disk.
      collect(world, host, 500);
      world.disk.writeBack();
      collect(world, host, random.below(100));
      if (isFlushed) await (host.files as HostDirectory).flush();
      const flushedSec = isFlushed ? world.nowSec - 1 : 0;
      collect(world, host, random.below(100));
      const before = host.chartList().map((chart) => held(chart, 69, world.nowSec - 400, world.nowSec));
      const isCut = await endInPart(world, 1 + (run % 6), random);
      if (isCut) cuts++;
      world
        .host("map", more)
        .chartList()
        .forEach((chart, index) => {
          const left = held(chart, 69, world.nowSec - 400, world.nowSec);
          for (const [second, value] of left) expect([second, value]).toEqual([second, expectedAt(chart, 69, second)]);
          const safe = [...before[index]!.keys()].filter((second) => !isCut || second <= flushedSec);
          expect([run, safe.filter((second) => !left.has(second))]).toEqual([run, []]);
        });
    }
    expect(cuts).toBeGreaterThanOrEqual(RUNS / 3);
    expect(cuts).toBeLessThan(RUNS);
  },
);
