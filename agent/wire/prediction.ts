/** Longest predicted prefix: a longer id takes the slow way. */
const PREFIX_BYTES_MAX = 256;
/** `SET`, blanks, quotes and ` = ` around an id, with one byte to spare. */
const PREFIX_OVERHEAD_BYTES = 10;
/** Bytes for ids of dimensions that were not defined on this connection. */
const UNSEEN_ID_BYTES = 22;

/** A chart as one connection knows it; `handle` is the receiver's. */
export class WireChart<Chart> {
  readonly handle: Chart;
  /** The chart whose BEGIN followed the END of this one last time. */
  next: WireChart<Chart> | null = null;
  /** Dimensions its tables have room for and, up to it, how many the chart has. */
  capacity = 0;
  count = 0;
  /** 8-byte words per prefix; 0 = no tables yet. */
  width = 0;
  /** First word of its SET heads, dimension 0 first. */
  wordsAt = 0;
  /** First word of its BEGIN head, and how many there are. */
  beginAt = 0;
  beginWidth = 0;
  /** First place in lengths and successors: entry 0 is BEGIN, entry d + 1 dimension d. */
  entriesAt = 0;
  /** Longest dimension id defined on this connection, in bytes. */
  idBytesMax = 0;
  /** All learned prefixes are of a form that every receiver takes: its lines may be passed on as they are. */
  isForwardable = true;

  /** @param id its id on the wire. */
  constructor(handle: Chart, id: string) {
    this.handle = handle;
    this.beginWidth = Math.ceil(Math.min(PREFIX_BYTES_MAX, Buffer.byteLength(id) + PREFIX_OVERHEAD_BYTES) / 8);
  }
}

/**
 * The line heads one peer writes, learned from its own lines: everything in front of a value, `SET dim3 = ` or
 * `BEGIN "system.cpu" `, kept as 8-byte words, the last one overlapping. Comparing words checks keyword, quoting, id
 * and spacing at once, exactly: text can never form two different bit patterns that are equal as doubles, because
 * bytes 0 and 127 are not learned (hot-path.md §2.6). Arrays are replaced when they grow: read them anew per chart.
 */
export class Predictions {
  words = new Float64Array(64);
  /** Bytes of each prefix; 0 = not learned. */
  lengths = new Uint16Array(32);
  /** Entry − 1 of the dimension that followed last time, by entry. */
  successors = new Uint16Array(32);
  private wordsUsed = 0;
  private entriesUsed = 0;

  /** Gives a chart tables for `count` dimensions; what was learned is forgotten when they have to be new. */
  prepare(chart: WireChart<unknown>, count: number): void {
    chart.count = count;
    if (chart.width > 0 && count <= chart.capacity) return;
    // A chart that grows again and again must not leave ever more tables behind.
    chart.capacity = chart.width === 0 ? count : Math.ceil(count * 1.5);
    const idBytes = Math.max(chart.idBytesMax, chart.idBytesMax === 0 ? UNSEEN_ID_BYTES : 0);
    chart.width = Math.ceil(Math.min(PREFIX_BYTES_MAX, idBytes + PREFIX_OVERHEAD_BYTES) / 8);
    const entries = chart.capacity + 1;
    chart.beginAt = this.wordsUsed;
    chart.wordsAt = this.wordsUsed + chart.beginWidth;
    chart.entriesAt = this.entriesUsed;
    this.wordsUsed = chart.wordsAt + chart.capacity * chart.width;
    this.entriesUsed += entries;
    this.grow();
    this.lengths.fill(0, chart.entriesAt, this.entriesUsed);
    for (let entry = 0; entry < entries; entry++) this.successors[chart.entriesAt + entry] = entry;
  }

  /** Remembers `[start, end)` as the head of an entry's lines. Too short, too long or odd heads are not learned. */
  learn(chart: WireChart<unknown>, entry: number, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    const width = entry === 0 ? chart.beginWidth : chart.width;
    if (length < 8 || length > width * 8 || entry > chart.capacity) return;
    for (let index = start; index < end; index++) if (bytes[index] === 0 || bytes[index] === 127) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let word = wordsOf(chart, entry);
    for (let at = start; at < end - 8; at += 8) this.words[word++] = view.getFloat64(at, true);
    this.words[word] = view.getFloat64(end - 8, true);
    this.lengths[chart.entriesAt + entry] = length;
  }

  /** True if the head of this entry stands at `at`. @param safe last position from which 8 bytes can be read. */
  matches(chart: WireChart<unknown>, entry: number, view: DataView, at: number, safe: number): boolean {
    const length = this.lengths[chart.entriesAt + entry]!;
    const last = at + length - 8;
    if (length === 0 || last > safe) return false;
    let word = wordsOf(chart, entry);
    for (let p = at; p < last; p += 8) if (view.getFloat64(p, true) !== this.words[word++]) return false;
    return view.getFloat64(last, true) === this.words[word];
  }

  private grow(): void {
    if (this.wordsUsed > this.words.length) {
      const words = new Float64Array(Math.ceil(this.wordsUsed * 1.25));
      words.set(this.words);
      this.words = words;
    }
    if (this.entriesUsed <= this.lengths.length) return;
    const size = Math.ceil(this.entriesUsed * 1.25);
    const lengths = new Uint16Array(size);
    lengths.set(this.lengths);
    this.lengths = lengths;
    const successors = new Uint16Array(size);
    successors.set(this.successors);
    this.successors = successors;
  }
}

/** First word of an entry's head. */
function wordsOf(chart: WireChart<unknown>, entry: number): number {
  return entry === 0 ? chart.beginAt : chart.wordsAt + (entry - 1) * chart.width;
}
