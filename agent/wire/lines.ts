import { isUtf8 } from "node:buffer";
import type { StreamDecoder } from "./decode.ts";
import { FinalLines } from "./final-lines.ts";
import { EXACT_BELOW, readInteger, type SplitInteger } from "./integer.ts";
import { KnownCharts } from "./known-charts.ts";
import { LabelLines } from "./label-lines.ts";
import { LineWords } from "./line-words.ts";
import type { WireChart } from "./prediction.ts";
import { ReplayLines } from "./replay-lines.ts";
import type { StreamHandler } from "./stream-handler.ts";

/**
 * Keywords of later protocol generations that real agents send even where only V1 was agreed (streaming.md §2.7, §3):
 * they carry nothing this link has use for and are passed over without a word.
 */
const PASSED_OVER = new Set(["FUNCTION", "CLAIMED_ID", "HOST"]);

/** `RSET` and `SET2` as little-endian 32-bit integers: of these there are so many that no string is made of them. */
const RSET = 0x54455352;
const SET2 = 0x32544553;

/**
 * Reads one line at a time, word by word: definitions, rare keywords, bad lines, and the first BEGIN and SET of
 * everything, from which the decoder's predictions are learned.
 */
export class LineReader<Chart> {
  private readonly decoder: StreamDecoder<Chart>;
  private readonly handler: StreamHandler<Chart>;
  private readonly charts: KnownCharts<Chart>;
  private readonly words = new LineWords();
  private readonly labels: LabelLines<Chart>;
  private readonly replay: ReplayLines<Chart>;
  private readonly final: FinalLines<Chart>;
  private readonly integer: SplitInteger = { value: 0, rest: 0 };
  /** Chart whose heads were learned last; they are shared once its iteration is over. */
  private learned: WireChart<Chart> | null = null;

  constructor(decoder: StreamDecoder<Chart>, handler: StreamHandler<Chart>) {
    this.decoder = decoder;
    this.handler = handler;
    this.charts = new KnownCharts(handler, decoder.begins);
    this.labels = new LabelLines(decoder, handler);
    this.replay = new ReplayLines(handler, this.charts);
    this.final = new FinalLines(decoder, handler, this.charts);
  }

  /**
   * @param end position of the newline. @param inChunk the bytes are the chunk at hand, not a line kept from before.
   */
  read(bytes: Buffer, start: number, end: number, inChunk: boolean): void {
    // Whatever this line is: it was not proved to be one that every receiver takes.
    this.decoder.rawStart = -1;
    const { words } = this;
    words.take(bytes, start, end);
    if (words.count > 0) {
      if (this.learned !== null && this.learned !== this.decoder.open) this.settleLearned(this.learned);
      const at = words.spans[0]!;
      const mark = words.spans[1]! - at === 4 ? bytes.readInt32LE(at) : 0;
      if (mark === RSET) this.replay.readSet(words);
      else if (mark === SET2) this.final.readSet(words);
      else this.readKeyword(words.text(0), inChunk);
    }
    words.release();
  }

  private readKeyword(keyword: string, inChunk: boolean): void {
    switch (keyword) {
      case "SET":
        this.readSet();
        break;
      case "BEGIN":
        this.readBegin(inChunk);
        break;
      case "END":
        this.readEnd();
        break;
      case "CHART":
        this.readChart();
        break;
      case "DIMENSION":
        this.readDimension();
        break;
      case "VARIABLE":
        this.readVariable();
        break;
      case "FLUSH":
        this.abandon();
        this.final.abandon();
        break;
      case "DISABLE":
        this.handler.disable();
        break;
      default:
        this.readLater(keyword);
    }
  }

  /** Lines that the base protocol does not have. */
  private readLater(keyword: string): void {
    const { words, decoder } = this;
    switch (keyword) {
      case "BEGIN2":
        this.abandon();
        this.final.readBegin(words);
        break;
      case "END2":
        this.final.readEnd(words, decoder.nowUs);
        break;
      case "CHART_DEFINITION_END":
        this.readDefinitionEnd();
        break;
      case "TRIBUTARY":
        // It tells of all that stands before it.
        this.replay.settle(decoder.nowUs);
        this.handler.extension(words.list(1), decoder.nowUs);
        break;
      default:
        if (this.labels.read(keyword, words) || this.replay.read(keyword, words, decoder.nowUs)) break;
        if (!PASSED_OVER.has(keyword)) this.handler.problem("unknown", words.line, false);
    }
  }

  /** The stream is over: what has no end yet is given up. */
  end(): void {
    this.abandon();
    this.final.abandon();
    this.replay.abandon();
  }

  private settleLearned(chart: WireChart<Chart>): void {
    chart.settle(this.handler.shape(chart.handle));
    this.learned = null;
  }

  private readSet(): void {
    const { decoder, words } = this;
    const chart = decoder.open;
    if (chart === null) {
      this.handler.problem("no_chart", words.line, true);
      return;
    }
    if (words.count < 2) {
      this.handler.problem("malformed", words.line, true);
      return;
    }
    const id = words.text(1);
    const dimension = this.handler.dimensionIndex(chart.handle, id);
    if (dimension < 0 || dimension >= chart.count) {
      this.handler.problem("no_dimension", words.line, true);
      return;
    }
    // An empty value means: not collected this time.
    if (words.count < 3 || words.spans[4] === words.spans[5]) return;
    const previous = decoder.expected;
    if (dimension !== previous || !decoder.inOrder) {
      decoder.leaveOrder();
      decoder.markSet(dimension);
    }
    chart.setSuccessor(previous, dimension);
    decoder.expected = dimension + 1;
    readInteger(words.bytes, words.spans[4]!, words.spans[5]!, this.integer);
    if (Math.abs(this.integer.value) < EXACT_BELOW) decoder.row.values[dimension] = this.integer.value;
    else decoder.row.setWide(dimension, this.integer.value, this.integer.rest);
    this.learnSet(chart, dimension);
  }

