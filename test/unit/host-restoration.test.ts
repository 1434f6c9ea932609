import { describe, expect, test } from "bun:test";
import { HostRestoration } from "../../agent/app/host-restoration.ts";
import { defaultConfig } from "../../agent/config/schema.ts";
import { RecordedLog, SteppedClock } from "../collector-world.ts";
import { define, StorageWorld } from "../storage-world.ts";

/** A restart after which each look into a catalogue takes `readMs`. */
class RestartScene {
  readonly clock = new SteppedClock();
  readonly log = new RecordedLog();
  readonly world = new StorageWorld();
  readonly guids: string[];
  readonly restoration: HostRestoration;

  constructor(hosts: number, readMs: number) {
    const { world } = this;
    this.guids = Array.from(
      { length: hosts },
      (_, host) => `cccccccc-0000-0000-0000-${String(host).padStart(12, "0")}`,
    );
    for (const machineGuid of this.guids) world.tick([define(world.host("map", { machineGuid }), "a.b", 1)], () => 1);
    world.kill();
    const read = world.disk.read.bind(world.disk);
    world.disk.read = (path) => {
      if (path.endsWith("catalog.jsonl")) this.clock.block(readMs);
      return read(path);
    };
    this.restoration = new HostRestoration(defaultConfig(), world.storage, this);
  }

  get restored(): string[] {
    return this.world.database.hosts.map(({ machineGuid }) => machineGuid);
  }
}

describe("hosts of earlier runs", () => {
  test("are all there before the agent is ready when that takes less than half a second", () => {
    const { restored, guids, restoration, clock, log } = new RestartScene(10, 49);
    expect(restored).toEqual(guids);
    restoration.goOn();
    expect(clock.pendingTimers).toBe(0);
    expect(log.lines).toEqual([{ level: "info", event: "rrd.hosts_restored", fields: { ms: 490 } }]);
  });

  test("come in turns after that, so that none waits long for its turn", () => {
    const scene = new RestartScene(60, 10);
    expect(scene.restored).toEqual(scene.guids.slice(0, 50));
    scene.restoration.goOn();
    scene.clock.advance(1);
    expect(scene.restored).toEqual(scene.guids.slice(0, 52));
    scene.clock.advance(1000);
    expect(scene.restored).toEqual(scene.guids);
    expect(scene.clock.pendingTimers).toBe(0);
  });

  test("are restored at once when their child connects before their turn, and only once", () => {
    const scene = new RestartScene(60, 10);
    const machineGuid = scene.guids.at(-1)!;
    const host = scene.world.host("map", { machineGuid });
    expect(host.chartCount).toBe(1);
    scene.restoration.goOn();
    scene.clock.advance(1000);
    expect(scene.world.database.host(machineGuid)).toBe(host);
    expect(scene.restored.toSorted()).toEqual(scene.guids);
    expect(scene.world.told).toEqual([]);
  });

  test("stay on the disk when the agent stops before their turn", () => {
    const scene = new RestartScene(60, 10);
    scene.restoration.goOn();
    scene.restoration[Symbol.dispose]();
    scene.clock.advance(1000);
    expect(scene.restored).toHaveLength(50);
  });
});

test("what its child had not replayed yet when the agent ended is missing still, also when it connects before its turn", () => {
  const world = new StorageWorld();
  const host = world.host("map");
  world.tick([define(host, "a.b", 1)], () => 1);
  host.missingFromSec = world.nowSec - 500;
  host.files!.hostChanged();
  world.kill();
  expect(world.host("map").missingFromSec).toBe(world.nowSec - 500);
});
