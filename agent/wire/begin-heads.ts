import { isLearnable, type WireChart } from "./prediction.ts";

/**
 * Heads of the BEGIN lines of one connection, `BEGIN "system.cpu" `, as 8-byte words in one growing array: a chart has
 * only one of them, too little for a table of its own. The array is replaced when it grows.
 */
export class BeginHeads {
  private words = new Float64Array(64);
  private used = 0;

  /** Remembers `[start, end)` as the head of a chart's BEGIN. Too short, too long or odd heads are not learned. */
  learn(chart: WireChart<unknown>, bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    if (length > chart.beginWords * 8 || !isLearnable(bytes, start, end)) return;
    if (chart.beginAt < 0) {
      chart.beginAt = this.used;
      this.used += chart.beginWords;
      this.grow();
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let word = chart.beginAt;
    for (let at = start; at < end - 8; at += 8) this.words[word++] = view.getFloat64(at, true);
    this.words[word] = view.getFloat64(end - 8, true);
    chart.beginLength = length;
  }

  /**
   * True if the head of this chart's BEGIN stands at `at`. @param safe last position from which 8 bytes can be read.
   */
  matches(chart: WireChart<unknown>, view: DataView, at: number, safe: number): boolean {
    const last = at + chart.beginLength - 8;
    if (chart.beginLength === 0 || last > safe) return false;
    let word = chart.beginAt;
    for (let p = at; p < last; p += 8) if (view.getFloat64(p, true) !== this.words[word++]) return false;
    return view.getFloat64(last, true) === this.words[word];
  }

  /** Forgets all of them; no chart may know its place any more. */
  clear(): void {
    this.words = new Float64Array(64);
    this.used = 0;
  }

  private grow(): void {
    if (this.used <= this.words.length) return;
    const words = new Float64Array(Math.ceil(this.used * 1.25));
    words.set(this.words);
    this.words = words;
  }
}
