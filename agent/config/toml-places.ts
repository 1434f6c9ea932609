import { parse } from "smol-toml";
import type { ConfigPath } from "./shape.ts";

/** Offsets in the text: first character of the key, and of the value `[value, end)`. */
export interface Place {
  readonly key: number;
  readonly value: number;
  readonly end: number;
}

interface KeyPart {
  readonly name: string;
  readonly start: number;
}

/** Deeper paths than any table of ours are not remembered: they are unknown from an earlier name on. */
const DEPTH_MAX = 6;

/**
 * Where each table, key and entry of an array stands in a text that is valid TOML: table headers, dotted and quoted
 * keys, inline tables, arrays. The TOML parser checks the text before; this scan only finds places and never throws.
 */
export class TomlPlaces {
  private readonly text: string;
  private readonly places = new Map<string, { path: ConfigPath; place: Place }>();
  private offset = 0;

  constructor(text: string) {
    this.text = text;
    this.scanDocument();
  }

  /** The place of exactly this path. */
  at(path: ConfigPath): Place | undefined {
    return this.places.get(JSON.stringify(path))?.place;
  }

  /** The place of this path, or of the innermost table around it that stands in the text. */
  nearest(path: ConfigPath): Place | undefined {
    for (let length = path.length; length > 0; length--) {
      const place = this.at(path.slice(0, length));
      if (place !== undefined) return place;
    }
    return undefined;
  }

  /** Every path found, in the order of the text. */
  all(): Iterable<{ path: ConfigPath; place: Place }> {
    return this.places.values();
  }

  private scanDocument(): void {
    let table: ConfigPath = [];
    if (this.text.charCodeAt(0) === 0xfeff) this.offset = 1;
    while (this.skipBlank(true)) {
      const before = this.offset;
      if (this.text[this.offset] === "[") {
        this.offset += this.text.startsWith("[[", this.offset) ? 2 : 1;
        const parts = this.scanKey("]");
        this.recordParents([], parts);
        const last = parts[parts.length - 1];
        table = parts.map((part) => part.name);
        if (last !== undefined) this.record(table, last.start, last.start, this.offset);
        while (this.text[this.offset] === "]") this.offset++;
      } else {
        this.scanPair(table);
      }
      if (this.offset === before) this.offset++; // not TOML after all: go on without it
    }
  }

  private scanPair(table: ConfigPath): void {
    const parts = this.scanKey("=");
    this.offset++;
    this.skipBlank(false);
    const path = [...table, ...parts.map((part) => part.name)];
    const start = this.offset;
    this.recordParents(table, parts);
    this.scanValue(path);
    const last = parts[parts.length - 1];
    if (last !== undefined) this.record(path, last.start, start, this.offset);
  }

  private recordParents(table: ConfigPath, parts: readonly KeyPart[]): void {
    for (let count = 1; count < parts.length && table.length + count <= DEPTH_MAX; count++) {
      const names = parts.slice(0, count).map((part) => part.name);
      const { start } = parts[count - 1]!;
      this.record([...table, ...names], start, start, start);
    }
  }

  private record(path: ConfigPath, key: number, value: number, end: number): void {
    if (path.length > DEPTH_MAX) return;
    const name = JSON.stringify(path);
    const known = this.places.get(name)?.place;
    // A table's own header is a better place than its name inside the header of another table.
    if (known !== undefined && known.end > known.key) return;
    this.places.set(name, { path, place: { key, value, end } });
  }

  /** Reads the dotted key before `stop` and leaves the offset on it. */
  private scanKey(stop: string): KeyPart[] {
    const parts: KeyPart[] = [];
    while (this.offset < this.text.length) {
      const char = this.text[this.offset]!;
      if (char === stop || char === "\n") break;
      const start = this.offset;
      if (char === '"' || char === "'") {
        this.skipString();
        parts.push({ name: unquote(this.text.slice(start, this.offset)), start });
      } else if (/[\w-]/.test(char)) {
        while (/[\w-]/.test(this.text[this.offset] ?? "")) this.offset++;
        parts.push({ name: this.text.slice(start, this.offset), start });
      } else {
        this.offset++;
      }
    }
    return parts;
  }

  private scanValue(path: ConfigPath): void {
    const char = this.text[this.offset];
    if (char === '"' || char === "'") this.skipString();
    else if (char === "[") this.scanArray(path);
    else if (char === "{") this.scanInlineTable(path);
    else this.skipBare();
  }

  private skipBare(): void {
    while (this.offset < this.text.length && !/[,\]}#\n]/.test(this.text[this.offset]!)) this.offset++;
    while (/\s/.test(this.text[this.offset - 1] ?? "")) this.offset--;
  }

  private scanArray(path: ConfigPath): void {
    this.offset++;
    for (let index = 0; this.skipBlank(true) && this.text[this.offset] !== "]"; index++) {
      const start = this.offset;
      this.scanValue([...path, index]);
      this.record([...path, index], start, start, this.offset);
      if (this.skipBlank(true) && this.text[this.offset] === ",") this.offset++;
      else if (this.offset === start) break;
    }
    this.offset++;
  }

  private scanInlineTable(path: ConfigPath): void {
    this.offset++;
    while (this.skipBlank(true) && this.text[this.offset] !== "}") {
      const start = this.offset;
      this.scanPair(path);
      if (this.skipBlank(true) && this.text[this.offset] === ",") this.offset++;
      else if (this.offset === start) break;
    }
    this.offset++;
  }

  /** Steps over a string of any of the four kinds. */
  private skipString(): void {
    const quote = this.text[this.offset]!;
    const isLong = this.text.startsWith(quote.repeat(3), this.offset);
    const close = isLong ? quote.repeat(3) : quote;
    this.offset += close.length;
    while (this.offset < this.text.length && !this.text.startsWith(close, this.offset)) {
      if (quote === '"' && this.text[this.offset] === "\\") this.offset++;
      this.offset++;
    }
    this.offset += close.length;
    // Up to two more quotes before the closing three belong to the string.
    while (isLong && this.text[this.offset] === quote) this.offset++;
  }

  /** Steps over blanks, and with `lines` over line ends and comments. @returns false at the end of the text. */
  private skipBlank(lines: boolean): boolean {
    while (this.offset < this.text.length) {
      const char = this.text[this.offset]!;
      if (lines && char === "#") {
        const end = this.text.indexOf("\n", this.offset);
        this.offset = end < 0 ? this.text.length : end;
      } else if (char === " " || char === "\t" || (lines && (char === "\n" || char === "\r"))) {
        this.offset++;
      } else {
        return true;
      }
    }
    return false;
  }
}

/** The name in a quoted key. */
function unquote(quoted: string): string {
  try {
    return String(parse(`key = ${quoted}`)["key"]);
  } catch {
    return quoted; // cannot happen in valid TOML; the place is then simply not found
  }
}
