import { assert } from "../base/assert.ts";
import type { Chart } from "./chart.ts";
import type { Dimension } from "./dimension.ts";
import { createGroupState, findGroupMethod, type GroupMethod } from "./query-groups.ts";
import { PointGrid } from "./query-points.ts";
import { type QueryWindow, ROWS_MAX, resolveWindow, type WindowRequest } from "./query-window.ts";

/** What is asked of one chart (rrd.md §6). */
export interface QueryRequest extends WindowRequest {
  /** Says which dimensions are wanted; null = all that are not hidden. */
  readonly selects: ((dimension: Dimension) => boolean) | null;
  /** Name of a group method; unknown names mean `average`. */
  readonly group: string;
  readonly groupOptions: string;
  /** The value of every row is made positive, before percentages and sums of the row. */
  readonly absolute: boolean;
  /** Values as percentages of the row's sum over all dimensions, hidden and unselected ones too. */
  readonly percentage: boolean;
  /** Leave out dimensions that are 0 or empty in every row, unless all are. */
  readonly nonzero: boolean;
}

/** One dimension of an answer. */
export interface QueryColumn {
  readonly id: string;
  readonly name: string;
  /** One value a row, oldest first; NaN = none. Valid until the query is disposed. */
  readonly values: Float64Array;
  /** Newest stored value, whatever the window; NaN = none. */
  readonly latest: number;
}

/** The answer: plain numbers, formatted by whoever asked. */
export interface QueryResult {
  readonly chart: Chart;
  readonly window: QueryWindow;
  readonly columns: readonly QueryColumn[];
  /** Values are stored ones, unchanged (32-bit floats); else they were calculated. */
  readonly isRaw: boolean;
  /** Name of the group method that was used. */
  readonly group: string;
  readonly firstSec: number;
  readonly lastSec: number;
  /** Stored points that were looked at. */
  readonly pointsRead: number;
  /** Time of row `k`, 0 = oldest. */
  timeOf(row: number): number;
  /** One flag a row: a counter of the chart was reset in it. */
  resetRows(): Uint8Array;
}

/** Most values of one answer (32 MiB of doubles): a day of seconds of 48 dimensions. More dimensions: fewer rows. */
export const VALUES_MAX = 4_194_304;

/** A block of values up to this size (1 MiB) is kept for the next query: dashboards ask every second. */
const SPARE_VALUES_MAX = 131_072;
let spare: Float64Array | null = null;

/**
 * A query that is answered dimension by dimension, so that whoever asks can let others run in between: call
 * {@link step} until it returns false, then {@link finish}. Work of one step is bounded by the chart's history.
 * Dispose it once its answer is written: the memory of its values goes to the next query.
 */
export class Query implements Disposable {
  readonly window: QueryWindow;
  private readonly chart: Chart;
  private readonly request: QueryRequest;
  private readonly method: GroupMethod;
  private readonly grid: PointGrid;
  private readonly firstSec: number;
  private readonly lastSec: number;
  /** Positions to read: the selected ones first, then those only a percentage needs. */
  private readonly wanted: readonly number[];
  private readonly selectedCount: number;
  private readonly columns: QueryColumn[] = [];
  private readonly rowSums: Float64Array | null;
  /** All columns, one after the other, and one for what only a percentage needs. */
  private block: Float64Array | null;
  private next = 0;

  private constructor(chart: Chart, request: QueryRequest, selected: number[], window: QueryWindow) {
    this.chart = chart;
    this.request = request;
    this.window = window;
    this.method = findGroupMethod(request.group);
    this.firstSec = chart.firstEntrySec;
    this.lastSec = chart.lastEntrySec;
    this.grid = new PointGrid(chart, window);
    this.selectedCount = selected.length;
    const isSelected = new Set(selected);
    const others = request.percentage ? positionsOf(chart, (_, index) => !isSelected.has(index)) : [];
    this.wanted = [...selected, ...others];
    this.rowSums = request.percentage ? new Float64Array(window.rows) : null;
    this.block = takeBlock(this.valueCount);
  }

