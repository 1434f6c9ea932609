import { DECIMAL_BYTES_MAX, writeBigInteger, writeWhole } from "./decimal.ts";
import { ASCII_DIGITS, COUNT_SHIFT, DIGITS_MASK, FOURS, HEADS, POINT_COUNTS, POINTS } from "./digit-words.ts";

const MINUS = 0x2d;
const ZERO = 0x30;
/** `null` as a little-endian word. */
const NULL_WORD = 0x6c_6c_75_6e;
/** A value in an answer has at most 7 decimals (rrd.md §3.3). */
const SCALE = 10_000_000;
/** 32-bit floats from here on are whole numbers. */
const WHOLE_FROM = 2 ** 24;
/** From here on there are whole numbers that a double cannot tell apart. */
const HUGE_FROM = 2 ** 52;
/** Significant digits that every 32-bit float keeps, and those that always identify it. */
const DIGITS_MIN = 6;
const DIGITS_MAX = 9;

/** By bits of the whole part, 0 … 24: half the distance to the next float, in units of the seventh decimal. */
const HALF_STEPS = Float64Array.from({ length: 25 }, (_, bits) => 2 ** (bits - 25) * SCALE);
/**
 * By the same: the smallest power of ten that is larger than the distance of two floats, in the same units. Below 1
 * only the seven decimals count.
 */
const COARSE_POWERS = Int32Array.from(HALF_STEPS, (half, bits) => {
  return bits === 0 ? 1 : 10 ** (Math.floor(Math.log10(2 * half)) + 1);
});
const COARSE_INVERSES = Float64Array.from(COARSE_POWERS, (power) => 1 / power);
const FINE_POWERS = COARSE_POWERS.map((power, bits) => (bits === 0 ? 1 : power / 10));
const FINE_INVERSES = Float64Array.from(FINE_POWERS, (power) => 1 / power);

/** How the values of a row are written. */
export interface FloatStyle {
  /** The byte before each value; −1 = none. */
  readonly separator: number;
  /** Values are shown without their sign. */
  readonly isAbsolute: boolean;
  /** No value is shown as 0, not as `null`. */
  readonly nullToZero: boolean;
}

const PLAIN: FloatStyle = { separator: -1, isAbsolute: false, nullToZero: false };
const single = [new Float64Array(1)];

/**
 * Writes row `row` of the columns `[from, to)`: 32-bit floats, each as the shortest decimal that reads back as the
 * same float, with at most 7 decimals, without trailing zeros and without exponent; −0 is 0, and what is not finite is
 * no value. The hot loop of answers: everything common stands here in one piece, because the engine leaves calls in
 * where many functions follow one another, and a call costs as much as a number.
 * @param view with {@link DECIMAL_BYTES_MAX} + 1 of room a column at `start`; a few bytes behind the text are
 * overwritten too. @returns end of the text.
 */
