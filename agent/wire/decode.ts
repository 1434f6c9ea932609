import { LINE_BYTES_MAX } from "../base/limits.ts";
import { BeginHeads } from "./begin-heads.ts";
import { DecodedRow } from "./decoded-row.ts";
import { EXACT_BELOW, readLongDigits, type SplitInteger } from "./integer.ts";
import { LineReader } from "./lines.ts";
import type { WireChart } from "./prediction.ts";
import { NEWLINE } from "./scan.ts";
import type { StreamHandler } from "./stream-handler.ts";

const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
/** `END\n` as a little-endian 32-bit integer. */
const END_LINE = 0x0a444e45;
/** Digits that a double holds whatever they are, and those that {@link readLongDigits} takes. */
const DIGITS_EXACT = 15;
const DIGITS_LONG = 18;
/** Heads compared in search of a line that is out of order, before the slow way looks the id up. */
const SEARCH_MAX = 64;
/** Size at which the buffer of partial lines starts; most never need more. */
const CARRY_BYTES = 512;
/** Iterations between two looks at whether the turn is over; lines that are not as expected count for more. */
const STEPS_PER_LOOK = 32;
const ODD_STEPS = 16;

/**
 * Turns the bytes of one connection into calls of a {@link StreamHandler}, whatever the cuts between chunks.
 *
 * Nearly every line is one that came a second ago with another number in it, so {@link run} only compares line heads
 * with what it expects next and reads the number; it leaves at the first line that is different, which the
 * {@link LineReader} then takes apart word by word and learns from. Nothing is allocated per line.
 */
export class StreamDecoder<Chart> {
  /** The values of the open iteration. */
  readonly row = new DecodedRow();
  readonly begins = new BeginHeads();
  /** Chart of the open iteration; null between END and BEGIN. */
  open: WireChart<Chart> | null = null;
  /** Chart of the last iteration that ended. */
  last: WireChart<Chart> | null = null;
  /** Chart that DIMENSION and VARIABLE CHART belong to: of the last CHART or BEGIN. */
  subject: WireChart<Chart> | null = null;
  /** Lines up to the next CHART or BEGIN belong to a chart that is not known. */
  isSkipping = false;
  /** What BEGIN of the open iteration said. */
  givenUs = 0;
  /** Dimension expected next, and the one accepted last + 1. */
  expected = 0;
  /** Every SET so far came in order, none twice, none left out. */
  inOrder = true;
  /** Where the SETs of the open iteration begin in the chunk at hand; −1: they are not all in it, or not alike. */
  rawStart = -1;
  nowUs = 0.5;
  /** Bytes of the chunk fed last that were looked at: all of them, unless its turn was over before. */
  readBytes = 0;
  private readonly handler: StreamHandler<Chart>;
  private readonly isTurnOver: () => boolean;
  private readonly lines: LineReader<Chart>;
  private readonly long: SplitInteger = { value: 0.5, rest: 0 };
  private carry: Buffer | null = null;
  private carryBytes = 0;
  private steps = 0;
  /** Nothing more of this chunk is looked at. */
  private isStopped = false;
  private isEnded = false;

  /** @param isTurnOver asked now and then: what is left of the chunk at hand has to wait. */
  constructor(handler: StreamHandler<Chart>, isTurnOver: () => boolean = () => false) {
    this.handler = handler;
    this.isTurnOver = isTurnOver;
    this.lines = new LineReader(this, handler);
    this.nowUs = 0;
  }

