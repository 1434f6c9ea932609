import { describe, expect, test } from "bun:test";
import type { ChartSwitch } from "../../agent/collector/collector.ts";
import { ExactSum } from "../../agent/collector/exact-sum.ts";
import { absolute, type ChartRule, incremental, LazyChart } from "../../agent/collector/lazy-chart.ts";
import { RecordedCharts } from "../recorded-charts.ts";

function create(rule: ChartRule, choice?: ChartSwitch, zeroMetrics = false) {
  const charts = new RecordedCharts();
  const settings = { zeroMetrics, charts: choice === undefined ? {} : { "a.context": choice } };
  const chart = new LazyChart(
    { charts, settings, updateEverySec: 3 },
    {
      id: "a.b",
      type: "area",
      rule,
      meta: { title: "T", units: "u", family: "f", context: "a.context", priority: 7, module: "m" },
      dimensions: [absolute("x"), incremental("y", -8, 1000, { name: "why" })],
    },
  );
  return { charts, chart };
}

const rules: { rule: ChartRule; choice?: ChartSwitch; zeroMetrics?: boolean; atZero: boolean; atOne: boolean }[] = [
  { rule: "always", atZero: true, atOne: true },
  { rule: "auto", atZero: false, atOne: true },
  { rule: "off", atZero: false, atOne: false },
  { rule: "auto", zeroMetrics: true, atZero: true, atOne: true },
  { rule: "off", zeroMetrics: true, atZero: false, atOne: false },
  { rule: "auto", choice: true, atZero: true, atOne: true },
  { rule: "always", choice: false, zeroMetrics: true, atZero: false, atOne: false },
  { rule: "always", choice: "auto", atZero: false, atOne: true },
  { rule: "off", choice: "auto", atZero: false, atOne: true },
  { rule: "always", choice: "auto", zeroMetrics: true, atZero: true, atOne: true },
];

describe("a chart exists", () => {
  test.each(rules)("%j", ({ rule, choice, zeroMetrics, atZero, atOne }) => {
    const { charts, chart } = create(rule, choice, zeroMetrics);
    chart.commit(1);
    expect(charts.all.size).toBe(0); // no value, no chart
    chart.set(0, 0);
    chart.commit(2);
    expect(charts.all.has("a.b")).toBe(atZero);
    chart.set(0, 1);
    chart.commit(3);
    expect(charts.all.has("a.b")).toBe(atOne);
    expect(chart.isOff).toBe(!atOne);
  });

  test("from then on for ever, with the interval and dimensions of its definition", () => {
    const { charts, chart } = create("auto");
    chart.set(1, 5);
    chart.commit(1);
    chart.set(0, 0);
    chart.set(1, 0);
    chart.commit(2);
    const made = charts.get("a.b");
    expect(made).toMatchObject({ type: "area", updateEverySec: 3, commitsUs: [1, 2], committed: { x: 0, y: 0 } });
    expect([...made.dimensions.values()]).toMatchObject([
      { id: "x", algorithm: "absolute", multiplier: 1, divisor: 1 },
      { id: "y", algorithm: "incremental", multiplier: -8, divisor: 1000, options: { name: "why" } },
    ]);
  });

  test("when it is woken, although its values are 0", () => {
    const { charts, chart } = create("auto");
    chart.wake();
    chart.set(0, 0);
    chart.commit(1);
    expect(charts.get("a.b").committed).toEqual({ x: 0 });
  });
});

describe("values", () => {
  test("set before the chart exists are not lost", () => {
    const { charts, chart } = create("auto");
    chart.set(0, 3);
    chart.setBig(1, 2n ** 60n);
    chart.commit(1);
    expect(charts.get("a.b").committed).toEqual({ x: 3, y: 2n ** 60n });
  });

  test("that were not set are gaps", () => {
    const { charts, chart } = create("always");
    for (const set of [() => chart.set(0, 1), () => chart.set(1, 2), () => chart.set(0, Number.NaN)]) {
      set();
      chart.commit(1);
    }
    expect(charts.get("a.b").commitsUs).toHaveLength(2);
    expect(charts.get("a.b").committed).toEqual({ y: 2 });
  });

  test.each([
    { text: "12", value: 12 },
    { text: "-12", value: -12 },
    { text: "999999999999999", value: 999_999_999_999_999 },
    { text: "9007199254740993", value: 9_007_199_254_740_993n },
    { text: "18446744073709551615", value: 2n ** 64n - 1n },
  ])("of text $text are exact", ({ text, value }) => {
    const { charts, chart } = create("always");
    expect(chart.setText(0, Buffer.from(text), 0, text.length)).toBe(true);
    chart.commit(1);
    expect(charts.get("a.b").committed).toEqual({ x: value });
  });

  test.each(["", "x", "1x", "99999999999999999999999", "1234567890123456x"])("of text %j are refused", (text) => {
    const { charts, chart } = create("always");
    expect(chart.setText(0, Buffer.from(text), 0, text.length)).toBe(false);
    chart.commit(1);
    expect(charts.all.size).toBe(0);
  });
});

describe("life", () => {
  test("retired, it comes back with the next value", () => {
    const { charts, chart } = create("always");
    chart.set(0, 1);
    chart.commit(1);
    chart.set(0, 2);
    chart.retire();
    chart.retire();
    expect(charts.get("a.b").isObsolete).toBe(true);
    chart.commit(2);
    expect(charts.get("a.b").isObsolete).toBe(true);
    chart.set(0, 3);
    chart.commit(3);
    expect(charts.get("a.b")).toMatchObject({ isObsolete: false, committed: { x: 3 } });
  });

  test("another family is told at once if the chart exists", () => {
    const { charts, chart } = create("always");
    const meta = { title: "T", units: "u", family: "other", context: "a.context", priority: 7, module: "m" };
    chart.redefine(meta);
    expect(charts.all.size).toBe(0);
    chart.set(0, 1);
    chart.commit(1);
    expect(charts.get("a.b").meta.family).toBe("other");
    chart.redefine({ ...meta, family: "third" });
    expect(charts.get("a.b").meta.family).toBe("third");
    chart.set(0, 2);
    chart.commit(2);
    expect(charts.get("a.b").committed).toEqual({ x: 2 });
  });

  test("variables need a chart", () => {
    const { charts, chart } = create("always");
    chart.variable("v", 1);
    chart.set(0, 1);
    chart.commit(1);
    chart.variable("v", 2);
    expect(charts.get("a.b").variables.get("v")).toBe(2);
  });
});

describe("ExactSum", () => {
  test.each([
    { addends: [], sum: 0 },
    { addends: ["1", "2", "x", ""], sum: 3 },
    { addends: Array<string>(10).fill("999999999999999"), sum: 9_999_999_999_999_990n },
    { addends: ["18446744073709551615", "1", "999999999999999"], sum: 18_447_744_073_709_551_615n },
  ])("$addends", ({ addends, sum }) => {
    const { charts, chart } = create("always");
    const total = new ExactSum();
    total.addText(Buffer.from("77"), 0, 2);
    total.reset();
    for (const addend of addends) total.addText(Buffer.from(addend), 0, addend.length);
    total.setOn(chart, 0);
    chart.commit(1);
    expect(charts.get("a.b").committed).toEqual({ x: sum });
  });
});
