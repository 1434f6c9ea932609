import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createFiles } from "../../agent/base/files.ts";
import { readStored } from "../../agent/rrd/read.ts";
import { ioBetween, memoryText, readIo } from "./process-io.ts";
import { DatabaseLayout, HISTORY, type Layout, RowLayout, type Shape } from "./storage-layouts.ts";

// What files cost: bun storage.bench.ts [HOSTS CHARTS DIMENSIONS SECONDS [DIRECTORY [MODE…]]]
// MODE = map, rows (the same number of values, one row a dimension, in mapped files) or ram; all by default.
// DIRECTORY takes about 5 bytes × 3712 for each dimension, and is emptied again; root also measures a start with a cold page cache.
/** Ticks as fast as they go before those of one a second: two blocks are opened. */
const FAST_TICKS = 130;

async function fill(mode: string, directory: string, shape: Shape, seconds: number): Promise<void> {
  const startSec = nowSec() - FAST_TICKS;
  const layout = layoutOf(mode, directory, shape, startSec);
  let before = readIo(directory);
  const createdMs = await milliseconds(() => layout.create());
  const made = ioBetween(before, readIo(directory));
  say(`create: ${ms(createdMs)}, ${(createdMs / shape.hosts).toFixed(1)} ms a host; ${mb(made.dirtiedBytes)} dirtied`);
  await sayFlush("flush of the new files", mode, directory);

  const values = shape.hosts * shape.charts * shape.dimensions;
  before = readIo(directory);
  const fast: number[] = [];
  for (let tick = 0; tick < FAST_TICKS; tick++) fast.push(await milliseconds(() => layout.tick(startSec + tick)));
  const ran = ioBetween(before, readIo(directory));
  const [first, ...rest] = fast;
  const ns = ((median(rest) * 1e6) / values).toFixed(1);
  const average = ((sum(rest) * 1e6) / rest.length / values).toFixed(1);
  say(
    `fast: median ${ns} ns a value, average ${average}; tick: first ${ms(first!)}, then median ${ms(median(rest))}, ` +
      `longest ${ms(Math.max(...rest))}; ${(ran.minorFaults / FAST_TICKS).toFixed(0)} page faults a tick ` +
      `(${ran.majorFaults} with a read); ${mb(ran.dirtiedBytes)} dirtied`,
  );
  await sayFlush("flush after that", mode, directory);
  await atOneHertz(layout, directory, seconds);
  say(memoryText());
  await sayFlush("flush at the end", mode, directory);
  say(`orderly end: ${ms(await milliseconds(() => layout.close()))}`);
}

async function atOneHertz(layout: Layout, directory: string, seconds: number): Promise<void> {
  const ticks: number[] = [];
  const upkeeps: number[] = [];
  let late = 0;
  const before = readIo(directory);
  const startMs = performance.now();
  for (let tick = 0; tick < seconds && performance.now() - startMs < 1000 * seconds; tick++) {
    const waitMs = startMs + tick * 1000 - performance.now();
    if (waitMs > 0) await Bun.sleep(waitMs);
    else if (waitMs < -500) late++;
    ticks.push(await milliseconds(() => layout.tick(nowSec())));
    upkeeps.push(await milliseconds(() => layout.upkeep()));
  }
  const minutes = (performance.now() - startMs) / 60_000;
  const ran = ioBetween(before, readIo(directory));
  say(
    `1 Hz: CPU ${ms(ran.cpuMs / ticks.length)} a tick; values median ${ms(median(ticks))}, average ` +
      `${ms(sum(ticks) / ticks.length)}, longest ${ms(Math.max(...ticks))}; upkeep median ${ms(median(upkeeps))}, longest ${ms(Math.max(...upkeeps))}; ` +
      `${ticks.length} ticks in ${(minutes * 60).toFixed(0)} s, ${late} late`,
  );
  say(
    `1 Hz: ${mb(ran.dirtiedBytes / minutes)} a minute dirtied, ${mb(ran.diskBytes / minutes)} a minute to the disk; ` +
      `${(ran.minorFaults / ticks.length).toFixed(0)} page faults a tick (${ran.majorFaults} with a read)`,
  );
}

