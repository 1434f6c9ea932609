import { describe, expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import { Database } from "../../agent/rrd/database.ts";
import { setChartLabels, setLabels, setVariable } from "../../agent/rrd/host-facts.ts";
import { latestCollected } from "../../agent/rrd/read.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { addHost, dimension, newHost, stored, T0_SEC, WIDE_LIMITS } from "../simulated-host.ts";

/** Commits rows of one value a dimension, a second apart. @returns time of the last one, µs. */
function collect(chart: Chart, rows: number[][], startUs = T0_SEC * 1e6): number {
  let nowUs = startUs;
  for (const values of rows) {
    nowUs += chart.updateEveryUs;
    commitStreamed(chart, rowOf(values), 1e6 * chart.definition.updateEverySec, nowUs);
  }
  return nowUs;
}

function rowOf(values: number[]): ValueRow {
  const row = new ValueRow();
  row.reserve(values.length);
  for (const [i, value] of values.entries()) row.set(i, value);
  return row;
}

describe("chart definitions", () => {
  const bad = ["", ".", "nodot", ".x", "x.", "a.", `.${"x".repeat(300)}`];
  test.each(bad)("%p is not type.id", (id) => {
    const host = newHost();
    expect(host.defineChart({ id })).toBeNull();
    expect(host.chartCount).toBe(0);
  });

  test("defaults (rrd.md §1.2)", () => {
    const chart = newHost({ updateEverySec: 3 }).defineChart({ id: "disk.sda.io" })!;
    expect(chart.definition).toMatchObject({
      id: "disk.sda.io",
      name: "disk.sda.io",
      family: "disk",
      context: "disk.sda.io",
      chartType: "line",
      priority: 1000,
      updateEverySec: 3,
      units: "",
      title: "",
    });
  });

  test.each([
    [0, 1],
    [-5, 1],
    [2.7, 2],
    [3600, 3600],
    [1e9, 3600],
  ])("update_every %d is taken as %d", (given, taken) => {
    expect(newHost().defineChart({ id: "a.b", updateEverySec: given })!.definition.updateEverySec).toBe(taken);
  });

  test("an id is cut at 200 bytes, between characters", () => {
    const host = newHost();
    const long = `a.${"x".repeat(300)}`;
    expect(host.defineChart({ id: long })!.id).toBe(long.slice(0, 200));
    const wide = `a.${"ä".repeat(150)}`;
    const cut = host.defineChart({ id: wide })!;
    expect(cut.id).toBe(`a.${"ä".repeat(99)}`);
    const odd = host.defineChart({ id: `ab.${"ä".repeat(150)}` })!;
    expect(Buffer.byteLength(odd.id)).toBe(199);
    expect(odd.id).not.toContain("\ufffd");
    // Both spellings mean the same chart.
    expect(host.defineChart({ id: wide })).toBe(cut);
  });

  const names: [given: string | undefined, name: string][] = [
    [undefined, "t.id"],
    ["", "t.id"],
    ["t.id", "t.id"],
    ["NULL", "t.id"],
    ["(null)", "t.id"],
    ["name", "t.name"],
    ["t.name", "t.name"],
    ["t.", "t.id"],
    ["other.name", "t.other.name"],
    ["a b/c-d", "t.a_b_c-d"],
  ];
  test.each(names)("name %p becomes %p", (given, name) => {
    const input = given === undefined ? {} : { name: given };
    expect(newHost().defineChart({ id: "t.id", ...input })!.definition.name).toBe(name);
  });

  test("a name in use: a new chart gets a suffix, a known one keeps its own", () => {
    const host = newHost();
    const first = host.defineChart({ id: "t.a", name: "same" })!;
    const second = host.defineChart({ id: "t.b", name: "same" })!;
    const third = host.defineChart({ id: "t.c", name: "same" })!;
    expect([first, second, third].map((chart) => chart.definition.name)).toEqual(["t.same", "t.same_1", "t.same_2"]);
    expect(host.findChart("t.same_1")).toBe(second);
    expect(host.defineChart({ id: "t.b", name: "same" })!.definition.name).toBe("t.same_1");
    expect(host.defineChart({ id: "t.a", name: "renamed" })).toBe(first);
    expect(host.findChart("t.renamed")).toBe(first);
    expect(host.findChart("t.same")).toBeUndefined();
    // An id goes before a name.
    const named = host.defineChart({ id: "t.same" })!;
    expect(host.findChart("t.same")).toBe(named);
  });

  test("a thousand charts of one name are all kept and found by id", () => {
    const host = newHost();
    for (let i = 0; i < 1000; i++) host.defineChart({ id: `t.c${i}`, name: "same" });
    for (let i = 0; i < 1000; i++) expect(host.findChart(`t.c${i}`)!.id).toBe(`t.c${i}`);
  });

  test("a new definition replaces the old one and counts as a new version; an equal one does not", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a", title: "one" })!;
    const before = chart.version;
    host.defineChart({ id: "t.a", title: "one" });
    expect(chart.version).toBe(before);
    host.defineChart({ id: "t.a", title: "two", chartType: "area", priority: 5 });
    expect(chart.version).toBeGreaterThan(before);
    expect(chart.definition).toMatchObject({ title: "two", chartType: "area", priority: 5 });
  });

  test("obsolete: off the list, back when it is defined or collected again", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("d"));
    expect(chart.isVisible).toBe(true);
    host.defineChart({ id: "t.a", obsolete: true });
    expect(chart.isVisible).toBe(false);
    const nowUs = collect(chart, [[1], [2], [3]]);
    expect(chart.isVisible).toBe(true);
    host.retireChart(chart);
    const version = chart.version;
    expect(chart.isVisible).toBe(false);
    collect(chart, [[4]], nowUs);
    expect(chart.isVisible).toBe(true);
    // Senders have to repeat its definition.
    expect(chart.version).toBeGreaterThan(version);
  });
});

