import { describe, expect, test } from "bun:test";
import { type ChartText, type DimensionText, definitionLines } from "../../agent/wire/encode.ts";
import {
  BEGIN_BYTES_MAX,
  beginHead,
  HeadPool,
  SetHeads,
  writeElapsed,
  writeHead,
  writeInteger,
  writeSets,
  written,
} from "../../agent/wire/encode-values.ts";
import { cutUtf8, idWord, plainText, wireChartId, wireId } from "../../agent/wire/wire-text.ts";
import { StrictV16Reader } from "../strict-v16-reader.ts";

const chart: ChartText = {
  id: "system.cpu",
  name: "system.cpu",
  title: "Total CPU utilization",
  units: "percentage",
  family: "cpu",
  context: "system.cpu",
  chartType: "stacked",
  priority: 100,
  updateEverySec: 1,
  plugin: "proc.plugin",
  module: "/proc/stat",
  detail: false,
  hidden: false,
  storeFirst: false,
};
const dimension: DimensionText = {
  id: "user",
  name: "user",
  algorithm: "percentage-of-incremental-row",
  multiplier: 1,
  divisor: 1,
  hidden: false,
  noReset: false,
  obsolete: false,
};

function bytesOf(write: (view: DataView, at: number) => number, room = 100): string {
  const bytes = Buffer.alloc(room + 8, "#");
  const end = write(new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 3);
  expect(bytes.toString("latin1", 0, 3)).toBe("###");
  return bytes.toString("utf8", 3, end);
}

describe("definitionLines", () => {
  test("a chart with two dimensions, as a 1.37 child writes it", () => {
    const dimensions = [dimension, { ...dimension, id: "idle", name: "idle", hidden: true }];
    expect(definitionLines(chart, dimensions)).toBe(
      'CHART "system.cpu" "" "Total CPU utilization" "percentage" "cpu" "system.cpu" "stacked" 100 1 "" ' +
        '"proc.plugin" "/proc/stat"\n' +
        'DIMENSION "user" "user" "percentage-of-incremental-row" 1 1 ""\n' +
        'DIMENSION "idle" "idle" "percentage-of-incremental-row" 1 1 "hidden"\n',
    );
  });

  const cases: { change: Partial<ChartText>; want: string }[] = [
    { change: { name: "system.total" }, want: 'CHART "system.cpu" "total" ' },
    { change: { title: 'say "hi" \\o/\n\tend\u007f' }, want: '"say _hi_ _o/  end "' },
    { change: { priority: -3.7 }, want: '"stacked" -3 1 ' },
    { change: { priority: 1e21 }, want: `"stacked" ${BigInt.asIntN(64, 10n ** 21n)} 1 ` },
    { change: { priority: Number.NaN }, want: '"stacked" 0 1 ' },
    { change: { hidden: true, detail: true, storeFirst: true }, want: ' 1 "detail store_first hidden" ' },
    { change: { title: "", family: "", module: "" }, want: '"" "" "percentage" "" "system.cpu" ' },
  ];
  test.each(cases)("$change", ({ change, want }) => {
    expect(definitionLines({ ...chart, ...change }, [])).toContain(want);
  });

  test.each([
    { change: { multiplier: -8, divisor: 1000, noReset: true }, want: '"a" "absolute" -8 1000 "noreset"\n' },
    { change: { hidden: true, noReset: true }, want: '"a" "absolute" 1 1 "hidden noreset"\n' },
    { change: { id: "a b=c", name: "" }, want: 'DIMENSION "a b=c" "a b=c" "absolute" 1 1 ""\n' },
  ])("dimension $change", ({ change, want }) => {
    const line = definitionLines(chart, [{ ...dimension, id: "a", name: "a", algorithm: "absolute", ...change }]);
    expect(line.slice(line.indexOf("\n") + 1)).toEndWith(want);
  });

  test("a line too long loses its title first, and only what it must", () => {
    const title = "ü".repeat(2000);
    const line = definitionLines({ ...chart, title }, []);
    expect(Buffer.byteLength(line)).toBeGreaterThan(997);
    expect(Buffer.byteLength(line)).toBeLessThanOrEqual(1000);
    expect(line).toContain('ü" "percentage" "cpu" "system.cpu" "stacked" 100 1 "" "proc.plugin" "/proc/stat"\n');
  });

  test("whatever is long, no line is longer than 1000 bytes and the id stays whole", () => {
    const long = "😀 x".repeat(3000);
    const texts = {
      name: `t.${long}`,
      title: long,
      units: long,
      family: long,
      context: long,
      plugin: long,
      module: long,
    };
    const id = `t.${"i".repeat(198)}`;
    const lines = definitionLines({ ...chart, ...texts, id }, [{ ...dimension, id: long, name: long }]);
    const reader = new StrictV16Reader();
    reader.feed(Buffer.from(lines));
    expect([...reader.charts.keys()]).toEqual([id]);
    expect(reader.charts.get(id)?.dimensions.size).toBe(1);
  });
});

