import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { completeToSec } from "../../agent/rrd/completeness.ts";
import type { DatabaseLimits } from "../../agent/rrd/database.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { define, held, StorageWorld } from "../storage-world.ts";

const guidOf = (number: number) => `aaaaaaaa-bbbb-cccc-dddd-eeeeeeee000${number}`;
const expectedAt = (_: Chart, index: number, second: number) => (second % 1000) * 10 + index;

/** An agent that finds four hosts of an earlier run; the second one was fed last, the third one first. */
async function started(mode: "save" | "map", limits: Partial<DatabaseLimits>) {
  const world = new StorageWorld({}, limits);
  for (const number of [3, 1, 4, 2]) {
    const chart = define(world.host(mode, { machineGuid: guidOf(number), hostname: `h${number}` }), "a.one", 3);
    for (let i = 0; i < 10; i++) world.tick([chart], expectedAt);
  }
  await world.restart();
  const displaced: string[] = [];
  world.database.onDisplaced = ({ hostname }) => displaced.push(hostname);
  world.database.watch({
    hostAdded: () => {},
    hostRemoved: ({ machineGuid }, isKept) => world.storage.closeHost(machineGuid, !isKept),
  });
  world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
  return { world, displaced };
}

function connect(world: StorageWorld, number: number, mode: "save" | "map" | "ram" = "map"): Host | null {
  const machineGuid = guidOf(number);
  const known = world.database.host(machineGuid);
  const host = known ?? world.database.addHost({ ...hostOptions(machineGuid, number), memoryMode: mode });
  if (host !== null) host.isConnected = true;
  return host;
}

function hostOptions(machineGuid: string, number: number) {
  const shape = { os: "linux", updateEverySec: 1, historyEntries: 120, gapIterations: 3, isLocal: false };
  return { ...shape, machineGuid, hostname: `h${number}` };
}

describe.each(["save", "map"] as const)("hosts of earlier runs, mode %s", (mode) => {
  test("the one with the oldest data makes place for a live host, and comes back with what it held", async () => {
    const { world, displaced } = await started(mode, { hosts: 4 });
    expect(world.database.hosts.every((host) => host.isArchived)).toBe(true);
    for (const number of [5, 6]) expect(connect(world, number, mode)).not.toBeNull();
    expect(displaced).toEqual(["h3", "h1"]);
    expect([world.database.hostCount, world.database.displacedHosts, world.database.refusedHosts]).toEqual([4, 2, 0]);
    // Its child is back, and takes the place of the next one.
    const back = connect(world, 3, mode)!;
    expect(displaced).toEqual(["h3", "h1", "h4"]);
    expect(held(back.chart("a.one")!, 1, world.nowSec - 60, world.nowSec).size).toBe(9);
    // Those that connected stay, whatever comes.
    expect(connect(world, 2, mode)!.hostname).toBe("h2");
    expect(connect(world, 7, mode)).toBeNull();
    expect([displaced.length, world.database.refusedHosts]).toEqual([3, 1]);
    world.database.hosts.forEach((host) => {
      host.isConnected = false;
      host.disconnectedUs = 1;
    });
    expect(connect(world, 7, mode)).toBeNull();
    await world.restart();
    world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
    const names = world.database.hosts.map(({ hostname }) => hostname);
    expect(names).toEqual(["h1", "h2", "h3", "h4"]);
    for (const host of world.database.hosts) {
      expect(held(host.chart("a.one")!, 2, world.nowSec - 60, world.nowSec).size).toBe(9);
    }
    expect(world.told).toEqual([]);
  });

  test("restoring displaces nobody: what does not fit stays on the disk", async () => {
    const { world, displaced } = await started(mode, { hosts: 4 });
    await world.restart();
    world.database.addHost({ ...hostOptions(guidOf(9), 9), memoryMode: "ram" });
    world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
    expect([displaced, world.database.hostCount, world.database.displacedHosts]).toEqual([[], 4, 0]);
  });
});

test("a live host takes the memory of archived ones, one after the other, and no more than it needs", async () => {
  // Four rings of 69,632 bytes, and what defines their charts.
  const memoryBytes = 300_000;
  const { world, displaced } = await started("save", { memoryBytes });
  const { budget } = world.database;
  const restored = world.database.hostCount;
  expect(restored).toBe(4);
  const live = connect(world, 5, "ram")!;
  const chart = define(live, "a.big", 5);
  for (let i = 0; i < 5; i++) world.tick([chart], expectedAt);
  expect(displaced).toEqual(["h3"]);
  expect(live.balance.dropped.no_space).toBe(0);
  expect(held(chart, 4, world.nowSec - 10, world.nowSec).size).toBe(4);
  expect(budget.bytes).toBeLessThanOrEqual(memoryBytes);
  // More than there can ever be takes nobody's memory.
  expect(budget.take(memoryBytes + 1)).toBe(false);
  expect(displaced).toEqual(["h3"]);
  const again = connect(world, 6, "ram")!;
  const more = define(again, "a.big", 5);
  world.tick([more], expectedAt);
  world.tick([more], expectedAt);
  expect(displaced).toEqual(["h3", "h1"]);
  await world.restart();
  for (const number of [1, 3]) {
    const host = world.host("save", { machineGuid: guidOf(number), hostname: `h${number}` });
    expect(held(host.chart("a.one")!, 0, world.nowSec - 60, world.nowSec).size).toBe(9);
  }
});

test("a restored host is complete up to where all charts that went on had come", async () => {
  const world = new StorageWorld();
  const host = world.host("map", { machineGuid: guidOf(1), hostname: "h1" });
  const [ahead, behind, stopped] = [define(host, "a.one", 1), define(host, "a.two", 1), define(host, "a.three", 1)];
  for (let i = 0; i < 5; i++) world.tick([ahead, behind, stopped], expectedAt);
  for (let i = 0; i < 50; i++) world.tick([ahead, behind], expectedAt);
  for (let i = 0; i < 2; i++) world.tick([ahead], expectedAt);
  const behindSec = behind.lastEntrySec;
  expect(ahead.lastEntrySec).toBe(behindSec + 2);
  await world.restart();
  world.storage.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
  expect(completeToSec(world.database.hosts[0]!)).toBe(behindSec);
});
