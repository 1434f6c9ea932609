import { ASCII_DIGITS, COUNT_SHIFT, DIGITS_MASK, FOURS, HEADS, POINT_COUNTS, POINTS } from "./digit-words.ts";

const MINUS = 0x2d;
/** A value in an answer has at most 7 decimals (rrd.md §3.3). */
const SCALE = 10_000_000;
/** Doubles have no fraction from here on. */
const WHOLE_FROM = 2 ** 52;
/** Whole numbers below this are handled as 32-bit integers. */
const INTEGER_BELOW = 2 ** 31;

/** Room any number needs here. */
export const DECIMAL_BYTES_MAX = 320;

/**
 * Writes a double rounded to 7 decimals, without trailing zeros and without exponent; −0 is 0.
 * @param value finite. @param view with {@link DECIMAL_BYTES_MAX} of room at `at`; a few bytes behind the text are
 * overwritten too. @returns end of the text.
 */
export function writeDecimal(view: DataView, at: number, value: number): number {
  const size = Math.abs(value);
  if (size >= INTEGER_BELOW) return writeLarge(view, at, value);
  let whole = size | 0;
  const part = size - whole;
  let fraction = (part * SCALE + 0.5) | 0;
  if (fraction === SCALE) {
    whole = (whole + 1) | 0;
    fraction = 0;
  }
  let end = at;
  if (value < 0 && (whole | fraction) !== 0) view.setUint8(end++, MINUS);
  end = writeInteger(view, end, whole);
  return fraction === 0 ? end : writeFraction(view, end, fraction);
}

/**
 * Writes a whole number, 0 … 2⁵³.
 * @param view as for {@link writeDecimal}. @returns end of the text.
 */
export function writeWhole(view: DataView, at: number, whole: number): number {
  if (whole < INTEGER_BELOW) return writeInteger(view, at, whole | 0);
  const high = Math.floor(whole / 1e8);
  return writeEight(view, writeInteger(view, at, high | 0), (whole - high * 1e8) | 0);
}

/** A number as text, for single values: see {@link writeDecimal}. */
export function decimalText(value: number): string {
  const bytes = new Uint8Array(DECIMAL_BYTES_MAX);
  return String.fromCharCode(...bytes.subarray(0, writeDecimal(new DataView(bytes.buffer), 0, value)));
}

/** Writes all digits of an integer of any size. @param view with room for them. @returns end of the text. */
export function writeBigInteger(view: DataView, at: number, value: bigint): number {
  const text = value.toString();
  for (let i = 0; i < text.length; i++) view.setUint8(at + i, text.charCodeAt(i));
  return at + text.length;
}

function writeLarge(view: DataView, at: number, value: number): number {
  const size = Math.abs(value);
  if (size >= WHOLE_FROM) return writeBigInteger(view, at, BigInt(value));
  const whole = Math.floor(size);
  const fraction = Math.round((size - whole) * SCALE);
  let end = at;
  if (value < 0) view.setUint8(end++, MINUS);
  if (fraction === SCALE) return writeWhole(view, end, whole + 1);
  end = writeWhole(view, end, whole);
  return fraction === 0 ? end : writeFraction(view, end, fraction);
}

/** Writes the point and 1 … 9,999,999 as 7 digits, less the zeros at the end. */
function writeFraction(view: DataView, at: number, fraction: number): number {
  // Times a hair more than a power of ten, cut: the same as a division, at a fraction of its cost.
  const high = (fraction * 1e-4) | 0;
  const low = (fraction - Math.imul(high, 10_000)) | 0;
  view.setInt32(at, POINTS[high]!, true);
  if (low === 0) return (at + POINT_COUNTS[high]!) | 0;
  const word = FOURS[low]!;
  view.setInt32(at + 4, (word & DIGITS_MASK) | ASCII_DIGITS, true);
  return (at + 4 + (word >>> COUNT_SHIFT)) | 0;
}

/** Writes 0 … 2³¹ − 1, without leading zeros. */
function writeInteger(view: DataView, at: number, whole: number): number {
  if (whole < 10_000) return writeHead(view, at, whole);
  const high = (whole * 1e-4) | 0;
  if (high < 10_000) return writeFour(view, writeHead(view, at, high), (whole - Math.imul(high, 10_000)) | 0);
  const head = (whole * 1e-8) | 0;
  return writeEight(view, writeHead(view, at, head), (whole - Math.imul(head, 1e8)) | 0);
}

function writeHead(view: DataView, at: number, value: number): number {
  const word = HEADS[value]!;
  view.setInt32(at, (word & DIGITS_MASK) | ASCII_DIGITS, true);
  return (at + (word >>> COUNT_SHIFT)) | 0;
}

function writeFour(view: DataView, at: number, value: number): number {
  view.setInt32(at, (FOURS[value]! & DIGITS_MASK) | ASCII_DIGITS, true);
  return (at + 4) | 0;
}

function writeEight(view: DataView, at: number, value: number): number {
  const high = (value * 1e-4) | 0;
  return writeFour(view, writeFour(view, at, high), (value - Math.imul(high, 10_000)) | 0);
}
