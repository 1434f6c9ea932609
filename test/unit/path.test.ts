import { describe, expect, test } from "bun:test";
import { silentLog } from "../../agent/base/log.ts";
import { SenderReports } from "../../agent/receiver/sender-reports.ts";
import { completeToSec } from "../../agent/rrd/completeness.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import { Mismatches } from "../../agent/rrd/mismatches.ts";
import { hopAmounts, hopImbalance, type PathHop } from "../../agent/rrd/path.ts";
import { HOPS_MAX, type HopLine, HopReader, hopLines, naturalOf, writtenLine } from "../../agent/wire/hop-lines.ts";
import { newHost } from "../simulated-host.ts";
import { SimulatedClock } from "./exporter-fixture.ts";
import { CHILD_GUID, differences, Load, type Node, Tree } from "./replication-tree.ts";

const HOP: HopLine = { machineGuid: "guid", hostname: "name", ageSec: 3, completeToSec: 7, amounts: [1, 2] };

/** Words of a line as its reader gets them. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"/g)].map((match) => match[1]!);
}

function readAll(text: string, reader = new HopReader()): (readonly HopLine[] | null)[] {
  const lines = text.split("\n").slice(0, -1);
  return lines.map((line) => reader.read(wordsOf(line)));
}

describe("the lines of a way", () => {
  test("come back as they were, once the last is there", () => {
    const hops = [HOP, { ...HOP, machineGuid: "other", hostname: "" }];
    expect(readAll(hopLines(hops))).toEqual([null, hops]);
  });

  test("are at most ten, none longer than 1000 bytes, whatever stands in them", () => {
    const amounts = Array<number>(12).fill(Number.MAX_SAFE_INTEGER);
    const long = { ...HOP, hostname: "ü".repeat(500), machineGuid: "g".repeat(36), ageSec: 2 ** 32, amounts };
    const text = hopLines(Array<HopLine>(12).fill(long));
    const lines = text.split("\n").slice(0, -1);
    expect(lines.length).toBe(HOPS_MAX);
    for (const line of lines) expect(Buffer.byteLength(line)).toBeLessThan(1000);
    const whole = readAll(text).at(-1)!;
    expect(whole.length).toBe(HOPS_MAX);
    expect(whole.every((hop) => hop.amounts.length === 12)).toBe(true);
  });

  test("bring no control characters to a terminal or a log", () => {
    const line = hopLines([HOP]).replace("name", "a\x1b[2Jb\x7f").replace("guid", "\x07");
    expect(readAll(line)).toEqual([[{ ...HOP, machineGuid: " ", hostname: "a [2Jb " }]]);
  });

  test.each([
    ["a line is missing", (lines: string[]) => lines.slice(1)],
    ["a line comes twice", (lines: string[]) => [lines[0]!, ...lines]],
    ["they come in another order", (lines: string[]) => lines.toReversed()],
    ["a number is none", (lines: string[]) => [lines[0]!, lines[1]!.replace('"7"', '"-7"')]],
    ["a second is beyond all dates", (lines: string[]) => [lines[0]!, lines[1]!.replace('"7"', '"4294967297"')]],
    ["an age is", (lines: string[]) => [lines[0]!, lines[1]!.replace('"3"', '"4294967297"')]],
    ["there is no number", (lines: string[]) => [lines[0]!, 'TRIBUTARY "HOP" "1" "2" "guid" "name"']],
    ["there are too many", (lines: string[]) => lines.map((line) => line.replace('"2" "guid"', '"11" "guid"'))],
  ])("are passed over when %s; the next ones count", (_, spoil) => {
    const lines = hopLines([HOP, HOP]).split("\n").slice(0, -1);
    const reader = new HopReader();
    const spoilt = readAll(`${spoil(lines).join("\n")}\n`, reader);
    // One that comes twice begins the way anew.
    const isBegunAnew = spoilt.length === 3;
    expect(spoilt.at(-1)).toEqual(isBegunAnew ? [HOP, HOP] : null);
    expect(readAll(hopLines([HOP, HOP]), reader).at(-1)).toEqual([HOP, HOP]);
  });

  test.each([
    ["0", 0],
    ["9007199254740991", Number.MAX_SAFE_INTEGER],
    ["9007199254740992", Number.NaN],
    ["99999999999999999", Number.NaN],
    ["", Number.NaN],
    ["-1", Number.NaN],
    ["1.5", Number.NaN],
    ["1e3", Number.NaN],
  ])("a number: %p", (word, number) => expect(naturalOf(word)).toBe(number));
});

describe("what was written and what was read", () => {
  const reports = () => {
    const clock = new SimulatedClock();
    const mismatches = new Mismatches(clock, silentLog);
    const host = newHost({ hostname: "edge" });
    return { mismatches, host, taker: new SenderReports(host, "10.0.0.7", clock, mismatches) };
  };
  const take = (taker: SenderReports, line: string, rows: number, values: number) => {
    taker.take(wordsOf(line), { rows, values });
  };

  test("a difference is told once, and again when it changes", () => {
    const { mismatches, taker } = reports();
    take(taker, writtenLine(10, 100), 10, 100);
    expect(mismatches.counts.stream).toBe(0);
    take(taker, writtenLine(20, 200), 20, 199);
    take(taker, writtenLine(30, 300), 30, 299);
    expect(mismatches.counts.stream).toBe(1);
    take(taker, writtenLine(40, 400), 39, 399);
    expect(mismatches.counts.stream).toBe(2);
    expect(mismatches.latest[1]!.text).toBe(
      "the sender wrote 200 values in 20 rows on this connection, 199 in 20 were read here",
    );
  });

  test.each(["WRITTEN", 'WRITTEN "x" "1"', 'WRITTEN "1"', "HOP", ""])("%s means nothing", (text) => {
    const { mismatches, host, taker } = reports();
    taker.take(
      text.split(" ").map((word) => word.replaceAll('"', "")),
      { rows: 5, values: 6 },
    );
    expect([mismatches.counts.stream, host.path.version]).toEqual([0, 0]);
  });

  test("a way whose account has other numbers than ours is not kept", () => {
    const { host, taker } = reports();
    take(taker, hopLines([HOP]), 0, 0);
    expect(host.path.hops).toEqual([]);
  });

  test("what those below said stays when a proxy begins anew, and goes when the way is another one", () => {
    const { host, taker } = reports();
    const hop = (machineGuid: string, hopAge = 0) => ({
      ...HOP,
      machineGuid,
      ageSec: hopAge,
      amounts: Array(12).fill(1),
    });
    const tell = (...hops: HopLine[]) => {
      for (const line of hopLines(hops).split("\n").slice(0, -1)) take(taker, line, 0, 0);
      return host.path.hops.map(({ machineGuid, toldUs }) => `${machineGuid} ${host.path.hops[0]!.toldUs - toldUs}`);
    };
    expect(tell(hop("a"), hop("b"), hop("c", 9))).toEqual(["a 0", "b 0", "c 9000000"]);
    expect(tell(hop("a"))).toEqual(["a 0", "b 0", "c 9000000"]);
    expect(tell(hop("a"), hop("b"))).toEqual(["a 0", "b 0", "c 9000000"]);
    expect(tell(hop("a"), hop("c"))).toEqual(["a 0", "c 0"]);
    expect(tell(hop("d"))).toEqual(["d 0"]);
    expect(host.path.version).toBe(5);
  });

  test("the last twenty mismatches are kept, all are counted", () => {
    const { mismatches, host } = reports();
    for (let i = 0; i < 25; i++) mismatches.add("link", host, `number ${i}`);
    expect(mismatches.counts).toEqual({ database: 0, link: 25, stream: 0 });
    expect(mismatches.latest.length).toBe(20);
    expect(mismatches.latest[0]!.text).toBe("number 24");
  });
});

function chain() {
  const tree = new Tree();
  const child = tree.add("child", "proxy");
  const proxy = tree.add("proxy", "parent");
  const parent = tree.add("parent", null);
  const load = new Load(child, tree.clock);
  return { tree, child, proxy, parent, load, collect: () => load.collect() };
}

function hopsAt(node: Node): readonly PathHop[] {
  return node.database.host(CHILD_GUID)!.path.hops;
}

describe("child → proxy → parent", () => {
  test("the parent is told of both hops, a few seconds after they are made and then every minute", async () => {
    const { tree, child, proxy, parent, collect } = chain();
    await tree.pass(15, collect);
    expect(hopsAt(child)).toEqual([]);
    expect(hopsAt(proxy).map(({ machineGuid }) => machineGuid)).toEqual([child.guid]);
    const hops = hopsAt(parent);
    expect(hops.map(({ machineGuid }) => machineGuid)).toEqual([proxy.guid, child.guid]);
    expect(hops.map(({ hostname }) => hostname)).toEqual([proxy.guid.slice(-2), child.guid.slice(-2)]);
    await tree.pass(75, collect);
    for (const { toldUs, values } of hopsAt(parent)) {
      expect((tree.clock.nowUs() - toldUs) / 1e6).toBeLessThan(62);
      expect(values.offered).toBeGreaterThan(100);
      expect(hopImbalance(values)).toBe(0);
      expect(values.acknowledged).toBeGreaterThan(0);
    }
  });

  test("what was lost on the first hop is told at the end of the second, and what was fetched after that", async () => {
    const { tree, parent, collect } = chain();
    await tree.pass(70, collect);
    tree.cut("proxy");
    await tree.pass(30, collect);
    // The last word of a child that is away stays, with its age.
    const [, before] = hopsAt(parent);
    expect((tree.clock.nowUs() - before!.toldUs) / 1e6).toBeGreaterThan(29);
    tree.join("proxy");
    await tree.pass(90, collect);
    const [, after] = hopsAt(parent);
    expect(after!.values.recovered).toBeGreaterThan(9 * 20);
    expect(after!.values.lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(hopAmounts(after!.values).length).toBe(12);
  });

  test("up to the second that each says, it holds all that the child had stored", async () => {
    const { tree, child, proxy, parent, load, collect } = chain();
    const check = () => {
      for (const node of [proxy, parent]) {
        const host = node.database.host(CHILD_GUID);
        if (host === undefined) continue;
        const toSec = completeToSec(host);
        // Together they look at every second that was ever stored.
        expect(differences(load, node, toSec - 60, toSec), `${node.guid} is complete up to ${toSec}`).toEqual([]);
      }
    };
    for (let i = 0; i < 4; i++) {
      await tree.pass(20, collect);
      tree.cut(i % 2 === 0 ? "proxy" : "parent");
      await tree.pass(15, collect);
      tree.join(i % 2 === 0 ? "proxy" : "parent");
      // So slow that what is missing takes its time.
      tree.bytesPerSec = 1200 * (1 + i);
      for (let second = 0; second < 25; second++) {
        await tree.pass(1, collect);
        check();
      }
      tree.bytesPerSec = Number.POSITIVE_INFINITY;
    }
    expect(completeToSec(child.local)).toBe(load.charts[0]!.lastEntrySec);
    expect(completeToSec(parent.database.host(CHILD_GUID)!)).toBeGreaterThanOrEqual(tree.clock.nowSec - 2);
  });

  test("a parent of another kind is told nothing, and nothing is known of a child of another kind", async () => {
    const { tree, proxy, parent, collect } = chain();
    tree.foreign.add("parent");
    await tree.pass(70, collect);
    expect(hopsAt(proxy).length).toBe(1);
    expect(hopsAt(parent)).toEqual([]);
  });
});

describe("complete up to", () => {
  const NOW_SEC = 1_700_000_000;
  /** A host with charts that were last stored at the given seconds. */
  const hostOf = (
    charts: { last: number; every?: number; isObsolete?: boolean }[],
    missingFromSec = 0,
    memoryMode: MemoryMode = "ram",
  ) => {
    const host = newHost({ memoryMode });
    charts.forEach(({ last, every = 1, isObsolete = false }, index) => {
      const chart = host.defineChart({ id: `a.c${index}`, updateEverySec: every })!;
      chart.lastUpdatedUs = last * 1e6;
      // In mode none no boundary is passed.
      chart.lastCollectedUs = last * 1e6 + (memoryMode === "none" ? 4_300_000 : 300_000);
      chart.isObsolete = isObsolete;
      host.lastCollectedUs = Math.max(host.lastCollectedUs, chart.lastCollectedUs);
    });
    host.missingFromSec = missingFromSec;
    return host;
  };

  test.each([
    { name: "nothing is here", host: () => hostOf([]), expected: 0 },
    {
      name: "all charts have come as far",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC }]),
      expected: NOW_SEC,
    },
    {
      name: "one is a second behind",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 1 }]),
      expected: NOW_SEC - 1,
    },
    {
      name: "a slow one has no slot to be missed yet",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 4, every: 5 }]),
      expected: NOW_SEC,
    },
    {
      name: "a slow one has",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 6, every: 5 }]),
      expected: NOW_SEC - 2,
    },
    { name: "one has stopped", host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 11 }]), expected: NOW_SEC },
    {
      name: "one is retired",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 5, isObsolete: true }]),
      expected: NOW_SEC,
    },
    {
      name: "something is to be fetched",
      host: () => hostOf([{ last: NOW_SEC }], NOW_SEC - 100),
      expected: NOW_SEC - 101,
    },
    {
      name: "nothing is kept: as far as values have come",
      host: () => hostOf([{ last: NOW_SEC }, { last: NOW_SEC - 1 }], 0, "none"),
      expected: NOW_SEC + 3,
    },
  ])("$name", ({ host, expected }) => expect(completeToSec(host())).toBe(expected));
});
