import { join } from "node:path";
import { createFiles } from "../../agent/base/files.ts";
import { createProcessFacts } from "../../agent/base/process-facts.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { commitStreamed } from "../../agent/rrd/commit.ts";
import { Database } from "../../agent/rrd/database.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import { ringSlots } from "../../agent/rrd/store/geometry.ts";
import { createSegmentFile } from "../../agent/rrd/store/segment-file.ts";
import { Storage } from "../../agent/rrd/store/storage.ts";
import { loadValue } from "./load.ts";

export const HISTORY = 3600;

export interface Shape {
  hosts: number;
  /** Of one host. */
  charts: number;
  /** Of one chart. */
  dimensions: number;
}

/** A way to keep values, filled a second at a time. */
export interface Layout {
  /** Makes everything that the values of `shape` need. */
  create(): void;
  /** One value of each dimension. */
  tick(second: number): void;
  /** What is due once a second beside the values. */
  upkeep(): void;
  /** Ends the use of the files. */
  close(): Promise<void>;
}

/** The database of an agent, in process: no sockets, no lines. */
export class DatabaseLayout implements Layout {
  readonly database: Database;
  readonly storage: Storage | null;
  /** Second of the newest tick. */
  nowSec: number;
  private readonly shape: Shape;
  private readonly mode: MemoryMode;
  private readonly row: Omit<CollectedRow, "setCount"> & { setCount: number };
  private readonly charts: Chart[] = [];

  constructor(directory: string, shape: Shape, mode: MemoryMode, nowSec: number) {
    this.shape = shape;
    this.mode = mode;
    this.nowSec = nowSec;
    this.row = {
      values: new Float64Array(shape.dimensions),
      residuals: null,
      sets: new Uint8Array(shape.dimensions).fill(1),
      complete: true,
      setCount: shape.dimensions,
      wide: false,
      raw: null,
      rawStart: 0,
      rawEnd: 0,
    };
    const limits = { memoryBytes: 2 ** 42, hosts: 10_000, chartsPerHost: 10_000, dimensionsPerChart: 10_000 };
    this.database = new Database({ ...limits, newChartsPerMinute: Number.POSITIVE_INFINITY }, fail);
    this.storage = mode === "ram" ? null : this.openStorage(directory);
  }

  create(): void {
    const { hosts, charts, dimensions } = this.shape;
    for (let host = 0; host < hosts; host++) {
      const made = this.addHost(host);
      for (let chart = 0; chart < charts; chart++) this.charts.push(defineChart(made, chart, dimensions));
    }
    for (const chart of this.charts) chart.host.settle(chart);
  }

  tick(second: number): void {
    this.nowSec = second;
    const { row, charts } = this;
    for (let index = 0; index < row.setCount; index++) row.values[index] = loadValue(0, index, second);
    const nowUs = second * 1e6 + 500_000;
    for (const chart of charts) commitStreamed(chart, row, chart.lastCollectedUs === 0 ? 0 : 1e6, nowUs);
  }

  upkeep(): void {
    this.storage?.tick();
  }

  async close(): Promise<void> {
    await this.storage?.[Symbol.asyncDispose]();
  }

  private openStorage(directory: string): Storage {
    return new Storage({
      directory,
      files: createFiles(),
      database: this.database,
      diskLimitBytes: 2 ** 42,
      flushEverySec: 0,
      saveEverySec: 0,
      processes: createProcessFacts(),
      nowSec: () => this.nowSec,
      events: { setAside: fail, leftOut: fail, degraded: fail, recovered: fail, unsaved: fail, corrupt: fail },
    });
  }

  private addHost(host: number): Host {
    return this.database.addHost({
      machineGuid: `bbbbbbbb-0000-0000-0000-${String(host).padStart(12, "0")}`,
      hostname: `host-${host}`,
      os: "linux",
      updateEverySec: 1,
      historyEntries: HISTORY,
      memoryMode: this.mode,
      gapIterations: 3,
      isLocal: false,
    })!;
  }
}

/** The usual layout of a ring in a file: all slots of a dimension, then all of the next one. A file a host. */
export class RowLayout implements Layout {
  private readonly directory: string;
  private readonly shape: Shape;
  private readonly slots = ringSlots(HISTORY);
  private readonly rings: Float32Array[] = [];

  constructor(directory: string, shape: Shape) {
    this.directory = directory;
    this.shape = shape;
  }

  create(): void {
    const { hosts, charts, dimensions } = this.shape;
    const files = createFiles();
    for (let host = 0; host < hosts; host++) {
      const path = join(this.directory, `rows-${host}.rrd`);
      const bytes = charts * dimensions * this.slots * 4;
      this.rings.push(new Float32Array(createSegmentFile(files, path, new Uint8Array(0), bytes, false)));
    }
  }

  tick(second: number): void {
    const { slots } = this;
    const slot = second % slots;
    for (const ring of this.rings) {
      for (let at = slot, index = 0; at < ring.length; at += slots, index++) ring[at] = index + second;
    }
  }

  upkeep(): void {}

  async close(): Promise<void> {}
}

function defineChart(host: Host, chart: number, dimensions: number): Chart {
  const made = host.defineChart({
    id: `load.chart${chart}`,
    title: "Load",
    units: "load",
    family: "load",
    context: "load.chart",
    priority: chart,
    plugin: "load",
    module: "bench",
  })!;
  for (let index = 0; index < dimensions; index++) {
    host.defineDimension(made, {
      id: `dim${index}`,
      name: `dim${index}`,
      algorithm: index % 2 === 0 ? "incremental" : "absolute",
      multiplier: 1,
      divisor: 1,
      hidden: false,
      noReset: false,
      obsolete: false,
    });
  }
  return made;
}

function fail(...what: unknown[]): never {
  throw new Error(`the benchmark needs everything to go well: ${what.join(" ")}`);
}
