import { describe, expect, test } from "bun:test";
import { type Algorithm, DimensionSet, DimensionSets, parseAlgorithm } from "../../agent/rrd/dimension.ts";
import { dimension } from "../simulated-host.ts";

const setOf = (...ids: string[]) => ids.reduce((set, id, i) => set.put(i, dimension(id)), new DimensionSet([]));

describe("parseAlgorithm", () => {
  const words: [string, Algorithm][] = [
    ["absolute", "absolute"],
    ["incremental", "incremental"],
    ["percentage-of-absolute-row", "percentage-of-absolute-row"],
    ["percentage-of-incremental-row", "percentage-of-incremental-row"],
    ["", "absolute"],
    ["INCREMENTAL", "absolute"],
    ["constructor", "absolute"],
    ["__proto__", "absolute"],
    ["toString", "absolute"],
  ];
  test.each(words)("%p is %s", (word, algorithm) => expect(parseAlgorithm(word)).toBe(algorithm));
});

describe("DimensionSet", () => {
  test.each([3, 8, 9, 40])("finds each of %d ids at its place, and no other", (count) => {
    const ids = Array.from({ length: count }, (_, i) => `id${i}`);
    let set = new DimensionSet([]);
    ids.forEach((id, i) => {
      expect(set.indexOf(id)).toBe(-1);
      set = set.put(i, dimension(id));
      expect(set.indexOf(id)).toBe(i);
    });
    expect(ids.map((id) => set.indexOf(id))).toEqual(ids.map((_, i) => i));
    expect(set.indexOf("ID0")).toBe(-1);
    expect(set.count).toBe(count);
  });

  test("a shared set is never changed: a change makes a copy", () => {
    const sets = new DimensionSets();
    const shared = sets.share(setOf("a", "b"));
    const more = shared.put(2, dimension("c"));
    const other = shared.put(0, dimension("a", "incremental"));
    expect(shared.list.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(shared.list[0]!.algorithm).toBe("absolute");
    expect(more.list.map(({ id }) => id)).toEqual(["a", "b", "c"]);
    expect(other.list[0]!.algorithm).toBe("incremental");
  });

  test("plain: only absolute and incremental, with ratios that cannot pass the range of a stored value", () => {
    const sets = new DimensionSets();
    const one = (...what: Parameters<typeof dimension>) => sets.share(new DimensionSet([dimension(...what)]));
    expect(one("a").isPlain).toBe(true);
    expect(one("a", "incremental", { multiplier: -1000, divisor: 1024 }).isPlain).toBe(true);
    expect(one("a", "percentage-of-absolute-row").isPlain).toBe(false);
    expect(one("a", "absolute", { multiplier: 1e30 }).isPlain).toBe(false);
    expect([...one("a", "incremental", { multiplier: 8, divisor: 1000 }).ratios]).toEqual([0.008]);
  });
});

describe("DimensionSets", () => {
  test("equal sets become one, sets that differ anywhere do not", () => {
    const sets = new DimensionSets();
    const shared = sets.share(setOf("a", "b"));
    expect(sets.share(setOf("a", "b"))).toBe(shared);
    expect(sets.share(shared)).toBe(shared);
    const others = [
      setOf("b", "a"),
      setOf("a"),
      setOf("a", "b", "c"),
      new DimensionSet([dimension("a"), dimension("b", "incremental")]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { name: "x" })]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { multiplier: 2 })]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { divisor: 2 })]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { hidden: true })]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { noReset: true })]),
      new DimensionSet([dimension("a"), dimension("b", "absolute", { obsolete: true })]),
    ];
    const distinct = new Set([shared, ...others.map((set) => sets.share(set))]);
    expect(distinct.size).toBe(1 + others.length);
  });

  test("sets that nobody uses any more are forgotten", () => {
    const sets = new DimensionSets();
    for (let i = 0; i < 30_000; i++) {
      sets.share(setOf(`id${i}`));
      if (i % 1000 === 0) Bun.gc(true);
    }
    Bun.gc(true);
    for (let i = 0; i < 3000; i++) sets.share(setOf(`other${i}`));
    expect(sets["byHash"].size).toBeLessThan(20_000);
  });
});
