const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const PLUS = 0x2b;
const BLANK = 0x20;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** Decimal digits that a double holds whatever they are. */
const PLAIN_DIGITS_MAX = 15;
/** Doubles count integers exactly below this. */
export const EXACT_BELOW = 2 ** 53;

/** A 64-bit integer as the nearest double and what the double is short of; the rest is 0 below 2⁵³. */
export interface SplitInteger {
  value: number;
  rest: number;
}

/**
 * Reads the integer at the start of a word as C `strtoll` with base 0 does (rrd.md §2.4): `0x…` hexadecimal, a leading
 * 0 octal, clamped to 64 bits, ending at the first byte that does not belong to it; no digits = 0. The slow way.
 * @param out receives the result.
 */
export function readInteger(bytes: Buffer, start: number, end: number, out: SplitInteger): void {
  out.value = readPlain(bytes, start, end);
  out.rest = 0;
  if (Number.isNaN(out.value)) readAny(bytes, start, end, out);
}

/** @returns the number if the whole word is a decimal one that a double surely holds, as nearly all are; else NaN. */
function readPlain(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  const count = end - first;
  if (count < 1 || count > PLAIN_DIGITS_MAX || (count > 1 && bytes[first] === ZERO)) return Number.NaN;
  let value = 0;
  for (let index = first; index < end; index++) {
    const digit = bytes[index]! - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative ? 0 - value : value;
}

function readAny(bytes: Buffer, start: number, end: number, out: SplitInteger): void {
  let index = start;
  while (index < end && isSpace(bytes[index]!)) index++;
  const isNegative = bytes[index] === MINUS;
  if (isNegative || bytes[index] === PLUS) index++;
  let base = 10;
  if (bytes[index] === ZERO && index + 1 < end) {
    const isHex = (bytes[index + 1]! | 0x20) === 0x78;
    base = isHex ? 16 : 8;
    index += isHex ? 2 : 1;
  }
  const magnitude = readDigits(bytes, index, end, base);
  const signed = isNegative ? -magnitude : magnitude;
  const exact = signed < INT64_MIN ? INT64_MIN : signed > INT64_MAX ? INT64_MAX : signed;
  out.value = Number(exact);
  out.rest = Number(exact - BigInt(out.value));
}

function readDigits(bytes: Buffer, start: number, end: number, base: number): bigint {
  let value = 0n;
  let first = start;
  while (first < end && bytes[first] === ZERO) first++;
  for (let index = first; index < end; index++) {
    const digit = digitValue(bytes[index]!);
    if (digit >= base) break;
    value = value * BigInt(base) + BigInt(digit);
    // A word can be as long as a line: no number above this matters, so none grows further.
    if (value > 2n ** 70n) break;
  }
  return value;
}

/** What C calls white space; only a quoted word can begin with it. */
function isSpace(byte: number): boolean {
  return byte === BLANK || (byte >= 0x09 && byte <= 0x0d);
}

function digitValue(byte: number): number {
  if (byte >= ZERO && byte <= NINE) return byte - ZERO;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : 99;
}

/**
 * Reads 16 to 18 decimal digits exactly without a bigint: two parts, and the rest from their remainders modulo 2³².
 * @param out receives the result, not negated.
 */
export function readLongDigits(bytes: Uint8Array, start: number, count: number, out: SplitInteger): void {
  let high = 0;
  let low = 0;
  const middle = start + count - 9;
  for (let index = start; index < middle; index++) high = high * 10 + (bytes[index]! - ZERO);
  for (let index = middle; index < start + count; index++) low = low * 10 + (bytes[index]! - ZERO);
  const value = high * 1e9 + low;
  const valueLow = value - Math.floor(value / 4294967296) * 4294967296;
  out.value = value;
  out.rest = (Math.imul(high, 1_000_000_000) + low - valueLow) | 0;
}
