import { parseInteger } from "./number.ts";

const NEWLINE = 0x0a;
const BLANK = 0x20;
const ABSENT = -1;

interface Key {
  /** The word with its separator: `ctxt `, `MemFree:`. */
  readonly word: Buffer;
  /** The same behind a newline. */
  readonly needle: Buffer;
  /** Where the word stood last time, or ABSENT. */
  position: number;
}

/**
 * Finds chosen lines in texts of the form `name value…`, one a line, such as /proc/meminfo. The layout hardly changes
 * between two reads, so each name is first looked for where it was last time; nothing is allocated then.
 */
export class KeyedLines {
  private readonly keys: Key[];
  private bytes: Buffer = Buffer.alloc(0);
  private length = 0;
  /** `bytes` in `[0, length)`: searching the whole buffer would cost more than everything else. */
  private view: Buffer = this.bytes;

  /** @param separator the byte after a name: `:` or a blank. */
  constructor(names: readonly string[], separator: ":" | " ") {
    this.keys = names.map((name) => {
      const needle = Buffer.from(`\n${name}${separator}`, "latin1");
      return { word: needle.subarray(1), needle, position: ABSENT };
    });
  }

  /** Takes the text to look in, `[0, length)`; borrowed until the next call. */
  load(bytes: Buffer, length: number): void {
    if (this.bytes !== bytes || this.view.length !== length) this.view = bytes.subarray(0, length);
    this.bytes = bytes;
    this.length = length;
    for (const key of this.keys) if (!this.isAt(key, key.position)) key.position = this.find(key);
  }

  /** Whether the name with this index is in the text. */
  has(index: number): boolean {
    return this.keys[index]!.position !== ABSENT;
  }

  /** Start of the first value of that line, or −1 when the name is absent. */
  valueStart(index: number): number {
    const key = this.keys[index]!;
    if (key.position === ABSENT) return ABSENT;
    return this.skipBlanks(key.position + key.word.length);
  }

  /** End of the value that starts at `start`. */
  valueEnd(start: number): number {
    let end = start;
    while (end < this.length && this.bytes[end]! > BLANK) end++;
    return end;
  }

  /**
   * A value of that line: NaN when absent or not an integer of at most 15 digits.
   * @param skipped values in front of it.
   */
  number(index: number, skipped = 0): number {
    let start = this.valueStart(index);
    if (start < 0) return Number.NaN;
    for (let i = 0; i < skipped; i++) start = this.skipBlanks(this.valueEnd(start));
    return parseInteger(this.bytes, start, this.valueEnd(start));
  }

  private skipBlanks(start: number): number {
    let index = start;
    while (index < this.length && this.bytes[index] === BLANK) index++;
    return index;
  }

  private isAt(key: Key, position: number): boolean {
    if (position < 0 || position + key.word.length > this.length) return false;
    if (position > 0 && this.bytes[position - 1] !== NEWLINE) return false;
    const { word } = key;
    for (let i = 0; i < word.length; i++) if (this.bytes[position + i] !== word[i]) return false;
    return true;
  }

  private find(key: Key): number {
    if (this.isAt(key, 0)) return 0;
    const found = this.view.indexOf(key.needle);
    return found < 0 ? ABSENT : found + 1;
  }
}
