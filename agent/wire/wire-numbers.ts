import { readInteger, type SplitInteger } from "./integer.ts";

const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;
const HASH = 0x23;
const AT = 0x40;
const PERCENT = 0x25;
const LETTER_X = 0x78;
/** Digits of a number that is exact as one integer and one power of ten. */
const DIGITS_EXACT = 15;
/** Hexadecimal digits that a double holds whatever they are. */
const HEX_DIGITS_EXACT = 13;
/** Longest text of a number that is looked at: the longest plain one of a double has some 770 digits. */
const NUMBER_BYTES_MAX = 1000;
/** Powers of ten that a double holds exactly. */
const POWERS = Float64Array.from({ length: DIGITS_EXACT + 1 }, (_, exponent) => 10 ** exponent);
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d{1,4})?$/i;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/** Value of each byte as a digit of base 64, −1 = none. */
const BASE64 = new Int8Array(256).fill(-1);
for (let value = 0; value < ALPHABET.length; value++) BASE64[ALPHABET.charCodeAt(value)] = value;
/** The same in base 16, upper and lower case. */
const BASE16 = Int8Array.from({ length: 256 }, (_, byte) =>
  "0123456789abcdef".indexOf(String.fromCharCode(byte | 0x20)),
);
for (let byte = 0; byte < ZERO; byte++) BASE16[byte] = -1;

/** The same 64 bits as a double and as two halves, the low one first. */
const asDouble = new Float64Array(1);
const asHalves = new Uint32Array(asDouble.buffer);

/**
 * Reads a number in any form of streaming.md §6: `-0.5`, `0x6B02`, `#BrAiSD` (an integer in base 64), `@D/gU5eCnLwV`
 * and `%3FF0…` (the bits of a double in base 64 and 16).
 * @returns NaN for everything else, infinities included.
 */
export function readDouble(bytes: Buffer, start: number, end: number): number {
  const plain = readPlain(bytes, start, end);
  if (!Number.isNaN(plain)) return plain;
  const value = readOther(bytes, start, end);
  return Number.isFinite(value) ? value : Number.NaN;
}

/** Reads an integer as {@link readInteger}, or in base 64 behind `#`. @param out receives the result. */
export function readWireInteger(bytes: Buffer, start: number, end: number, out: SplitInteger): void {
  const isNegative = bytes[start] === MINUS;
  const at = isNegative ? start + 1 : start;
  const isBase64 = at < end && bytes[at] === HASH;
  if (isBase64) readBase64(bytes, at + 1, end);
  // Only numbers of more than 53 bits need the exact way.
  else if (!isShortHex(bytes, at, end) || !readBase16(bytes, at + 2, end)) {
    readInteger(bytes, start, end, out);
    return;
  }
  const low = asHalves[0]!;
  const high = asHalves[1]!;
  const sign = isNegative ? -1 : 1;
  out.value = sign * (high * 2 ** 32 + low) + 0;
  out.rest = 0;
  if (high < 2 ** 21) return;
  const exact = BigInt.asIntN(64, BigInt(sign) * ((BigInt(high) << 32n) | BigInt(low)));
  out.value = Number(exact);
  out.rest = Number(exact - BigInt(out.value));
}

/** @returns a decimal number of at most {@link DIGITS_EXACT} digits without an exponent; NaN if it is another. */
function readPlain(bytes: Buffer, start: number, end: number): number {
  const isNegative = bytes[start] === MINUS;
  let value = 0;
  let digits = 0;
  let pointAt = -1;
  for (let index = isNegative ? start + 1 : start; index < end; index++) {
    const byte = bytes[index]!;
    if (byte === POINT && pointAt < 0) {
      pointAt = index;
      continue;
    }
    const digit = byte - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
    digits++;
  }
  if (digits === 0 || digits > DIGITS_EXACT) return Number.NaN;
  // Both are exact, so the one division rounds as the number itself would be.
  if (pointAt >= 0) value /= POWERS[end - 1 - pointAt]!;
  return isNegative ? -value : value;
}

function readOther(bytes: Buffer, start: number, end: number): number {
  if (start >= end || end - start > NUMBER_BYTES_MAX) return Number.NaN;
  const isNegative = bytes[start] === MINUS;
  const at = isNegative ? start + 1 : start;
  const mark = bytes[at];
  const sign = isNegative ? -1 : 1;
  if (mark === HASH)
    return readBase64(bytes, at + 1, end) ? sign * (asHalves[1]! * 2 ** 32 + asHalves[0]!) : Number.NaN;
  if (mark === AT) return readBase64(bytes, at + 1, end) ? sign * asDouble[0]! : Number.NaN;
  if (mark === PERCENT) return readBase16(bytes, at + 1, end) ? sign * asDouble[0]! : Number.NaN;
  if (mark === ZERO && at + 2 < end && (bytes[at + 1]! | 0x20) === LETTER_X) {
    return readBase16(bytes, at + 2, end) ? sign * (asHalves[1]! * 2 ** 32 + asHalves[0]!) : Number.NaN;
  }
  const text = bytes.toString("latin1", start, end);
  return DECIMAL.test(text) ? Number(text) : Number.NaN;
}

function isShortHex(bytes: Buffer, at: number, end: number): boolean {
  const digits = end - at - 2;
  if (digits < 1 || digits > HEX_DIGITS_EXACT) return false;
  return bytes[at] === ZERO && (bytes[at + 1]! | 0x20) === LETTER_X;
}

/** Reads digits into {@link asHalves}, as far as they are some. @returns all were, and there was one. */
function readBase64(bytes: Buffer, start: number, end: number): boolean {
  let high = 0;
  let low = 0;
  let index = start;
  for (; index < end; index++) {
    const digit = BASE64[bytes[index]!]!;
    if (digit < 0) break;
    high = ((high << 6) | (low >>> 26)) >>> 0;
    low = ((low << 6) | digit) >>> 0;
  }
  asHalves[0] = low;
  asHalves[1] = high;
  return index === end && index > start;
}

function readBase16(bytes: Buffer, start: number, end: number): boolean {
  let high = 0;
  let low = 0;
  for (let index = start; index < end; index++) {
    const digit = BASE16[bytes[index]!]!;
    if (digit < 0) return false;
    high = ((high << 4) | (low >>> 28)) >>> 0;
    low = ((low << 4) | digit) >>> 0;
  }
  asHalves[0] = low;
  asHalves[1] = high;
  return end > start;
}
