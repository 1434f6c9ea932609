import { lineEnd, splitFields } from "../../base/fields.ts";
import { DIGITS_EXACT_MAX, parseBigInteger, parseDecimal, parseInteger } from "../../base/number.ts";
import type { ProcFile } from "../../base/proc-file.ts";
import { formatError, type SourceError, toSourceError } from "../../base/source-error.ts";
import type { CollectorContext, CollectorModule } from "../collector.ts";
import { absolute, incremental, LazyChart } from "../lazy-chart.ts";

const MODULE = "/proc/pressure";
const EVERY_SEC_MIN = 2;
/** A resource the kernel does not account for is looked at again after this time. */
const RECHECK_MS = 600_000;
/** Words of a line: `some avg10=1.23 avg60=4.56 avg300=7.89 total=5756325`. */
const WORDS = 5;
const EQUALS = 0x3d;

/** Stalls for want of CPU, memory and I/O, from /proc/pressure. */
export const pressure: CollectorModule = {
  name: "pressure",
  everySecMin: EVERY_SEC_MIN,
  start(context) {
    const resources = RESOURCES.map((resource) => new PressureFile(context, resource));
    return {
      collect(nowUs) {
        let failure: SourceError | undefined;
        let alive = 0;
        for (let i = 0; i < resources.length; i++) {
          const problem = resources[i]!.collect(nowUs);
          if (problem === undefined) alive++;
          else failure ??= problem;
        }
        // One resource may be missing; without all three the kernel has no pressure accounting.
        if (alive === 0 && failure !== undefined) throw failure;
        if (failure !== undefined) for (const resource of resources) resource.report();
      },
      [Symbol.dispose]() {
        for (const resource of resources) resource[Symbol.dispose]();
      },
    };
  },
};

interface Resource {
  readonly name: string;
  readonly title: string;
  readonly family: string;
  readonly priority: number;
}

const RESOURCES: readonly Resource[] = [
  { name: "cpu", title: "CPU", family: "cpu", priority: 140 },
  { name: "memory", title: "Memory", family: "ram", priority: 240 },
  { name: "io", title: "I/O", family: "disk", priority: 190 },
];

class PressureFile implements Disposable {
  private readonly context: CollectorContext;
  private readonly name: string;
  private readonly some: PressureLine;
  private readonly full: PressureLine;
  private file: ProcFile | undefined;
  private recheckAtMs = Number.NEGATIVE_INFINITY;
  private failure: SourceError | undefined;
  private isReported = false;

  constructor(context: CollectorContext, resource: Resource) {
    this.context = context;
    this.name = resource.name;
    this.some = new PressureLine(context, resource, "some", resource.priority);
    this.full = new PressureLine(context, resource, "full", resource.priority + 10);
  }

  /** @returns why this resource gives nothing. @throws SourceError when it is not understood */
  collect(nowUs: number): SourceError | undefined {
    const { clock, files } = this.context;
    if (this.failure !== undefined && clock.monotonicMs() < this.recheckAtMs) return this.failure;
    let length: number;
    try {
      this.file ??= files.openProc(`pressure/${this.name}`);
      length = this.file.readSome();
    } catch (error) {
      this.failure = toSourceError(`${MODULE}/${this.name}`, error);
      this.recheckAtMs = clock.monotonicMs() + RECHECK_MS;
      this[Symbol.dispose]();
      return this.failure;
    }
    this.failure = undefined;
    this.isReported = false;
    const { bytes, path } = this.file;
    for (let start = 0; start < length; ) {
      const end = lineEnd(bytes, start, length);
      // The line of `full` is missing for the CPU on kernels before 5.13.
      const line = bytes[start] === 0x66 ? this.full : this.some;
      if (!line.collect(bytes, start, end, nowUs)) throw formatError(path, "averages and a total", bytes, start, end);
      start = end + 1;
    }
    return undefined;
  }

  /** Says once that this resource gives nothing. */
  report(): void {
    if (this.failure === undefined || this.isReported) return;
    this.isReported = true;
    this.context.log.info("collector.source_disabled", { source: this.name, reason: this.failure.message });
  }

  [Symbol.dispose](): void {
    this.file?.[Symbol.dispose]();
    this.file = undefined;
  }
}

/** One line of such a file and its two charts. */
class PressureLine {
  private readonly averages: LazyChart;
  private readonly stallTime: LazyChart;
  private readonly spans = new Int32Array(2 * WORDS);
  private readonly values = new Float64Array(3);

  constructor(context: CollectorContext, resource: Resource, kind: "some" | "full", priority: number) {
    const id = `system.${resource.name}_${kind}_pressure`;
    const title = `${resource.title} ${kind} pressure`;
    const { family } = resource;
    this.averages = new LazyChart(context, {
      id,
      type: "line",
      rule: "always",
      meta: { title, units: "percentage", family, priority, module: MODULE },
      dimensions: ["10", "60", "300"].map((seconds) => absolute(`${kind} ${seconds}`, 1, 100)),
    });
    this.stallTime = new LazyChart(context, {
      id: `${id}_stall_time`,
      type: "line",
      rule: "always",
      meta: { title: `${title} stall time`, units: "ms", family, priority: priority + 5, module: MODULE },
      dimensions: [incremental("time")],
    });
  }

  /** @returns false when the line is not understood; nothing is committed then. */
  collect(bytes: Buffer, start: number, end: number, nowUs: number): boolean {
    const { spans, values } = this;
    if (splitFields(bytes, start, end, spans) < WORDS) return false;
    for (let i = 1; i <= 3; i++) {
      const value = parseDecimal(bytes, valueStart(bytes, spans[2 * i]!, spans[2 * i + 1]!), spans[2 * i + 1]!, 2);
      if (Number.isNaN(value)) return false;
      values[i - 1] = value;
    }
    const totalStart = valueStart(bytes, spans[8]!, spans[9]!);
    const totalUs = parseTotal(bytes, totalStart, spans[9]!);
    if (Number.isNaN(totalUs)) return false;
    for (let i = 0; i < 3; i++) this.averages.set(i, values[i]!);
    this.averages.commit(nowUs);
    this.stallTime.set(0, Math.floor(totalUs / 1000));
    this.stallTime.commit(nowUs);
    return true;
  }
}

/** Where the value of `name=value` begins; `end` when there is none. */
function valueStart(bytes: Buffer, start: number, end: number): number {
  for (let index = start; index < end; index++) if (bytes[index] === EQUALS) return index + 1;
  return end;
}

/** µs; ms are made of it, so the rounding of more than 15 digits does not show. */
function parseTotal(bytes: Buffer, start: number, end: number): number {
  if (end - start <= DIGITS_EXACT_MAX) return parseInteger(bytes, start, end);
  return Number(parseBigInteger(bytes, start, end) ?? Number.NaN);
}
