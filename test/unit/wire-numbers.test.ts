import { describe, expect, test } from "bun:test";
import { decimalText, exactInteger } from "../../agent/wire/decimal-text.ts";
import { readDouble, readWireInteger } from "../../agent/wire/wire-numbers.ts";

const doubles: { word: string; want: number }[] = [
  { word: "1234", want: 1234 },
  { word: "-5", want: -5 },
  { word: "0.5", want: 0.5 },
  { word: "-0.2251491", want: -0.2251491 },
  { word: "0.0000000", want: 0 },
  { word: "-0", want: -0 },
  { word: "5.", want: 5 },
  { word: ".25", want: 0.25 },
  { word: "123456789012345", want: 123_456_789_012_345 },
  { word: "9007199254740993.5", want: 9_007_199_254_740_994 },
  { word: "0.1000000000000000055511151231257827", want: 0.1 },
  { word: "1e3", want: 1000 },
  { word: "2.5E-3", want: 0.0025 },
  { word: "+7", want: 7 },
  { word: "0x6B02243D", want: 1_795_302_461 },
  { word: "-0x10", want: -16 },
  { word: "#BrAiSD", want: 1_795_302_531 },
  { word: "-#B", want: -1 },
  { word: "@A", want: 0 },
  { word: "@D/gU5eCnLwV", want: 0.5102040816326531 },
  { word: "%3FF0000000000000", want: 1 },
  { word: "%c000000000000000", want: -2 },
  { word: "@H/wAAAAAAAA", want: Number.NaN },
  { word: "NAN", want: Number.NaN },
  { word: "inf", want: Number.NaN },
  { word: "1e999", want: Number.NaN },
  { word: "", want: Number.NaN },
  { word: "-", want: Number.NaN },
  { word: ".", want: Number.NaN },
  { word: "#", want: Number.NaN },
  { word: "@!", want: Number.NaN },
  { word: "%xyz", want: Number.NaN },
  { word: "0x", want: Number.NaN },
  { word: "1.2.3", want: Number.NaN },
  { word: "0b1", want: Number.NaN },
  { word: "9".repeat(2000), want: Number.NaN },
];

const integers: { word: string; want: bigint }[] = [
  { word: "901099140", want: 901_099_140n },
  { word: "0x35B5AE84", want: 0x35b5ae84n },
  { word: "-0x1", want: -1n },
  { word: "#GYNFxls9j", want: 1_795_302_530_404_195n },
  { word: "#A", want: 0n },
  { word: "-#A", want: 0n },
  { word: "#H//////////", want: 2n ** 63n - 1n },
  { word: "-#IAAAAAAAAAA", want: -(2n ** 63n) },
  { word: "#P//////////", want: -1n },
  { word: "#gAAAAAAAD", want: 2n ** 53n + 3n },
  { word: "#", want: 0n },
  { word: "12x", want: 12n },
];

describe("numbers of later generations", () => {
  test.each(doubles)("$word as a double", ({ word, want }) => {
    const bytes = Buffer.from(`"${word}"`);
    expect(readDouble(bytes, 1, bytes.length - 1)).toBe(want);
  });

  test.each(integers)("$word as an integer", ({ word, want }) => {
    const bytes = Buffer.from(`'${word}'`);
    const out = { value: 7, rest: 7 };
    readWireInteger(bytes, 1, bytes.length - 1, out);
    expect(exactInteger(out.value, out.rest)).toBe(want);
    expect(Object.is(out.value, -0)).toBe(false);
  });

  const texts: { value: number; text: string }[] = [
    { value: 0, text: "0" },
    { value: -0, text: "-0" },
    { value: 1e21, text: "1000000000000000000000" },
    { value: -1.5e22, text: "-15000000000000000000000" },
    { value: 1e-7, text: "0.0000001" },
    { value: -1.25e-10, text: "-0.000000000125" },
    { value: Math.fround(0.1), text: "0.10000000149011612" },
  ];
  test.each(texts)("$value in plain decimal", ({ value, text }) => {
    expect(decimalText(value)).toBe(text);
  });
});
