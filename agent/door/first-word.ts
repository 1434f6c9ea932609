import { assert } from "../base/assert.ts";
import { FIRST_WORD_BYTES_MAX, HEAD_BYTES_MAX } from "../base/limits.ts";
import type { TakeStream } from "../base/stream-socket.ts";

/** First words (`STREAM`) and who takes connections that start with them. */
export type Words = ReadonlyMap<string, TakeStream>;

/**
 * What the bytes of a new connection amount to so far. Byte ranges point into the chunk or into the reader's buffer.
 */
export type Opening =
  | { kind: "more" }
  /** Not a registered word: `bytes` is everything read so far. */
  | { kind: "other"; bytes: Buffer }
  /** The whole request head of a registered word, and what came after it. */
  | { kind: "head"; take: TakeStream; head: Buffer; rest: Buffer }
  | { kind: "too_big" };

const BLANK = 0x20;
const HEAD_END = "\r\n\r\n";
const MORE: Opening = { kind: "more" };
const TOO_BIG: Opening = { kind: "too_big" };
const HEAD_BYTES_FIRST = 1024;
const NO_BYTES = Buffer.alloc(0);

/** Throws when a registered word could never be read. @throws BugError */
export function checkWords(words: Words): void {
  for (const word of words.keys()) {
    assert(/^[A-Z]+$/.test(word) && word.length < FIRST_WORD_BYTES_MAX, "a first word is short and upper-case");
  }
}

/**
 * Reads the first word of one connection and, for a registered word, the request head up to the empty line, however the
 * bytes are cut. Copies only when the head does not come in one chunk. Holds at most {@link HEAD_BYTES_MAX} bytes.
 */
export class FirstWord {
  private readonly words: Words;
  private kept: Buffer = NO_BYTES;
  private keptLength = 0;
  private take: TakeStream | null = null;

  constructor(words: Words) {
    this.words = words;
  }

  /** Takes the next bytes. Not to be called again after anything but `more`. */
  push(chunk: Buffer): Opening {
    const before = this.keptLength;
    // Of a big chunk only so much can belong to the head; the rest of it is never copied.
    const useful = Math.min(chunk.length, HEAD_BYTES_MAX - before);
    const bytes = before === 0 ? chunk : this.keep(chunk, useful);
    if (this.take === null) {
      const found = matchWord(bytes, this.words);
      if (found === "more") return this.more(chunk, useful, before);
      if (found === null) return { kind: "other", bytes: before === 0 ? chunk : joinRest(bytes, chunk, useful) };
      this.take = found;
    }
    const at = bytes.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length + 1), "latin1");
    const end = at + HEAD_END.length;
    if (at >= 0 && end <= HEAD_BYTES_MAX) {
      const head = bytes.subarray(0, end);
      return { kind: "head", take: this.take, head, rest: chunk.subarray(end - before) };
    }
    if (before + useful >= HEAD_BYTES_MAX) return TOO_BIG;
    return this.more(chunk, useful, before);
  }

  private more(chunk: Buffer, useful: number, before: number): Opening {
    if (before === 0) this.keep(chunk, useful);
    return MORE;
  }

  /** Appends to the kept bytes. @returns all of them. */
  private keep(chunk: Buffer, length: number): Buffer {
    const total = this.keptLength + length;
    if (total > this.kept.length) {
      const bytesNew = Math.min(HEAD_BYTES_MAX, Math.max(HEAD_BYTES_FIRST, this.kept.length * 2, total));
      const grown = Buffer.allocUnsafeSlow(bytesNew);
      this.kept.copy(grown, 0, 0, this.keptLength);
      this.kept = grown;
    }
    chunk.copy(this.kept, this.keptLength, 0, length);
    this.keptLength = total;
    return this.kept.subarray(0, total);
  }
}

/** @returns who registered the word, `null` if it is no registered word, `more` if the bytes still may become one. */
function matchWord(bytes: Buffer, words: Words): TakeStream | null | "more" {
  let couldBe = false;
  for (const [word, take] of words) {
    const shared = Math.min(word.length, bytes.length);
    if (bytes.toString("latin1", 0, shared) !== word.slice(0, shared)) continue;
    if (bytes.length <= word.length) couldBe = true;
    else if (bytes[word.length] === BLANK) return take;
  }
  return couldBe ? "more" : null;
}

function joinRest(bytes: Buffer, chunk: Buffer, useful: number): Buffer {
  return useful === chunk.length ? bytes : Buffer.concat([bytes, chunk.subarray(useful)]);
}