async function start(directory: string, shape: Shape): Promise<void> {
  const layout = new DatabaseLayout(directory, shape, "map", nowSec());
  const before = readIo(directory);
  const readableMs = await milliseconds(() => {
    layout.storage!.restoreArchived((stored) => ({ ...stored, gapIterations: 3, isLocal: false }));
  });
  const ran = ioBetween(before, readIo(directory));
  if (layout.database.hostCount !== shape.hosts) throw new Error(`${layout.database.hostCount} hosts came back`);
  say(
    `all readable after ${ms(readableMs)} (CPU ${ms(ran.cpuMs)}), ${(readableMs / shape.hosts).toFixed(2)} ms a host; ` +
      `${ran.minorFaults} page faults (${ran.majorFaults} with a read); ${memoryText()}`,
  );
  const out = new Float64Array(HISTORY);
  let held = 0;
  const queriesMs = await milliseconds(() => {
    for (const host of layout.database.hosts) {
      const chart = host.chart("load.chart0")!;
      readStored(chart, 0, chart.lastEntrySec - HISTORY + 1, chart.lastEntrySec, out);
      for (const value of out) if (!Number.isNaN(value)) held++;
    }
  });
  say(`first read of a whole dimension: ${(queriesMs / shape.hosts).toFixed(2)} ms a host, ${held} values`);
}

/** Makes the disk take what is in each file, one after the other. */
async function sayFlush(what: string, mode: string, directory: string): Promise<void> {
  if (mode === "ram") return;
  const files = createFiles();
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rrd"));
  const tookMs = await milliseconds(async () => {
    for (const name of names) await files.sync(join(directory, name));
  });
  say(`${what}: ${names.length} in ${ms(tookMs)}`);
}

function layoutOf(mode: string, directory: string, shape: Shape, startSec: number): Layout {
  if (mode === "rows") return new RowLayout(directory, shape);
  if (mode === "map" || mode === "ram") return new DatabaseLayout(directory, shape, mode, startSec);
  throw new Error(`${mode} is not one of map, rows, ram`);
}

/** @returns whether it could. */
function dropPageCache(): boolean {
  Bun.spawnSync(["sync"]);
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    return true;
  } catch {
    return false; // only root may
  }
}

async function milliseconds(work: () => void | Promise<void>): Promise<number> {
  const startNs = Bun.nanoseconds();
  const done = work();
  if (done instanceof Promise) await done;
  return (Bun.nanoseconds() - startNs) / 1e6;
}

function nowSec(): number {
  return Math.floor(Date.now() / 1000);
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function ms(value: number): string {
  return value >= 10_000 ? `${(value / 1000).toFixed(1)} s` : `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0)} MB`;
}

function say(text: string): void {
  process.stdout.write(`  ${text}\n`);
}

const [hosts = "20", charts = "100", dimensions = "15", seconds = "20", where = tmpdir(), ...modes] =
  process.argv.slice(2);
const [work, mode = "", directory = ""] = modes[0] === "in" ? modes.slice(1) : [];
const shape = { hosts: Number(hosts), charts: Number(charts), dimensions: Number(dimensions) };

if (work === "fill") await fill(mode, directory, shape, Number(seconds));
else if (work === "start") await start(directory, shape);
else {
  const root = mkdtempSync(join(where, "tributary-bench-"));
  const run = (name: string, ...args: string[]) => {
    process.stdout.write(`${name}\n`);
    // Each in a process of its own, so that none inherits the heap or the mappings of another.
    const argv = [process.execPath, import.meta.path, hosts, charts, dimensions, seconds, where, "in", ...args];
    const { success } = Bun.spawnSync(argv, { stdout: "inherit", stderr: "inherit" });
    if (!success) throw new Error(`${name} failed`);
  };
  try {
    for (const each of modes.length > 0 ? modes : ["map", "rows", "ram"]) {
      const inside = join(root, each);
      mkdirSync(inside);
      run(`${each}, ${hosts} hosts × ${charts} charts × ${dimensions} dimensions × ${HISTORY}`, "fill", each, inside);
      if (each === "map") run("map, start with a warm page cache", "start", each, inside);
      if (each === "map" && dropPageCache()) run("map, start with a cold page cache", "start", each, inside);
      rmSync(inside, { recursive: true, force: true });
    }
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
