import { AgentError } from "../agent/base/errors.ts";
import type { WritableFile } from "../agent/base/files.ts";
import type { ChartDefinition } from "../agent/rrd/chart.ts";
import type { CatalogueFiles } from "../agent/rrd/store/catalogue.ts";
import type { StoredChart, StoredDimension, StoredHost } from "../agent/rrd/store/catalogue-format.ts";
import type { CatalogueContent } from "../agent/rrd/store/catalogue-read.ts";
import { dimension } from "./simulated-host.ts";

/** Calls of a file system that can be made to fail. */
export type Fault = "append" | "create" | "write" | "sync" | "truncate" | "rename" | "remove";

/** Files in memory. A write that fails leaves the first half of its bytes in the file, as a full disk may do. */
export class MemoryFiles implements CatalogueFiles {
  private readonly byPath = new Map<string, { bytes: Buffer }>();
  /** Calls that fail now. */
  readonly faults = new Set<Fault>();
  /** Files opened and not closed. */
  openCount = 0;
  syncs = 0;

  get paths(): string[] {
    return [...this.byPath.keys()];
  }

  put(path: string, bytes: Buffer): void {
    this.byPath.set(path, { bytes });
  }

  read(path: string): Buffer | null {
    return this.byPath.get(path)?.bytes ?? null;
  }

  append(path: string): WritableFile {
    this.check("append");
    if (!this.byPath.has(path)) this.put(path, Buffer.alloc(0));
    return this.open(path);
  }

  create(path: string): WritableFile {
    this.check("create");
    this.put(path, Buffer.alloc(0));
    return this.open(path);
  }

  rename(from: string, to: string): void {
    this.check("rename");
    this.byPath.set(to, this.byPath.get(from)!);
    this.byPath.delete(from);
  }

  remove(path: string): void {
    this.check("remove");
    if (!this.byPath.delete(path)) throw new AgentError("file_missing", path);
  }

  private open(path: string): WritableFile {
    // What is open stays what it is when another file takes its name.
    const file = this.byPath.get(path)!;
    this.openCount++;
    let isOpen = true;
    const use = (fault: Fault) => {
      if (!isOpen) throw new Error(`${path} is closed`);
      this.check(fault);
    };
    const add = (bytes: Uint8Array) => {
      file.bytes = Buffer.concat([file.bytes, bytes]);
    };
    return {
      write: (bytes) => {
        if (this.faults.has("write")) add(bytes.subarray(0, bytes.length >> 1));
        use("write");
        add(bytes);
      },
      sync: () => {
        use("sync");
        this.syncs++;
      },
      truncate: (length) => {
        use("truncate");
        file.bytes = file.bytes.subarray(0, length);
      },
      [Symbol.dispose]: () => {
        if (isOpen) this.openCount--;
        isOpen = false;
      },
    };
  }

  private check(fault: Fault): void {
    if (this.faults.has(fault)) throw new AgentError("disk_full", `${fault} failed`);
  }
}

/** A host with every field set. */
export function storedHost(changes: Partial<StoredHost> = {}): StoredHost {
  return {
    machineGuid: "00000000-0000-0000-0000-00000000000a",
    hostname: "web-1",
    os: "linux",
    updateEverySec: 1,
    historyEntries: 3600,
    memoryMode: "map",
    hops: 1,
    program: "tributary",
    version: "0.1.0",
    timezone: "Europe/Vienna",
    abbrevTimezone: "CET",
    utcOffsetSec: 3600,
    tags: "a=b\tc",
    registryHostname: "web",
    systemInfo: new Map([
      ["NETDATA_SYSTEM_OS_NAME", "Debian"],
      ["__proto__", "x"],
    ]),
    lastSeenSec: 1_700_000_000.5,
    missingFromSec: 1_699_999_000,
    ...changes,
  };
}

export function chartDefinition(id: string, changes: Partial<ChartDefinition> = {}): ChartDefinition {
  return {
    id,
    name: id,
    title: "Total CPU utilization",
    units: "percentage",
    family: "cpu",
    context: "system.cpu",
    chartType: "stacked",
    priority: 100,
    updateEverySec: 1,
    plugin: "proc.plugin",
    module: "/proc/stat",
    detail: false,
    hidden: false,
    storeFirst: false,
    ...changes,
  };
}

/** Dimensions `d<first>` … in the columns given, of segment `segment`. */
export function storedDimensions(columns: readonly number[], first = 0, segment = 0): StoredDimension[] {
  return columns.map((column, index) => ({
    dimension: dimension(`d${first + index}`, "incremental", { divisor: 1024 }),
    segment,
    sinceSec: 1_700_000_000,
    column,
  }));
}

export function storedChart(key: number, columns: readonly number[], changes: Partial<StoredChart> = {}): StoredChart {
  const definition = chartDefinition(`test.chart${key}`);
  return { key, definition, isObsolete: false, dimensions: storedDimensions(columns), ...changes };
}

/** The charts of a content as they were put. */
export function chartsOf(content: CatalogueContent): StoredChart[] {
  return [...content.charts.values()];
}
