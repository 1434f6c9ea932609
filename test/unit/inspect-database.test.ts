import { describe, expect, test } from "bun:test";
import type { InspectWorld } from "../../agent/app/database-files.ts";
import { type ExportOptions, exportDatabase } from "../../agent/app/export-database.ts";
import { statDatabase } from "../../agent/app/stat-database.ts";
import { verifyDatabase } from "../../agent/app/verify-database.ts";
import { errorCode } from "../../agent/base/errors.ts";
import { SimplePattern } from "../../agent/base/pattern.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import {
  headerBytes,
  recordsOffset,
  ringSlots,
  SEGMENT_COLUMNS_SMALL,
  TILE_SLOTS,
} from "../../agent/rrd/store/geometry.ts";
import { SeededRandom } from "../seeded-random.ts";
import { dimension } from "../simulated-host.ts";
import { DIRECTORY, define, GUID, held, StorageWorld } from "../storage-world.ts";

const HOST_PATH = `${DIRECTORY}/${GUID}`;
/** Six blocks: the oldest ones get sealed. */
const HISTORY = { historyEntries: 300 };
const ALL: ExportOptions = {
  format: "csv",
  isUnix: true,
  host: null,
  charts: null,
  fromSec: 0,
  toSec: Number.MAX_SAFE_INTEGER,
};

/** Where the first chart record is in a segment of 400 slots. */
const recordAt = recordsOffset(ringSlots(400));

const expectedAt = (chart: { id: string }, index: number, second: number) =>
  (second % 1000) * 10 + index + chart.id.length * 10_000;

/** What sees the files of a world: it cannot change anything there. */
function inspect(world: StorageWorld, files: Partial<InspectWorld["files"]> = {}): InspectWorld {
  const { disk } = world;
  const reading = {
    list: (path: string) => disk.list(path),
    read: (path: string) => disk.read(path),
    open: (path: string) => disk.open(path),
    size: (path: string) => disk.size(path),
  };
  return { files: { ...reading, ...files }, processes: world.processes, nowSec: () => world.nowSec };
}

/** The agent has ended: nobody has the lock. */
function ended(world: StorageWorld): InspectWorld {
  return { ...inspect(world), processes: { bootId: world.bootId, startTicks: () => null } };
}

function exported(world: InspectWorld, options: Partial<ExportOptions> = {}, directory = "/state") {
  const pieces = exportDatabase(directory, { ...ALL, ...options }, world);
  let text = "";
  for (;;) {
    const { done, value } = pieces.next();
    if (done === true) return { lines: text.split("\n").slice(0, -1), ...value };
    text += Buffer.from(value).toString();
  }
}

/** `chart dimension` → second → value. */
function valuesOf(lines: readonly string[]): Map<string, Map<number, number>> {
  const all = new Map<string, Map<number, number>>();
  for (const line of lines.slice(1)) {
    const [time, , chart, dimension, value] = line.split(",");
    const key = `${chart} ${dimension}`;
    const values = all.get(key) ?? new Map<number, number>();
    all.set(key, values.set(Number(time), Number(value)));
  }
  return all;
}

/** The same of the charts in memory. */
function heldBy(world: StorageWorld, charts: readonly Chart[]): Map<string, Map<number, number>> {
  const all = new Map<string, Map<number, number>>();
  for (const chart of charts) {
    for (let index = 0; index < chart.dimensions.count; index++) {
      const values = held(chart, index, world.nowSec - 500, world.nowSec + 10);
      if (values.size > 0) all.set(`${chart.id} d${index}`, values);
    }
  }
  return all;
}

function verified(world: InspectWorld) {
  const steps = verifyDatabase("/state", world);
  const findings: string[] = [];
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return { findings, ...value };
    if (value.kind === "progress") continue;
    findings.push(`${value.kind} ${value.file.slice(HOST_PATH.length + 1)}: ${value.what}; ${value.cost}`);
  }
}