describe("dimension definitions", () => {
  test("0 as multiplier or divisor means 1", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("d", "absolute", { multiplier: 0, divisor: 0 }));
    expect(chart.dimensions.list[0]).toMatchObject({ multiplier: 1, divisor: 1 });
  });

  test("a known id keeps its place and takes the new definition", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    expect(host.defineDimension(chart, dimension("x"))).toBe(0);
    expect(host.defineDimension(chart, dimension("y"))).toBe(1);
    const version = chart.version;
    expect(host.defineDimension(chart, dimension("x"))).toBe(0);
    expect(chart.version).toBe(version);
    expect(host.defineDimension(chart, dimension("x", "absolute", { multiplier: 10 }))).toBe(0);
    expect(chart.version).toBeGreaterThan(version);
    collect(chart, [
      [1, 1],
      [2, 2],
      [3, 3],
    ]);
    expect(stored(chart, 0, T0_SEC + 2, T0_SEC + 3)).toEqual([20, 30]);
    expect(stored(chart, 1, T0_SEC + 2, T0_SEC + 3)).toEqual([2, 3]);
  });

  test("a new algorithm starts afresh: nothing of the old one gets into a rate", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x", "percentage-of-absolute-row"));
    const nowUs = collect(chart, [[50], [50], [50]]);
    host.defineDimension(chart, dimension("x", "incremental"));
    collect(chart, [[50], [50], [50], [50]], nowUs);
    const values = stored(chart, 0, T0_SEC + 4, T0_SEC + 7);
    expect(values[0]).toBeNaN();
    expect(values.slice(1)).toEqual([0, 0, 0]);
  });

  test("a new update_every starts afresh", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x", "incremental"));
    const nowUs = collect(chart, [[0], [1000], [2000], [3000]]);
    expect(host.defineChart({ id: "t.a", updateEverySec: 2 })).toBe(chart);
    expect(chart.entriesHeld).toBe(0);
    collect(chart, [[3000], [3000], [3000], [3000]], nowUs);
    const to = chart.lastEntrySec;
    const values = stored(chart, 0, to - 10, to).filter((value) => !Number.isNaN(value));
    expect(values.length).toBeGreaterThan(0);
    expect(values.every((value) => value === 0)).toBe(true);
    expect(imbalance(host.balance)).toBe(0);
  });

  test("dimensions that come later, in many charts in turn, keep every chart's values apart", () => {
    const host = newHost();
    const charts = Array.from({ length: 20 }, (_, i) => host.defineChart({ id: `t.c${i}` })!);
    let nowUs = T0_SEC * 1e6;
    for (let size = 1; size <= 30; size++) {
      for (const chart of charts) expect(host.defineDimension(chart, dimension(`d${size}`))).toBe(size - 1);
      for (const [c, chart] of charts.entries()) {
        collect(chart, [Array.from({ length: size }, (_, i) => 1000 * c + i)], nowUs);
      }
      nowUs += 1e6;
    }
    for (const [c, chart] of charts.entries()) {
      for (let i = 0; i < 30; i++) expect(latestCollected(chart, i)).toBe(1000 * c + i);
      // Empty before it existed and for its first value, then always its own.
      const values = stored(chart, 10, T0_SEC + 1, T0_SEC + 30);
      expect(values.map((value) => (Number.isNaN(value) ? -1 : value))).toEqual(
        values.map((_, k) => (k < 11 ? -1 : 1000 * c + 10)),
      );
    }
    // Moved ranges leave holes, which are closed before they are many.
    expect(host.pool.size).toBeLessThan(2 * 20 * 30);
  });
});

