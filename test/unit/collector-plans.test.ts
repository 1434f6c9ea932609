import { describe, expect, test } from "bun:test";
import { CollectorPlans } from "../../agent/app/collector-plans.ts";
import { createHostFiles } from "../../agent/base/proc-file.ts";
import type { AgentSources } from "../../agent/collector/agent-sources.ts";
import { COLLECTORS } from "../../agent/collector/registry.ts";
import { Scheduler } from "../../agent/collector/scheduler.ts";
import { parseConfig } from "../../agent/config/load.ts";
import type { CollectorConfig } from "../../agent/config/schema.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { DatabaseLimits } from "../../agent/rrd/database.ts";
import { RecordedLog, SteppedClock, TestTree } from "../collector-world.ts";
import { addHost, newDatabase, stored } from "../simulated-host.ts";

const OTHERS = "stat loadavg uptime pressure meminfo vmstat netdev diskspace agent".split(" ");

/** The settings of this test's only collector. */
function collectorConfig(diskstats: string): CollectorConfig {
  const off = OTHERS.map((name) => `[collector.${name}]\nenabled = false\n`).join("");
  const loaded = parseConfig(`${off}[collector.diskstats]\n${diskstats}\n`, "test.toml");
  if (loaded instanceof Error) throw loaded;
  return loaded.config.collector;
}

/** The collector of disks on a tree of files, in a database, with a clock that moves when told. */
class DiskWorld implements Disposable {
  readonly tree = new TestTree();
  readonly clock = new SteppedClock();
  readonly database;
  readonly host;
  /** Requests in flight: a gauge, unlike the other counters. */
  inFlight = 1;
  private reads = 0;
  private readonly scheduler: Scheduler;
  private readonly plans: CollectorPlans;

  constructor(limits: Partial<DatabaseLimits> = {}) {
    this.database = newDatabase(limits);
    this.host = addHost(this.database, { isLocal: true })!;
    const { clock, host } = this;
    const log = new RecordedLog();
    const files = createHostFiles(this.tree.root);
    this.tree.write("sys/block/sda/size", "1");
    this.tree.write("proc/self/mountinfo", "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
    // Only the collector of the agent's own charts reads them, and that is off.
    const sources = {} as AgentSources;
    this.plans = new CollectorPlans({ host, files, clock, log, sources, collectors: COLLECTORS });
    this.scheduler = new Scheduler({ clock, log, random: () => 0, updateEverySec: 1, afterTick: () => {} });
    this.scheduler.start();
  }

  /** What a start and each reload do. */
  configure(diskstats: string): void {
    this.scheduler.configure(this.plans.of(collectorConfig(diskstats)));
  }

  run(seconds: number): void {
    for (let i = 0; i < seconds; i++) {
      this.reads += 100;
      const counters = `${this.reads} 0 ${this.reads} 7 5 0 5 7 ${this.inFlight} ${this.reads} 9`;
      this.tree.write("proc/diskstats", `8 0 sda ${counters}\n8 16 sdb ${counters}\n`);
      this.clock.advance(1000);
    }
  }

  listed(id: string): boolean {
    return this.host.chart(id)?.isVisible === true;
  }

  get allListed(): string[] {
    return this.host.chartList().flatMap((chart) => (chart.isVisible ? [chart.id] : []));
  }

  /** Newest stored values of the first dimension of a chart. */
  newest(id: string, count: number): number[] {
    const chart = this.host.chart(id)!;
    const toSec = Math.floor(this.clock.nowUs() / 1e6) - 1;
    return stored(chart, 0, toSec - count + 1, toSec);
  }

  [Symbol.dispose](): void {
    this.scheduler[Symbol.dispose]();
    this.tree[Symbol.dispose]();
  }
}

describe("a reload that changes a collector's settings", () => {
  test("retires what is excluded now after two runs; the rest goes on without a gap or a reset", () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(20);
    expect([world.listed("disk_ops.sda"), world.listed("disk_ops.sdb")]).toEqual([true, true]);
    const chart = world.host.chart("disk_ops.sda")!;
    const [version, passed] = [chart.version, chart.slotsPassed];
    world.configure("exclude = 'sdb'");
    world.run(1);
    expect(world.listed("disk_ops.sdb")).toBe(true);
    world.run(9);
    expect([world.listed("disk_ops.sda"), world.listed("disk_ops.sdb")]).toEqual([true, false]);
    expect([world.listed("disk_await.sda"), world.listed("disk_await.sdb")]).toEqual([true, false]);
    expect(world.listed("system.io")).toBe(true);
    expect(world.host.chart("disk_ops.sda")).toBe(chart);
    expect([chart.version, chart.slotsPassed]).toEqual([version, passed + 10]);
    expect(world.newest("disk_ops.sda", 15)).toEqual(new Array(15).fill(100));
    // Its first value after the restart needs two reads: a line goes across.
    expect(world.newest("disk_await.sda", 15)).not.toContain(Number.NaN);
    expect(imbalance(world.host.balance)).toBe(0);
  });

  test("brings them back when they are not excluded any more", () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(3);
    world.configure("exclude = 'sdb'");
    world.run(3);
    world.configure("");
    world.run(1);
    expect(world.listed("disk_ops.sdb")).toBe(true);
    world.run(5);
    expect(world.listed("disk_ops.sdb")).toBe(true);
  });

