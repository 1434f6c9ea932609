import { expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { headerBytes, TILE_SLOTS, tileChecksOffset } from "../../agent/rrd/store/geometry.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import type { SimulatedDisk } from "../simulated-disk.ts";
import { define, GUID, held, StorageWorld } from "../storage-world.ts";

const DIRECTORY = `/state/db/${GUID}`;
const COLUMNS = 64;
const SLOTS = 128;
const HEADER_BYTES = headerBytes({ columns: COLUMNS, slots: SLOTS });
const TILE_CHECKS_AT = tileChecksOffset({ columns: COLUMNS, slots: SLOTS });
/** Of the values and flags every so many bytes are damaged: an odd number, so that every byte of a value has its turn. */
const STRIDE = IS_SOAK ? 1 : 29;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 20 : 1);

const expectedAt = (chart: Chart, index: number, second: number) =>
  (second % 100_000) * 16 + index + (chart.id === "a.two" ? 8 : 0);

/** The files of a small host; after a kill, so that one block is open. */
class Specimen {
  readonly world = new StorageWorld();
  readonly files = new Map<string, Uint8Array>();

  constructor() {
    const { world } = this;
    const host = world.host("map", { historyEntries: 60 });
    const charts = [define(host, "a.one", 3)];
    for (let i = 0; i < 60; i++) world.tick(charts, expectedAt);
    charts.push(define(host, "a.two", 2));
    for (let i = 0; i < 75; i++) world.tick(charts, expectedAt);
    for (const segment of host.ring!.segments) segment.sealOver(world.nowSec);
    world.kill();
    for (const name of world.disk.list(DIRECTORY))
      this.files.set(name, Uint8Array.from(world.disk.read(`${DIRECTORY}/${name}`)!));
  }

  /** @returns what a start makes of these files, one of them changed. */
  load(name: string, bytes: Uint8Array): Host {
    const { world } = this;
    const { disk } = world;
    world.disk.crash();
    for (const left of disk.list(DIRECTORY)) disk.remove(`${DIRECTORY}/${left}`);
    for (const [path, content] of this.files) write(disk, `${DIRECTORY}/${path}`, path === name ? bytes : content);
    world.told.length = 0;
    world.start();
    return world.host("map", { historyEntries: 60 });
  }

  /** @returns how many values stand where they were not stored: each tells where it belongs. */
  wrongValues(host: Host): number {
    return this.countValues(host).wrong;
  }

  countValues(host: Host): { held: number; wrong: number } {
    const { nowSec } = this.world;
    let wrong = 0;
    let count = 0;
    for (const chart of host.chartList()) {
      for (let index = 0; index < chart.dimensions.count; index++) {
        const values = held(chart, index, nowSec - 3 * SLOTS, nowSec + 10);
        for (const [second, value] of values) if (value !== expectedAt(chart, index, second)) wrong++;
        count += values.size;
      }
    }
    return { held: count, wrong };
  }

  /** What was set aside is there, and nothing was told twice. */
  expectSetAside(): void {
    const names = this.world.disk.list(DIRECTORY);
    for (const text of this.world.told) {
      const name = /^aside ([^:]*):/.exec(text)?.[1];
      if (name !== undefined) expect(names.some((found) => found.startsWith(`${name}.bad-`))).toBe(true);
    }
  }

  /** The host is of use: whatever was lost is defined anew. */
  expectOfUse(host: Host): void {
    const { world } = this;
    const now = world.nowSec;
    const charts = ["a.one", "a.two"].map((id) => host.chart(id) ?? define(host, id, 2));
    for (let i = 0; i < 4; i++) world.tick(charts, expectedAt);
    for (const chart of charts) {
      expect(held(chart, 0, world.nowSec, world.nowSec).get(world.nowSec)).toBe(expectedAt(chart, 0, world.nowSec));
    }
    world.nowSec = now;
  }
}

