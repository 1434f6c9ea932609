import { describe, expect, test } from "bun:test";
import { createGroupState, findGroupMethod } from "../../agent/rrd/query-groups.ts";

function reduce(name: string, values: readonly number[], options = "", divisor = 0): number {
  const state = createGroupState(values.length, 10, divisor, options);
  return findGroupMethod(name).reduce(Float64Array.from(values), values.length, state);
}

describe("group methods (rrd.md §6.4)", () => {
  test.each([
    { name: "average", values: [1, 2, 6], expected: 3 },
    { name: "mean", values: [1, 2, 6], expected: 3 },
    { name: "no-such-method", values: [1, 2, 6], expected: 3 },
    { name: "min", values: [-5, 2, -1], expected: -1 },
    { name: "max", values: [-5, 2, 3], expected: -5 },
    { name: "sum", values: [1.5, -2, 6], expected: 5.5 },
    { name: "incremental-sum", values: [10, 3, 17], expected: 7 },
    { name: "incremental_sum", values: [10], expected: 0 },
    { name: "median", values: [9, 1, 5], expected: 5 },
    { name: "median", values: [9, 1, 5, 7], expected: 6 },
    { name: "stddev", values: [2, 4, 4, 4, 5, 5, 7, 9], expected: Math.sqrt(32 / 7) },
    { name: "stddev", values: [4], expected: 0 },
    { name: "cv", values: [-2, -4], expected: (100 * Math.sqrt(2)) / 3 },
    { name: "rsd", values: [-2, 2], expected: Number.NaN },
    { name: "ses", values: [10, 20], expected: 10 + (2 / 3) * 10 },
    { name: "des", values: [10], expected: 10 },
    { name: "des", values: [10, 20], expected: (2 / 3) * 20 + (1 / 3) * 30 },
    { name: "percentile50", values: [4, 3, 2, 1], expected: 1.5 },
    { name: "percentile75", values: [1, 2, 3, 4], expected: 2 },
    { name: "percentile", values: [7, 7, 7], expected: 7 },
    { name: "percentile50", values: [-4, 3, 2, 1], expected: 2.5 },
    { name: "trimmed-mean25", values: [100, 2, 4, -50], expected: 3 },
    { name: "trimmed-median25", values: [0, 1, 40, 45, 50, 100], expected: 45 },
    { name: "trimmed-median", values: [0, 100], expected: 50 },
  ])("$name of $values is $expected", ({ name, values, expected }) => {
    const got = reduce(name, values);
    if (Number.isNaN(expected)) expect(got).toBeNaN();
    else expect(got).toBeCloseTo(expected, 10);
  });

  test("the fractional rule adds a share of the next value", () => {
    // q·n = 2.25: two values, then a quarter of the third beside three quarters of the second, divided by three.
    expect(reduce("percentile75", [1, 2, 4])).toBeCloseTo((1 + 2 + (4 * 0.25 + 2 * 0.75)) / 3, 10);
  });

  test.each([
    [">2", 50],
    [">=2", 75],
    ["<2", 25],
    ["<=2", 50],
    ["=2", 25],
    ["!=2", 75],
    ["2", 25],
    ["", 0],
    ["> 2.5", 50],
  ])("countif %s", (options, expected) => expect(reduce("countif", [1, 2, 3, 4], options)).toBe(expected));

  test("an average over gtime is divided by the divisor, not by the number of points", () => {
    expect(reduce("average", [10, 20, 30], "", 2)).toBe(30);
  });

  test("smoothing goes on from row to row, over empty ones too", () => {
    const method = findGroupMethod("ses");
    const state = createGroupState(2, 3, 0, "");
    expect(method.reduce(Float64Array.of(), 0, state)).toBeNaN();
    const first = method.reduce(Float64Array.of(9, 9), 2, state);
    expect(first).toBeCloseTo(9, 10);
    expect(method.fillsEmpty).toBe(true);
    expect(method.reduce(Float64Array.of(), 0, state)).toBe(first);
    expect(method.reduce(Float64Array.of(0), 1, state)).toBeCloseTo(9 * (1 - 2 / 3), 10);
  });
});