describe("limits", () => {
  test("charts of a host", () => {
    const host = newHost({}, { chartsPerHost: 2 });
    expect([host.defineChart({ id: "a.a" }), host.defineChart({ id: "a.b" })]).not.toContain(null);
    expect(host.defineChart({ id: "a.c" })).toBeNull();
    expect(host.defineChart({ id: "a.a", title: "known ones may change" })).not.toBeNull();
    expect([host.chartCount, host.admission.refusedCharts]).toEqual([2, 1]);
  });

  test("dimensions of a chart", () => {
    const host = newHost({}, { dimensionsPerChart: 2 });
    const chart = host.defineChart({ id: "a.a" })!;
    expect(["x", "y", "z", "x"].map((id) => host.defineDimension(chart, dimension(id)))).toEqual([0, 1, -1, 0]);
    expect(host.admission.refusedDimensions).toBe(1);
  });

  test("memory: charts that do not fit are collected, their values counted as no_space, the others stored", () => {
    // The definitions and one segment of 64 columns × 192 slots fit, a second one does not.
    const host = newHost({}, { memoryBytes: 200_000 });
    const charts = Array.from({ length: 3 }, (_, c) => {
      const chart = host.defineChart({ id: `t.c${c}` })!;
      for (let i = 0; i < 40; i++) host.defineDimension(chart, dimension(`d${i}`));
      return chart;
    });
    const row = Array.from({ length: 40 }, (_, i) => i);
    for (const chart of charts) collect(chart, [row, row, row, row]);
    expect(imbalance(host.balance)).toBe(0);
    expect(host.balance).toMatchObject({ received: 480, base: 120, stored: 120 });
    expect(host.balance.dropped.no_space).toBe(240);
    expect(stored(charts[0]!, 7, T0_SEC + 4, T0_SEC + 4)).toEqual([7]);
    expect(stored(charts[2]!, 7, T0_SEC + 4, T0_SEC + 4)).toEqual([Number.NaN]);
    expect(latestCollected(charts[2]!, 7)).toBe(7);
    expect(host.ring!.bytes).toBeLessThanOrEqual(100_000);
  });

  test("memory: definitions and variables count, what does not fit is refused, named, and given back with the host", () => {
    const refused: string[] = [];
    const database = new Database({ ...WIDE_LIMITS, memoryBytes: 10_000 }, (limit, _host, what) => {
      refused.push(`${limit}: ${what}`);
    });
    const host = addHost(database, { memoryMode: "none" })!;
    const chart = host.defineChart({ id: "a.a", title: "x".repeat(500) })!;
    let defined = 0;
    while (host.defineDimension(chart, dimension(`d${defined}`)) >= 0) defined++;
    expect(defined).toBeGreaterThan(10);
    expect(host.defineChart({ id: "a.b" })).toBeNull();
    expect(host.defineChart({ id: "a.a", title: "y".repeat(1000) })!.definition.title).toStartWith("x");
    for (let i = 0; i < 100; i++) setVariable(host, chart, `v${i}`, i);
    expect(chart.variables!.size).toBeLessThan(5);
    expect(refused).toEqual([
      `memory_limit_bytes: dimension d${defined} of chart a.a`,
      "memory_limit_bytes: chart a.b",
      "memory_limit_bytes: longer texts of chart a.a",
    ]);
    expect(database.budget.bytes).toBeLessThanOrEqual(10_000);
    expect([host.admission.refusedCharts, host.admission.refusedDimensions]).toEqual([1, 1]);
    database.removeHost(host);
    expect(database.budget.bytes).toBe(0);
  });

  test("memory: labels count, are bounded, are refused without room, and are given back with what they belong to", () => {
    const refused: string[] = [];
    const database = new Database({ ...WIDE_LIMITS, memoryBytes: 100_000 }, (_limit, _host, what) =>
      refused.push(what),
    );
    const host = addHost(database, { memoryMode: "none" })!;
    const chart = host.defineChart({ id: "a.a" })!;
    host.defineDimension(chart, dimension("d"));
    const before = database.budget.bytes;
    const label = (name: string, value = "v") => ({ name, value, source: 2 });
    setLabels(host, [label("site", "north")]);
    setChartLabels(host, chart, [label("device", "eth0")]);
    expect(database.budget.bytes).toBe(before + 2 * 100 + "sitenorthdeviceeth0".length);
    const [{ factsVersion }, { version }] = [host, chart];
    setLabels(host, [label("site", "north")]);
    setChartLabels(host, chart, [label("device", "eth0")]);
    expect([host.factsVersion, chart.version]).toEqual([factsVersion, version]);
    setLabels(host, [label("n".repeat(500), "v".repeat(5000))]);
    expect([host.labels[0]!.name.length, host.labels[0]!.value.length]).toEqual([200, 700]);
    setLabels(
      host,
      Array.from({ length: 150 }, (_, i) => label(`l${i}`)),
    );
    expect([host.labels.length, host.factsVersion]).toEqual([100, factsVersion + 2]);
    setChartLabels(
      host,
      chart,
      Array.from({ length: 100 }, (_, i) => label(`l${i}`, "€".repeat(700))),
    );
    expect(chart.labels).toEqual([label("device", "eth0")]);
    expect(refused).toEqual(["labels of chart a.a"]);
    setLabels(host, []);
    setVariable(host, chart, "v", 1);
    host.retireChart(chart);
    host.removeObsolete(1e6, 0);
    host.removeObsolete(3e6, 1);
    expect([host.chartCount, database.budget.bytes]).toEqual([0, 0]);
    expect(host.readmit(chart)).toBe(true);
    database.removeHost(host);
    expect(database.budget.bytes).toBe(0);
  });

  test("memory: texts that grow are taken from the limit, texts that shrink are given back", () => {
    const refused: string[] = [];
    const database = new Database({ ...WIDE_LIMITS, memoryBytes: 10_000 }, (_limit, _host, what) => refused.push(what));
    const host = addHost(database, { memoryMode: "none" })!;
    const chart = host.defineChart({ id: "a.a" })!;
    host.defineDimension(chart, dimension("d"));
    const before = database.budget.bytes;
    for (let i = 0; i < 100; i++) {
      host.defineChart({ id: "a.a", title: "x".repeat(i % 2 === 0 ? 1000 : 0) });
      host.defineDimension(chart, { ...dimension("d"), name: "n".repeat(i % 2 === 0 ? 1000 : 1) });
    }
    expect(database.budget.bytes).toBe(before + 1);
    expect(refused).toEqual([]);
    for (let i = 0; i < 5; i++) host.defineDimension(chart, dimension(`d${i}`));
    for (let i = 0; i < 5; i++) host.defineDimension(chart, { ...dimension(`d${i}`), name: "€".repeat(1000) });
    expect(database.budget.bytes).toBeLessThanOrEqual(10_000);
    expect(refused).toEqual([2, 3, 4].map((i) => `a longer name of dimension d${i} of chart a.a`));
    // Only the name is refused.
    const index = host.defineDimension(chart, { ...dimension("d3", "incremental"), name: "€".repeat(1000) });
    expect(chart.dimensions.list[index]).toMatchObject({ name: "d3", algorithm: "incremental" });
    host.defineChart({ id: "a.a", title: "€".repeat(1000), updateEverySec: 7 });
    expect(chart.definition).toMatchObject({ title: "", updateEverySec: 7 });
    database.removeHost(host);
    expect(database.budget.bytes).toBe(0);
  });

  test("an interval that is far too long is not believed, and what comes after it lies in its own second", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x"));
    let nowUs = collect(chart, [[1], [2], [3], [4]]);
    // The clock of the child was put forward by ten minutes.
    nowUs += 1e6;
    commitStreamed(chart, rowOf([5]), 601e6, nowUs);
    expect(host.balance.dropped.clock).toBe(1);
    nowUs = collect(chart, [[6], [7], [8]], nowUs);
    expect(chart.lastCollectedUs).toBe(nowUs);
    const endSec = Math.floor(nowUs / 1e6);
    expect(stored(chart, 0, endSec - 2, endSec)).toEqual([6, 7, 8]);
  });

  test("no interval is passed on that begins at a guess: after the first collection, and after our clock was put back", () => {
    const host = newHost({ isLocal: true });
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x"));
    const heard: number[] = [];
    host.listener = { commit: (_chart, _row, elapsedUs) => heard.push(elapsedUs) };
    let nowUs = T0_SEC * 1e6 + 300_000;
    for (const stepUs of [0, 0, 0, -3_000_000, 0, 0]) {
      nowUs += 1e6 + stepUs;
      commitLocal(chart, rowOf([5]), nowUs);
    }
    expect(heard).toEqual([0, 0, 1e6, 0, 0, 1e6]);
  });

  test("what a child measured is passed on as it is, also where our clock was put back", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x"));
    let nowUs = collect(chart, [[1], [2], [3], [4]]);
    const heard: number[] = [];
    host.listener = { commit: (_chart, _row, elapsedUs) => heard.push(elapsedUs) };
    for (const stepUs of [0, -800_000, 0, -30_000_000, 0]) {
      nowUs += 1e6 + stepUs;
      commitStreamed(chart, rowOf([5]), 1_000_001, nowUs);
    }
    expect(heard).toEqual(new Array(5).fill(1_000_001));
    expect(host.clockSetbacks).toBe(1);
  });

  test("mode none: nothing is stored, every value is passed on and accounted for", () => {
    const host = newHost({ memoryMode: "none" });
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x", "incremental"));
    const heard: number[] = [];
    host.listener = { commit: (_, row, elapsedUs) => heard.push(row.values[0]!, elapsedUs) };
    collect(chart, [[1], [2], [3]]);
    expect(host.balance).toMatchObject({ received: 3, unkept: 3, stored: 0 });
    expect(imbalance(host.balance)).toBe(0);
    // The first has no interval, and that of the second begins at a time that is guessed.
    expect(heard).toEqual([1, 0, 2, 0, 3, 1_000_000]);
    expect(stored(chart, 0, T0_SEC, T0_SEC + 3).every(Number.isNaN)).toBe(true);
  });
});

