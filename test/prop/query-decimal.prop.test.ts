import { expect, test } from "bun:test";
import fc from "fast-check";
import { decimalText, floatText } from "../../agent/format/decimal.ts";

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

test("a calculated value is off by at most half of the seventh decimal", () => {
  const property = fc.property(fc.double({ noNaN: true, min: -1e12, max: 1e12 }), (value) => {
    const text = decimalText(value);
    expect(text).toMatch(/^(0|-?\d+(\.\d*[1-9])?)$/);
    expect(Math.abs(Number(text) - value)).toBeLessThanOrEqual(5.0001e-8 + Math.abs(value) * 3e-16);
  });
  fc.assert(property, { seed, numRuns: 5000 });
});
