import { describe, expect, test } from "bun:test";
import { createHostFiles, type FileCalls, systemFileCalls } from "../../agent/base/proc-file.ts";
import type { ChartSwitch, CollectorModule } from "../../agent/collector/collector.ts";
import { loadavg } from "../../agent/collector/proc/loadavg.ts";
import { meminfo } from "../../agent/collector/proc/meminfo.ts";
import { pressure } from "../../agent/collector/proc/pressure.ts";
import { stat } from "../../agent/collector/proc/stat.ts";
import { uptime } from "../../agent/collector/proc/uptime.ts";
import { vmstat } from "../../agent/collector/proc/vmstat.ts";
import { createTestContext, type TestContextOptions, TestTree } from "../collector-world.ts";

const SECOND_US = 1_000_000;

/** A collector over a tree of its own; each call of `collect` is a second later. */
function start(module: CollectorModule, files: Record<string, string>, options: TestContextOptions = {}) {
  const tree = new TestTree();
  for (const [path, text] of Object.entries(files)) tree.write(path, text);
  const context = createTestContext(module, { prefix: tree.root, ...options });
  const collector = module.start(context);
  return {
    tree,
    context,
    charts: context.charts,
    collect() {
      context.clock.advance(1000);
      collector.collect(context.clock.nowUs());
    },
    [Symbol.dispose]() {
      collector[Symbol.dispose]();
      tree[Symbol.dispose]();
    },
  };
}

describe("stat", () => {
  const TAIL = "intr 500 1 2 3\nctxt 600\nbtime 1\nprocesses 700\nprocs_running 2\nprocs_blocked 1\nsoftirq 9 9\n";

  test("guest time is not counted twice", () => {
    using world = start(stat, { "proc/stat": `cpu  100 50 30 1000 5 1 2 3 40 20\n${TAIL}` });
    world.collect();
    expect(world.charts.get("system.cpu").committed).toEqual({
      guest_nice: 20,
      guest: 40,
      steal: 3,
      softirq: 2,
      irq: 1,
      user: 60,
      system: 30,
      nice: 30,
      iowait: 5,
      idle: 1000,
    });
  });

  test("fields an old kernel does not have are 0", () => {
    using world = start(stat, { "proc/stat": `cpu  100 50 30 1000 5 1 2\n${TAIL}` });
    world.collect();
    const { committed } = world.charts.get("system.cpu");
    expect(committed).toMatchObject({ guest: 0, guest_nice: 0, steal: 0, user: 100, softirq: 2 });
  });

  test("a core that goes offline is a gap and comes back", () => {
    const line = "1 0 1 9 0 0 0 0 0 0\n";
    const both = `cpu ${line}cpu0 ${line}cpu1 ${line}${TAIL}`;
    using world = start(stat, { "proc/stat": both });
    world.collect();
    world.tree.write("proc/stat", `cpu ${line}cpu0 ${line}${TAIL}`);
    world.collect();
    expect(world.charts.get("cpu.cpu0").commitsUs).toHaveLength(2);
    expect(world.charts.get("cpu.cpu1").commitsUs).toHaveLength(1);
    expect(world.charts.get("cpu.cpu1").isObsolete).toBe(false);
    expect(world.charts.hostVariables.get("active_processors")).toBe(1);
    world.tree.write("proc/stat", both);
    world.collect();
    expect(world.charts.get("cpu.cpu1").commitsUs).toHaveLength(2);
  });

  test.each<[string, ChartSwitch, string[]]>([
    ["per core charts off", false, ["system.cpu"]],
    ["per core charts on", true, ["system.cpu", "cpu.cpu0"]],
  ])("%s", (_, choice, expected) => {
    const line = "1 0 1 9\n";
    const settings = { charts: { "cpu.cpu": choice } };
    using world = start(stat, { "proc/stat": `cpu  ${line}cpu0 ${line}` }, { settings });
    // The oldest form of the line has four counters, and this kernel nothing else.
    world.tree.write("proc/stat", `cpu  1 0 1 9 0\ncpu0 1 0 1 9 0\n`);
    world.collect();
    expect([...world.charts.all.keys()]).toEqual(expected);
  });

  test.each([
    { what: "a word in place of a counter", text: `cpu  1 x 3 4 5 6 7 8\n${TAIL}`, shown: "cpu  1 x 3" },
    { what: "too few counters", text: `cpu  1 2\n${TAIL}`, shown: "cpu  1 2" },
    { what: "a core without a number", text: `cpux 1 2 3 4 5\n${TAIL}`, shown: "cpux 1 2" },
    { what: "interrupts that are no number", text: `cpu  1 2 3 4 5\nintr x\n`, shown: '"x"' },
  ])("$what: an error that shows the line", ({ text, shown }) => {
    using world = start(stat, { "proc/stat": text });
    expect(() => world.collect()).toThrow(shown);
  });
});

