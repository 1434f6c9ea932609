import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Clock, Timer } from "../agent/base/clock.ts";
import type { Log, LogFields } from "../agent/base/log.ts";
import { SimplePattern } from "../agent/base/pattern.ts";
import { createHostFiles, type FileCalls, type HostFiles } from "../agent/base/proc-file.ts";
import type { CollectorContext, CollectorModule, CollectorSettings } from "../agent/collector/collector.ts";
import { FILESYSTEM_EXCLUDE_DEFAULT } from "../agent/collector/proc/diskspace.ts";
import { RecordedCharts } from "./recorded-charts.ts";

const CAPTURES = join(import.meta.dir, "fixtures", "captures");

/** A clock that stands still until it is told to go on. */
export class SteppedClock implements Clock {
  wallUs = 1_700_000_000_000_000;
  private atMs = 1000;
  private readonly timers: { dueMs: number; callback: () => void; isDone: boolean }[] = [];

  nowUs(): number {
    return this.wallUs;
  }

  monotonicMs(): number {
    return this.atMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { dueMs: this.atMs + delayMs, callback, isDone: false };
    this.timers.push(timer);
    return {
      [Symbol.dispose]() {
        timer.isDone = true;
      },
    };
  }

  get pendingTimers(): number {
    return this.timers.filter((timer) => !timer.isDone).length;
  }

  /** Lets time pass without running what is due: the process is busy or stopped. */
  block(ms: number): void {
    this.atMs += ms;
    this.wallUs += ms * 1000;
  }

  /** Moves the wall clock alone: a step, or a suspend (in which monotonic time stands still). */
  stepWall(us: number): void {
    this.wallUs += us;
  }

  /** Lets time pass and runs timers when they are due, late ones at once. */
  advance(ms: number): void {
    const endMs = this.atMs + ms;
    while (true) {
      const due = this.timers.filter((timer) => !timer.isDone && timer.dueMs <= endMs);
      const next = due.toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.block(Math.max(0, next.dueMs - this.atMs));
      next.isDone = true;
      next.callback();
    }
    this.block(Math.max(0, endMs - this.atMs));
  }
}

/** A log that remembers its lines. */
export class RecordedLog implements Log {
  readonly lines: { level: string; event: string; fields: LogFields }[] = [];

  error = (event: string, fields: LogFields = {}): void => this.add("error", event, fields);
  warn = (event: string, fields: LogFields = {}): void => this.add("warn", event, fields);
  info = (event: string, fields: LogFields = {}): void => this.add("info", event, fields);
  debug = (): void => {};

  events(): string[] {
    return this.lines.map(({ event }) => event);
  }

  private add(level: string, event: string, fields: LogFields): void {
    this.lines.push({ level, event, fields });
  }
}

/** A folder of one test, removed when disposed. */
export class TestTree implements Disposable {
  readonly root = mkdtempSync(join(tmpdir(), "tributary-tree-"));

  write(path: string, text: string | Uint8Array): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  remove(path: string): void {
    rmSync(join(this.root, path), { recursive: true, force: true });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** Unpacks one of the recorded trees; its root is the returned folder's `root`. */
export async function unpackFixture(name: "fixture-root-cgroup1" | "fixture-root-cgroup2"): Promise<TestTree> {
  const tree = new TestTree();
  const packed = await Bun.file(join(CAPTURES, `${name}.tar.gz`)).bytes();
  await new Bun.Archive(packed).extract(tree.root);
  return tree;
}

export interface TestContext extends CollectorContext {
  readonly charts: RecordedCharts;
  readonly clock: SteppedClock;
  readonly log: RecordedLog;
}

export interface TestContextOptions {
  readonly prefix?: string;
  readonly calls?: FileCalls;
  readonly files?: HostFiles;
  readonly updateEverySec?: number;
  readonly settings?: Partial<CollectorSettings>;
}

/** A context whose charts, clock and log can be looked into. */
export function createTestContext(module: CollectorModule, options: TestContextOptions = {}): TestContext {
  const excluded = new SimplePattern(module.excludeDefault ?? "");
  const filesystems = new SimplePattern(FILESYSTEM_EXCLUDE_DEFAULT);
  return {
    charts: new RecordedCharts(),
    clock: new SteppedClock(),
    log: new RecordedLog(),
    updateEverySec: options.updateEverySec ?? 1,
    files: options.files ?? createHostFiles(options.prefix ?? "", options.calls),
    settings: {
      zeroMetrics: false,
      charts: {},
      isExcluded: (name) => excluded.matches(name),
      isFilesystemExcluded: (type) => filesystems.matches(type),
      partitions: false,
      ...options.settings,
    },
  };
}

/** Text of a capture. */
export function readCapture(name: string): Promise<string> {
  return Bun.file(join(CAPTURES, name)).text();
}
