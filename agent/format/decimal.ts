import { writeInteger } from "./number-text.ts";

const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;
/** Most decimals of a value in an answer (rrd.md §3.3). */
const DECIMALS_MAX = 7;
const SCALE = 10_000_000;
/** Doubles have no fraction from here on. */
const WHOLE_FROM = 2 ** 52;
/** Below this, value × 10⁷ is exact enough to be rounded in one step. */
const ONE_STEP_BELOW = 2 ** 53 / SCALE;
/** 32-bit floats count integers exactly up to here. */
const FLOAT_INTEGER_MAX = 2 ** 24;
/** Significant digits that every 32-bit float keeps, and those that always identify it. */
const FLOAT_DIGITS_MIN = 6;
const FLOAT_DIGITS_MAX = 9;

const POWERS = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** Room any number needs here. */
export const DECIMAL_BYTES_MAX = 320;

/**
 * Writes a double rounded to 7 decimals, without trailing zeros and without exponent; −0 is 0.
 * @param value finite. @param bytes with {@link DECIMAL_BYTES_MAX} of room at `at`. @returns end of the text.
 */
export function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  if (size >= WHOLE_FROM) return writeInteger(bytes, at, BigInt(value));
  let whole = Math.floor(size);
  let fraction: number;
  if (size < ONE_STEP_BELOW) {
    const scaled = Math.round(size * SCALE);
    whole = Math.floor(scaled / SCALE);
    fraction = scaled - whole * SCALE;
  } else {
    fraction = Math.round((size - whole) * SCALE);
    if (fraction === SCALE) {
      whole++;
      fraction = 0;
    }
  }
  return writeParts(bytes, at, value < 0, whole, fraction, DECIMALS_MAX);
}

/**
 * Writes the shortest decimal that reads back as the same 32-bit float, with at most 7 decimals, without trailing
 * zeros and without exponent; −0 is 0.
 * @param value a 32-bit float, finite. @param bytes with {@link DECIMAL_BYTES_MAX} of room. @returns end of the text.
 */
export function writeFloat(bytes: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  if (size <= FLOAT_INTEGER_MAX) {
    const whole = Math.floor(size);
    if (whole === size) return writeParts(bytes, at, value < 0, whole, 0, 0);
    const digitsBefore = whole === 0 ? leadingZeros(size) : digitCount(whole);
    const decimalsMax = Math.min(DECIMALS_MAX, FLOAT_DIGITS_MAX - digitsBefore);
    for (let decimals = Math.max(0, FLOAT_DIGITS_MIN - digitsBefore); decimals < decimalsMax; decimals++) {
      const scaled = Math.round(size * POWERS[decimals]!);
      if (Math.fround(scaled / POWERS[decimals]!) === size) return writeScaled(bytes, at, value < 0, scaled, decimals);
    }
    return writeScaled(bytes, at, value < 0, Math.round(size * POWERS[decimalsMax]!), decimalsMax);
  }
  return writeLargeFloat(bytes, at, value);
}

/** Above 2²⁴ a float is a whole number, of which only the first digits say something. */
function writeLargeFloat(bytes: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  const length = size < WHOLE_FROM ? digitCount(size) : 0;
  if (length === 0) return writeInteger(bytes, at, hugeInteger(value));
  for (let digits = FLOAT_DIGITS_MIN; digits < FLOAT_DIGITS_MAX; digits++) {
    const power = POWERS[length - digits]!;
    const shortest = Math.round(size / power) * power;
    if (Math.fround(shortest) === size) return writeInteger(bytes, at, value < 0 ? -shortest : shortest);
  }
  const power = POWERS[Math.max(0, length - FLOAT_DIGITS_MAX)]!;
  const shortest = Math.round(size / power) * power;
  return writeInteger(bytes, at, value < 0 ? -shortest : shortest);
}

/** Beyond the integers of a double: the first digits, zeros behind them. */
function hugeInteger(value: number): bigint {
  let digits = FLOAT_DIGITS_MIN;
  while (digits < FLOAT_DIGITS_MAX && Math.fround(Number(value.toPrecision(digits))) !== value) digits++;
  const [mantissa = "0", exponent = "0"] = value.toExponential(digits - 1).split("e");
  return BigInt(mantissa.replace(".", "")) * 10n ** BigInt(Number(exponent) - (digits - 1));
}

function writeScaled(bytes: Uint8Array, at: number, isNegative: boolean, scaled: number, decimals: number): number {
  const power = POWERS[decimals]!;
  const whole = Math.floor(scaled / power);
  return writeParts(bytes, at, isNegative, whole, scaled - whole * power, decimals);
}

/** Writes `whole.fraction`, the fraction with `decimals` digits, less its trailing zeros. */
function writeParts(
  bytes: Uint8Array,
  at: number,
  isNegative: boolean,
  whole: number,
  fraction: number,
  decimals: number,
): number {
  let end = at;
  if (isNegative && (whole !== 0 || fraction !== 0)) bytes[end++] = MINUS;
  end = whole < 10 ? writeDigit(bytes, end, whole) : writeInteger(bytes, end, whole);
  if (fraction === 0) return end;
  let rest = fraction | 0;
  let length = decimals;
  while (rest % 10 === 0) {
    rest = (rest / 10) | 0;
    length--;
  }
  bytes[end] = POINT;
  for (let i = end + length; i > end; i--) {
    const next = (rest / 10) | 0;
    bytes[i] = ZERO + rest - next * 10;
    rest = next;
  }
  return end + length + 1;
}

function writeDigit(bytes: Uint8Array, at: number, digit: number): number {
  bytes[at] = ZERO + digit;
  return at + 1;
}

function digitCount(whole: number): number {
  let count = 1;
  for (let power = 10; power <= whole; power *= 10) count++;
  return count;
}

/** Minus the zeros between the point and the first digit, for 0 < size < 1. */
function leadingZeros(size: number): number {
  let zeros = 0;
  for (let scaled = size * 10; scaled < 1 && zeros > -DECIMALS_MAX; scaled *= 10) zeros--;
  return zeros;
}

/** A number as text, for single values: see {@link writeDecimal}. */
export function decimalText(value: number): string {
  return textOf((bytes) => writeDecimal(bytes, 0, value));
}

/** A 32-bit float as text: see {@link writeFloat}. */
export function floatText(value: number): string {
  return textOf((bytes) => writeFloat(bytes, 0, value));
}

function textOf(write: (bytes: Uint8Array) => number): string {
  const bytes = new Uint8Array(DECIMAL_BYTES_MAX);
  return String.fromCharCode(...bytes.subarray(0, write(bytes)));
}
