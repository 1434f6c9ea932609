import type { ChartWriter } from "../format/point-format.ts";
import type { Chart } from "../rrd/chart.ts";
import { collectedSec, latestCollected, readStored } from "../rrd/read.ts";
import type { BatchWriter } from "./batch-writer.ts";
import { alignUp, exportLimitSec, exportStartSec, windowEndSec } from "./window.ts";

/** What an exporter takes from the database. */
export type DataSource = "as collected" | "average" | "sum";

/** When and what is exported, for every chart alike. */
export interface ExportTimes {
  readonly source: DataSource;
  readonly everySec: number;
  /** When exporting began. */
  readonly startSec: number;
}

/** A chart whose time went back further than this begins anew; less far, its points are skipped until it catches up. */
const CLOCK_JUMP_SEC = 3600;
/** Windows of one chart in one interval after a long pause: keeps its slice short, the rest follows next time. */
const WINDOWS_MAX = 100;
/** Dimensions written between two looks at the size of the batch. */
const ROW_PART = 64;

/** Working space of {@link ChartCursor}, for all charts. */
const scratch = { slots: new Float64Array(64), row: new Float64Array(64) };

/** How far one chart has been exported. */
export class ChartCursor {
  readonly chart: Chart;
  /** Times the chart's clock jumped back and the cursor began anew. */
  jumps = 0;
  private writer: ChartWriter | null = null;
  private version = 0;
  /** Stored: first time of the next window. Collected: first second that is new. 0 = nothing exported yet. */
  private nextSec = 0;

  constructor(chart: Chart) {
    this.chart = chart;
  }

  /**
   * Brings the names up to date. @param prepare called when the definition changed; null = the chart is not exported.
   */
  refresh(prepare: (chart: Chart) => ChartWriter | null): void {
    if (this.version === this.chart.version) return;
    this.version = this.chart.version;
    this.writer = prepare(this.chart);
  }

  /** The names of its host changed. */
  forgetNames(): void {
    this.version = 0;
  }

  /**
   * Writes everything that is due. Only reads the database.
   * @param tickSec the second at which the interval was due. @returns values skipped.
   */
  write(times: ExportTimes, tickSec: number, out: BatchWriter): number {
    const { writer, chart } = this;
    const { count } = chart.dimensions;
    if (writer === null || count === 0) return 0;
    if (scratch.row.length < count) scratch.row = new Float64Array(2 * count);
    if (times.source === "as collected") return this.writeCollected(writer, times, out);
    return chart.entriesHeld === 0 ? 0 : this.writeStored(writer, times, tickSec, out);
  }

  private writeStored(writer: ChartWriter, times: ExportTimes, tickSec: number, out: BatchWriter): number {
    const { chart } = this;
    const { updateEverySec } = chart.definition;
    const newestSec = chart.lastEntrySec;
    const oldestSec = chart.firstEntrySec + updateEverySec;
    const isFirst = this.nextSec === 0;
    if (!isFirst && this.hasGoneBack(newestSec, updateEverySec)) return chart.dimensions.count;
    let fromSec = isFirst ? exportStartSec(times.startSec, updateEverySec) : alignUp(this.nextSec, updateEverySec);
    let skipped = 0;
    if (fromSec < oldestSec) {
      if (!isFirst) skipped += chart.dimensions.count;
      fromSec = oldestSec;
    }
    const lastSec = Math.min(exportLimitSec(tickSec, updateEverySec), newestSec);
    for (let windows = 0; fromSec <= lastSec && windows < WINDOWS_MAX; windows++) {
      const endSec = windowEndSec(fromSec, lastSec, updateEverySec, times.everySec);
      skipped += this.writeWindow(writer, fromSec, endSec, times.source === "average", out);
      fromSec = endSec + updateEverySec;
      this.nextSec = fromSec;
    }
    return skipped;
  }

  /** The window `[fromSec, endSec]`: one point a dimension, with the time of its end. */
  private writeWindow(
    writer: ChartWriter,
    fromSec: number,
    endSec: number,
    isAverage: boolean,
    out: BatchWriter,
  ): number {
    const { chart } = this;
    const { count } = chart.dimensions;
    const slotCount = (endSec - fromSec) / chart.definition.updateEverySec + 1;
    if (scratch.slots.length < slotCount) scratch.slots = new Float64Array(2 * slotCount);
    const { slots, row } = scratch;
    for (let index = 0; index < count; index++) {
      readStored(chart, index, fromSec, endSec, slots);
      let sum = 0;
      let held = 0;
      for (let slot = 0; slot < slotCount; slot++) {
        const value = slots[slot]!;
        if (Number.isNaN(value)) continue;
        sum += value;
        held++;
      }
      row[index] = held === 0 ? Number.NaN : isAverage ? sum / held : sum;
    }
    let skipped = count;
    for (let from = 0; from < count; from += ROW_PART) {
      const points = writer.stored(out.out, row, from, Math.min(from + ROW_PART, count), endSec);
      out.wrote(points, endSec);
      skipped -= points;
    }
    return skipped;
  }

  private writeCollected(writer: ChartWriter, times: ExportTimes, out: BatchWriter): number {
    const { chart } = this;
    const { count } = chart.dimensions;
    const newestSec = Math.floor(chart.lastCollectedUs / 1e6);
    if (newestSec === 0) return 0;
    if (this.nextSec !== 0 && this.hasGoneBack(newestSec, 1)) return count;
    const fromSec = this.nextSec === 0 ? times.startSec : this.nextSec;
    if (newestSec < fromSec) return 0;
    let skipped = 0;
    for (let index = 0; index < count; index++) {
      const timeSec = collectedSec(chart, index);
      const value = latestCollected(chart, index);
      if (timeSec < fromSec || value === undefined) {
        skipped++;
        continue;
      }
      writer.collected(out.out, index, value, timeSec);
      out.wrote(1, timeSec);
    }
    this.nextSec = newestSec + 1;
    return skipped;
  }

  /**
   * True while the chart's newest time lies before what was exported already: those points are skipped, because a
   * server would take them as corrections of older ones. After a large step there is nothing to wait for.
   */
  private hasGoneBack(newestSec: number, stepSec: number): boolean {
    const behindSec = this.nextSec - stepSec - newestSec;
    if (behindSec <= 0) return false;
    if (behindSec <= CLOCK_JUMP_SEC) return true;
    this.jumps++;
    this.nextSec = newestSec;
    return false;
  }
}