/** A host with two segments: a chart that fits in a small one, and one with the rest in another. */
async function fill(world: StorageWorld, seconds: number, mode: MemoryMode = "map"): Promise<Chart[]> {
  const host = world.host(mode, HISTORY);
  const charts = [define(host, "a.one", 3), define(host, "a.two22", 70)];
  for (let i = 0; i < seconds; i++) {
    world.tick(charts, expectedAt);
    world.storage.tick();
    // A flush that was begun goes on.
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  }
  return charts;
}

describe("export", () => {
  test.each([50, 250, 700])("holds what a running agent shows, after %d s", async (seconds) => {
    const world = new StorageWorld();
    const charts = await fill(world, seconds);
    const { lines, rows, leftOut } = exported(inspect(world));
    expect(lines[0]).toBe("time,host,chart,dimension,value");
    expect(valuesOf(lines)).toEqual(heldBy(world, charts));
    expect(rows).toBe(lines.length - 1);
    expect(rows).toBeGreaterThan(Math.min(seconds - 1, 299) * 73 - 1);
    expect(leftOut).toEqual([]);
  });

  test.each(["map", "save"] as const)("holds what an agent in mode %s left when it was closed", async (mode) => {
    const world = new StorageWorld();
    const charts = await fill(world, 400, mode);
    const before = heldBy(world, charts);
    await world.restart();
    expect(valuesOf(exported(inspect(world)).lines)).toEqual(before);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8])("after a power cut it is what the next start shows (%d)", async (seed) => {
    const random = new SeededRandom(seed);
    const world = new StorageWorld({ flushEverySec: 50 });
    const charts = await fill(world, 400);
    world.disk.syncDirectory(DIRECTORY);
    world.disk.syncDirectory(HOST_PATH);
    charts[0]!.host.retireChart(charts[1]!);
    world.cutPower(() => random.next());
    const found = valuesOf(exported(inspect(world)).lines);
    const host = world.host("map", HISTORY);
    expect(found).toEqual(heldBy(world, host.chartList()));
  });

  test.each([1, 2, 3, 4, 5, 6])("… also of columns that changed hands (%d)", async (seed) => {
    const random = new SeededRandom(seed);
    const world = new StorageWorld({ flushEverySec: 50 });
    const [one, two] = await fill(world, 300);
    const { host } = one!;
    host.retireChart(two!);
    for (const nowUs of [1, 1e18]) host.removeObsolete(nowUs, 0);
    expect(host.chart("a.two22")).toBeUndefined();
    // More than the columns that were never used: some of the other chart's are among them.
    for (let index = 3; index < 203; index++) host.defineDimension(one!, dimension(`d${index}`, "absolute"));
    for (let i = 0; i < 40; i++) {
      world.tick([one!], expectedAt);
      world.storage.tick();
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
    // The kernel has written the line that gives the columns away, and not yet that they were emptied.
    await world.disk.sync(`${HOST_PATH}/catalog.jsonl`);
    world.disk.syncDirectory(DIRECTORY);
    world.disk.syncDirectory(HOST_PATH);
    world.cutPower(() => random.next());
    const { lines } = exported(inspect(world));
    expect(valuesOf(lines)).toEqual(heldBy(world, world.host("map", HISTORY).chartList()));
    for (const line of lines.slice(1)) {
      const [time, , chart, dimension, value] = line.split(",");
      expect(Number(value)).toBe(expectedAt({ id: chart! }, Number(dimension!.slice(1)), Number(time)));
    }
  });

  test("a history that was made shorter or longer shows what fits", async () => {
    const world = new StorageWorld();
    await fill(world, 100);
    const before = exported(inspect(world)).rows;
    world.kill();
    world.host("map", { historyEntries: 700 });
    expect(exported(inspect(world)).rows).toBe(before);
  });

  test("takes one host, some charts, and a part of the time", async () => {
    const world = new StorageWorld();
    await fill(world, 100);
    world.host("map", { machineGuid: GUID.replace("0001", "0002"), hostname: 'odd, "host"' });
    const { nowSec } = world;
    const time = { fromSec: nowSec - 1.5, toSec: nowSec };
    const { lines } = exported(inspect(world), { ...time, host: "child", charts: new SimplePattern("*.one") });
    const rowsOf = (second: number) =>
      [0, 1, 2].map((index) => `${second},child,a.one,d${index},${expectedAt({ id: "a.one" }, index, second)}`);
    expect(lines.slice(1)).toEqual([...rowsOf(nowSec - 1), ...rowsOf(nowSec)]);
    expect(exported(inspect(world), { host: GUID.toUpperCase() }).rows).toBeGreaterThan(100);
    const none = exported(inspect(world), { fromSec: nowSec + 1 });
    expect([none.rows, none.newestSec, none.lines]).toEqual([0, nowSec, ["time,host,chart,dimension,value"]]);
  });

  test("as JSON lines and with times for people; names with commas and quotes", async () => {
    const world = new StorageWorld();
    const host = world.host("map", { hostname: 'odd, "host"' });
    const chart = define(host, "a.one", 1);
    for (let i = 0; i < 3; i++) world.tick([chart], () => 1.5);
    const { nowSec } = world;
    const iso = new Date(nowSec * 1000).toISOString().replace(".000", "");
    const json = exported(inspect(world), { format: "jsonl", isUnix: false }).lines.map((line) => JSON.parse(line));
    expect(json.at(-1)).toEqual({ time: iso, host: 'odd, "host"', chart: "a.one", dimension: "d0", value: 1.5 });
    const csv = exported(inspect(world), { isUnix: false }).lines;
    expect(csv.at(-1)).toBe(`${iso},"odd, ""host""",a.one,d0,1.5`);
  });

  test("an unknown host or chart is told with those that are there", async () => {
    const world = new StorageWorld();
    await fill(world, 5);
    expect(() => exported(inspect(world), { host: "other" })).toThrow(/no host "other"\n {2}hint: .*child/);
    expect(() => exported(inspect(world), { charts: new SimplePattern("b.*") })).toThrow('no chart "b.*"');
  });
});

describe("beside a running agent", () => {
  /** Files that do something between any two reads of them. */
  const between = (world: StorageWorld, act: (reads: number) => void): Partial<InspectWorld["files"]> => {
    let reads = 0;
    return {
      open(path) {
        const file = world.disk.open(path);
        if (file === null) return null;
        const readInto = (target: Uint8Array, offset: number) => {
          act(++reads);
          file.readInto(target, offset);
        };
        return { bytes: file.bytes, readInto, [Symbol.dispose]: () => file[Symbol.dispose]() };
      },
    };
  };

  test.each([
    [1, 3, 300],
    [2, 10, 300],
    [3, 17, 300],
    [5, 70, 0],
    [3, 130, 0],
    [4, 190, 0],
    [5, 130, 0],
    [7, 384, 0],
    [1, 130, 0],
  ])("values are those of their second: every %d reads %d s pass", async (every, seconds, rowsMin) => {
    const world = new StorageWorld();
    const charts = await fill(world, 500);
    const files = between(world, (reads) => {
      if (reads % every !== 0) return;
      for (let second = 0; second < seconds; second++) {
        world.tick(charts, expectedAt);
        world.storage.tick();
      }
    });
    const { findings } = verified(inspect(world, files));
    expect(findings).toEqual([]);
    const { lines, leftOut } = exported(inspect(world, files));
    expect(leftOut).toEqual([]);
    expect(lines.length).toBeGreaterThan(rowsMin);
    for (const line of lines.slice(1)) {
      const [time, , chart, dimension, value] = line.split(",");
      const expected = expectedAt({ id: chart! }, Number(dimension!.slice(1)), Number(time));
      expect(Number(value)).toBe(expected);
    }
  });

  test("a sealed block that does not fit its checksum is read again before it counts as damaged", async () => {
    const world = new StorageWorld();
    await fill(world, 400);
    const torn = new Set<string>();
    const open = (path: string) => {
      const file = world.disk.open(path)!;
      const readInto = (target: Uint8Array, offset: number) => {
        file.readInto(target, offset);
        // As if the late value of a running agent came between the reading and the sealing.
        if (target.length <= 8192 || torn.has(`${path} ${offset}`)) return;
        torn.add(`${path} ${offset}`);
        target[5] = target[5]! ^ 1;
      };
      return { bytes: file.bytes, readInto, [Symbol.dispose]: () => file[Symbol.dispose]() };
    };
    const { findings, blocks } = verified(inspect(world, { open }));
    expect(findings).toEqual([]);
    expect(blocks).toBeGreaterThan(0);
    expect(torn.size).toBeGreaterThan(0);
  });

  test("a line of the catalogue that is just being written is read again", async () => {
    const world = new StorageWorld();
    await fill(world, 5);
    let reads = 0;
    const read = (path: string) => {
      const bytes = world.disk.read(path);
      return path.endsWith(".jsonl") && ++reads === 1 ? bytes!.subarray(0, -7) : bytes;
    };
    expect(verified(inspect(world, { read })).findings).toEqual([]);
    expect(reads).toBe(2);
  });

  test("the agent goes on with files that were looked at", async () => {
    const world = new StorageWorld();
    const charts = await fill(world, 400);
    const { calls } = world.disk;
    world.disk.isReadOnly = true;
    statDatabase("/state", inspect(world));
    verified(inspect(world));
    const before = exported(inspect(world)).rows;
    expect(world.disk.calls).toBeGreaterThan(calls);
    world.disk.isReadOnly = false;
    for (let i = 0; i < 70; i++) world.tick(charts, expectedAt);
    expect(exported(inspect(world)).rows).toBe(before);
    expect(world.told).toEqual([]);
  });
});

describe("stat", () => {
  test("sums up each host", async () => {
    const world = new StorageWorld();
    const charts = await fill(world, 50);
    const second = world.host("map", {
      machineGuid: GUID.replace("0001", "0002"),
      hostname: "other",
      updateEverySec: 2,
    });
    define(second, "b.empty", 1);
    const { directory, holderPid, hosts } = statDatabase("/state/db", inspect(world));
    expect([directory, holderPid, hosts.length]).toEqual([DIRECTORY, world.processes.pid, 2]);
    const values = held(charts[0]!, 0, world.nowSec - 60, world.nowSec);
    expect(hosts[0]).toEqual({
      machineGuid: GUID,
      hostname: "child",
      memoryMode: "map",
      updateEverySec: 1,
      ...HISTORY,
      charts: 2,
      dimensions: 73,
      segments: 2,
      diskBytes: world.disk.list(HOST_PATH).reduce((sum, name) => sum + world.disk.size(`${HOST_PATH}/${name}`)!, 0),
      columns: SEGMENT_COLUMNS_SMALL + 256,
      columnsUsed: 73,
      oldestSec: Math.min(...values.keys()),
      newestSec: world.nowSec,
      state: "in_use",
      problem: "",
      setAside: [],
    });
    expect(hosts[1]).toMatchObject({ charts: 0, segments: 0, columns: 0, oldestSec: 0, newestSec: 0, state: "in_use" });
  });

  test("tells how the files were left", async () => {
    const world = new StorageWorld();
    await fill(world, 10);
    const state = (of: InspectWorld) => statDatabase(HOST_PATH, of).hosts[0]!.state;
    world.disk.crash();
    expect(state(ended(world))).toBe("killed");
    expect(state({ ...ended(world), processes: { bootId: "boot-2", startTicks: () => null } })).toBe("power_cut");
    world.kill();
    world.host();
    expect(state(inspect(world))).toBe("in_use");
    await world.restart();
    expect(state(ended(world))).toBe("closed");
    world.disk.remove(`${HOST_PATH}/catalog.jsonl`);
    expect(state(ended(world))).toBe("unusable");
  });

  test("names what was set aside and what cannot be used", async () => {
    const world = new StorageWorld();
    await fill(world, 10);
    await world.restart();
    world.disk.rename(`${HOST_PATH}/seg-0.rrd`, `${HOST_PATH}/seg-0.rrd.bad-7`);
    const [host] = statDatabase("/state", ended(world)).hosts;
    expect(host).toMatchObject({ setAside: ["seg-0.rrd.bad-7"], problem: "1 segment cannot be used", segments: 1 });
  });

  test.each([
    ["/nowhere", "database_missing", "/nowhere: no such directory"],
    ["/state/db/.lock", "database_missing", "it is a file"],
    ["/empty", "database_empty", "/empty: no host is stored in it"],
    [`${DIRECTORY}/${GUID.replace("0001", "0009")}`, "database_missing", "no such directory"],
  ])("%s: %s", async (directory, code, text) => {
    const world = new StorageWorld();
    await fill(world, 1);
    world.disk.makeDirectory("/empty");
    let error: unknown;
    try {
      statDatabase(directory, inspect(world));
    } catch (thrown) {
      error = thrown;
    }
    expect(errorCode(error)).toBe(code);
    expect(String(error)).toContain(text);
  });
});

describe("verify", () => {
  /** The bytes of a file of a host whose agent has ended. */
  const bytesOf = (world: StorageWorld, name: string) => world.disk.map(`${HOST_PATH}/${name}`);
  /** An agent that ran for long enough to seal blocks, and was stopped. */
  const stopped = async () => {
    const world = new StorageWorld({}, {});
    const host = world.host("map", { historyEntries: 400 });
    const charts = [define(host, "a.one", 3), define(host, "a.two22", 70)];
    for (let i = 0; i < 400; i++) {
      world.tick(charts, expectedAt);
      world.storage.tick();
    }
    await world.restart();
    return world;
  };

  test("finds nothing in sound files, running or stopped", async () => {
    const world = await stopped();
    const { findings, hosts, segments, blocks, problems } = verified(ended(world));
    expect({ findings, hosts, segments, problems }).toEqual({ findings: [], hosts: 1, segments: 2, problems: 0 });
    expect(blocks).toBeGreaterThanOrEqual(4);
  });

  test.each([
    [1, "a checksum of the block from TIME on is wrong", "64 s of a.one d0"],
    [2, "2 checksums of the block from TIME on are wrong", "64 s of a.one d0, a.one d1"],
    [0, "a checksum of the block from TIME on is wrong", "no values, at most the marks of counters that were reset"],
  ])("a sealed block, %d dimensions: one problem; they are left out as the agent does", async (count, what, cost) => {
    const world = await stopped();
    const before = exported(ended(world)).rows;
    const segment = bytesOf(world, "seg-0.rrd");
    const stamps = new Float64Array(segment.buffer, 128, 8);
    const block = stamps.findIndex((stamp) => stamp < 0);
    expect(block).toBeGreaterThanOrEqual(0);
    const first = headerBytes({ columns: SEGMENT_COLUMNS_SMALL, slots: ringSlots(400) });
    const hits = Array.from(
      { length: count },
      (_, column) => (block * SEGMENT_COLUMNS_SMALL + column) * TILE_SLOTS * 4,
    );
    // Its last column is not in use.
    if (count === 0) hits.push(((block + 1) * SEGMENT_COLUMNS_SMALL - 1) * TILE_SLOTS * 4);
    for (const hit of hits) segment[first + hit] = segment[first + hit]! ^ 1;
    const { findings, problems } = verified(ended(world));
    const time = new Date(-stamps[block]! * 1000).toISOString().replace(".000", "");
    expect(findings).toEqual([`problem seg-0.rrd: ${what.replace("TIME", time)}; ${cost}`]);
    expect(problems).toBe(1);
    const { rows, leftOut } = exported(ended(world));
    expect(rows).toBe(before - 64 * count);
    expect(leftOut).toEqual([`${HOST_PATH}/seg-0.rrd: 1 block with wrong checksums`]);
    const host = world.host("map", { historyEntries: 400 });
    expect(valuesOf(exported(inspect(world)).lines).get("a.one d1")).toEqual(
      held(host.chart("a.one")!, 1, world.nowSec - 500, world.nowSec),
    );
  });

  const costs70 = "the history of 70 dimensions of 1 chart";
  test.each<[string, (world: StorageWorld) => void, string[]]>([
    [
      "a header",
      (world) => bytesOf(world, "seg-1.rrd").fill(7, 20, 21),
      [`problem seg-1.rrd: the checksum of its header is wrong; ${costs70}`],
    ],
    [
      "a file that is gone",
      (world) => world.disk.remove(`${HOST_PATH}/seg-1.rrd`),
      [`problem seg-1.rrd: it is missing; ${costs70}`],
    ],
    [
      "a file that was cut",
      (world) => {
        using file = world.disk.append(`${HOST_PATH}/seg-1.rrd`);
        file.truncate(1000);
      },
      [`problem seg-1.rrd: 1000 bytes, too short for a header; ${costs70}`],
    ],
    [
      "a file of another place",
      (world) => world.disk.rename(`${HOST_PATH}/seg-0.rrd`, `${HOST_PATH}/seg-1.rrd`),
      [
        "problem seg-0.rrd: it is missing; the history of 3 dimensions of 1 chart",
        `problem seg-1.rrd: it is segment 0 of its host; ${costs70}`,
      ],
    ],
    [
      "the key of a record",
      (world) => new Uint32Array(bytesOf(world, "seg-1.rrd").buffer).fill(9, recordAt / 4 + 4, recordAt / 4 + 5),
      ["problem seg-1.rrd: no record of chart a.two22; the history of 70 dimensions of it"],
    ],
    [
      "one date of a record",
      (world) => new Float64Array(bytesOf(world, "seg-1.rrd").buffer).fill(1e300, recordAt / 8, recordAt / 8 + 1),
      ["problem seg-1.rrd: the record of chart a.two22 is dated impossibly; nothing, its copy counts"],
    ],
    [
      "no catalogue",
      (world) => world.disk.remove(`${HOST_PATH}/catalog.jsonl`),
      [
        "problem catalog.jsonl: it is missing; all that is stored of this host: nothing else says what is in its segments",
      ],
    ],
    [
      "a line of the catalogue",
      (world) => bytesOf(world, "catalog.jsonl").fill(0x58, 10, 11),
      ["problem catalog.jsonl:1: checksum; what this line said; its chart is as the lines before left it"],
    ],
    [
      "a line cut short",
      (world) => {
        using file = world.disk.append(`${HOST_PATH}/catalog.jsonl`);
        file.write(Buffer.from('["chart",9'));
      },
      [
        expect.stringMatching(
          /^problem catalog.jsonl:\d+: cut; a definition whose writing was cut short; it is written again/,
        ) as unknown as string,
      ],
    ],
  ])("%s", async (_, damage, expected) => {
    const world = await stopped();
    world.disk.crash();
    damage(world);
    const { findings, problems } = verified(ended(world));
    expect(findings).toEqual(expected);
    expect(problems).toBe(expected.length);
    // It is told, not mended, and what is sound is exported.
    expect(verified(ended(world)).findings).toEqual(expected);
    exported(ended(world));
  });

  test("files that were in use when the machine went down are a note, no problem", async () => {
    const world = new StorageWorld();
    await fill(world, 10);
    world.disk.crash();
    const { findings, problems } = verified({ ...ended(world), processes: { bootId: "2", startTicks: () => null } });
    expect(findings).toEqual([
      expect.stringContaining("note : not closed before the machine was started anew, 2 segments"),
    ]);
    expect(problems).toBe(0);
  });
});
