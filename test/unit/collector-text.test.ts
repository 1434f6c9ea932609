import { describe, expect, test } from "bun:test";
import { lineEnd, splitFields, startsWith } from "../../agent/base/fields.ts";
import { KeyedLines } from "../../agent/base/keyed-lines.ts";
import { parseBigInteger, parseDecimal, parseInteger } from "../../agent/base/number.ts";

const integers: { text: string; value: number }[] = [
  { text: "0", value: 0 },
  { text: "42", value: 42 },
  { text: "-42", value: -42 },
  { text: "007", value: 7 },
  { text: "999999999999999", value: 999_999_999_999_999 },
  { text: "-999999999999999", value: -999_999_999_999_999 },
  { text: "1000000000000000", value: Number.NaN },
  { text: "", value: Number.NaN },
  { text: "-", value: Number.NaN },
  { text: "--1", value: Number.NaN },
  { text: "+1", value: Number.NaN },
  { text: "1 ", value: Number.NaN },
  { text: "1.5", value: Number.NaN },
  { text: "0x10", value: Number.NaN },
  { text: "1e3", value: Number.NaN },
];

describe("parseInteger", () => {
  test.each(integers)("'$text'", ({ text, value }) => {
    expect(parseInteger(Buffer.from(`x${text}9`), 1, 1 + text.length)).toBe(value);
  });
});

const bigIntegers: { text: string; value: bigint | undefined }[] = [
  { text: "7", value: 7n },
  { text: "-7", value: -7n },
  { text: "999999999999999", value: 999_999_999_999_999n },
  { text: "9007199254740993", value: 9_007_199_254_740_993n },
  { text: "-9007199254740993", value: -9_007_199_254_740_993n },
  { text: "9223372036854771712", value: 9_223_372_036_854_771_712n },
  { text: "18446744073709551615", value: 18_446_744_073_709_551_615n },
  // More digits than any counter of a kernel has.
  { text: "100000000000000000000", value: undefined },
  { text: "90071992547409930x", value: undefined },
  { text: "x0071992547409930", value: undefined },
  { text: "90-1992547409930", value: undefined },
  { text: "1-00000000000000", value: undefined },
  { text: "", value: undefined },
  { text: "-", value: undefined },
];

describe("parseBigInteger", () => {
  test.each(bigIntegers)("'$text'", ({ text, value }) => {
    expect(parseBigInteger(Buffer.from(`x${text}9`), 1, 1 + text.length)).toBe(value);
  });
});

const decimals: { text: string; decimals: number; value: number }[] = [
  { text: "4.56", decimals: 2, value: 456 },
  { text: "3.5", decimals: 3, value: 3500 },
  { text: "3.50", decimals: 3, value: 3500 },
  { text: "0.00", decimals: 2, value: 0 },
  { text: "7", decimals: 2, value: 700 },
  { text: "7.", decimals: 2, value: 700 },
  { text: ".5", decimals: 2, value: 50 },
  { text: "1.2399", decimals: 2, value: 123 },
  { text: "-1.5", decimals: 1, value: -15 },
  { text: "896.67", decimals: 3, value: 896_670 },
  { text: "1.2.3", decimals: 2, value: Number.NaN },
  { text: "a", decimals: 2, value: Number.NaN },
  { text: "", decimals: 2, value: Number.NaN },
  { text: "1234567890123456", decimals: 2, value: Number.NaN },
];

describe("parseDecimal", () => {
  test.each(decimals)("'$text' × 10^$decimals", ({ text, decimals, value }) => {
    expect(parseDecimal(Buffer.from(`${text}9`), 0, text.length, decimals)).toBe(value);
  });
});

describe("splitFields", () => {
  const cases: { line: string; words: string[] }[] = [
    { line: "a b c", words: ["a", "b", "c"] },
    { line: "  a\t\tb  ", words: ["a", "b"] },
    { line: "", words: [] },
    { line: "   ", words: [] },
    { line: "a b c d e f", words: ["a", "b", "c", "d"] },
  ];
  test.each(cases)("'$line'", ({ line, words }) => {
    const spans = new Int32Array(2 * 4);
    const count = splitFields(Buffer.from(`${line}zzz`), 0, line.length, spans);
    expect(Array.from({ length: count }, (_, i) => line.slice(spans[2 * i], spans[2 * i + 1]))).toEqual(words);
  });
});

describe("lines", () => {
  test("end at a newline, or where the text ends although older bytes follow", () => {
    const bytes = Buffer.from("one\ntwo\nold\n");
    expect(lineEnd(bytes, 0, 12)).toBe(3);
    expect(lineEnd(bytes, 4, 12)).toBe(7);
    expect(lineEnd(bytes, 4, 6)).toBe(6);
    expect(lineEnd(bytes, 8, 10)).toBe(10);
  });

  test("begin with a word", () => {
    expect(startsWith(Buffer.from("eth0: 1"), 0, Buffer.from("eth0:"))).toBe(true);
    expect(startsWith(Buffer.from("eth1: 1"), 0, Buffer.from("eth0:"))).toBe(false);
    expect(startsWith(Buffer.from("eth"), 0, Buffer.from("eth0:"))).toBe(false);
  });
});

describe("KeyedLines", () => {
  const keys = new KeyedLines(["size", "c_min", "last"], " ");
  const read = (text: string, length = text.length): number[] => {
    keys.load(Buffer.from(text), length);
    return [keys.number(0), keys.number(1), keys.number(2)];
  };

  test("follows lines that move, come and go", () => {
    expect(read("c_min 1\nsize 22\nlast 3\n")).toEqual([22, 1, 3]);
    expect(read("c_min 1\nsize 23\nlast 3\n")).toEqual([23, 1, 3]);
    expect(read("c_min 1000\nsize 24\nlast 5\n")).toEqual([24, 1000, 5]);
    expect(read("new 1\nc_min 6\nlast 5\nsize 7\n")).toEqual([7, 6, 5]);
    expect(read("last 8\n")).toEqual([Number.NaN, Number.NaN, 8]);
    expect(read("size 9\n")).toEqual([9, Number.NaN, Number.NaN]);
  });

  test("takes whole names only", () => {
    expect(read("xsize 1\nsizes 2\nlast 3\n")).toEqual([Number.NaN, Number.NaN, 3]);
    expect(read("size 1 size 2\nlast 3\n")).toEqual([1, Number.NaN, 3]);
  });

  test("does not see bytes that are left over from a longer text", () => {
    const text = "size 1\nlast 12\nc_min 5\n";
    expect(read(text)).toEqual([1, 5, 12]);
    expect(read(text, "size 1\nlast 1".length)).toEqual([1, Number.NaN, 1]);
    expect(read(text, "size 1\nlas".length)).toEqual([1, Number.NaN, Number.NaN]);
    expect(keys.has(2)).toBe(false);
    expect(keys.valueStart(2)).toBe(-1);
    expect(read(text, 0)).toEqual([Number.NaN, Number.NaN, Number.NaN]);
  });

  test("finds further values of a line", () => {
    keys.load(Buffer.from("size   4  77\nc_min 4 x\nlast 4"), 29);
    expect(keys.number(0, 1)).toBe(77);
    expect(keys.number(1, 1)).toBe(Number.NaN);
    expect(keys.number(2, 1)).toBe(Number.NaN);
  });

  test("garbage is no number, and neither is what a number cannot hold exactly", () => {
    expect(read("size x\nc_min -5\nlast 18446744073709551615\n")).toEqual([Number.NaN, -5, Number.NaN]);
  });
});
