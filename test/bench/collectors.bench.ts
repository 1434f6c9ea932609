import { memoryUsage } from "bun:jsc";
import { readFileSync } from "node:fs";
import { createSystemClock } from "../../agent/base/clock.ts";
import { silentLog } from "../../agent/base/log.ts";
import { SimplePattern } from "../../agent/base/pattern.ts";
import { createHostFiles } from "../../agent/base/proc-file.ts";
import type { Chart, Charts, Collector, CollectorContext, CollectorModule } from "../../agent/collector/collector.ts";
import { FILESYSTEM_EXCLUDE_DEFAULT } from "../../agent/collector/proc/diskspace.ts";
import { COLLECTORS } from "../../agent/collector/registry.ts";
import { Scheduler } from "../../agent/collector/scheduler.ts";

// Cost of one cycle of all collectors on this machine's /proc and /sys, charts that store nothing.
// bun test/bench/collectors.bench.ts [seconds at 1 Hz, default 0]
const RUNS = 9;
const CYCLES = 400;

/** Charts without a database behind them. */
const chart: Chart = {
  dimension: () => ({ set() {}, setBig() {} }),
  variable() {},
  commit() {},
  retire() {},
};
const charts: Charts = {
  line: () => chart,
  area: () => chart,
  stacked: () => chart,
  hostVariable() {},
  goesOn: () => false,
};
const files = createHostFiles("");
const clock = createSystemClock();

function createContext(module: CollectorModule, updateEverySec: number): CollectorContext {
  const excluded = new SimplePattern(module.excludeDefault ?? "");
  const filesystems = new SimplePattern(FILESYSTEM_EXCLUDE_DEFAULT);
  return {
    charts,
    updateEverySec,
    files,
    log: silentLog,
    clock,
    settings: {
      zeroMetrics: false,
      charts: {},
      partitions: false,
      isExcluded: (name) => excluded.matches(name),
      isFilesystemExcluded: (type) => filesystems.matches(type),
    },
  };
}

/** The files one cycle reads, sysfs companions of the interfaces left out. */
const SOURCES = [
  "stat",
  "loadavg",
  "uptime",
  "pressure/cpu",
  "pressure/memory",
  "pressure/io",
  "meminfo",
  "vmstat",
  "diskstats",
  "net/dev",
].map((name) => `/proc/${name}`);

/** The usual way: whole text, lines, words, numbers. */
function readAndSplit(): number {
  let sum = 0;
  for (const path of SOURCES) {
    for (const line of readFileSync(path, "latin1").split("\n")) {
      for (const word of line.split(/\s+/)) {
        const value = Number(word);
        if (value > 0) sum += value;
      }
    }
  }
  return sum;
}

function report(name: string, cycle: () => void): void {
  for (let i = 0; i < CYCLES; i++) cycle();
  const perCycleUs: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    for (let i = 0; i < CYCLES; i++) cycle();
    const { user, system } = process.cpuUsage(before);
    perCycleUs.push((user + system) / CYCLES);
  }
  perCycleUs.sort((a, b) => a - b);
  const [best, median] = [perCycleUs[0]!, perCycleUs[Math.floor(RUNS / 2)]!].map((us) => us.toFixed(1).padStart(7));
  const heap = heapBytesPerCycle(cycle);
  process.stdout.write(`${name.padEnd(28)} ${median} µs CPU a cycle (best ${best}), ${heap} heap bytes\n`);
}

function heapBytesPerCycle(cycle: () => void): number {
  const rounds = 100;
  Bun.gc(true);
  const before = memoryUsage().current;
  for (let i = 0; i < rounds; i++) cycle();
  return Math.max(0, Math.round((memoryUsage().current - before) / rounds));
}

function startAll(): { name: string; collector: Collector }[] {
  return COLLECTORS.flatMap((module) => {
    try {
      const collector = module.start(createContext(module, module.everySecMin));
      collector.collect(clock.nowUs());
      return [{ name: module.name, collector }];
    } catch (error) {
      process.stdout.write(`${module.name}: left out, ${error}\n`);
      return [];
    }
  });
}

const collectors = startAll();
// Time goes on by 5 s a cycle, so that what runs less often takes part in each.
let nowUs = clock.nowUs();
const cycle = (some: readonly Collector[]): void => {
  nowUs += 5e6;
  for (const collector of some) collector.collect(nowUs);
};
for (const { name, collector } of collectors) report(name, () => cycle([collector]));
const all = collectors.map(({ collector }) => collector);
report("all collectors", () => cycle(all));
report("readFileSync + split", () => void readAndSplit());
for (const { collector } of collectors) collector[Symbol.dispose]();

const seconds = Number(process.argv[2] ?? 0);
if (seconds > 0) {
  await idle("an empty timer at 1 Hz", []);
  await idle("all collectors at 1 Hz", COLLECTORS);
}

/** CPU of a process that does nothing else. */
async function idle(name: string, modules: readonly CollectorModule[]): Promise<void> {
  using scheduler = new Scheduler({
    clock,
    random: Math.random,
    log: silentLog,
    updateEverySec: 1,
    afterTick: () => {},
  });
  scheduler.configure(
    modules.map((module) => ({
      module,
      updateEverySec: 0,
      revision: "",
      createContext: (updateEverySec) => createContext(module, updateEverySec),
    })),
  );
  scheduler.start();
  await Bun.sleep(3000);
  const before = process.cpuUsage();
  await Bun.sleep(seconds * 1000);
  const { user, system } = process.cpuUsage(before);
  const perSecond = (user + system) / seconds;
  const percent = (perSecond / 10_000).toFixed(3);
  process.stdout.write(
    `${name.padEnd(28)} ${perSecond.toFixed(0).padStart(8)} µs CPU a second = ${percent} % of a core\n`,
  );
}
