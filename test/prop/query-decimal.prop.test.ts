import { expect, test } from "bun:test";
import fc from "fast-check";
import { decimalText } from "../../agent/format/decimal.ts";
import { floatText } from "../../agent/format/float-row.ts";

const seed = Number(process.env["FAST_CHECK_SEED"] ?? 20_260_101);
const float = fc.float({ noNaN: true, noDefaultInfinity: true });

/** The rule in other words: more and more significant digits until the float is met, then at most 7 decimals. */
function shortest(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    if (Math.fround(Number(value.toPrecision(digits))) === value) return plain(value.toPrecision(digits));
  }
  return plain(value.toPrecision(9));
}

/** Without exponent and without trailing zeros. */
function plain(text: string): string {
  const [mantissa = "", exponent = "0"] = text.split("e");
  const [whole = "", fraction = ""] = mantissa.replace("-", "").split(".");
  const shift = Number(exponent);
  const digits = whole + fraction;
  const point = whole.length + shift;
  const padded = point <= 0 ? "0".repeat(1 - point) + digits : digits.padEnd(point, "0");
  const at = Math.max(point, 1);
  const end = padded.slice(at).replace(/0+$/, "");
  const sign = text.startsWith("-") && /[1-9]/.test(digits) ? "-" : "";
  return `${sign}${padded.slice(0, at).replace(/^0+(?=\d)/, "")}${end === "" ? "" : `.${end}`}`;
}

const word = new DataView(new ArrayBuffer(4));
/** The float of these 32 bits; bits of what is not finite give another one. */
function floatOf(bits: number): number {
  word.setUint32(0, (bits & 0x7f80_0000) === 0x7f80_0000 ? bits & 0x807f_ffff : bits);
  return word.getFloat32(0);
}
/** The float `steps` floats further away from 0. */
function beside(value: number, steps: number): number {
  word.setFloat32(0, value);
  return floatOf(word.getUint32(0) + steps);
}

const steps = fc.integer({ min: 0, max: 2 });
const floatKinds: Record<string, fc.Arbitrary<number>> = {
  "any bits": fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(floatOf),
  denormal: fc.integer({ min: 0, max: 0x7f_ffff }).map(floatOf),
  "around seven decimals": fc.integer({ min: 0, max: 40_000_000 }).map((n) => Math.fround(n / 1e7)),
  "half of the seventh decimal": fc.integer({ min: 0, max: 2 ** 24 }).map((n) => Math.fround((n + 0.5) / 1e7)),
  "exact halves of a fraction": fc
    .tuple(fc.integer({ min: 1, max: 2 ** 24 }), fc.integer({ min: 1, max: 24 }))
    .map(([n, shift]) => n / 2 ** shift),
  "steps of a tenth, hundredth, thousandth": fc
    .tuple(fc.integer({ min: -(2 ** 24), max: 2 ** 24 }), fc.constantFrom(10, 100, 1000))
    .map(([n, by]) => Math.fround(n / by)),
  "powers of two and the floats behind": fc
    .tuple(fc.integer({ min: -149, max: 127 }), steps)
    .map(([exponent, by]) => beside(2 ** exponent, by)),
  "round decimals and the floats behind": fc
    .tuple(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: -9, max: 34 }), steps)
    .map(([n, exponent, by]) => beside(Math.fround(Number(`${n}e${exponent}`)), by)),
  "whole numbers": fc.integer({ min: -(2 ** 31), max: 2 ** 31 }).map(Math.fround),
  "around the largest counted integer": fc.integer({ min: 2 ** 24 - 99, max: 2 ** 25 + 99 }).map(Math.fround),
  huge: fc.integer({ min: 0x5900_0000, max: 0x7f7f_ffff }).map(floatOf),
};

test.each(Object.keys(floatKinds))("a stored value equals the plain rule, digit for digit: %s", (kind) => {
  const property = fc.property(floatKinds[kind]!, fc.boolean(), (size, isNegative) => {
    const value = isNegative ? -size : size;
    const short = shortest(value);
    const isShort = (short.split(".")[1] ?? "").length <= 7;
    const expected = isShort
      ? short
      : value
          .toFixed(7)
          .replace(/\.?0+$/, "")
          .replace(/^-0$/, "0");
    expect(floatText(value)).toBe(expected);
  });
  fc.assert(property, { seed, numRuns: 3000 });
});

test("a stored value is written as the shortest text, or with 7 decimals", () => {
  const property = fc.property(float, (value) => {
    const text = floatText(value);
    expect(text).toMatch(/^-?\d+(\.\d{1,7})?$/);
    const expected = shortest(value);
    if ((expected.split(".")[1] ?? "").length <= 7) expect(text).toBe(expected);
    else expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(5.0001e-8);
  });
  fc.assert(property, { seed, numRuns: 5000 });
});

test("what has at most 7 decimals reads back as the same float", () => {
  const property = fc.property(
    fc.integer({ min: -16_000_000, max: 16_000_000 }),
    fc.constantFrom(1, 10, 1000),
    (n, by) => {
      expect(Math.fround(Number(floatText(Math.fround(n / by))))).toBe(Math.fround(n / by));
    },
  );
  fc.assert(property, { seed, numRuns: 2000 });
});

test("a calculated value equals the runtime's own text, but where the runtime must look beyond a double's product", () => {
  const sizes = fc.tuple(fc.double({ noNaN: true, min: -1, max: 1 }), fc.integer({ min: 0, max: 15 }));
  const property = fc.property(sizes, ([share, exponent]) => {
    const value = share * 10 ** exponent;
    const expected = value
      .toFixed(7)
      .replace(/\.?0+$/, "")
      .replace(/^-0$/, "0");
    const scaled = (Math.abs(value) % 1) * 1e7;
    if (Math.abs((scaled % 1) - 0.5) > 1e-8) expect(decimalText(value)).toBe(expected);
  });
  fc.assert(property, { seed, numRuns: 5000 });
});

test("a calculated value is off by at most half of the seventh decimal", () => {
  const property = fc.property(fc.double({ noNaN: true, min: -1e12, max: 1e12 }), (value) => {
    const text = decimalText(value);
    expect(text).toMatch(/^(0|-?\d+(\.\d*[1-9])?)$/);
    expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(5.0001e-8 + Math.abs(value) * 3e-16);
  });
  fc.assert(property, { seed, numRuns: 5000 });
});
