const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;
/** Decimals of a stored value, as C prints `%0.7f`. */
const DECIMALS = 7;
const SCALE = 10_000_000;
/** A fraction nearer to a tie is rounded by the runtime: the product of two doubles could be off by 2⁻³⁰. */
const TIE_MARGIN = 1e-8;
/** Below this the integer part and the fraction of a double can be written apart. */
const EXACT_BELOW = 2 ** 53;
/** From here on the runtime prints exponents. */
const EXPONENT_FROM = 1e21;
const LOW_DIGITS = 8;
const LOW_SCALE = 100_000_000;

/** Room a number needs at most: a 32-bit float has up to 39 digits before the point, a sum of them two more. */
export const NUMBER_BYTES_MAX = 64;

/** `00` … `99`, one after the other. */
const PAIRS = Uint8Array.from({ length: 200 }, (_, i) => ZERO + (i % 2 === 0 ? Math.floor(i / 20) : (i >> 1) % 10));

/**
 * Writes a stored value with 7 decimals, digit for digit as `toFixed(7)`; from 1e21 on all digits instead of an
 * exponent, and −0 as 0 (exporters.md §3).
 * @param value finite, |value| < 1e50. @param bytes with {@link NUMBER_BYTES_MAX} of room at `at`.
 * @returns end of the text.
 */
export function writeFixed7(bytes: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  if (size >= EXACT_BELOW)
    return writeText(bytes, at, size >= EXPONENT_FROM ? wholeText(value) : value.toFixed(DECIMALS));
  let whole = Math.floor(size);
  const scaled = (size - whole) * SCALE;
  let fraction = Math.floor(scaled);
  const rest = scaled - fraction;
  if (rest > 0.5 - TIE_MARGIN && rest < 0.5 + TIE_MARGIN) return writeText(bytes, at, fixedText(value));
  if (rest > 0.5) fraction++;
  if (fraction === SCALE) {
    fraction = 0;
    whole++;
  }
  let end = at;
  if (value < 0) bytes[end++] = MINUS;
  end = writeDigits(bytes, end, whole);
  bytes[end++] = POINT;
  return writeFraction(bytes, end, fraction | 0);
}

/**
 * Writes an integer exactly.
 * @param value a bigint, or an integer double of any size. @param bytes with {@link NUMBER_BYTES_MAX} of room at `at`.
 * @returns end of the text.
 */
export function writeInteger(bytes: Uint8Array, at: number, value: number | bigint): number {
  if (typeof value === "bigint") return writeText(bytes, at, value.toString());
  if (value >= EXACT_BELOW || value <= -EXACT_BELOW) return writeText(bytes, at, BigInt(value).toString());
  if (value >= 0) return writeDigits(bytes, at, value);
  bytes[at] = MINUS;
  return writeDigits(bytes, at + 1, -value);
}

/** Writes a whole number, 0 … 2⁵³. */
function writeDigits(bytes: Uint8Array, at: number, value: number): number {
  if (value < LOW_SCALE) return writeSmall(bytes, at, value | 0);
  const high = Math.floor(value / LOW_SCALE);
  const end = writeDigits(bytes, at, high);
  let rest = (value - high * LOW_SCALE) | 0;
  for (let i = end + LOW_DIGITS - 2; i >= end; i -= 2) {
    const next = (rest / 100) | 0;
    const pair = (rest - next * 100) << 1;
    bytes[i] = PAIRS[pair]!;
    bytes[i + 1] = PAIRS[pair + 1]!;
    rest = next;
  }
  return end + LOW_DIGITS;
}

/** Writes 0 … 99,999,999 without leading zeros. */
function writeSmall(bytes: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    bytes[at] = ZERO + value;
    return at + 1;
  }
  const end = at + smallLength(value);
  let rest = value;
  let i = end;
  while (rest >= 10) {
    const next = (rest / 100) | 0;
    const pair = (rest - next * 100) << 1;
    bytes[--i] = PAIRS[pair + 1]!;
    bytes[--i] = PAIRS[pair]!;
    rest = next;
  }
  if (i > at) bytes[at] = ZERO + rest;
  return end;
}

function smallLength(value: number): number {
  if (value < 10_000) return value < 100 ? 2 : value < 1000 ? 3 : 4;
  if (value < 1_000_000) return value < 100_000 ? 5 : 6;
  return value < 10_000_000 ? 7 : 8;
}

/** Writes 7 digits, leading zeros included. */
function writeFraction(bytes: Uint8Array, at: number, fraction: number): number {
  let rest = fraction;
  for (let i = at + DECIMALS - 2; i > at; i -= 2) {
    const next = (rest / 100) | 0;
    const pair = (rest - next * 100) << 1;
    bytes[i] = PAIRS[pair]!;
    bytes[i + 1] = PAIRS[pair + 1]!;
    rest = next;
  }
  bytes[at] = ZERO + rest;
  return at + DECIMALS;
}

function writeText(bytes: Uint8Array, at: number, text: string): number {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
  return at + text.length;
}

function wholeText(value: number): string {
  return `${BigInt(value)}.${"0".repeat(DECIMALS)}`;
}

function fixedText(value: number): string {
  return value.toFixed(DECIMALS);
}