describe("clocks", () => {
  const one = (isLocal = false) => {
    const host = newHost({ isLocal });
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x"));
    return { host, chart };
  };

  /** Feeds a child's iterations k = 0, 1, …, collected at .3 s of second k, `lateMs` later each. */
  const feedLate = (chart: Chart, zeros: number, lateMs: (k: number) => number, count: number) => {
    for (let k = 0; k < count; k++) {
      const nowUs = (T0_SEC + k) * 1e6 + 300_000 + lateMs(k) * 1000;
      commitStreamed(chart, rowOf([k]), k < zeros ? 0 : 1e6, nowUs);
    }
  };

  test.each([750, 999, 1300, 2500])(
    "the last sample without interval came %d ms late: the ones after it lie right",
    (late) => {
      const { host, chart } = one();
      // What came meanwhile comes with it, as over a connection it must.
      const lateMs = (k: number) => Math.max(5, late - 1000 * Math.abs(k - 59));
      feedLate(chart, 60, (k) => (k < 59 ? 5 : lateMs(k)), 100);
      const from = T0_SEC + 64;
      expect(stored(chart, 0, from, T0_SEC + 99)).toEqual(Array.from({ length: 36 }, (_, i) => 64 + i));
      expect(host.balance.dropped.clock).toBe(0);
      expect(imbalance(host.balance)).toBe(0);
    },
  );

  test("a proxy passes the correction on: its parent was moved by the same late value", () => {
    const { chart } = one();
    const parent = one().chart;
    chart.host.listener = {
      commit: (_, row, elapsedUs) => {
        // The link to the parent is older: it has had its iterations without interval.
        const k = row.values[0]!;
        const cameUs = (T0_SEC + k) * 1e6 + (k === 59 ? 1_250_000 : 310_000);
        commitStreamed(parent, rowOf([k]), k < 30 ? 0 : elapsedUs, cameUs);
      },
    };
    feedLate(chart, 60, (k) => (k === 59 ? 940 : 5), 100);
    for (const each of [chart, parent]) {
      expect(stored(each, 0, T0_SEC + 64, T0_SEC + 99)).toEqual(Array.from({ length: 36 }, (_, i) => 64 + i));
    }
  });

  test("arrivals that differ by less than 100 ms correct nothing", () => {
    const { chart } = one();
    feedLate(chart, 60, (k) => (k === 59 ? 95 : 0), 100);
    expect(chart.lastCollectedUs).toBe((T0_SEC + 99) * 1e6 + 395_000);
  });

  test("a connection that stood still delivers into the seconds of each value", () => {
    const { chart } = one();
    feedLate(chart, 60, (k) => (k < 70 ? 0 : Math.max(0, 30_000 - 1000 * (k - 70))), 120);
    expect(stored(chart, 0, T0_SEC + 60, T0_SEC + 119)).toEqual(Array.from({ length: 60 }, (_, i) => 60 + i));
  });

  test("a sample more than 5 s ahead of our clock is dropped and counted, and the chart does not move", () => {
    const { host, chart } = one();
    const nowUs = collect(chart, [[1], [2], [3]]);
    const before = chart.lastCollectedUs;
    commitStreamed(chart, rowOf([4]), nowUs + 5_000_001 - before, nowUs);
    expect([chart.lastCollectedUs, host.balance.dropped.clock]).toEqual([before, 1]);
    commitStreamed(chart, rowOf([5]), nowUs + 5_000_000 - before, nowUs);
    // Less than that is an interval that starts too late: it came now.
    expect([chart.lastCollectedUs, host.balance.dropped.clock]).toEqual([nowUs, 1]);
    expect(imbalance(host.balance)).toBe(0);
  });

  test("a child that counts too fast is followed by our clock, and none of its values is lost", () => {
    const { host, chart } = one();
    let nowUs = collect(chart, [[1], [2]]);
    for (let i = 0; i < 100; i++) {
      nowUs += 1e6;
      commitStreamed(chart, rowOf([i]), 2e6, nowUs);
      expect(chart.lastCollectedUs).toBe(nowUs);
    }
    expect(host.balance.dropped.clock).toBe(0);
    expect(imbalance(host.balance)).toBe(0);
  });

  test("our clock steps back by a few seconds under a child that sends no intervals: it waits, nothing is lost", () => {
    const { host, chart } = one();
    let nowUs = collect(chart, [[1], [2], [3]]);
    const before = chart.lastCollectedUs;
    nowUs -= 5e6;
    for (let i = 0; i < 5; i++) {
      commitStreamed(chart, rowOf([i]), 0, nowUs);
      expect(chart.lastCollectedUs).toBe(before);
      nowUs += 1e6;
    }
    commitStreamed(chart, rowOf([7]), 0, nowUs + 1e6);
    expect(chart.lastCollectedUs).toBe(nowUs + 1e6);
    expect([host.balance.dropped.clock, host.clockSetbacks]).toEqual([0, 0]);
    expect(imbalance(host.balance)).toBe(0);
  });

  test.each([
    { step: -30, givenUs: 1e6 },
    { step: -30, givenUs: 0 },
    { step: -3600, givenUs: 1e6 },
    { step: -100_000, givenUs: 0 },
  ])("a streamed chart goes with our clock when it steps by $step s, BEGIN $givenUs", ({ step, givenUs }) => {
    const { host, chart } = one();
    const heard: number[] = [];
    host.listener = { commit: (_, row) => heard.push(row.values[0]!) };
    let nowUs = T0_SEC * 1e6 + 100_000;
    for (let i = 0; i < 300; i++) {
      nowUs += 1e6;
      commitStreamed(chart, rowOf([i]), i < 2 ? 0 : 1e6, nowUs);
    }
    nowUs += step * 1e6;
    for (let i = 0; i < 300; i++) {
      nowUs += 1e6;
      commitStreamed(chart, rowOf([1000 + i]), givenUs, nowUs);
      expect(Math.abs(chart.lastCollectedUs - nowUs)).toBeLessThan(2e6);
    }
    const to = chart.lastEntrySec;
    const last = stored(chart, 0, to, to)[0]!;
    expect(last).toBeGreaterThan(1297);
    expect(stored(chart, 0, to - 99, to)).toEqual(Array.from({ length: 100 }, (_, k) => last - 99 + k));
    // Whoever is behind us has got everything.
    expect(heard).toHaveLength(600);
    expect([host.balance.dropped.clock, host.clockSetbacks]).toEqual([0, 1]);
    expect(imbalance(host.balance)).toBe(0);
  });

  test("what is ahead of our clock is not stored, but passed on", () => {
    const { host, chart } = one();
    const nowUs = collect(chart, [[1], [2], [3]]);
    const heard: number[] = [];
    host.listener = { commit: (_, row, elapsedUs) => heard.push(row.values[0]!, elapsedUs) };
    commitStreamed(chart, rowOf([4]), 7e6, nowUs);
    expect(heard).toEqual([4, 7e6]);
    expect([host.balance.dropped.clock, imbalance(host.balance)]).toEqual([1, 0]);
  });

  test.each([-30, -3600, -100_000])(
    "a local chart goes with our clock when it steps by %d s, and goes on storing",
    (step) => {
      const { host, chart } = one(true);
      let nowUs = T0_SEC * 1e6 + 100_000;
      for (let i = 0; i < 300; i++) {
        nowUs += 1e6;
        commitLocal(chart, rowOf([i]), nowUs);
      }
      nowUs += step * 1e6;
      for (let i = 0; i < 300; i++) {
        nowUs += 1e6;
        commitLocal(chart, rowOf([1000 + i]), nowUs);
        expect(Math.abs(chart.lastCollectedUs - nowUs)).toBeLessThan(2e6);
      }
      const to = Math.floor(nowUs / 1e6);
      expect(stored(chart, 0, to - 100, to - 1)).toEqual(Array.from({ length: 100 }, (_, k) => 1199 + k));
      expect(host.balance.dropped.clock).toBe(0);
      expect(imbalance(host.balance)).toBe(0);
    },
  );

  test("a jump beyond the ring starts afresh: nothing is stored for it, nothing old is shown", () => {
    const { host, chart } = one();
    const nowUs = collect(chart, [[1], [2], [3]]);
    const later = nowUs + 1000e6;
    commitStreamed(chart, rowOf([4]), 0, later);
    expect(host.balance.dropped.gap_too_long).toBe(1);
    expect(chart.entriesHeld).toBe(0);
    collect(chart, [[5], [6]], later);
    const to = chart.lastEntrySec;
    expect(stored(chart, 0, to - 2, to)).toEqual([Number.NaN, 5, 6]);
    expect(imbalance(host.balance)).toBe(0);
  });

  test.each([3_600_000_001, 1e15])("an interval of %d µs is not believed: our clock says it", (givenUs) => {
    const { chart } = one();
    const nowUs = collect(chart, [[1], [2], [3]]);
    commitStreamed(chart, rowOf([4]), givenUs, nowUs + 1e6);
    expect(chart.lastCollectedUs).toBe(nowUs + 1e6);
  });
});