describe("ids", () => {
  test.each([
    { id: "system.cpu", want: "system.cpu", word: "system.cpu" },
    { id: "disk space", want: "disk space", word: '"disk space"' },
    { id: "a=b", want: "a=b", word: '"a=b"' },
    { id: "it's", want: "it's", word: `"it's"` },
    { id: "größe", want: "größe", word: "größe" },
    { id: "a/b-c_d.e:f{g}", want: "a/b-c_d.e:f{g}", word: "a/b-c_d.e:f{g}" },
  ])("$id goes as it is", ({ id, want, word }) => {
    expect(wireId(id, 400)).toBe(want);
    expect(idWord(want)).toBe(word);
  });

  test.each(['a"b', "a\\b", "a\nb", "a\u0000b", "", "x".repeat(401), "ü".repeat(201)])(
    "%p is cleaned and marked",
    (id) => {
      const clean = wireId(id, 400);
      expect(clean).toMatch(/^[^"\\\p{Cc}]*~[0-9a-f]{8}$/u);
      expect(Buffer.byteLength(clean)).toBeLessThanOrEqual(400);
      expect(wireId(id, 400)).toBe(clean);
    },
  );

  test("ids that look alike when cleaned stay different", () => {
    expect(new Set(['a"b', "a\\b", "a_b", "a\tb"].map((id) => wireId(id, 400))).size).toBe(4);
    expect(wireId(`${"x".repeat(500)}1`, 400)).not.toBe(wireId(`${"x".repeat(500)}2`, 400));
  });

  test("a chart id keeps its dot with text on both sides", () => {
    for (const id of ['a".b', `${"ü".repeat(150)}.x`, `${"t".repeat(199)}"."x`, `t.${"x".repeat(300)}`]) {
      expect(wireChartId(id)).toMatch(/^[^.]+\../);
      expect(Buffer.byteLength(wireChartId(id))).toBeLessThanOrEqual(200);
    }
  });

  test("texts are cut between characters", () => {
    expect(cutUtf8("äöü", 6)).toBe("äöü");
    expect(cutUtf8("äöü", 5)).toBe("äö");
    expect(cutUtf8("a😀", 4)).toBe("a");
    expect(cutUtf8("abc", 0)).toBe("");
    expect(cutUtf8("abc", -5)).toBe("");
    expect(plainText("plain")).toBe("plain");
  });
});

describe("writeInteger", () => {
  const values = [0, 1, 9, 10, 11, 99, 100, 101, 999, 1000, 9999, 10_000, 65_536, 99_999, 100_000, 999_999, 1_000_000];
  values.push(9_999_999, 10_000_000, 99_999_999, 1e8, 999_999_999, 1e9, 1_000_000_001, 2 ** 31 - 1, 2 ** 31, 2 ** 32);
  values.push(9_999_999_999, 1e10, 8_999_999_999_999_999, 2 ** 53 - 1, 1e15 - 1, 1e15, 123_456_789_012_345);
  test.each(values)("%p and its negative", (value) => {
    expect(bytesOf((view, at) => writeInteger(view, at, value))).toBe(String(value));
    if (value !== 0) expect(bytesOf((view, at) => writeInteger(view, at, -value))).toBe(String(-value));
  });

  test("just around every multiple of 10⁹", () => {
    for (let high = 1; high <= 9_007_198; high += high < 100 || high > 9_007_100 ? 1 : 9973) {
      for (const low of [-1, 0, 1]) {
        expect(bytesOf((view, at) => writeInteger(view, at, high * 1e9 + low))).toBe(String(high * 1e9 + low));
      }
    }
  });

  test.each([
    [-0, "0"],
    [0.9, "0"],
    [-0.9, "0"],
    [12.7, "12"],
    [-12.7, "-12"],
    [1e10 + 0.5, "10000000000"],
  ])("%p is written as %p", (value, want) => {
    expect(bytesOf((view, at) => writeInteger(view, at, value))).toBe(want);
  });
});

test.each([
  [0, "0\n"],
  [1_000_039, "1000039\n"],
  [0.5, "0\n"],
  [-5, "0\n"],
  [Number.NaN, "0\n"],
  [Number.POSITIVE_INFINITY, "0\n"],
  [1_000_000.75, "1000000\n"],
])("an interval of %p µs ends a BEGIN as %p", (elapsedUs, want) => {
  expect(bytesOf((view, at) => writeElapsed(view, at, elapsedUs))).toBe(want);
});

test("the head of a BEGIN line, quoted only if it must be, fits its bound", () => {
  const longest = `${"a ".repeat(200)}.b`;
  for (const [id, want] of [
    ["system.cpu", "BEGIN system.cpu "],
    ["a b.c", 'BEGIN "a b.c" '],
  ] as const) {
    const pool = new HeadPool(0);
    pool.add(beginHead("other.chart"));
    const head = beginHead(id);
    const start = pool.add(head);
    expect(bytesOf((view, at) => writeHead(view, at, pool.words, start, head.length))).toBe(want);
  }
  expect(beginHead(longest).length + 21).toBeLessThanOrEqual(BEGIN_BYTES_MAX);
});

describe("writeSets", () => {
  const heads = new SetHeads(["a", "b c", "ünit", "x".repeat(30)]);
  const row = (values: number[], sets: number[] | null, residuals: number[] | null = null) => ({
    values: Float64Array.from(values),
    sets: Uint8Array.from(sets ?? []),
    complete: sets === null,
    residuals: residuals === null ? null : Float64Array.from(residuals),
  });
  const cases = [
    {
      name: "all",
      row: row([1, -2, 3_000_000_000, 0], null),
      want: `SET a = 1\nSET "b c" = -2\nSET ünit = 3000000000\nSET ${"x".repeat(30)} = 0\nEND\n`,
      sets: 4,
    },
    {
      name: "holes, and one set twice",
      row: row([1, 2, 3, 4], [0, 1, 2, 0]),
      want: `SET "b c" = 2\nSET ünit = 3\nEND\n`,
      sets: 2,
    },
    { name: "none", row: row([1, 2, 3, 4], [0, 0, 0, 0]), want: "END\n", sets: 0 },
    {
      name: "what is no number",
      row: row([Number.NaN, 5, Number.POSITIVE_INFINITY, 6], [1, 1, 1, 0]),
      want: `SET "b c" = 5\nEND\n`,
      sets: 1,
    },
    {
      name: "64-bit values",
      row: row([2 ** 53, 2 ** 63, -(2 ** 63), 2 ** 60], [1, 1, 1, 0], [1, -1, 0, 0]),
      want: `SET a = 9007199254740993\nSET "b c" = 9223372036854775807\nSET ünit = -9223372036854775808\nEND\n`,
      sets: 3,
    },
    {
      name: "stale residuals",
      row: row([7, 8, 9, 10], [1, 0, 0, 0], [500, 1, 1, 1]),
      want: "SET a = 7\nEND\n",
      sets: 1,
    },
  ];
  test.each(cases)("$name", ({ row: values, want, sets }) => {
    expect(Buffer.byteLength(want)).toBeLessThanOrEqual(heads.bytesMax);
    expect(bytesOf((view, at) => writeSets(view, at, heads, values), heads.bytesMax)).toBe(want);
    expect(written.sets).toBe(sets);
  });
});