  test('keeps an "auto" chart that happens to be 0 now, unless the rule itself changed', () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(5);
    world.inFlight = 0;
    world.run(2);
    world.configure("exclude = 'sdb'");
    world.run(4);
    expect(world.listed("disk_qops.sda")).toBe(true);
    expect(world.newest("disk_qops.sda", 3)).toEqual([0, 0, 0]);
    world.configure("exclude = 'sdb'\ncharts = { 'disk.qops' = 'auto' }");
    world.run(4);
    expect([world.listed("disk_qops.sda"), world.listed("disk_ops.sda")]).toEqual([false, true]);
  });

  test("that restarts it again before it settled forgets nothing", () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(3);
    world.configure("exclude = 'sdb'");
    world.run(1);
    world.configure("exclude = 'sdb'\npartitions = true");
    world.run(2);
    expect([world.listed("disk_ops.sda"), world.listed("disk_ops.sdb")]).toEqual([true, false]);
  });

  test("and finds its source gone retires all of its charts", () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(3);
    world.tree.remove("proc/diskstats");
    world.configure("exclude = 'sdb'");
    world.clock.advance(1000);
    expect(world.allListed).toEqual([]);
  });

  test("switching it off retires all of its charts, those of before a restart too", () => {
    using world = new DiskWorld();
    world.configure("");
    world.run(3);
    world.configure("exclude = 'sdb'");
    world.run(1);
    world.configure("enabled = false");
    expect(world.allListed).toEqual([]);
  });
});

describe("a chart that a limit refused", () => {
  test("counts each of its values as dropped, and is there within a minute after the limit is renewed", () => {
    using world = new DiskWorld();
    const { host, database, clock } = world;
    host.admission.newChartAllowance = 1;
    world.configure("exclude = 'sdb'\ncharts = { 'disk.ops' = false }");
    world.run(2);
    const refused = host.admission.refusedCharts;
    expect([host.chartCount, refused > 5]).toEqual([1, true]);
    expect(host.balance.dropped.limit).toBeGreaterThan(refused);
    world.run(99);
    expect(host.chart("system.io")).toBeUndefined();
    const { limit } = host.balance.dropped;
    world.run(1);
    const perRun = host.balance.dropped.limit - limit;
    expect(perRun).toBeGreaterThan(refused);
    // Asking again in vain is no further refusal.
    expect(host.admission.refusedCharts).toBe(refused);
    database.renewChartAllowances(clock.nowUs());
    world.run(60);
    expect(world.listed("system.io")).toBe(true);
    const after = host.balance.dropped.limit;
    world.run(10);
    expect(host.balance.dropped.limit).toBe(after);
    expect(world.newest("system.io", 5)).toEqual(new Array(5).fill(50));
    expect(imbalance(host.balance)).toBe(0);
    expect(host.admission.refusedCharts).toBe(refused);
  });
});
