import type { Chart } from "./chart.ts";
import type { GroupMethod, GroupState } from "./query-groups.ts";
import type { QueryWindow } from "./query-window.ts";
import { isResetAt, latestStored, readStored } from "./read.ts";

/** Stored points fetched at once: 64 blocks. */
const CHUNK_POINTS = 4096;

/** Buffers of the query at hand, reused; a query never waits while it uses them. */
const chunk = new Float64Array(CHUNK_POINTS);
let points = new Float64Array(CHUNK_POINTS);

/**
 * Brings the stored points of a chart into the rows of a window (rrd.md §6.3). Points are met on the grid
 * `after, after + u, …` up to `before`: where rows are cut without regard to update_every, a grid time shows the stored
 * point at or before it, and those outside of what the chart holds are empty, as real answers show.
 */
export class PointGrid {
  /** Stored points looked at so far. */
  pointsRead = 0;
  private readonly chart: Chart;
  private readonly window: QueryWindow;
  private readonly updateEverySec: number;
  private readonly firstSec: number;
  private readonly lastSec: number;
  private readonly rowSec: number;

  constructor(chart: Chart, window: QueryWindow) {
    this.chart = chart;
    this.window = window;
    this.updateEverySec = chart.definition.updateEverySec;
    this.lastSec = chart.lastEntrySec;
    this.rowSec = window.group * window.stepSec;
    // The slot at first_entry itself is a bound, not a point.
    this.firstSec = chart.firstEntrySec + this.updateEverySec;
  }

  /** End of row `row`, 0 = oldest. */
  endOf(row: number): number {
    return this.window.beforeSec - (this.window.rows - 1 - row) * this.rowSec;
  }

  /** Newest stored value of the dimension at `index`; NaN = none. */
  latest(index: number): number {
    return this.isReadable(index) ? latestStored(this.chart, index) : Number.NaN;
  }

  /** Reads the rows of the dimension at `index`, oldest first. @param values one a row, all of them are written. */
  read(index: number, method: GroupMethod, state: GroupState, values: Float64Array): void {
    const { group, stepSec } = this.window;
    if (group === 1 && stepSec === this.updateEverySec && method.keepsSingle && state.divisor === 0) {
      this.copyRows(index, values);
    } else this.groupRows(index, values, method, state);
  }

  /** One flag a row: some point of it was stored when a counter of the chart was reset. */
  resetRows(): Uint8Array {
    const flags = new Uint8Array(this.window.rows);
    const { first, count, shiftSec } = this.span();
    for (let i = 0; i < count; i++) {
      const gridSec = first + i * this.updateEverySec;
      if (isResetAt(this.chart, gridSec - shiftSec)) flags[this.rowOf(gridSec)] = 1;
    }
    return flags;
  }

  /** Every row is one stored point. */
  private copyRows(index: number, values: Float64Array): void {
    const { first, count } = this.span();
    if (count === 0 || !this.isReadable(index)) {
      values.fill(Number.NaN);
      return;
    }
    this.pointsRead += count;
    const lastSec = first + (count - 1) * this.updateEverySec;
    const row = this.rowOf(first);
    values.fill(Number.NaN, 0, row);
    readStored(this.chart, index, first, lastSec, values, row);
    values.fill(Number.NaN, row + count);
  }

  private groupRows(index: number, values: Float64Array, method: GroupMethod, state: GroupState): void {
    const { first, count, shiftSec } = this.span();
    const u = this.updateEverySec;
    const row = { number: 0, endSec: this.endOf(0), count: 0 };
    let last = Number.NaN;
    for (let done = 0; done < count; ) {
      const got = this.fetch(index, first + done * u - shiftSec, count - done);
      for (let i = 0; i < got; i++) {
        const value = chunk[i]!;
        const gridSec = first + (done + i) * u;
        // Rows that end before this point began have nothing more to come.
        while (row.endSec <= gridSec - u) this.closeRow(row, values, method, state);
        if (gridSec < row.endSec) addPoint(row, value);
        for (; row.number < this.window.rows && row.endSec <= gridSec; ) {
          addPoint(row, between(last, value, (gridSec - row.endSec) / u));
          this.closeRow(row, values, method, state);
        }
        last = value;
      }
      done += got;
    }
    while (row.number < this.window.rows) this.closeRow(row, values, method, state);
  }

  private closeRow(row: OpenRow, values: Float64Array, method: GroupMethod, state: GroupState): void {
    const hasValue = row.count > 0 || method.fillsEmpty;
    values[row.number] = hasValue ? method.reduce(points, row.count, state) : Number.NaN;
    row.number++;
    row.endSec += this.rowSec;
    row.count = 0;
  }

  /**
   * The part of the grid that can hold points: its first time, the number of them, and how far behind a grid time its
   * stored point lies (0 … u − 1 seconds).
   */
  private span(): { first: number; count: number; shiftSec: number } {
    const { afterSec, beforeSec } = this.window;
    const u = this.updateEverySec;
    const shiftSec = (((afterSec - this.lastSec) % u) + u) % u;
    if (this.chart.slotsPassed === 0) return { first: afterSec, count: 0, shiftSec };
    // Between two stored times the first grid time has no point of its own.
    const start = shiftSec === 0 ? afterSec : afterSec + u;
    const first = start + Math.max(0, Math.ceil((this.firstSec - start) / u)) * u;
    const end = Math.min(beforeSec, this.lastSec);
    return { first, count: Math.max(0, Math.floor((end - first) / u) + 1), shiftSec };
  }

  private rowOf(timeSec: number): number {
    return Math.max(0, Math.ceil((timeSec - this.endOf(0)) / this.rowSec));
  }

  /** Fills {@link chunk} from a stored time on. @returns how many points, at most `count`. */
  private fetch(index: number, fromSec: number, count: number): number {
    const got = Math.min(count, CHUNK_POINTS);
    this.pointsRead += got;
    if (this.isReadable(index)) {
      readStored(this.chart, index, fromSec, fromSec + (got - 1) * this.updateEverySec, chunk);
    } else chunk.fill(Number.NaN, 0, got);
    return got;
  }

  /** False when the chart or its host changed under a query that was answered in steps. */
  private isReadable(index: number): boolean {
    const { chart } = this;
    const segments = chart.host.ring?.segments.length ?? 0;
    return segments > 0 && index < chart.dimensions.count && chart.definition.updateEverySec === this.updateEverySec;
  }
}

interface OpenRow {
  number: number;
  endSec: number;
  /** Points of it in {@link points}. */
  count: number;
}

function addPoint(row: OpenRow, value: number): void {
  if (Number.isNaN(value)) return;
  if (row.count === points.length) {
    const wider = new Float64Array(2 * points.length);
    wider.set(points);
    points = wider;
  }
  points[row.count++] = value;
}

/** Value `back` of the way from a point to the one before it; the point itself where there is no point before. */
function between(last: number, value: number, back: number): number {
  return Number.isNaN(last) ? value : value - (value - last) * back;
}
