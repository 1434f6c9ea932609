import { FinalValues, FLAG_EMPTY, FLAG_RESET } from "./final-values.ts";
import { IdOrder } from "./id-order.ts";
import type { KnownCharts } from "./known-charts.ts";
import type { LineWords } from "./line-words.ts";
import type { WireChart } from "./prediction.ts";
import type { LineProblem, ReplayRow, StreamHandler } from "./stream-handler.ts";

class RowOfTime extends FinalValues implements ReplayRow {
  startSec = 0;
  endSec = 0;
  senderNowSec = 0;
}

/**
 * Answers to REPLAY_CHART (streaming.md §9). They may come with lines of other charts between them, so they have a
 * subject of their own, from an RBEGIN with an id to its REND.
 *
 * A day of history is a thousand times what comes in a minute: nothing is allocated per RSET that names the dimension
 * expected.
 */
export class ReplayLines<Chart> {
  private readonly handler: StreamHandler<Chart>;
  private readonly charts: KnownCharts<Chart>;
  private chart: WireChart<Chart> | null = null;
  private ids = new IdOrder();
  /** The chart of the last RBEGIN is not known. */
  private isSkipping = false;
  private readonly row = new RowOfTime();
  private isOpen = false;

  constructor(handler: StreamHandler<Chart>, charts: KnownCharts<Chart>) {
    this.handler = handler;
    this.charts = charts;
  }

  /** @returns false if the line is none of a replay. */
  read(keyword: string, words: LineWords, nowUs: number): boolean {
    if (keyword === "RBEGIN") this.readBegin(words, nowUs);
    else if (keyword === "RDSTATE") this.readDimensionState(words, nowUs);
    else if (keyword === "RSSTATE") this.readChartState(words, nowUs);
    else if (keyword === "REND") this.readEnd(words, nowUs);
    else return false;
    return true;
  }

  readSet(words: LineWords): void {
    words.dropSlot();
    const { chart } = this;
    if (chart === null || !this.isOpen) {
      this.problem(chart === null ? "no_chart" : "malformed", words, true);
      return;
    }
    const dimension = this.dimensionOf(chart, words);
    if (dimension < 0 || words.count < 3) {
      this.problem(dimension < 0 && words.count > 1 ? "no_dimension" : "malformed", words, true);
      return;
    }
    const value = words.has(3, FLAG_EMPTY) ? Number.NaN : words.double(2);
    this.row.set(dimension, value, 0);
    if (words.has(3, FLAG_RESET)) this.row.isReset = true;
  }

  /** No RSET of the open row follows. */
  settle(nowUs: number): void {
    this.finishRow(nowUs);
  }

  /** The stream is over: a row that was not seen to be whole counts as abandoned. */
  abandon(): void {
    const { setCount } = this.row;
    const isLost = this.isOpen && setCount > 0;
    this.isOpen = false;
    this.chart = null;
    if (isLost) this.handler.abandoned(setCount);
  }

  private readBegin(words: LineWords, nowUs: number): void {
    this.finishRow(nowUs);
    words.dropSlot();
    const id = words.word(1);
    if (id !== "") this.open(id, words);
    if (this.chart === null) {
      // That a chart is unknown was told once already; its values are told one by one.
      if (id === "" && !this.isSkipping) this.problem("no_chart", words, false);
      return;
    }
    if (words.count <= 2 && id !== "") return;
    const { row } = this;
    row.startSec = words.wireInteger(2);
    row.endSec = words.wireInteger(3);
    row.senderNowSec = words.wireInteger(4);
    if (row.startSec >= row.endSec) {
      this.problem("malformed", words, false);
      return;
    }
    this.isOpen = true;
    row.clear(this.handler.dimensionCount(this.chart.handle));
    this.ids.restart();
  }

  private open(id: string, words: LineWords): void {
    const chart = this.charts.find(id);
    if (chart !== this.chart) this.ids = new IdOrder();
    this.chart = chart;
    this.isSkipping = chart === null;
    if (chart === null) this.problem("no_chart", words, false);
  }

  private readDimensionState(words: LineWords, nowUs: number): void {
    this.finishRow(nowUs);
    words.dropSlot();
    const { chart } = this;
    if (chart === null || words.count < 6) {
      if (!this.isSkipping) this.problem(chart === null ? "no_chart" : "malformed", words, false);
      return;
    }
    const dimension = this.handler.dimensionIndex(chart.handle, words.text(1));
    if (dimension < 0) {
      this.problem("no_dimension", words, false);
      return;
    }
    const collectedUs = words.wireInteger(2);
    const { value: collected, rest } = words.splitInteger(3);
    const isTold = words.count >= 8;
    this.handler.dimensionState(chart.handle, dimension, {
      collectedUs,
      collected,
      rest,
      calculated: words.double(4),
      stored: words.double(5),
      collections: isTold ? Math.min(2, Math.max(0, words.wireInteger(6))) : Number(collectedUs > 0),
      isWide: isTold ? words.wireInteger(7) !== 0 : Math.abs(collected) > 0xffffffff,
    });
  }

  private readChartState(words: LineWords, nowUs: number): void {
    this.finishRow(nowUs);
    const { chart } = this;
    if (chart === null || words.count < 3) {
      if (!this.isSkipping) this.problem(chart === null ? "no_chart" : "malformed", words, false);
      return;
    }
    this.handler.chartState(chart.handle, words.wireInteger(1), words.wireInteger(2), nowUs);
  }

  private readEnd(words: LineWords, nowUs: number): void {
    this.finishRow(nowUs);
    const { chart, isSkipping } = this;
    this.chart = null;
    this.isSkipping = false;
    if (chart === null || words.count < 7) {
      if (!isSkipping) this.problem(chart === null ? "no_chart" : "malformed", words, false);
      return;
    }
    const end = {
      updateEverySec: words.wireInteger(1),
      firstSec: words.wireInteger(2),
      lastSec: words.wireInteger(3),
      isStreaming: words.text(4) === "true",
      afterSec: words.wireInteger(5),
      beforeSec: words.wireInteger(6),
      senderNowSec: words.wireInteger(7),
    };
    this.handler.replayEnd(chart.handle, end, nowUs);
  }

  private finishRow(nowUs: number): void {
    const { chart } = this;
    if (!this.isOpen || chart === null) return;
    this.isOpen = false;
    this.row.widen(this.handler.dimensionCount(chart.handle));
    this.handler.replay(chart.handle, this.row, nowUs);
  }

  private dimensionOf(chart: WireChart<Chart>, words: LineWords): number {
    if (words.count < 2) return -1;
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
