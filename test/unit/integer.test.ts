import { describe, expect, test } from "bun:test";
import { readInteger, readLongDigits } from "../../agent/wire/integer.ts";
import { naiveInteger } from "../naive-words.ts";
import { SeededRandom, TEST_SEED } from "../seeded-random.ts";

/** The number read, exactly; what stands behind the word must not matter. */
function read(word: string, after = "99"): bigint {
  const bytes = Buffer.from(`'${word}${after}`, "latin1");
  const out = { value: Number.NaN, rest: Number.NaN };
  readInteger(bytes, 1, 1 + word.length, out);
  expect(out.value).toBe(Number(BigInt(out.value) + BigInt(out.rest)));
  expect(Object.is(out.value, -0)).toBe(false);
  return BigInt(out.value) + BigInt(out.rest);
}

const cases: [word: string, value: bigint][] = [
  ["0", 0n],
  ["-0", 0n],
  ["7", 7n],
  ["-7", -7n],
  ["+7", 7n],
  ["1234567890123456789", 1234567890123456789n],
  ["-1234567890123456789", -1234567890123456789n],
  ["9007199254740993", 9007199254740993n],
  ["9223372036854775807", 9223372036854775807n],
  ["9223372036854775808", 9223372036854775807n],
  ["-9223372036854775808", -9223372036854775808n],
  ["-9223372036854775809", -9223372036854775808n],
  ["9".repeat(5000), 9223372036854775807n],
  [`-${"9".repeat(5000)}`, -9223372036854775808n],
  ["0x1F", 31n],
  ["0X1f", 31n],
  ["-0x10", -16n],
  ["+0xff", 255n],
  ["0x7fffffffffffffff", 9223372036854775807n],
  ["0xffffffffffffffff", 9223372036854775807n],
  ["0x", 0n],
  ["0xg", 0n],
  ["017", 15n],
  ["-017", -15n],
  ["08", 0n],
  ["0789", 7n],
  ["00000000000000000000000017", 15n],
  ["", 0n],
  ["-", 0n],
  ["+", 0n],
  ["--5", 0n],
  ["+-5", 0n],
  ["abc", 0n],
  ["12abc", 12n],
  ["1.5", 1n],
  ["1e3", 1n],
  [" 12", 12n],
  ["\t\v\f\r -12", -12n],
  ["- 12", 0n],
  ["0 1", 0n],
  ["\u00a012", 0n],
];

describe("readInteger", () => {
  test.each(cases)("%p is %p", (word, value) => {
    expect(read(word)).toBe(value);
    expect(read(word, "xff")).toBe(value);
    expect(naiveInteger(word)).toBe(value);
  });

  test("random words, as the naive reader sees them", () => {
    const random = new SeededRandom(TEST_SEED);
    for (let run = 0; run < 20_000; run++) {
      const length = random.below(24);
      const alphabet = random.pick(["0123456789", "01234567890x", "0123456789abcdefxX+- "]);
      const word =
        random.pick(["", "-", "+", "0x", "0"]) + Array.from({ length }, () => random.pick([...alphabet])).join("");
      expect(read(word)).toBe(naiveInteger(word));
    }
  });
});

describe("readLongDigits", () => {
  const check = (digits: string) => {
    const out = { value: 0, rest: 0 };
    readLongDigits(Buffer.from(`xx${digits}1`), 2, digits.length, out);
    expect(BigInt(out.value) + BigInt(out.rest)).toBe(BigInt(digits));
    expect(out.value).toBe(Number(digits));
  };

  test("16 to 18 random digits are exact, and the double is the nearest", () => {
    const random = new SeededRandom(TEST_SEED);
    for (let run = 0; run < 50_000; run++) {
      const count = 16 + random.below(3);
      let digits = String(1 + random.below(9));
      while (digits.length < count) digits += String(random.below(10));
      check(digits);
    }
  });

  test("around every power of two and ten", () => {
    for (let bit = 50n; bit < 60n; bit++) {
      for (let near = -40n; near <= 40n; near++) {
        const digits = String(2n ** bit + near);
        if (digits.length >= 16 && digits.length <= 18) check(digits);
      }
    }
    for (const digits of ["1000000000000000", "9999999999999999", "999999999999999999", "100000000000000001"])
      check(digits);
  });
});
