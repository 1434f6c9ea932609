import type { ByteBuffer } from "./byte-buffer.ts";
import { cleanPathHost, cleanPathPart, cleanTagKey, cleanTagValue } from "./clean.ts";
import { NUMBER_BYTES_MAX, writeFixed7, writeInteger } from "./number-text.ts";
import type { ChartFacts, ChartWriter, DimensionFacts, PointFormat } from "./point-format.ts";

const SPACE = 0x20;
const NEWLINE = 0x0a;

/** Settings of `graphite` lines (exporters.md §3). */
export interface GraphiteOptions {
  /** First part of every path; may be empty. */
  readonly prefix: string;
  readonly hostDots: "keep" | "underscore";
  /** `-` in chart and dimension becomes `_`, as netdata writes it. */
  readonly compatNames: boolean;
  readonly useNames: boolean;
}

/** Plaintext lines `path[;key=value…] value timestamp` (exporters.md §3.1). */
export class GraphiteFormat implements PointFormat {
  private readonly options: GraphiteOptions;
  /** By list of dimensions: charts of one kind, on all hosts, share their parts of the path. */
  private readonly dimensionParts = new WeakMap<readonly DimensionFacts[], DimensionParts>();
  private readonly tagParts = new WeakMap<ChartFacts["tags"], Text>();

  constructor(options: GraphiteOptions) {
    this.options = options;
  }

  chart(facts: ChartFacts): ChartWriter {
    const { prefix, hostDots, compatNames } = this.options;
    const first = prefix === "" ? "" : `${cleanPathPart(prefix, "keep")}.`;
    const host = cleanPathHost(facts.hostname, hostDots);
    const chart = cleanPathPart(facts.chart, compatNames ? "underscore" : "keep");
    return new GraphiteChart(padded(`${first}${host}.${chart}.`), this.dimensionsOf(facts), this.tagsOf(facts.tags));
  }

  private dimensionsOf(facts: ChartFacts): DimensionParts {
    const known = this.dimensionParts.get(facts.dimensions);
    if (known !== undefined) return known;
    const dash = this.options.compatNames ? "underscore" : "keep";
    const texts = facts.dimensions.map((dimension) => {
      return cleanPathPart((this.options.useNames ? dimension.name : dimension.id) || "_", dash);
    });
    const parts = joinParts(texts.map(padded));
    if (facts.hasSharedDimensions) this.dimensionParts.set(facts.dimensions, parts);
    return parts;
  }

  private tagsOf(tags: ChartFacts["tags"]): Text {
    const known = this.tagParts.get(tags);
    if (known !== undefined) return known;
    const shown = tags.filter(([, value]) => value !== "");
    const part = padded(`${shown.map(([key, value]) => `;${cleanTagKey(key)}=${cleanTagValue(value)}`).join("")} `);
    this.tagParts.set(tags, part);
    return part;
  }
}

/** Last parts of the paths of all dimensions: part `i` has `lengths[i]` bytes from word `starts[i]` on. */
interface DimensionParts {
  readonly words: Float64Array;
  readonly starts: Uint32Array;
  readonly lengths: Uint16Array;
  readonly lengthMax: number;
}

/** Ready text, padded to whole words of 8 bytes. */
interface Text {
  readonly words: Float64Array;
  readonly length: number;
}

/** A line is four ready texts and one number: head, dimension, tags, value, time. */
class GraphiteChart implements ChartWriter {
  private readonly head: Text;
  private readonly dimensions: DimensionParts;
  /** Tags and the space behind them. */
  private readonly tags: Text;

  constructor(head: Text, dimensions: DimensionParts, tags: Text) {
    this.head = head;
    this.dimensions = dimensions;
    this.tags = tags;
  }

  stored(out: ByteBuffer, values: Float64Array, from: number, to: number, timeSec: number): number {
    out.reserve((to - from) * this.lineBytesMax + WORD_BYTES);
    const time = timeText(timeSec);
    let points = 0;
    for (let index = from; index < to; index++) {
      const value = values[index]!;
      // Infinity − Infinity is NaN too: one comparison finds both.
      if (value - value !== 0) continue;
      const at = writeFixed7(out.bytes, this.writePath(out.view, out.length, index), value);
      out.length = writeWords(out.view, at, time.words, 0, time.length);
      points++;
    }
    return points;
  }

  collected(out: ByteBuffer, index: number, value: number | bigint, timeSec: number): void {
    out.reserve(this.lineBytesMax + WORD_BYTES);
    const time = timeText(timeSec);
    const at = writeInteger(out.bytes, this.writePath(out.view, out.length, index), value);
    out.length = writeWords(out.view, at, time.words, 0, time.length);
  }

  private get lineBytesMax(): number {
    return this.head.length + this.dimensions.lengthMax + this.tags.length + 2 * NUMBER_BYTES_MAX;
  }

  private writePath(view: DataView, at: number, index: number): number {
    const { head, dimensions, tags } = this;
    let end = writeWords(view, at, head.words, 0, head.length);
    end = writeWords(view, end, dimensions.words, dimensions.starts[index]!, dimensions.lengths[index]!);
    return writeWords(view, end, tags.words, 0, tags.length);
  }
}

const WORD_BYTES = 8;

/**
 * Writes `length` bytes, eight at a time: 4 times as fast as byte by byte (16 against 60 ns for 36 bytes). Up to 7
 * bytes behind the end are overwritten too. The words are text without 0x7f and 0xff, so none of them is a NaN that
 * could lose its bits on the way.
 */
function writeWords(view: DataView, at: number, words: Float64Array, from: number, length: number): number {
  const end = at + length;
  for (let word = from, to = at; to < end; word++, to += WORD_BYTES) view.setFloat64(to, words[word]!, true);
  return end;
}

function joinParts(texts: readonly Text[]): DimensionParts {
  const starts = new Uint32Array(texts.length);
  const lengths = new Uint16Array(texts.length);
  const words = new Float64Array(texts.reduce((sum, text) => sum + text.words.length, 0));
  let start = 0;
  let lengthMax = 0;
  for (const [index, text] of texts.entries()) {
    words.set(text.words, start);
    starts[index] = start;
    lengths[index] = text.length;
    start += text.words.length;
    lengthMax = Math.max(lengthMax, text.length);
  }
  return { words, starts, lengths, lengthMax };
}

function padded(text: string): Text {
  const bytes = new TextEncoder().encode(text);
  const words = new Float64Array(Math.ceil(bytes.length / WORD_BYTES));
  new Uint8Array(words.buffer).set(bytes);
  return { words, length: bytes.length };
}

/** The text of the latest ` TIMESTAMP\n`: all points of a row, and most charts of a round, have the same one. */
const latestTime = { words: new Float64Array(NUMBER_BYTES_MAX / WORD_BYTES), length: 0, sec: Number.NaN };
const latestTimeBytes = new Uint8Array(latestTime.words.buffer);

function timeText(timeSec: number): Text {
  if (latestTime.sec !== timeSec) {
    latestTime.sec = timeSec;
    latestTimeBytes[0] = SPACE;
    const end = writeInteger(latestTimeBytes, 1, timeSec);
    latestTimeBytes[end] = NEWLINE;
    latestTime.length = end + 1;
  }
  return latestTime;
}