describe("loadavg", () => {
  test("the averages every 5 s, the processes every second", () => {
    const files = { "proc/loadavg": "0.50 1.25 10.00 2/345 678\n", "proc/sys/kernel/pid_max": "4194304\n" };
    using world = start(loadavg, files);
    for (let i = 0; i < 11; i++) world.collect();
    expect(world.charts.get("system.load").committed).toEqual({ load1: 500, load5: 1250, load15: 10_000 });
    // World time begins at a multiple of 5 s: collected at 1 (the first), 5 and 10.
    expect(world.charts.get("system.load").commitsUs.map((us) => (us / SECOND_US) % 100)).toEqual([1, 5, 10]);
    expect(world.charts.get("system.load").updateEverySec).toBe(5);
    expect(world.charts.get("system.active_processes").commitsUs).toHaveLength(11);
    expect(world.charts.get("system.active_processes").committed).toEqual({ active: 345 });
    expect(world.charts.get("system.active_processes").variables.get("pidmax")).toBe(4_194_304);
  });

  test.each(["", "0.5 0.5", "0.50 1.25 10.00 no-slash 678\n", "0.50 1.25 10.00 2/x 678\n"])("%j is refused", (text) => {
    using world = start(loadavg, { "proc/loadavg": text });
    expect(() => world.collect()).toThrow("/proc/loadavg");
  });
});

describe("uptime", () => {
  test("in ms", () => {
    using world = start(uptime, { "proc/uptime": "896.67 1401.26\n" });
    world.collect();
    expect(world.charts.get("system.uptime").committed).toEqual({ uptime: 896_670 });
    world.tree.write("proc/uptime", "never\n");
    expect(() => world.collect()).toThrow('expected seconds, found "never"');
  });
});

describe("meminfo", () => {
  const OLD_KERNEL = "MemTotal: 1000 kB\nMemFree: 100 kB\nBuffers: 50 kB\nCached: 300 kB\n";

  test("a kernel before 3.14 has no estimate of available memory and no reclaimable slab", () => {
    using world = start(meminfo, { "proc/meminfo": OLD_KERNEL });
    world.collect();
    expect(world.charts.get("system.ram").committed).toEqual({ free: 100, used: 550, cached: 300, buffers: 50 });
    expect(world.charts.all.has("mem.available")).toBe(false);
    expect(world.charts.get("mem.slab").committed).toEqual({ reclaimable: 0, unreclaimable: 0 });
    expect(world.charts.all.has("mem.hugepages")).toBe(false);
  });

  test("the ZFS cache above its lower limit counts as cached and available", () => {
    using world = start(meminfo, {
      "proc/meminfo": `${OLD_KERNEL}MemAvailable: 400 kB\n`,
      "proc/spl/kstat/zfs/arcstats": "13 1 0x01\nname type data\nc_min 4 1048576\nsize 4 1150976\n",
    });
    world.collect();
    expect(world.charts.get("system.ram").committed).toMatchObject({ cached: 400, used: 450 });
    expect(world.charts.get("mem.available").committed).toEqual({ MemAvailable: 500 });
    world.tree.remove("proc/spl");
    world.tree.write("proc/spl/kstat/zfs/arcstats", "");
    world.collect();
  });

  test("charts appear with the first value other than 0 and stay", () => {
    const huge = (total: number): string =>
      `${OLD_KERNEL}SwapTotal: 0 kB\nSwapFree: 0 kB\nHardwareCorrupted: 0 kB\n` +
      `HugePages_Total: ${total}\nHugePages_Free: ${total}\nHugePages_Rsvd: 0\nHugePages_Surp: 0\nHugepagesize: 1048576 kB\n`;
    using world = start(meminfo, { "proc/meminfo": huge(0) });
    world.collect();
    for (const id of ["system.swap", "mem.hugepages", "mem.hwcorrupt", "mem.transparent_hugepages"]) {
      expect(world.charts.all.has(id)).toBe(false);
    }
    world.tree.write("proc/meminfo", huge(3));
    world.collect();
    world.tree.write("proc/meminfo", huge(0));
    world.collect();
    const chart = world.charts.get("mem.hugepages");
    expect(chart.committed).toEqual({ free: 0, used: 0, surplus: 0, reserved: 0 });
    expect(chart.commitsUs).toHaveLength(2);
    expect(chart.dimensions.get("free")).toMatchObject({ multiplier: 1_048_576, divisor: 1024 });
  });

  test.each(["", "MemTotal: x kB\n", "MemTotal: 5 kB\n", "\n\n\n"])("%j is refused", (text) => {
    using world = start(meminfo, { "proc/meminfo": text });
    expect(() => world.collect()).toThrow("/proc/meminfo");
  });
});

