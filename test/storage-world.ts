import type { Random } from "../agent/base/clock.ts";
import type { ProcessFacts } from "../agent/base/process-facts.ts";
import type { Chart } from "../agent/rrd/chart.ts";
import { commitStreamed } from "../agent/rrd/commit.ts";
import { Database, type DatabaseLimits } from "../agent/rrd/database.ts";
import type { Algorithm } from "../agent/rrd/dimension.ts";
import type { Host } from "../agent/rrd/host.ts";
import type { HostOptions, MemoryMode } from "../agent/rrd/host-options.ts";
import { readStored } from "../agent/rrd/read.ts";
import { Storage, type StorageOptions } from "../agent/rrd/store/storage.ts";
import { ValueRow } from "../agent/rrd/value-row.ts";
import { SimulatedDisk } from "./simulated-disk.ts";
import { dimension, T0_SEC, WIDE_LIMITS } from "./simulated-host.ts";

export const DIRECTORY = "/state/db";
export const GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0001";

/** An agent's database on a simulated disk, which outlives it. Time stands still unless it is moved. */
export class StorageWorld {
  readonly disk = new SimulatedDisk();
  /** What the storage told, one text an event. */
  readonly told: string[] = [];
  nowSec = T0_SEC;
  /** Other processes that run; all started in tick 1. */
  readonly running = new Set<number>();
  bootId = "boot-1";
  /** What tells the running agent from other processes. */
  processes!: ProcessFacts;
  database!: Database;
  storage!: Storage;
  private pid = 100;
  private readonly options: Partial<StorageOptions>;
  private readonly limits: Partial<DatabaseLimits>;

  constructor(options: Partial<StorageOptions> = {}, limits: Partial<DatabaseLimits> = {}) {
    this.options = options;
    this.limits = limits;
    this.start();
  }

  /** A new run of the agent on what the disk holds. */
  start(): void {
    this.database = new Database({ ...WIDE_LIMITS, ...this.limits }, () => {});
    const pid = ++this.pid;
    this.processes = {
      pid,
      bootId: this.bootId,
      startTicks: (asked) => (asked === pid || this.running.has(asked) ? 1 : null),
    };
    this.storage = new Storage({
      directory: DIRECTORY,
      files: this.disk,
      database: this.database,
      diskLimitBytes: 2 ** 40,
      flushEverySec: 0,
      saveEverySec: 0,
      processes: this.processes,
      nowSec: () => this.nowSec,
      events: {
        setAside: (path, _movedTo, problem) => this.told.push(`aside ${nameOf(path)}: ${problem}`),
        leftOut: (path, what) => this.told.push(`left out ${nameOf(path)}: ${what}`),
        degraded: (host, _path, problem) => this.told.push(`degraded ${host}: ${problem}`),
        corrupt: (path, startSec, lostSec, tiles) =>
          this.told.push(`corrupt ${nameOf(path)}: ${startSec} ${lostSec}, ${tiles} tiles`),
        unsaved: (host, _path, problem) => this.told.push(`unsaved ${host}: ${problem}`),
        recovered: (host) => this.told.push(`recovered ${host}`),
      },
      ...this.options,
    });
  }

  /** Ends the run as kill -9 does, and starts the next one. */
  kill(): void {
    this.disk.crash();
    this.start();
  }

  /** Cuts the power, and starts the next run after the machine has booted. */
  cutPower(random: Random): void {
    this.disk.powerLoss(random);
    this.bootId += "'";
    this.start();
  }

  /** Ends the run in order, and starts the next one. */
  async restart(): Promise<void> {
    await this.storage[Symbol.asyncDispose]();
    this.start();
  }

  /** The host of a child; what is on the disk comes back. */
  host(mode: MemoryMode = "map", more: Partial<HostOptions> = {}): Host {
    return this.database.addHost({
      machineGuid: GUID,
      hostname: "child",
      os: "linux",
      updateEverySec: 1,
      historyEntries: 120,
      memoryMode: mode,
      gapIterations: 3,
      isLocal: false,
      ...more,
    })!;
  }

  /** Moves on by a second and commits a row a chart. @param valueAt of a dimension in this second. */
  tick(charts: readonly Chart[], valueAt: (chart: Chart, index: number, second: number) => number): void {
    this.nowSec++;
    for (const chart of charts) {
      const { count } = chart.dimensions;
      const row = new ValueRow();
      row.reserve(count);
      for (let index = 0; index < count; index++) row.set(index, valueAt(chart, index, this.nowSec));
      commitStreamed(chart, row, chart.lastCollectedUs === 0 ? 0 : 1e6, this.nowSec * 1e6 + 500_000);
    }
  }
}

/** Defines a chart of absolute dimensions, unless said otherwise. */
export function define(host: Host, id: string, count: number, algorithm: Algorithm = "absolute"): Chart {
  const chart = host.defineChart({ id })!;
  for (let index = 0; index < count; index++) host.defineDimension(chart, dimension(`d${index}`, algorithm));
  return chart;
}

/** Stored values of a dimension by second, empty ones left out. */
export function held(chart: Chart, index: number, fromSec: number, toSec: number): Map<number, number> {
  const out = new Float64Array(Math.max(0, toSec - fromSec + 1));
  const count = readStored(chart, index, fromSec, toSec, out);
  const values = new Map<number, number>();
  for (let i = 0; i < count; i++) if (!Number.isNaN(out[i]!)) values.set(fromSec + i, out[i]!);
  return values;
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
