import { CHART_ID_BYTES_MAX, DIMENSION_TEXT_BYTES_MAX, idWord, wireChartId, wireId } from "./wire-text.ts";

const ZERO = 0x30;
const MINUS = 0x2d;
const NEWLINE = 0x0a;
/** `END\n` as a little-endian 32-bit integer. */
const END_LINE = 0x0a444e45;
/** Doubles count integers exactly below this. */
const EXACT_BELOW = 2 ** 53;
/** Sign, 19 digits and a newline. */
const NUMBER_BYTES_MAX = 21;

/** `00`…`99` as little-endian 16-bit integers. */
const PAIRS = Uint16Array.from({ length: 100 }, (_, n) => ZERO + Math.trunc(n / 10) + ((ZERO + (n % 10)) << 8));

/** The values of one iteration, by dimension position; what the database hands out fits. */
export interface RowValues {
  readonly values: Float64Array;
  readonly residuals: Float64Array | null;
  readonly sets: Uint8Array;
  readonly complete: boolean;
}

/**
 * Beginnings of lines, each kept as 8-byte words so that two or three stores write it. No text of ours can form a word
 * that is a NaN as a double: bytes 0x7F and 0xFF do not occur in it. Words may be written past the end of a head, which
 * the next bytes correct: a writer needs 8 spare bytes.
 */
export class HeadPool {
  /** Replaced when it grows. */
  words: Float64Array;
  private used = 0;

  /** @param wordsFirst capacity to start with. */
  constructor(wordsFirst: number) {
    this.words = new Float64Array(wordsFirst);
  }

  /** @returns its first word. */
  add(head: Buffer): number {
    const start = this.used;
    this.used += Math.ceil(head.length / 8);
    if (this.used > this.words.length) {
      const words = new Float64Array(Math.max(this.used, Math.ceil(this.words.length * 1.5)));
      words.set(this.words);
      this.words = words;
    }
    head.copy(Buffer.from(this.words.buffer), 8 * start);
    return start;
  }
}

/** The heads of all SET lines of one set of dimensions. Immutable. */
export class SetHeads {
  readonly words: Float64Array;
  /** First word and bytes of each head. */
  readonly starts: Uint32Array;
  readonly lengths: Uint16Array;
  /** Longest iteration, from the first SET to the end of END. */
  readonly bytesMax: number;

  constructor(ids: readonly string[]) {
    const heads = ids.map((id) => Buffer.from(`SET ${idWord(wireId(id, DIMENSION_TEXT_BYTES_MAX))} = `));
    const pool = new HeadPool(heads.reduce((sum, head) => sum + Math.ceil(head.length / 8), 0));
    this.starts = Uint32Array.from(heads, (head) => pool.add(head));
    this.lengths = Uint16Array.from(heads, (head) => head.length);
    this.words = pool.words;
    this.bytesMax = this.lengths.reduce((sum, length) => sum + length + NUMBER_BYTES_MAX, 4);
  }
}

/** The head of a chart's BEGIN line. */
export function beginHead(chartId: string): Buffer {
  return Buffer.from(`BEGIN ${idWord(wireChartId(chartId))} `);
}

/** Longest BEGIN line. */
export const BEGIN_BYTES_MAX = CHART_ID_BYTES_MAX + 9 + NUMBER_BYTES_MAX;

/** Writes a head at `at`. @returns the position behind it. */
export function writeHead(view: DataView, at: number, words: Float64Array, start: number, length: number): number {
  let word = start;
  for (let offset = 0; offset < length; offset += 8) view.setFloat64(at + offset, words[word++]!, true);
  return at + length;
}

/** Writes what ends a BEGIN line. @param elapsedUs a fraction is cut; what is no time is 0. */
export function writeElapsed(view: DataView, at: number, elapsedUs: number): number {
  const isTime = elapsedUs >= 1 && elapsedUs < EXACT_BELOW;
  const end = isTime ? writeNatural(view, at, elapsedUs) : writeSmall(view, at, 0);
  view.setUint8(end, NEWLINE);
  return end + 1;
}

/** SETs written by the last {@link writeSets}. */
export const written = { sets: 0 };

/**
 * Writes the SETs of an iteration and END. A dimension SET more than once is written once, with its last value; one
 * whose value is no number is left out.
 * @returns the position behind END; {@link written} says how many SETs there are.
 */
export function writeSets(view: DataView, at: number, heads: SetHeads, row: RowValues): number {
  const { words, starts, lengths } = heads;
  const { values, sets, complete } = row;
  const count = lengths.length;
  let position = at;
  let skipped = 0;
  for (let i = 0; i < count; i++) {
    if (!complete && sets[i] === 0) {
      skipped++;
      continue;
    }
    const value = values[i]!;
    const first = writeHead(view, position, words, starts[i]!, lengths[i]!);
    const end = Math.abs(value) < EXACT_BELOW ? writeInteger(view, first, value) : writeLong(view, first, row, i);
    if (end === first) {
      skipped++;
      continue;
    }
    view.setUint8(end, NEWLINE);
    position = end + 1;
  }
  view.setInt32(position, END_LINE, true);
  written.sets = count - skipped;
  return position + 4;
}

/** Writes an integer in decimal. @param value |value| < 2⁵³; a fraction is cut. @returns the position behind it. */
export function writeInteger(view: DataView, at: number, value: number): number {
  if (value > -1) return writeNatural(view, at, value);
  view.setUint8(at, MINUS);
  return writeNatural(view, at + 1, -value);
}

function writeNatural(view: DataView, at: number, value: number): number {
  if (value < 1e9) return writeSmall(view, at, value | 0);
  // Never rounded up to the next multiple: that is 1e-9 away at least, more than half the step of doubles below 2²⁴.
  const high = Math.floor(value / 1e9);
  const low = Math.floor(value) - high * 1e9;
  const middle = writeSmall(view, at, high);
  return writeNineDigits(view, middle, low | 0);
}

/** @param value int32, 0…999,999,999. */
function writeSmall(view: DataView, at: number, value: number): number {
  const end = at + digitCount(value);
  let rest = value;
  let position = end;
  while (rest >= 100) {
    const quotient = (rest / 100) | 0;
    position -= 2;
    view.setUint16(position, PAIRS[rest - quotient * 100]!, true);
    rest = quotient;
  }
  if (rest >= 10) view.setUint16(position - 2, PAIRS[rest]!, true);
  else view.setUint8(position - 1, ZERO + rest);
  return end;
}

function digitCount(value: number): number {
  if (value < 10_000) {
    if (value < 100) return value < 10 ? 1 : 2;
    return value < 1000 ? 3 : 4;
  }
  if (value < 1_000_000) return value < 100_000 ? 5 : 6;
  if (value < 100_000_000) return value < 10_000_000 ? 7 : 8;
  return 9;
}

function writeNineDigits(view: DataView, at: number, value: number): number {
  let rest = value;
  for (let position = at + 7; position > at; position -= 2) {
    const quotient = (rest / 100) | 0;
    view.setUint16(position, PAIRS[rest - quotient * 100]!, true);
    rest = quotient;
  }
  view.setUint8(at, ZERO + rest);
  return at + 9;
}

/** Integers that a double does not hold exactly, and what is no number: nothing is written for that. */
function writeLong(view: DataView, at: number, row: RowValues, index: number): number {
  const value = row.values[index]!;
  if (!Number.isFinite(value)) return at;
  const exact = BigInt.asIntN(64, BigInt(value) + BigInt(row.residuals?.[index] ?? 0));
  const text = exact.toString();
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
  return at + text.length;
}