  /**
   * Takes the next bytes of the stream, as many as the turn allows: {@link readBytes} says how many that were.
   * @param chunk borrowed. @param nowUs wall clock of the read, one for all its lines.
   * @returns false when a line is longer than {@link LINE_BYTES_MAX}: the stream cannot be followed any more.
   */
  feed(chunk: Buffer, nowUs: number): boolean {
    this.nowUs = nowUs;
    this.rawStart = -1;
    this.isStopped = this.isEnded;
    this.readBytes = chunk.length;
    if (this.isEnded) return true;
    let start = 0;
    if (this.carryBytes > 0) {
      const newline = chunk.indexOf(NEWLINE);
      if (newline < 0) return this.keep(chunk, 0);
      if (!this.keep(chunk.subarray(0, newline + 1), 0)) return false;
      const length = this.carryBytes;
      this.carryBytes = 0;
      this.lines.read(this.carry!, 0, length - 1, false);
      start = newline + 1;
    }
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > start && !this.decode(chunk, start, end)) return false;
    if (this.isStopped) return true;
    return end < chunk.length ? this.keep(chunk, Math.max(start, end)) : true;
  }

  /** Bytes of a line whose end has not come. */
  get partialBytes(): number {
    return this.carryBytes;
  }

  /**
   * The stream is over: the values of an iteration or row that has no end are reported as abandoned. Called inside
   * {@link feed}, by whoever has seen enough, nothing more of the chunk is looked at.
   */
  end(): void {
    this.isEnded = true;
    this.isStopped = true;
    this.lines.end();
    this.carryBytes = 0;
    this.carry = null;
  }

  /** The iteration is over: hands it to the receiver. @param end position after END in `bytes`. */
  finish(bytes: Uint8Array, end: number): void {
    const chart = this.open!;
    const row = this.row;
    if (this.inOrder) {
      row.complete = this.expected === chart.count;
      row.setCount = this.expected;
      if (!row.complete) this.fillSets();
    } else row.complete = false;
    row.raw = this.rawStart >= 0 && chart.heads.isForwardable ? bytes : null;
    row.rawStart = this.rawStart;
    row.rawEnd = end;
    this.open = null;
    this.last = chart;
    this.handler.commit(chart.handle, row, this.givenUs, this.nowUs);
    row.wide = false;
  }

  /** Starts an iteration. @param rawStart where its SETs will begin, −1 if not in the chunk at hand. */
  begin(chart: WireChart<Chart>, givenUs: number, rawStart: number): void {
    this.open = chart;
    this.subject = chart;
    this.isSkipping = false;
    this.givenUs = givenUs;
    this.expected = 0;
    this.inOrder = true;
    this.rawStart = rawStart;
  }

  /** From here on every SET is marked for itself. */
  leaveOrder(): void {
    if (!this.inOrder) return;
    this.inOrder = false;
    this.row.setCount = this.expected;
    this.fillSets();
  }

  private fillSets(): void {
    this.row.sets.fill(1, 0, this.expected);
    this.row.sets.fill(0, this.expected, Math.max(this.expected, this.open!.count));
  }

  /**
   * Decodes whole lines: `bytes[end − 1]` is a newline, so digit loops need no bound.
   * @returns false at a line that is too long; nothing behind it was looked at.
   */
  private decode(bytes: Buffer, start: number, end: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let position = this.isStopped ? start : this.run(bytes, view, start, end);
    while (position < end && !this.isStopped) {
      const newline = bytes.indexOf(NEWLINE, position);
      if (newline - position >= LINE_BYTES_MAX) return false;
      this.lines.read(bytes, position, newline, true);
      position = newline + 1;
      this.step(ODD_STEPS);
      if (!this.isStopped) position = this.run(bytes, view, position, end);
    }
    if (position < end) this.readBytes = position;
    else this.isStopped = this.isEnded;
    return true;
  }

  /** Work was done: is the turn over? */
  private step(count: number): void {
    this.steps += count;
    if (this.steps < STEPS_PER_LOOK) return;
    this.steps = 0;
    if (this.isTurnOver()) this.isStopped = true;
  }

  /** Takes expected lines only. @returns position of the first line that is not one. */
  private run(bytes: Buffer, view: DataView, start: number, end: number): number {
    let position = start;
    while (position < end) {
      if (this.open === null) {
        const after = this.runBegin(bytes, view, position, end);
        if (after < 0) return position;
        position = after;
      }
      position = this.runSets(bytes, view, position, end);
      if (position + 4 > end) return position;
      if (view.getInt32(position, true) === END_LINE) {
        position += 4;
        this.finish(bytes, position);
        this.step(1);
        if (this.isStopped) return position;
      } else if (!this.skipTo(view, position, end)) return position;
    }
    return position;
  }

  /** @returns position after the BEGIN line expected here, or −1. */
  private runBegin(bytes: Buffer, view: DataView, start: number, end: number): number {
    const next = this.last === null ? null : this.last.next;
    if (next === null || !this.begins.matches(next, view, start, end - 8)) return -1;
    const first = start + next.beginLength;
    let position = first;
    let givenUs = 0;
    for (let byte = bytes[position]!; byte >= ZERO && byte <= NINE; byte = bytes[++position]!) {
      givenUs = givenUs * 10 + (byte - ZERO);
    }
    const digits = position - first;
    if (bytes[position] !== NEWLINE || digits === 0 || digits > DIGITS_EXACT) return -1;
    if (digits > 1 && bytes[first] === ZERO) return -1;
    this.begin(next, givenUs, position + 1);
    return position + 1;
  }

  /** Takes SET lines as long as each is the one expected. @returns position of the first that is not. */
  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: the hottest loop; a call per value costs too much.
  private runSets(bytes: Buffer, view: DataView, start: number, end: number): number {
    const chart = this.open!;
    const { words, lengths, width } = chart.heads;
    const values = this.row.values;
    const count = chart.count;
    const safe = end - 8;
    let dimension = this.expected;
    let wordsAt = dimension * width;
    let position = start;
    for (; dimension < count; dimension++, wordsAt += width) {
      const length = lengths[dimension]!;
      let q = position + length - 8;
      if (length === 0 || q > safe) break;
      let p = position;
      let word = wordsAt;
      while (p < q && view.getFloat64(p, true) === words[word]) {
        p += 8;
        word++;
      }
      if (p < q || view.getFloat64(q, true) !== words[word]) break;
      q += 8;
      let byte = bytes[q]!;
      const isNegative = byte === MINUS;
      if (isNegative) byte = bytes[++q]!;
      const first = q;
      let value = 0;
      if (q + 4 <= end) {
        // Four digits at once: all bytes are '0'…'9' if neither subtracting '0' nor adding 0x76 touches a top bit.
        const digits = view.getInt32(q, true) ^ 0x30303030;
        if ((((digits + 0x76767676) | digits) & 0x80808080) === 0) {
          const pairs = (Math.imul(digits, 10) + (digits >>> 8)) & 0x00ff00ff;
          value = (Math.imul(pairs, 100) + (pairs >>> 16)) & 0xffff;
          q += 4;
          byte = bytes[q]!;
        }
      }
      while (byte >= ZERO && byte <= NINE && q < first + 9) {
        value = (value * 10 + (byte - ZERO)) | 0;
        byte = bytes[++q]!;
      }
      while (byte >= ZERO && byte <= NINE) {
        value = value * 10 + (byte - ZERO);
        byte = bytes[++q]!;
      }
      const n = q - first;
      // Octal, hexadecimal, blanks, a CR or nothing at all: not a plain number, the line reader knows them.
      if (byte !== NEWLINE || n === 0 || (n > 1 && bytes[first] === ZERO)) break;
      if (n > DIGITS_EXACT) {
        if (n > DIGITS_LONG) break;
        this.takeLong(bytes, first, n, isNegative, dimension);
      } else values[dimension] = isNegative ? 0 - value : value; // not −value: "-0" would become the number −0
      if (!this.inOrder) this.markSet(dimension);
      position = q + 1;
    }
    this.expected = dimension;
    return position;
  }

  private takeLong(bytes: Buffer, first: number, digits: number, isNegative: boolean, dimension: number): void {
    readLongDigits(bytes, first, digits, this.long);
    const sign = isNegative ? -1 : 1;
    const value = sign * this.long.value;
    if (this.long.value < EXACT_BELOW) this.row.values[dimension] = value;
    else this.row.setWide(dimension, value, sign * this.long.rest);
  }

  /** Counts a SET outside the order. */
  markSet(dimension: number): void {
    const { row } = this;
    if (row.sets[dimension]! < 255) row.sets[dimension] = row.sets[dimension]! + 1;
    row.setCount++;
  }

  /** Finds the dimension whose SET stands here although another was expected, and expects it. */
  private skipTo(view: DataView, position: number, end: number): boolean {
    const chart = this.open!;
    const safe = end - 8;
    const previous = this.expected;
    let candidate = chart.successor(previous);
    for (let tries = Math.min(chart.count, SEARCH_MAX); tries >= 0; tries--) {
      if (candidate < chart.count && chart.heads.matches(candidate, view, position, safe)) {
        // The expected one after all: its number is of a kind that only the slow way can read.
        if (candidate === previous) return false;
        chart.setSuccessor(previous, candidate);
        this.leaveOrder();
        this.expected = candidate;
        return true;
      }
      candidate = candidate + 1 >= chart.count ? 0 : candidate + 1;
    }
    return false;
  }

  /** Keeps the bytes from `from` on until their line is whole. @returns false when the line is too long. */
  private keep(bytes: Buffer, from: number): boolean {
    const length = bytes.length - from;
    const total = this.carryBytes + length;
    if (total > LINE_BYTES_MAX) return false;
    if (this.carry === null || this.carry.length < total) {
      const carry = Buffer.allocUnsafeSlow(Math.min(LINE_BYTES_MAX, Math.max(CARRY_BYTES, 2 * total)));
      this.carry?.copy(carry, 0, 0, this.carryBytes);
      this.carry = carry;
    }
    if (length < 40) for (let i = 0; i < length; i++) this.carry[this.carryBytes + i] = bytes[from + i]!;
    else bytes.copy(this.carry, this.carryBytes, from);
    this.carryBytes = total;
    return true;
  }
}