  /** Remembers the head of this SET, and whether its form is one that may be passed on. */
  private learnSet(chart: WireChart<Chart>, dimension: number): void {
    const { bytes, start, spans } = this.words;
    const valueAt = spans[4]!;
    if (!chart.learn(dimension, bytes, start, valueAt)) return;
    this.learned = chart;
    const head = bytes.toString("latin1", start, valueAt);
    const id = bytes.toString("latin1", spans[2], spans[3]);
    const isCanonical = head === `SET ${id} = ` || head === `SET "${id}" = ` || head === `SET '${id}' = `;
    // An id of broken UTF-8 is known, and defined to whoever comes next, under another text than these bytes.
    if (!isCanonical || !isUtf8(bytes.subarray(start, valueAt))) chart.heads.isForwardable = false;
  }

  private readBegin(inChunk: boolean): void {
    this.abandon();
    const { decoder, words } = this;
    const chart = words.count < 2 ? null : this.charts.find(words.text(1));
    if (chart === null) {
      decoder.isSkipping = true;
      decoder.subject = null;
      this.handler.problem(words.count < 2 ? "malformed" : "no_chart", words.line, false);
      return;
    }
    this.prepare(chart);
    let givenUs = 0;
    if (words.count > 2) {
      givenUs = Math.max(0, words.number(2));
      decoder.begins.learn(chart, words.bytes, words.start, words.spans[4]!);
    }
    if (decoder.last !== null) decoder.last.next = chart;
    decoder.begin(chart, givenUs, inChunk ? words.end + 1 : -1);
  }

  private readEnd(): void {
    const { decoder, words } = this;
    if (decoder.open !== null) decoder.finish(words.bytes, words.end + 1);
    else if (!decoder.isSkipping) this.handler.problem("no_chart", words.line, false);
    decoder.isSkipping = false;
  }

  private readChart(): void {
    this.abandon();
    const { decoder, words } = this;
    words.dropSlot();
    const id = words.word(1);
    const isId = isChartId(id);
    const handle = isId ? this.defineChart(id) : null;
    const chart = handle === null ? null : this.charts.of(handle, id);
    decoder.isSkipping = chart === null;
    decoder.subject = chart;
    if (chart === null) this.handler.problem(isId ? "no_chart" : "malformed", words.line, false);
  }

  private defineChart(id: string): Chart | null {
    const { words } = this;
    return this.handler.defineChart({
      id,
      name: words.word(2),
      title: words.word(3),
      units: words.word(4),
      family: words.word(5),
      context: words.word(6),
      chartType: words.word(7),
      priority: words.number(8),
      updateEverySec: words.number(9),
      options: words.word(10),
      plugin: words.word(11),
      module: words.word(12),
    });
  }

  private readDimension(): void {
    const { words } = this;
    words.dropSlot();
    const chart = this.decoder.subject;
    if (chart === null || words.count < 2) {
      if (!this.decoder.isSkipping) this.handler.problem("malformed", words.line, false);
      return;
    }
    const id = words.text(1);
    const index = this.handler.defineDimension(chart.handle, {
      id,
      name: words.word(2) || id,
      algorithm: words.word(3),
      multiplier: words.number(4),
      divisor: words.number(5),
      options: words.word(6),
    });
    if (index < 0) return;
    chart.idBytesMax = Math.max(chart.idBytesMax, words.spans[3]! - words.spans[2]!);
    if (this.decoder.open !== chart) {
      if (index >= chart.count) chart.forgetBegin();
      return;
    }
    this.decoder.leaveOrder();
    const before = chart.count;
    this.prepare(chart);
    this.decoder.row.sets.fill(0, before, chart.count);
  }

  private readVariable(): void {
    const { words } = this;
    const scope = words.word(1);
    const isHost = scope === "HOST" || scope === "GLOBAL";
    const isChart = scope === "CHART" || scope === "LOCAL";
    const at = isHost || isChart ? 2 : 1;
    const name = words.word(at);
    const value = Number(words.word(at + 1) || Number.NaN);
    if (name === "" || !Number.isFinite(value)) {
      this.handler.problem("malformed", words.line, false);
      return;
    }
    const chart = isHost ? null : (this.decoder.open ?? (isChart ? this.decoder.subject : null));
    this.handler.setVariable(chart === null ? null : chart.handle, name, value);
  }

  private readDefinitionEnd(): void {
    const { words, decoder } = this;
    const chart = decoder.subject;
    if (chart === null || words.count < 4) {
      if (!decoder.isSkipping) this.handler.problem(chart === null ? "no_chart" : "malformed", words.line, false);
      return;
    }
    const [firstSec, lastSec, nowSec] = [words.wireInteger(1), words.wireInteger(2), words.wireInteger(3)];
    this.handler.definitionEnd(chart.handle, firstSec, lastSec, nowSec, decoder.nowUs);
  }

  /** Gives up the open iteration, if any. */
  private abandon(): void {
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
}

/** True for `type.id` with text on both sides of the first dot. */
function isChartId(id: string): boolean {
  const dot = id.indexOf(".");
  return dot > 0 && dot < id.length - 1;
}