export function writeFloatRow(
  view: DataView,
  start: number,
  columns: readonly Float64Array[],
  row: number,
  from: number,
  to: number,
  style: FloatStyle,
): number {
  const { separator, isAbsolute } = style;
  let at = start;
  for (let i = from; i < to; i++) {
    if (separator >= 0) {
      view.setUint8(at, separator);
      at = (at + 1) | 0;
    }
    const value = columns[i]![row]!;
    const size = Math.abs(value);
    if (!(size < WHOLE_FROM)) {
      at = writeRare(view, at, value, style);
      continue;
    }
    // What is rounded to 0 has no sign.
    if (value < 0 && !isAbsolute && size * SCALE >= 0.5) {
      view.setUint8(at, MINUS);
      at = (at + 1) | 0;
    }
    let whole = size | 0;
    const part = size - whole;
    let fraction = 0;
    if (part !== 0) {
      // 24 bits × 17 bits: exact.
      const scaled = part * SCALE;
      const bits = 32 - Math.clz32(whole);
      // At most one multiple of the coarse power lies within the float's share of the line; of the fine one, one does.
      const coarse = Math.imul((scaled * COARSE_INVERSES[bits]! + 0.5) | 0, COARSE_POWERS[bits]!);
      const fine = Math.imul((scaled * FINE_INVERSES[bits]! + 0.5) | 0, FINE_POWERS[bits]!);
      // Which one it is is as good as random: a mask costs less than a branch that is guessed wrong.
      const mask = -Number(Math.abs(coarse - scaled) >= HALF_STEPS[bits]!);
      fraction = coarse ^ ((coarse ^ fine) & mask);
      if (fraction >= SCALE) {
        whole = (whole + 1) | 0;
        fraction = 0;
      }
    }
    if (whole < 10_000) {
      const head = HEADS[whole]!;
      view.setInt32(at, (head & DIGITS_MASK) | ASCII_DIGITS, true);
      at = (at + (head >>> COUNT_SHIFT)) | 0;
    } else at = writeWhole(view, at, whole);
    if (fraction === 0) continue;
    // Times a hair more than a power of ten, cut: the same as a division, at a fraction of its cost.
    const high = (fraction * 1e-4) | 0;
    const low = (fraction - Math.imul(high, 10_000)) | 0;
    view.setInt32(at, POINTS[high]!, true);
    if (low === 0) at = (at + POINT_COUNTS[high]!) | 0;
    else {
      const word = FOURS[low]!;
      view.setInt32(at + 4, (word & DIGITS_MASK) | ASCII_DIGITS, true);
      at = (at + 4 + (word >>> COUNT_SHIFT)) | 0;
    }
  }
  return at;
}

/** Writes one 32-bit float, or `null`: see {@link writeFloatRow}. */
export function writeFloat(view: DataView, at: number, value: number): number {
  single[0]![0] = value;
  return writeFloatRow(view, at, single, 0, 0, 1, PLAIN);
}

/** A 32-bit float as text: see {@link writeFloatRow}. */
export function floatText(value: number): string {
  const bytes = new Uint8Array(DECIMAL_BYTES_MAX);
  return String.fromCharCode(...bytes.subarray(0, writeFloat(new DataView(bytes.buffer), 0, value)));
}

/** What is not finite, and whole numbers of which only the first digits say something. */
function writeRare(view: DataView, at: number, value: number, { isAbsolute, nullToZero }: FloatStyle): number {
  if (!Number.isFinite(value)) {
    if (nullToZero) view.setUint8(at, ZERO);
    else view.setInt32(at, NULL_WORD, true);
    return at + (nullToZero ? 1 : 4);
  }
  const size = Math.abs(value);
  let end = at;
  if (value < 0 && !isAbsolute) view.setUint8(end++, MINUS);
  return size < HUGE_FROM ? writeWhole(view, end, shortestWhole(size)) : writeBigInteger(view, end, hugeInteger(size));
}

/** The shortest whole number that reads back as this float, 2²⁴ … 2⁵²: some digits, and zeros behind them. */
function shortestWhole(size: number): number {
  // Floats of this size are this far apart: 2 … 2²⁸. At most one multiple of a larger power of ten reads back as it.
  const step = 2 ** (Math.floor(Math.log2(size)) - 23);
  let power = 10 ** Math.ceil(Math.log10(step));
  for (;;) {
    const shortest = Math.round(size / power) * power;
    if (power === 1 || Math.fround(shortest) === size) return shortest;
    power /= 10;
  }
}

/** Beyond the integers of a double: the first digits, zeros behind them. */
function hugeInteger(size: number): bigint {
  let digits = DIGITS_MIN;
  while (digits < DIGITS_MAX && Math.fround(Number(size.toPrecision(digits))) !== size) digits++;
  const [mantissa = "0", exponent = "0"] = size.toExponential(digits - 1).split("e");
  return BigInt(mantissa.replace(".", "")) * 10n ** BigInt(Number(exponent) - (digits - 1));
}
