/** Longest run of digits that a number holds exactly, whatever the digits are. */
export const DIGITS_EXACT_MAX = 15;
/** Digits of 2^64, the largest counter of a kernel. */
const DIGITS_MAX = 20;
const ZERO = 0x30;
const NINE = 0x39;
const MINUS = 0x2d;
const POINT = 0x2e;
const LOW_PART = 1_000_000_000_000_000n;

/**
 * Reads the decimal integer that fills `[start, end)`, with an optional minus. Exact up to {@link DIGITS_EXACT_MAX}
 * digits; use {@link parseBigInteger} for longer ones.
 * @returns NaN when the bytes are anything else, or longer than that.
 */
export function parseInteger(bytes: Uint8Array, start: number, end: number): number {
  let index = start;
  const isNegative = bytes[index] === MINUS;
  if (isNegative) index++;
  if (index >= end || end - index > DIGITS_EXACT_MAX) return Number.NaN;
  let value = 0;
  for (; index < end; index++) {
    const digit = bytes[index]! - ZERO;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return isNegative && value !== 0 ? -value : value;
}

/**
 * Reads the decimal integer that fills `[start, end)`, of up to 20 digits, exactly.
 * @returns undefined when the bytes are anything else.
 */
export function parseBigInteger(bytes: Uint8Array, start: number, end: number): bigint | undefined {
  const isNegative = bytes[start] === MINUS;
  const first = isNegative ? start + 1 : start;
  if (end <= first || end - first > DIGITS_MAX) return undefined;
  const middle = Math.max(first, end - DIGITS_EXACT_MAX);
  const low = parseInteger(bytes, middle, end);
  const high = middle > first ? parseInteger(bytes, first, middle) : 0;
  // A minus in the middle would pass as the sign of the low part.
  if (Number.isNaN(low) || Number.isNaN(high) || !isDigit(bytes[middle]!) || !isDigit(bytes[first]!)) return undefined;
  const value = BigInt(high) * LOW_PART + BigInt(low);
  return isNegative ? -value : value;
}

/**
 * Reads a decimal fraction that fills `[start, end)`, as an integer scaled by 10^`decimals`; further digits are cut.
 * The digits themselves are used, so 4.56 with two decimals is 456.
 * @returns NaN when the bytes are anything else, or hold more than 15 digits.
 */
export function parseDecimal(bytes: Uint8Array, start: number, end: number, decimals: number): number {
  let index = start;
  const isNegative = bytes[index] === MINUS;
  if (isNegative) index++;
  if (index >= end || end - index > DIGITS_EXACT_MAX) return Number.NaN;
  let value = 0;
  let scale = -1;
  for (; index < end; index++) {
    const byte = bytes[index]!;
    if (byte === POINT && scale < 0) scale = 0;
    else if (!isDigit(byte)) return Number.NaN;
    else if (scale < decimals) {
      value = value * 10 + (byte - ZERO);
      if (scale >= 0) scale++;
    }
  }
  for (let i = Math.max(0, scale); i < decimals; i++) value *= 10;
  return isNegative && value !== 0 ? -value : value;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
