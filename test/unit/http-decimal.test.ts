import { describe, expect, test } from "bun:test";
import { DECIMAL_BYTES_MAX, decimalText } from "../../agent/format/decimal.ts";
import { floatText, writeFloat } from "../../agent/format/float-row.ts";

describe("decimalText: a double with at most 7 decimals", () => {
  test.each([
    [0, "0"],
    [-0, "0"],
    [5, "5"],
    [-3.5, "-3.5"],
    [1.2345678901, "1.2345679"],
    [0.00000004, "0"],
    [-0.00000004, "0"],
    [0.00000005, "0.0000001"],
    [99.99999999, "100"],
    [4.4749136, "4.4749136"],
    [123456789.25, "123456789.25"],
    [999999999.9999999, "999999999.9999999"],
    [1234567890.12345, "1234567890.12345"],
    [2 ** 53, "9007199254740992"],
    [1e21, "1000000000000000000000"],
    [-(2 ** 74), "-18889465931478580854784"],
  ])("%p → %s", (value, text) => expect(decimalText(value)).toBe(text));
});

describe("floatText: the shortest text that reads back as the same 32-bit float", () => {
  test.each([
    [0, "0"],
    [-0, "0"],
    [0.1, "0.1"],
    [-0.3, "-0.3"],
    [1.234, "1.234"],
    [4.809, "4.809"],
    [13.499508, "13.499508"],
    [0.0012345, "0.0012345"],
    [0.00000012, "0.0000001"],
    [0.00000001, "0"],
    [1005.5, "1005.5"],
    [16777215, "16777215"],
    [16777216, "16777216"],
    [123456790, "123456790"],
    [-123456790, "-123456790"],
    [4294967300, "4294967300"],
    [1e10, "10000000000"],
    [1.5e16, "15000000000000000"],
    [3.4028235e38, "340282350000000000000000000000000000000"],
  ])("%p → %s", (value, text) => expect(floatText(Math.fround(value))).toBe(text));

  test("writes at its place and touches nothing before it", () => {
    const bytes = new Uint8Array(DECIMAL_BYTES_MAX).fill(0x2e);
    expect(writeFloat(new DataView(bytes.buffer), 3, 12.5)).toBe(7);
    expect(String.fromCharCode(...bytes.subarray(0, 7))).toBe("...12.5");
  });
});