describe("gaps", () => {
  test("an hour without a chart of 5000 dimensions is passed block by block: empty, last values kept, others untouched", () => {
    const host = newHost({ historyEntries: 7200 }, { memoryBytes: 2 ** 31 });
    const [chart, other] = ["t.wide", "t.small"].map((id) => host.defineChart({ id })!) as [Chart, Chart];
    for (let i = 0; i < 300; i++)
      host.defineDimension(chart, dimension(`d${i}`, i % 2 === 0 ? "incremental" : "absolute"));
    host.defineDimension(other, dimension("x"));
    const row = (value: number) => rowOf(Array.from({ length: 300 }, () => value));
    const seconds = 3600;
    for (let k = 0; k < 3; k++) commitStreamed(chart, row(1000), k < 2 ? 0 : 1e6, (T0_SEC + k) * 1e6 + 500_000);
    for (let k = 0; k <= seconds + 2; k++)
      commitStreamed(other, rowOf([k]), k < 2 ? 0 : 1e6, (T0_SEC + k) * 1e6 + 500_000);
    commitStreamed(chart, row(1000 + 10 * seconds), seconds * 1e6, (T0_SEC + 2 + seconds) * 1e6 + 500_000);
    expect(imbalance(host.balance)).toBe(0);
    const last = T0_SEC + 2 + seconds;
    expect(chart.lastEntrySec).toBe(last);
    // Two intervals are interpolated over, the rest is a gap (rrd.md §2.5).
    for (const [index, rate] of [
      [0, 10],
      [298, 10],
    ] as const) {
      const values = stored(chart, index, T0_SEC + 2, last);
      expect(values[0]).toBe(0);
      expect(values.slice(1, -2).every(Number.isNaN)).toBe(true);
      for (const value of values.slice(-2)) expect(value).toBeCloseTo(rate, 3);
    }
    expect(stored(chart, 299, T0_SEC + 3, last - 2).every(Number.isNaN)).toBe(true);
    expect(stored(other, 0, T0_SEC + 2, last)).toEqual(Array.from({ length: seconds + 1 }, (_, k) => k + 2));
  });

  test("what a chart stored before its clock went back is not shown in the gap that follows", () => {
    const host = newHost({ isLocal: true });
    const chart = host.defineChart({ id: "t.a" })!;
    host.defineDimension(chart, dimension("x"));
    let nowUs = T0_SEC * 1e6 + 100_000;
    for (let k = 0; k < 60; k++) {
      nowUs += 1e6;
      commitLocal(chart, rowOf([k]), nowUs);
    }
    nowUs -= 50e6;
    commitLocal(chart, rowOf([1]), nowUs);
    commitLocal(chart, rowOf([2]), nowUs + 1e6);
    // Forty seconds that had values under the old clock pass without any.
    commitLocal(chart, rowOf([3]), nowUs + 41e6);
    const last = chart.lastEntrySec;
    expect(stored(chart, 0, last - 38, last - 2).every(Number.isNaN)).toBe(true);
    expect(stored(chart, 0, last, last)).toEqual([3]);
    expect(imbalance(host.balance)).toBe(0);
  });
});

