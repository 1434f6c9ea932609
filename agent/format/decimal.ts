import { writeInteger } from "./number-text.ts";

const ZERO = 0x30;
const MINUS = 0x2d;
const POINT = 0x2e;
/** A value in an answer has at most 7 decimals (rrd.md §3.3). */
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

/** `000` … `999`, one after the other. */
const TRIPLES = new TextEncoder().encode(Array.from({ length: 1000 }, (_, i) => String(i).padStart(3, "0")).join(""));

/** By exponent of the float, 0 … 24: half the distance to the next float, in units of the seventh decimal. */
const HALF_STEPS = Float64Array.from({ length: 25 }, (_, exponent) => 2 ** (exponent - 24) * SCALE);
/** By exponent: the smallest power of ten that is larger than the distance of two floats, in the same units. */
const COARSE_POWERS = HALF_STEPS.map((half) => 10 ** (Math.floor(Math.log10(2 * half)) + 1));
const COARSE_INVERSES = COARSE_POWERS.map((power) => 1 / power);
const FINE_POWERS = COARSE_POWERS.map((power) => power / 10);
const FINE_INVERSES = FINE_POWERS.map((power) => 1 / power);

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
  return writeParts(bytes, at, value < 0, whole, fraction);
}

/**
 * Writes the shortest decimal that reads back as the same 32-bit float, with at most 7 decimals, without trailing
 * zeros and without exponent; −0 is 0.
 * @param value a 32-bit float, finite. @param bytes with {@link DECIMAL_BYTES_MAX} of room. @returns end of the text.
 */
export function writeFloat(bytes: Uint8Array, at: number, value: number): number {
  const size = value < 0 ? -value : value;
  if (size > FLOAT_INTEGER_MAX) return writeLargeFloat(bytes, at, value);
  const whole = Math.floor(size);
  if (whole === size) return writeParts(bytes, at, value < 0, whole, 0);
  // 24 bits × 17 bits: exact.
  const scaled = (size - whole) * SCALE;
  let fraction: number;
  if (whole === 0) fraction = Math.floor(scaled + 0.5);
  else {
    const exponent = 31 - Math.clz32(whole);
    // At most one multiple of the coarse power lies within the float's share of the line; of the fine one, one does.
    fraction = Math.floor(scaled * COARSE_INVERSES[exponent]! + 0.5) * COARSE_POWERS[exponent]!;
    const off = fraction - scaled;
    const half = HALF_STEPS[exponent]!;
    if (off >= half || -off >= half) {
      fraction = Math.floor(scaled * FINE_INVERSES[exponent]! + 0.5) * FINE_POWERS[exponent]!;
    }
  }
  if (fraction >= SCALE) return writeParts(bytes, at, value < 0, whole + 1, 0);
  return writeParts(bytes, at, value < 0, whole, fraction);
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

/** Writes `whole.fraction`, where the fraction has 7 digits, less its trailing zeros. */
function writeParts(bytes: Uint8Array, at: number, isNegative: boolean, whole: number, fraction: number): number {
  let end = at;
  if (isNegative && (whole !== 0 || fraction !== 0)) bytes[end++] = MINUS;
  if (whole < 10) bytes[end++] = ZERO + (whole | 0);
  else end = writeWhole(bytes, end, whole);
  return fraction === 0 ? end : writeFraction(bytes, end, fraction | 0);
}

/** Writes the point and 1 … 9,999,999 as 7 digits, less the zeros at the end. */
function writeFraction(bytes: Uint8Array, at: number, fraction: number): number {
  bytes[at] = POINT;
  // Times a hair more than a power of ten, cut: the same as a division, at a fraction of its cost.
  const high = (fraction * 1e-4) | 0;
  const low = (fraction - high * 1e4) | 0;
  let from = 3 * high;
  bytes[at + 1] = TRIPLES[from]!;
  bytes[at + 2] = TRIPLES[from + 1]!;
  bytes[at + 3] = TRIPLES[from + 2]!;
  let end = at + 4;
  if (low !== 0) {
    const middle = (low * 0.1) | 0;
    from = 3 * middle;
    bytes[at + 4] = TRIPLES[from]!;
    bytes[at + 5] = TRIPLES[from + 1]!;
    bytes[at + 6] = TRIPLES[from + 2]!;
    bytes[at + 7] = ZERO + low - middle * 10;
    end = at + 8;
  }
  while (bytes[end - 1] === ZERO) end--;
  return end;
}

/**
 * Writes a whole number, 0 … 2⁵³.
 * @param bytes with {@link DECIMAL_BYTES_MAX} of room at `at`. @returns end of the text.
 */
export function writeWhole(bytes: Uint8Array, at: number, whole: number): number {
  if (whole < 1000) return writeSmall(bytes, at, whole);
  if (whole >= 1e12) return writeInteger(bytes, at, whole);
  const high = (whole * 0.001) | 0;
  const end = high < 1000 ? writeSmall(bytes, at, high) : writeWhole(bytes, at, high);
  const from = 3 * ((whole - high * 1000) | 0);
  bytes[end] = TRIPLES[from]!;
  bytes[end + 1] = TRIPLES[from + 1]!;
  bytes[end + 2] = TRIPLES[from + 2]!;
  return end + 3;
}

/** Writes 0 … 999 without leading zeros. */
function writeSmall(bytes: Uint8Array, at: number, value: number): number {
  const from = 3 * (value | 0);
  let end = at;
  if (value >= 100) bytes[end++] = TRIPLES[from]!;
  if (value >= 10) bytes[end++] = TRIPLES[from + 1]!;
  bytes[end] = TRIPLES[from + 2]!;
  return end + 1;
}

function digitCount(whole: number): number {
  let count = 1;
  for (let power = 10; power <= whole; power *= 10) count++;
  return count;
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
