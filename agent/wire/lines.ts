import { isUtf8 } from "node:buffer";
import type { StreamDecoder } from "./decode.ts";
import { EXACT_BELOW, readInteger, type SplitInteger } from "./integer.ts";
import { WireChart } from "./prediction.ts";
import { splitWords, WORDS_MAX } from "./scan.ts";
import type { StreamHandler } from "./stream-handler.ts";

/** Charts one connection can name; the database has its own, configurable limit below this. */
const CHARTS_MAX = 100_000;

/**
 * Keywords of later protocol generations that real agents send even where only V1 was agreed (streaming.md §2.7, §3):
 * they carry nothing this link has use for and are passed over without a word.
 */
const PASSED_OVER = new Set(["FUNCTION", "LABEL", "OVERWRITE", "CLABEL", "CLABEL_COMMIT", "CLAIMED_ID", "HOST"]);

/**
 * Reads one line at a time, word by word: definitions, rare keywords, bad lines, and the first BEGIN and SET of
 * everything, from which the decoder's predictions are learned.
 */
export class LineReader<Chart> {
  private readonly decoder: StreamDecoder<Chart>;
  private readonly handler: StreamHandler<Chart>;
  /** By what the handler knows them as: a database that cuts long ids has one chart for many of them. */
  private readonly charts = new Map<Chart, WireChart<Chart>>();
  private readonly spans = new Int32Array(2 * WORDS_MAX);
  private readonly integer: SplitInteger = { value: 0, rest: 0 };
  /** Chart whose heads were learned last; they are shared once its iteration is over. */
  private learned: WireChart<Chart> | null = null;

  constructor(decoder: StreamDecoder<Chart>, handler: StreamHandler<Chart>) {
    this.decoder = decoder;
    this.handler = handler;
  }

  /**
   * @param end position of the newline. @param inChunk the bytes are the chunk at hand, not a line kept from before.
   */
  read(bytes: Buffer, start: number, end: number, inChunk: boolean): void {
    // Whatever this line is: it was not proved to be one that every receiver takes.
    this.decoder.rawStart = -1;
    const count = splitWords(bytes, start, end, this.spans);
    if (count === 0) return;
    if (this.learned !== null && this.learned !== this.decoder.open) this.settleLearned(this.learned);
    switch (this.text(bytes, 0)) {
      case "SET":
        this.readSet(bytes, start, end, count);
        break;
      case "BEGIN":
        this.readBegin(bytes, start, end, count, inChunk);
        break;
      case "END":
        this.readEnd(bytes, start, end);
        break;
      case "CHART":
        this.readChart(bytes, start, end, count);
        break;
      case "DIMENSION":
        this.readDimension(bytes, start, end, count);
        break;
      case "VARIABLE":
        this.readVariable(bytes, start, end, count);
        break;
      case "FLUSH":
        this.abandon();
        break;
      case "DISABLE":
        this.handler.disable();
        break;
      default:
        if (!PASSED_OVER.has(this.text(bytes, 0))) this.handler.problem("unknown", bytes.subarray(start, end), false);
    }
  }

  private settleLearned(chart: WireChart<Chart>): void {
    chart.settle(this.handler.shape(chart.handle));
    this.learned = null;
  }

  private readSet(bytes: Buffer, start: number, end: number, count: number): void {
    const { decoder } = this;
    const chart = decoder.open;
    if (chart === null) {
      this.handler.problem("no_chart", bytes.subarray(start, end), true);
      return;
    }
    if (count < 2) {
      this.handler.problem("malformed", bytes.subarray(start, end), true);
      return;
    }
    const id = this.text(bytes, 1);
    const dimension = this.handler.dimensionIndex(chart.handle, id);
    if (dimension < 0 || dimension >= chart.count) {
      this.handler.problem("no_dimension", bytes.subarray(start, end), true);
      return;
    }
    // An empty value means: not collected this time.
    if (count < 3 || this.spans[4] === this.spans[5]) return;
    const previous = decoder.expected;
    if (dimension !== previous || !decoder.inOrder) {
      decoder.leaveOrder();
      decoder.markSet(dimension);
    }
    chart.setSuccessor(previous, dimension);
    decoder.expected = dimension + 1;
    readInteger(bytes, this.spans[4]!, this.spans[5]!, this.integer);
    if (Math.abs(this.integer.value) < EXACT_BELOW) decoder.row.values[dimension] = this.integer.value;
    else decoder.row.setWide(dimension, this.integer.value, this.integer.rest);
    this.learnSet(bytes, start, chart, dimension);
  }

  /** Remembers the head of this SET, and whether its form is one that may be passed on. */
  private learnSet(bytes: Buffer, start: number, chart: WireChart<Chart>, dimension: number): void {
    const valueAt = this.spans[4]!;
    if (!chart.learn(dimension, bytes, start, valueAt)) return;
    this.learned = chart;
    const head = bytes.toString("latin1", start, valueAt);
    const id = bytes.toString("latin1", this.spans[2], this.spans[3]);
    const isCanonical = head === `SET ${id} = ` || head === `SET "${id}" = ` || head === `SET '${id}' = `;
    // An id of broken UTF-8 is known, and defined to whoever comes next, under another text than these bytes.
    if (!isCanonical || !isUtf8(bytes.subarray(start, valueAt))) chart.heads.isForwardable = false;
  }