describe("definitions that change again and again", () => {
  test("each change is served, sets are shared again now and then", () => {
    const host = newHost();
    const [chart, twin] = ["t.a", "t.b"].map((id) => host.defineChart({ id })!) as [Chart, Chart];
    let nowUs = T0_SEC * 1e6;
    for (let size = 1; size <= 64; size++) {
      for (const one of [chart, twin]) {
        host.defineDimension(one, dimension(`d${size}`, "absolute", { multiplier: size }));
        collect(one, [Array.from({ length: size }, () => 1)], nowUs);
      }
      nowUs += 1e6;
      expect(chart.dimensions.list.map(({ multiplier }) => multiplier)).toEqual(
        Array.from({ length: size }, (_, i) => i + 1),
      );
      expect([...chart.dimensions.ratios]).toEqual(Array.from({ length: size }, (_, i) => i + 1));
    }
    expect(twin.dimensions).toBe(chart.dimensions);
    const second = Math.floor(chart.lastUpdatedUs / 1e6);
    expect(stored(chart, 9, second, second)).toEqual([10]);
  });
});

describe("texts of definitions are bounded", () => {
  const long = "x".repeat(60_000);

  test("of a chart", () => {
    const host = newHost();
    const texts = { title: long, units: long, family: long, context: long, plugin: long, module: long, name: long };
    const { definition } = host.defineChart({ id: "t.a", ...texts })!;
    for (const text of Object.values(definition)) if (typeof text === "string") expect(text.length).toBeLessThan(1001);
  });

  test("of a dimension: a name is cut, an id that cannot be passed on is refused and counted", () => {
    const host = newHost();
    const chart = host.defineChart({ id: "t.a" })!;
    expect(host.defineDimension(chart, dimension("d", "absolute", { name: long }))).toBe(0);
    expect(chart.dimensions.list[0]!.name).toHaveLength(1000);
    expect(host.defineDimension(chart, dimension(long))).toBe(-1);
    expect(host.admission.refusedDimensions).toBe(1);
  });

  test("of variables and of refused charts", () => {
    const host = newHost({}, { chartsPerHost: 0 });
    const writer = new HostWriter(host, { problem() {}, disable() {} });
    for (let i = 0; i < 300; i++) {
      writer.setVariable(null, `${long}${i}`, 1);
      writer.setVariable(null, `v${i}`, 1);
    }
    writer.setVariable(null, "v0", 2);
    expect(host.variables.size).toBe(100);
    expect(host.variables.get("v0")).toBe(2);
    expect([...host.variables.keys()].every((name) => name.length <= 200)).toBe(true);
  });
});
