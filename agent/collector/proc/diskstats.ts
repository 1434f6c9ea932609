import { errorText } from "../../base/errors.ts";
import { lineEnd, splitFields } from "../../base/fields.ts";
import { parseInteger } from "../../base/number.ts";
import type { ProcFile } from "../../base/proc-file.ts";
import type { Collector, CollectorContext, CollectorModule } from "../collector.ts";
import { LazyChart } from "../lazy-chart.ts";
import { RowCache } from "../row-cache.ts";
import { classifyDisk, Disk, identifyDisk } from "./disk.ts";
import { COUNTER, COUNTERS_MAX, COUNTERS_MIN, SYSTEM_IO } from "./disk-charts.ts";
import { mountPointsByDevice, readMounts } from "./mount-table.ts";

/** Mounts are looked at again after this time. */
const MOUNTS_EVERY_MS = 15_000;
/** Disks followed; a large storage server has a few hundred paths, each with partitions. */
const DISKS_MAX = 2048;
/** Words in front of the counters: major, minor, name. */
const WORDS_BEFORE = 3;

/** Every disk of /proc/diskstats and their sum `system.io`. Partitions only when asked for. */
export const diskstats: CollectorModule = {
  name: "diskstats",
  everySecMin: 1,
  excludeDefault: "loop* ram*",
  start: (context) => new Diskstats(context),
};

class Diskstats implements Collector {
  private readonly context: CollectorContext;
  private readonly file: ProcFile;
  private readonly rows: RowCache<Disk>;
  private readonly io: LazyChart;
  private readonly spans = new Int32Array(2 * (WORDS_BEFORE + COUNTERS_MAX));
  private readonly counters = new Float64Array(COUNTERS_MAX);
  private mountPoints = new Map<string, string>();
  private mountsAtMs = Number.NEGATIVE_INFINITY;
  private readSectors = 0;
  private writeSectors = 0;

  constructor(context: CollectorContext) {
    this.context = context;
    this.io = new LazyChart(context, SYSTEM_IO);
    this.rows = new RowCache("disks", DISKS_MAX, context.log, (key) => this.createDisk(key));
    this.file = context.files.openProc("diskstats");
  }

  collect(nowUs: number): void {
    this.refreshMounts();
    const length = this.file.readSome();
    const { bytes } = this.file;
    this.readSectors = 0;
    this.writeSectors = 0;
    this.rows.begin();
    for (let start = 0; start < length; ) {
      const end = lineEnd(bytes, start, length);
      if (end > start) this.collectLine(bytes, start, end, nowUs);
      start = end + 1;
    }
    this.rows.end();
    // Sectors of 512 bytes, shown in KiB.
    this.io.set(0, Math.floor(this.readSectors / 2));
    this.io.set(1, Math.floor(this.writeSectors / 2));
    this.io.commit(nowUs);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }

  private collectLine(bytes: Buffer, start: number, end: number, nowUs: number): void {
    const known = this.rows.predict(bytes, start);
    if (known?.isLeftOut) return;
    const words = splitFields(bytes, start, end, this.spans);
    const disk = known ?? this.lookup(bytes, start, end, words);
    if (disk === undefined || disk.isLeftOut) return;
    const count = this.parse(bytes, words);
    if (count < COUNTERS_MIN) {
      disk.reportLine(bytes.toString("latin1", start, end));
      return;
    }
    const { counters } = this;
    const isPhysical = disk.kind === "physical";
    this.readSectors += isPhysical ? counters[COUNTER.readSectors]! : 0;
    this.writeSectors += isPhysical ? counters[COUNTER.writeSectors]! : 0;
    disk.collect(counters, count, nowUs);
  }

  /** @returns how many counters the line has; 0 when one of them is no number. Those it lacks are 0. */
  private parse(bytes: Buffer, words: number): number {
    const { spans, counters } = this;
    counters.fill(0);
    for (let i = WORDS_BEFORE; i < words; i++) {
      const value = parseInteger(bytes, spans[2 * i]!, spans[2 * i + 1]!);
      if (Number.isNaN(value)) return 0;
      counters[i - WORDS_BEFORE] = value;
    }
    return words - WORDS_BEFORE;
  }

  private lookup(bytes: Buffer, start: number, end: number, words: number): Disk | undefined {
    if (words <= WORDS_BEFORE) return undefined;
    const { spans } = this;
    const word = (index: number): string => bytes.toString("utf8", spans[2 * index], spans[2 * index + 1]);
    return this.rows.lookup(`${word(0)}:${word(1)} ${word(2)}`, bytes, start, Math.min(spans[5]! + 1, end));
  }

  /** @param key `major:minor name`. */
  private createDisk(key: string): Disk {
    const { files, settings } = this.context;
    const blank = key.indexOf(" ");
    const device = key.slice(0, blank);
    const name = key.slice(blank + 1);
    const kind = classifyDisk(files, device, name);
    const identity = identifyDisk(files, name, kind, this.mountPoints.get(device));
    const isLeftOut =
      settings.isExcluded(name) || settings.isExcluded(identity.name) || (kind === "partition" && !settings.partitions);
    return new Disk(this.context, device, identity, isLeftOut);
  }

  /** Families follow the mounts; a disk may be mounted long after it appeared. */
  private refreshMounts(): void {
    const nowMs = this.context.clock.monotonicMs();
    if (nowMs - this.mountsAtMs < MOUNTS_EVERY_MS) return;
    this.mountsAtMs = nowMs;
    try {
      this.mountPoints = mountPointsByDevice(readMounts(this.context.files));
    } catch (error) {
      // Without mounts the families are the names of the disks.
      this.context.log.debug("collector.mounts_unreadable", { reason: errorText(error) });
      return;
    }
    for (const disk of this.rows.objects()) disk.moveTo(this.mountPoints.get(disk.device));
  }
}