  private readBegin(bytes: Buffer, start: number, end: number, count: number, inChunk: boolean): void {
    this.abandon();
    const { decoder } = this;
    const chart = count < 2 ? null : this.chartOf(this.text(bytes, 1));
    if (chart === null) {
      decoder.isSkipping = true;
      decoder.subject = null;
      this.handler.problem(count < 2 ? "malformed" : "no_chart", bytes.subarray(start, end), false);
      return;
    }
    this.prepare(chart);
    let givenUs = 0;
    if (count > 2) {
      readInteger(bytes, this.spans[4]!, this.spans[5]!, this.integer);
      givenUs = Math.max(0, this.integer.value);
      decoder.begins.learn(chart, bytes, start, this.spans[4]!);
    }
    if (decoder.last !== null) decoder.last.next = chart;
    decoder.begin(chart, givenUs, inChunk ? end + 1 : -1);
  }

  private readEnd(bytes: Buffer, start: number, end: number): void {
    const { decoder } = this;
    if (decoder.open !== null) decoder.finish(bytes, end + 1);
    else if (!decoder.isSkipping) this.handler.problem("no_chart", bytes.subarray(start, end), false);
    decoder.isSkipping = false;
  }

  private readChart(bytes: Buffer, start: number, end: number, count: number): void {
    this.abandon();
    const { decoder } = this;
    const id = this.word(bytes, 1, count);
    const isId = isChartId(id);
    const handle = isId ? this.defineChart(bytes, id, count) : null;
    const chart = handle === null ? null : this.known(id, handle);
    decoder.isSkipping = chart === null;
    decoder.subject = chart;
    if (chart === null) this.handler.problem(isId ? "no_chart" : "malformed", bytes.subarray(start, end), false);
  }

  private defineChart(bytes: Buffer, id: string, count: number): Chart | null {
    return this.handler.defineChart({
      id,
      name: this.word(bytes, 2, count),
      title: this.word(bytes, 3, count),
      units: this.word(bytes, 4, count),
      family: this.word(bytes, 5, count),
      context: this.word(bytes, 6, count),
      chartType: this.word(bytes, 7, count),
      priority: this.number(bytes, 8, count),
      updateEverySec: this.number(bytes, 9, count),
      options: this.word(bytes, 10, count),
      plugin: this.word(bytes, 11, count),
      module: this.word(bytes, 12, count),
    });
  }

  private readDimension(bytes: Buffer, start: number, end: number, count: number): void {
    const chart = this.decoder.subject;
    if (chart === null || count < 2) {
      if (!this.decoder.isSkipping) this.handler.problem("malformed", bytes.subarray(start, end), false);
      return;
    }
    const id = this.text(bytes, 1);
    const index = this.handler.defineDimension(chart.handle, {
      id,
      name: this.word(bytes, 2, count) || id,
      algorithm: this.word(bytes, 3, count),
      multiplier: this.number(bytes, 4, count),
      divisor: this.number(bytes, 5, count),
      options: this.word(bytes, 6, count),
    });
    if (index < 0) return;
    chart.idBytesMax = Math.max(chart.idBytesMax, this.spans[3]! - this.spans[2]!);
    if (this.decoder.open !== chart) {
      if (index >= chart.count) chart.forgetBegin();
      return;
    }
    this.decoder.leaveOrder();
    const before = chart.count;
    this.prepare(chart);
    this.decoder.row.sets.fill(0, before, chart.count);
  }

  private readVariable(bytes: Buffer, start: number, end: number, count: number): void {
    const scope = this.word(bytes, 1, count);
    const isHost = scope === "HOST" || scope === "GLOBAL";
    const isChart = scope === "CHART" || scope === "LOCAL";
    const at = isHost || isChart ? 2 : 1;
    const name = this.word(bytes, at, count);
    const value = Number(this.word(bytes, at + 1, count) || Number.NaN);
    if (name === "" || !Number.isFinite(value)) {
      this.handler.problem("malformed", bytes.subarray(start, end), false);
      return;
    }
    const chart = isHost ? null : (this.decoder.open ?? (isChart ? this.decoder.subject : null));
    this.handler.setVariable(chart === null ? null : chart.handle, name, value);
  }

  /** Gives up the open iteration, if any. */
  abandon(): void {
    const { decoder } = this;
    if (decoder.open === null) return;
    const setCount = decoder.inOrder ? decoder.expected : decoder.row.setCount;
    decoder.open = null;
    decoder.row.wide = false;
    if (setCount > 0) this.handler.abandoned(setCount);
  }

  private prepare(chart: WireChart<Chart>): void {
    const count = this.handler.dimensionCount(chart.handle);
    if (chart.isNew && count > 0) chart.adopt(this.handler.shape(chart.handle), count);
    chart.reserve(count);
    this.decoder.row.reserve(count);
  }

  private chartOf(id: string): WireChart<Chart> | null {
    const handle = this.handler.findChart(id);
    return handle === null ? null : this.known(id, handle);
  }

  private known(id: string, handle: Chart): WireChart<Chart> | null {
    let chart = this.charts.get(handle);
    if (chart === undefined) {
      if (this.charts.size >= CHARTS_MAX) return null;
      chart = new WireChart(handle, id);
      this.charts.set(handle, chart);
    }
    return chart;
  }

  private word(bytes: Buffer, index: number, count: number): string {
    return index < count ? this.text(bytes, index) : "";
  }

  private text(bytes: Buffer, index: number): string {
    return bytes.toString("utf8", this.spans[2 * index]!, this.spans[2 * index + 1]!);
  }

  private number(bytes: Buffer, index: number, count: number): number {
    if (index >= count) return 0;
    readInteger(bytes, this.spans[2 * index]!, this.spans[2 * index + 1]!, this.integer);
    return this.integer.value;
  }
}

/** True for `type.id` with text on both sides of the first dot. */
function isChartId(id: string): boolean {
  const dot = id.indexOf(".");
  return dot > 0 && dot < id.length - 1;
}
