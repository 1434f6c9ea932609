import { lineEnd, splitFields } from "../../base/fields.ts";
import { KeyedLines } from "../../base/keyed-lines.ts";
import { parseInteger } from "../../base/number.ts";
import { formatError } from "../../base/source-error.ts";
import type { CollectorContext, CollectorModule } from "../collector.ts";
import { absolute, type ChartSpec, type DimensionSpec, incremental, LazyChart } from "../lazy-chart.ts";

/** Words of a `cpu` line: its name and ten counters. */
const CPU_WORDS_MAX = 11;
/** Fewest counters a `cpu` line ever had (2.4 kernels: user nice system idle). */
const CPU_COUNTERS_MIN = 4;
/** More cores than any kernel is built for (CONFIG_NR_CPUS ≤ 8192): a bound for a damaged file. */
const CORES_MAX = 8192;
const MODULE = "/proc/stat";

/** Position of each dimension's counter in the `cpu` line: 0 user, 1 nice … 9 guest_nice. */
const COUNTER_OF_DIMENSION = [9, 8, 7, 6, 5, 0, 2, 1, 4, 3] as const;

/** CPU time in all and per core, interrupts, context switches, forks, running and blocked processes. */
export const stat: CollectorModule = {
  name: "stat",
  everySecMin: 1,
  start(context) {
    const file = context.files.openProc("stat");
    const cpus = new CpuLines(context);
    const keys = new KeyedLines(["intr", "ctxt", "processes", "procs_running", "procs_blocked"], " ");
    const charts = [INTERRUPTS, SWITCHES, FORKS].map((spec) => new LazyChart(context, spec));
    const processes = new LazyChart(context, PROCESSES);
    return {
      collect(nowUs) {
        const length = file.readSome();
        const { bytes } = file;
        cpus.collect(file.path, bytes, length, nowUs);
        keys.load(bytes, length);
        for (let i = 0; i < charts.length; i++) {
          if (!keys.has(i)) continue;
          const start = keys.valueStart(i);
          const chart = charts[i]!;
          if (!chart.setText(0, bytes, start, keys.valueEnd(start))) {
            throw formatError(file.path, "a counter", bytes, start, lineEnd(bytes, start, length));
          }
          chart.commit(nowUs);
        }
        processes.set(0, keys.number(3));
        processes.set(1, keys.number(4));
        processes.commit(nowUs);
      },
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  },
};

/** The lines `cpu`, `cpu0`, `cpu1` … at the head of /proc/stat. A core that went offline has no line: a gap. */
class CpuLines {
  private readonly context: CollectorContext;
  private readonly total: LazyChart;
  private readonly cores: (LazyChart | undefined)[] = [];
  private readonly spans = new Int32Array(2 * CPU_WORDS_MAX);
  private readonly counters = new Float64Array(CPU_WORDS_MAX - 1);
  private coreCount = 0;

  constructor(context: CollectorContext) {
    this.context = context;
    this.total = new LazyChart(context, cpuSpec("system.cpu", "Total CPU utilization", "cpu", "system.cpu", 100));
  }

  collect(path: string, bytes: Buffer, length: number, nowUs: number): void {
    let cores = 0;
    for (let start = 0; start < length; ) {
      const end = lineEnd(bytes, start, length);
      if (!isCpuLine(bytes, start, end)) break;
      const words = splitFields(bytes, start, end, this.spans);
      if (!this.parse(bytes, words)) throw formatError(path, "CPU counters", bytes, start, end);
      const nameEnd = this.spans[1]!;
      if (nameEnd === start + 3) this.emit(this.total, nowUs);
      else {
        const core = parseInteger(bytes, start + 3, nameEnd);
        if (!(core >= 0 && core < CORES_MAX)) throw formatError(path, "a core number", bytes, start, end);
        this.emit(this.coreChart(core), nowUs);
        cores++;
      }
      start = end + 1;
    }
    if (cores !== this.coreCount) {
      this.coreCount = cores;
      this.context.charts.hostVariable("active_processors", cores);
    }
  }

  /** Counters that the kernel never had are 0. */
  private parse(bytes: Buffer, words: number): boolean {
    const { spans, counters } = this;
    if (words <= CPU_COUNTERS_MIN) return false;
    counters.fill(0);
    for (let i = 1; i < words; i++) {
      const value = parseInteger(bytes, spans[2 * i]!, spans[2 * i + 1]!);
      if (Number.isNaN(value)) return false;
      counters[i - 1] = value;
    }
    // The kernel counts guest time a second time as user time, and guest_nice as nice.
    counters[0] = Math.max(0, counters[0]! - counters[8]!);
    counters[1] = Math.max(0, counters[1]! - counters[9]!);
    return true;
  }

  private emit(chart: LazyChart, nowUs: number): void {
    for (let i = 0; i < COUNTER_OF_DIMENSION.length; i++) chart.set(i, this.counters[COUNTER_OF_DIMENSION[i]!]!);
    chart.commit(nowUs);
  }

  private coreChart(core: number): LazyChart {
    let chart = this.cores[core];
    if (chart === undefined) {
      const spec = cpuSpec(`cpu.cpu${core}`, "Core utilization", "utilization", "cpu.cpu", 1001 + core);
      chart = new LazyChart(this.context, spec);
      this.cores[core] = chart;
    }
    return chart;
  }
}

function isCpuLine(bytes: Buffer, start: number, end: number): boolean {
  return end - start > 3 && bytes[start] === 0x63 && bytes[start + 1] === 0x70 && bytes[start + 2] === 0x75;
}

function cpuSpec(id: string, title: string, family: string, context: string, priority: number): ChartSpec {
  return {
    id,
    type: "stacked",
    rule: "always",
    meta: { title, units: "percentage", family, context, priority, module: MODULE },
    dimensions: CPU_DIMENSIONS,
  };
}

const CPU_DIMENSIONS: readonly DimensionSpec[] = [
  "guest_nice",
  "guest",
  "steal",
  "softirq",
  "irq",
  "user",
  "system",
  "nice",
  "iowait",
  "idle",
].map((id) => ({
  id,
  algorithm: "percentage-of-incremental-row",
  multiplier: 1,
  divisor: 1,
  ...(id === "idle" && { options: { hidden: true } }),
}));

const INTERRUPTS: ChartSpec = {
  id: "system.intr",
  type: "line",
  rule: "always",
  meta: {
    title: "CPU Interrupts",
    units: "interrupts/s",
    family: "interrupts",
    priority: 900,
    module: MODULE,
    detail: true,
  },
  dimensions: [incremental("interrupts")],
};

const SWITCHES: ChartSpec = {
  id: "system.ctxt",
  type: "line",
  rule: "always",
  meta: {
    title: "CPU Context Switches",
    units: "context switches/s",
    family: "processes",
    priority: 800,
    module: MODULE,
  },
  dimensions: [incremental("switches")],
};

const FORKS: ChartSpec = {
  id: "system.forks",
  type: "line",
  rule: "always",
  meta: {
    title: "Started Processes",
    units: "processes/s",
    family: "processes",
    priority: 700,
    module: MODULE,
    detail: true,
  },
  dimensions: [incremental("started")],
};

const PROCESSES: ChartSpec = {
  id: "system.processes",
  type: "line",
  rule: "always",
  meta: { title: "System Processes", units: "processes", family: "processes", priority: 600, module: MODULE },
  dimensions: [absolute("running"), absolute("blocked", -1)],
};
