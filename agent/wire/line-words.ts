import { readInteger, type SplitInteger } from "./integer.ts";
import { splitWords, WORDS_MAX } from "./scan.ts";
import { readDouble, readWireInteger } from "./wire-numbers.ts";

const NOTHING = Buffer.alloc(0);
const QUOTE = 0x27;
const DOUBLE_QUOTE = 0x22;
const HASH = 0x23;
const SLOT = Buffer.from("SLOT:");

/** The line at hand and its words; one object for all lines of a connection. */
export class LineWords {
  bytes: Buffer = NOTHING;
  start = 0;
  end = 0;
  /** Words of the line, the keyword included. */
  count = 0;
  /** Pairs `[start, end)` in {@link bytes}, without quotes. */
  readonly spans = new Int32Array(2 * WORDS_MAX);
  private readonly integer: SplitInteger = { value: 0, rest: 0 };

  /** @param bytes borrowed until {@link release}. @param end position of the newline. */
  take(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.count = splitWords(bytes, start, end, this.spans);
  }

  /** A chunk must not live as long as the connection. */
  release(): void {
    this.bytes = NOTHING;
    this.count = 0;
  }

  /** The whole line, borrowed. */
  get line(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }

  /** A word that is there. */
  text(index: number): string {
    return this.bytes.toString("utf8", this.spans[2 * index]!, this.spans[2 * index + 1]!);
  }

  /** A word, empty if it is not there. */
  word(index: number): string {
    return index < this.count ? this.text(index) : "";
  }

  /** All words from one on. */
  list(first: number): string[] {
    return Array.from({ length: Math.max(0, this.count - first) }, (_, index) => this.text(first + index));
  }

  /** An integer as old agents write and read them, octal and hexadecimal included; 0 if it is not there. */
  number(index: number): number {
    if (index >= this.count) return 0;
    readInteger(this.bytes, this.spans[2 * index]!, this.spans[2 * index + 1]!, this.integer);
    return this.integer.value;
  }

  /** An integer in any form of streaming.md §6; 0 if it is not there. */
  wireInteger(index: number): number {
    if (index >= this.count) return 0;
    return this.splitInteger(index).value;
  }

  /** The same to 64 bits. @returns valid until the next call. */
  splitInteger(index: number): SplitInteger {
    readWireInteger(this.bytes, this.spans[2 * index]!, this.spans[2 * index + 1]!, this.integer);
    return this.integer;
  }

  /** A number in any form of streaming.md §6; NaN if it is none, or not there. */
  double(index: number): number {
    return index < this.count ? readDouble(this.bytes, this.spans[2 * index]!, this.spans[2 * index + 1]!) : Number.NaN;
  }

  /** The word is `#` alone, which stands for a number said before. */
  isHash(index: number): boolean {
    const at = this.spans[2 * index]!;
    return index < this.count && this.spans[2 * index + 1]! === at + 1 && this.bytes[at] === HASH;
  }

  /** The word holds this byte. */
  has(index: number, byte: number): boolean {
    if (index >= this.count) return false;
    for (let at = this.spans[2 * index]!; at < this.spans[2 * index + 1]!; at++)
      if (this.bytes[at] === byte) return true;
    return false;
  }

  /** Removes the word `SLOT:<n>` behind the keyword: a hint for look-ups that we have no use for. */
  dropSlot(): void {
    const { bytes, spans } = this;
    const at = spans[2]!;
    if (this.count < 2 || spans[3]! - at < SLOT.length) return;
    for (let index = 0; index < SLOT.length; index++) if (bytes[at + index] !== SLOT[index]) return;
    // An id may be anything, but agents quote it.
    if (bytes[at - 1] === QUOTE || bytes[at - 1] === DOUBLE_QUOTE) return;
    spans.copyWithin(2, 4, 2 * this.count);
    this.count--;
  }
}