function write(disk: SimulatedDisk, path: string, bytes: Uint8Array): void {
  using file = disk.create(path);
  file.write(bytes);
}

function damaged(bytes: Uint8Array, at: number, mask: number): Uint8Array {
  const copy = bytes.slice();
  copy[at] = copy[at]! ^ mask;
  return copy;
}

/** Block in whose values or flags a byte of the file lies. */
function blockAt(at: number): number {
  const values = COLUMNS * SLOTS * 4;
  const offset = at - HEADER_BYTES;
  return Math.floor(offset < values ? offset / (COLUMNS * TILE_SLOTS * 4) : (offset - values) / (COLUMNS * TILE_SLOTS));
}

test(
  "a segment with any byte changed: no value is wrong but, in the open block, the one that was hit; one tile is lost",
  () => {
    const specimen = new Specimen();
    const random = new SeededRandom(TEST_SEED);
    const bytes = specimen.files.get("seg-0.rrd")!;
    const stamps = new Float64Array(bytes.slice(128, 128 + 8 * (SLOTS / TILE_SLOTS)).buffer);
    expect([...stamps].filter((stamp) => stamp < 0)).toHaveLength(1);
    expect([...stamps].filter((stamp) => stamp > 0)).toHaveLength(1);
    const whole = specimen.countValues(specimen.load("", bytes));
    expect(whole.wrong).toBe(0);
    let hits = 0;
    let losses = 0;
    for (let at = 0; at < bytes.length; at += at < HEADER_BYTES ? 1 : STRIDE) {
      const host = specimen.load("seg-0.rrd", damaged(bytes, at, 1 << random.below(8)));
      const { held: left, wrong } = specimen.countValues(host);
      const isOpenBlock = at >= HEADER_BYTES && stamps[blockAt(at)]! > 0;
      if (wrong > (isOpenBlock ? 1 : 0)) throw new Error(`byte ${at}: ${wrong} values are wrong`);
      // Behind the records damage costs one tile, not its block.
      const lostMax = at < TILE_CHECKS_AT ? whole.held : TILE_SLOTS;
      if (left < whole.held - lostMax) throw new Error(`byte ${at}: ${whole.held - left} values are gone`);
      hits += wrong;
      if (left < whole.held) losses++;
      specimen.expectSetAside();
      if (at < HEADER_BYTES && at % 8 === 0) specimen.expectOfUse(host);
    }
    expect(losses).toBeGreaterThan(100);
    // The damage was real: an open block has nothing that could tell it.
    if (IS_SOAK) expect(hits).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

test("a segment cut anywhere is set aside, and the host goes on", () => {
  const specimen = new Specimen();
  const bytes = specimen.files.get("seg-0.rrd")!;
  for (let length = 0; length < bytes.length; length += length < HEADER_BYTES && IS_SOAK ? 1 : 97) {
    const host = specimen.load("seg-0.rrd", bytes.subarray(0, length));
    expect([length, specimen.wrongValues(host)]).toEqual([length, 0]);
    expect(specimen.world.told[0]).toStartWith("aside seg-0.rrd:");
    specimen.expectSetAside();
    specimen.expectOfUse(host);
  }
});

test("a catalogue with any byte changed, or cut anywhere: what is read is true, the rest is set aside", () => {
  const specimen = new Specimen();
  const random = new SeededRandom(TEST_SEED);
  const bytes = specimen.files.get("catalog.jsonl")!;
  for (let at = 0; at < bytes.length; at++) {
    for (const changed of [damaged(bytes, at, 1 << random.below(8)), bytes.subarray(0, at)]) {
      const host = specimen.load("catalog.jsonl", changed);
      expect([at, specimen.wrongValues(host)]).toEqual([at, 0]);
      specimen.expectSetAside();
      specimen.expectOfUse(host);
      expect(specimen.world.disk.list(DIRECTORY).some((name) => name.startsWith("seg-0.rrd"))).toBe(true);
    }
  }
});
