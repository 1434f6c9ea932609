import type { StreamDecoder } from "./decode.ts";
import { FinalValues, FLAG_EMPTY, FLAG_RESET } from "./final-values.ts";
import { IdOrder } from "./id-order.ts";
import type { KnownCharts } from "./known-charts.ts";
import type { LineWords } from "./line-words.ts";
import type { WireChart } from "./prediction.ts";
import type { FinalRow, LineProblem, StreamHandler } from "./stream-handler.ts";

class FinalPoint extends FinalValues implements FinalRow {
  endSec = 0;
  updateEverySec = 0;
  senderNowSec = 0;
}

/** Final values, as children send them where INTERPOLATED was agreed (streaming.md §6): BEGIN2, SET2, END2. */
export class FinalLines<Chart> {
  private readonly decoder: StreamDecoder<Chart>;
  private readonly handler: StreamHandler<Chart>;
  private readonly charts: KnownCharts<Chart>;
  private chart: WireChart<Chart> | null = null;
  private ids = new IdOrder();
  /** The chart of the last BEGIN2 is not known. */
  private isSkipping = false;
  private readonly row = new FinalPoint();

  constructor(decoder: StreamDecoder<Chart>, handler: StreamHandler<Chart>, charts: KnownCharts<Chart>) {
    this.decoder = decoder;
    this.handler = handler;
    this.charts = charts;
  }

  readBegin(words: LineWords): void {
    this.abandon();
    words.dropSlot();
    const isWhole = words.count >= 5;
    const chart = isWhole ? this.charts.find(words.text(1)) : null;
    this.chart = chart;
    this.isSkipping = chart === null;
    // VARIABLE CHART belongs to it, and an END without BEGIN is no riddle.
    this.decoder.subject = chart;
    this.decoder.isSkipping = chart === null;
    if (chart === null) {
      this.problem(isWhole ? "no_chart" : "malformed", words, false);
      return;
    }
    const { row } = this;
    row.updateEverySec = words.wireInteger(2);
    row.endSec = words.wireInteger(3);
    row.senderNowSec = words.isHash(4) ? row.endSec : words.wireInteger(4);
    row.clear(this.handler.dimensionCount(chart.handle));
    chart.ids ??= new IdOrder();
    this.ids = chart.ids;
    this.ids.restart();
  }

  readSet(words: LineWords): void {
    words.dropSlot();
    const { chart } = this;
    if (chart === null || words.count < 5) {
      this.problem(chart === null ? "no_chart" : "malformed", words, true);
      return;
    }
    const dimension = this.dimensionOf(chart, words);
    if (dimension < 0) {
      this.problem("no_dimension", words, true);
      return;
    }
    const collected = words.wireInteger(2);
    const value = words.isHash(3) ? collected : words.double(3);
    this.row.set(dimension, words.has(4, FLAG_EMPTY) ? Number.NaN : value, collected);
    if (words.has(4, FLAG_RESET)) this.row.isReset = true;
  }

  readEnd(words: LineWords, nowUs: number): void {
    const { chart, isSkipping } = this;
    this.chart = null;
    this.isSkipping = false;
    if (chart === null) {
      if (!isSkipping) this.problem("no_chart", words, false);
      return;
    }
    this.row.widen(this.handler.dimensionCount(chart.handle));
    this.handler.commitFinal(chart.handle, this.row, nowUs);
  }

  /** Gives up the open row, if any. */
  abandon(): void {
    if (this.chart === null) return;
    this.chart = null;
    if (this.row.setCount > 0) this.handler.abandoned(this.row.setCount);
  }

  private dimensionOf(chart: WireChart<Chart>, words: LineWords): number {
    const expected = this.ids.expected(words);
    if (expected >= 0) return expected;
    const dimension = this.handler.dimensionIndex(chart.handle, words.text(1));
    if (dimension < 0) return -1;
    this.row.widen(dimension + 1);
    this.ids.learn(words, dimension, this.row.count);
    return dimension;
  }

  private problem(kind: LineProblem, words: LineWords, isValue: boolean): void {
    this.handler.problem(kind, words.line, isValue);
  }
}