  /** @returns null when the chart does not match: no dimension is selected, or the window is far from what it holds. */
  static open(chart: Chart, request: QueryRequest, nowSec: number): Query | null {
    const selected = positionsOf(chart, (dimension) => request.selects?.(dimension) ?? !dimension.hidden);
    if (request.selects !== null && selected.length === 0) return null;
    const window = resolveWindow(request, {
      firstSec: chart.firstEntrySec,
      lastSec: chart.lastEntrySec,
      updateEverySec: chart.definition.updateEverySec,
      nowSec,
      rowsMax: Math.max(1, Math.min(ROWS_MAX, Math.floor(VALUES_MAX / Math.max(1, selected.length)))),
    });
    return window.touches ? new Query(chart, request, selected, window) : null;
  }

  /** Values the answer holds: rows × dimensions that are read. */
  get valueCount(): number {
    return this.window.rows * (this.selectedCount + (this.rowSums === null ? 0 : 1));
  }

  /** Reads one more dimension. @returns false when all are read. */
  step(): boolean {
    const index = this.wanted[this.next];
    if (index === undefined) return false;
    assert(this.block !== null, "a query is read after its end");
    const isSelected = this.next < this.selectedCount;
    const from = Math.min(this.next, this.selectedCount) * this.window.rows;
    const values = this.block.subarray(from, from + this.window.rows);
    this.next++;
    this.grid.read(index, this.method, this.newState(), values);
    if (this.request.absolute) for (let row = 0; row < values.length; row++) values[row] = Math.abs(values[row]!);
    this.addToSums(values);
    const dimension = this.chart.dimensions.list[index];
    if (isSelected && dimension !== undefined) {
      this.columns.push({ id: dimension.id, name: dimension.name, values, latest: this.grid.latest(index) });
    }
    return this.next < this.wanted.length;
  }

  /** The answer. All steps must be done. */
  finish(): QueryResult {
    const { chart, window, grid } = this;
    if (this.rowSums !== null) for (const column of this.columns) toPercentage(column.values, this.rowSums);
    const nonzero = this.request.nonzero ? this.columns.filter((column) => column.values.some(isNonzero)) : [];
    const isSingle = window.isNatural || chart.definition.updateEverySec === 1;
    return {
      chart,
      window,
      columns: nonzero.length > 0 ? nonzero : this.columns,
      isRaw: isSingle && window.group === 1 && this.method.keepsSingle && this.rowSums === null,
      group: this.method.name,
      firstSec: this.firstSec,
      lastSec: this.lastSec,
      pointsRead: grid.pointsRead,
      timeOf: (row) => grid.endOf(row),
      resetRows: () => grid.resetRows(),
    };
  }

  /** Gives the memory of all columns back. */
  [Symbol.dispose](): void {
    if (this.block !== null && this.block.length <= SPARE_VALUES_MAX) spare = this.block;
    this.block = null;
  }

  private newState() {
    const { group, rows, divisor } = this.window;
    return createGroupState(group, rows, divisor, this.request.groupOptions);
  }

  private addToSums(values: Float64Array): void {
    const sums = this.rowSums;
    if (sums === null) return;
    for (let row = 0; row < sums.length; row++) {
      const value = values[row]!;
      if (!Number.isNaN(value)) sums[row] = sums[row]! + value;
    }
  }
}

/** Answers a query at once. @returns null when the chart does not match, as {@link Query.open}. */
export function runQuery(chart: Chart, request: QueryRequest, nowSec: number): QueryResult | null {
  const query = Query.open(chart, request, nowSec);
  if (query === null) return null;
  while (query.step());
  return query.finish();
}

/** @returns a block of at least this many values, whatever they are. */
function takeBlock(values: number): Float64Array {
  const block = spare;
  spare = null;
  return block !== null && block.length >= values ? block : new Float64Array(values);
}

function positionsOf(chart: Chart, wants: (dimension: Dimension, index: number) => boolean): number[] {
  const positions: number[] = [];
  chart.dimensions.list.forEach((dimension, index) => {
    if (wants(dimension, index)) positions.push(index);
  });
  return positions;
}

function toPercentage(values: Float64Array, sums: Float64Array): void {
  for (let row = 0; row < values.length; row++) values[row] = (values[row]! * 100) / (sums[row]! || 1);
}

function isNonzero(value: number): boolean {
  return value !== 0 && !Number.isNaN(value);
}