describe("vmstat", () => {
  test("swapping appears when there is some; kills only where the kernel counts them", () => {
    const text = (swapped: number): string =>
      `pgpgin 10\npgpgout 20\npswpin ${swapped}\npswpout 0\npgfault 99999999999999999\npgmajfault 3\n`;
    using world = start(vmstat, { "proc/vmstat": text(0) });
    world.collect();
    expect([...world.charts.all.keys()]).toEqual(["system.pgpgio", "mem.pgfaults"]);
    expect(world.charts.get("mem.pgfaults").committed).toEqual({ minor: 99_999_999_999_999_999n, major: 3 });
    world.tree.write("proc/vmstat", `${text(4)}oom_kill 0\n`);
    world.collect();
    expect(world.charts.get("system.swapio").committed).toEqual({ in: 4, out: 0 });
    expect(world.charts.get("mem.oom_kill").committed).toEqual({ kills: 0 });
  });

  test("the page size is the kernel's", () => {
    const auxv = new BigUint64Array([33n, 1n, 6n, 65_536n, 0n, 0n]);
    using world = start(vmstat, { "proc/vmstat": "pswpin 1\npswpout 2\n" });
    world.tree.write("proc/self/auxv", new Uint8Array(auxv.buffer));
    const again = createTestContext(vmstat, { prefix: world.tree.root });
    using collector = vmstat.start(again);
    collector.collect(again.clock.nowUs());
    const { dimensions } = again.charts.get("system.swapio");
    expect(dimensions.get("in")).toMatchObject({ multiplier: 65_536, divisor: 1024 });
    expect(dimensions.get("out")).toMatchObject({ multiplier: -65_536 });
    world.collect();
    expect(world.charts.get("system.swapio").dimensions.get("in")).toMatchObject({ multiplier: 4096 });
  });
});

describe("pressure", () => {
  const LINE = "avg10=1.23 avg60=4.56 avg300=0.00 total=5756325\n";
  const FILES = {
    "proc/pressure/cpu": `some ${LINE}`,
    "proc/pressure/memory": `some ${LINE}full ${LINE}`,
    "proc/pressure/io": `some ${LINE}full ${LINE}`,
  };

  test("a kernel before 5.13 has no line `full` for the CPU", () => {
    using world = start(pressure, FILES, { updateEverySec: 2 });
    world.collect();
    expect(world.charts.get("system.cpu_some_pressure").committed).toEqual({
      "some 10": 123,
      "some 60": 456,
      "some 300": 0,
    });
    expect(world.charts.get("system.memory_full_pressure_stall_time").committed).toEqual({ time: 5756 });
    expect(world.charts.all.has("system.cpu_full_pressure")).toBe(false);
    expect(world.charts.all.size).toBe(10);
  });

  test("a file that cannot be read is left alone for 600 s, with one line", () => {
    let isOff = true;
    const calls: FileCalls = {
      ...systemFileCalls,
      open: (path) => {
        if (isOff && path.endsWith("/io")) throw Object.assign(new Error("psi=0"), { code: "EOPNOTSUPP" });
        return systemFileCalls.open(path);
      },
    };
    using world = start(pressure, FILES);
    const files = createHostFiles(world.tree.root, calls);
    const context = createTestContext(pressure, { files });
    using collector = pressure.start(context);
    for (let i = 0; i < 599; i++) {
      collector.collect(context.clock.nowUs());
      context.clock.advance(1000);
    }
    expect(context.charts.all.has("system.io_some_pressure")).toBe(false);
    expect(context.charts.get("system.cpu_some_pressure").commitsUs).toHaveLength(599);
    expect(context.log.lines).toEqual([
      {
        level: "info",
        event: "collector.source_disabled",
        fields: { source: "io", reason: `${world.tree.root}/proc/pressure/io: EOPNOTSUPP` },
      },
    ]);
    isOff = false;
    context.clock.advance(1000);
    collector.collect(context.clock.nowUs());
    expect(context.charts.get("system.io_some_pressure").commitsUs).toHaveLength(1);
  });

  test("without any of the three the kernel has none: the error is the caller's to show", () => {
    using world = start(pressure, {});
    expect(() => world.collect()).toThrow("/proc/pressure/cpu: ENOENT");
    expect(world.context.log.lines).toEqual([]);
  });

  test.each(["some avg10=1 avg60=2\n", "some avg10=x avg60=1 avg300=1 total=1\n", "full 1 2 3 x\n", "some\n"])(
    "%j is refused",
    (text) => {
      using world = start(pressure, { ...FILES, "proc/pressure/cpu": text });
      expect(() => world.collect()).toThrow("expected averages and a total");
    },
  );
});
