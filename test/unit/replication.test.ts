import { describe, expect, test } from "bun:test";
import { commitLocal } from "../../agent/rrd/commit.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension, stored } from "../simulated-host.ts";
import { CHILD_GUID, differences, Load, type Node, Tree } from "./replication-tree.ts";

/** A child and its parent; `outageSec` is how long they stand apart after 30 s together. */
function pair(history = 600) {
  const tree = new Tree(history);
  const child = tree.add("child", "parent");
  const parent = tree.add("parent", null);
  const load = new Load(child, tree.clock);
  return { tree, child, parent, load, collect: () => load.collect() };
}

function chain() {
  const tree = new Tree();
  const child = tree.add("child", "proxy");
  const proxy = tree.add("proxy", "parent");
  const parent = tree.add("parent", null);
  const load = new Load(child, tree.clock);
  return { tree, child, proxy, parent, load, collect: () => load.collect() };
}

function linkOf(node: Node, guid = CHILD_GUID) {
  return node.pushers.status().find(({ from }) => from === guid)!.values;
}

function missingAt(node: Node): number {
  return node.database.host(CHILD_GUID)!.missingFromSec;
}

describe("child → parent", () => {
  test("every second is there, also those before the first connection", async () => {
    const { tree, parent, load, collect } = pair();
    tree.cut("parent");
    await tree.pass(40, collect);
    tree.join("parent");
    await tree.pass(90, collect);
    expect(differences(load, parent)).toEqual([]);
    expect(parent.database.host(CHILD_GUID)!.balance.stored).toBeGreaterThan(100 * 9);
  });

  test("what was lost by an outage is recovered, and all that is delivered was confirmed", async () => {
    const { tree, child, parent, load, collect } = pair();
    await tree.pass(30, collect);
    tree.cut("parent");
    await tree.pass(60, collect);
    const during = linkOf(child);
    expect(during.lost.not_connected).toBeGreaterThan(8 * 60);
    tree.join("parent");
    await tree.pass(30, collect);
    expect(differences(load, parent)).toEqual([]);
    const after = linkOf(child);
    expect(after.lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(after.recovered).toBeGreaterThanOrEqual(during.lost.not_connected);
    expect(after.acknowledged).toBe(after.delivered);
    expect(after.offered - after.delivered).toBeLessThanOrEqual(2 * 9);
  });

  test.each([
    { name: "one of our kind", isForeign: false },
    { name: "another that replicates", isForeign: true },
  ])("what $name recovered is delivered although nothing more is collected", async ({ isForeign }) => {
    const { tree, child, collect } = pair();
    if (isForeign) tree.foreign.add("parent");
    tree.asked.set("parent", isForeign ? 4800 : 0xffff);
    await tree.pass(30, collect);
    tree.cut("parent");
    await tree.pass(20, collect);
    tree.join("parent");
    await tree.pass(30, () => {});
    expect(linkOf(child)).toMatchObject({ queued: 0, inFlight: 0, backlog: 0 });
    expect(linkOf(child).recovered).toBeGreaterThan(0);
  });

  test("a parent that does not believe the child's clock fetches nothing: what was lost stays lost", async () => {
    const { tree, child, parent, collect } = pair();
    // What the child says of its clock is 10 s ahead.
    tree.spoil = (bytes) =>
      Buffer.from(
        bytes
          .toString("latin1")
          .replace(/^(CHART_DEFINITION_END \d+ \d+ )(\d+)$/gm, (_, times, now) => `${times}${Number(now) + 10}`),
        "latin1",
      );
    await tree.pass(30, collect);
    tree.cut("parent");
    await tree.pass(60, collect);
    tree.join("parent");
    await tree.pass(60, collect);
    const { offered, delivered, acknowledged, recovered, lost } = linkOf(child);
    expect(recovered).toBe(0);
    expect(lost.not_connected + lost.disconnect).toBeGreaterThan(8 * 60);
    const { received, backfilled } = parent.database.host(CHILD_GUID)!.balance;
    expect(acknowledged).toBeLessThanOrEqual(received + backfilled);
    expect(delivered).toBeLessThan(offered - 8 * 60);
  });

  test("a parent that lost its memory gets all that the ring of its child holds", async () => {
    const { tree, load, collect } = pair();
    await tree.pass(100, collect);
    tree.remove("parent");
    await tree.pass(5, collect);
    const parent = tree.add("parent", null);
    tree.join("parent");
    await tree.pass(60, collect);
    expect(differences(load, parent)).toEqual([]);
  });

  test("live values come first after a long outage, and nothing is forgotten when the link breaks meanwhile", async () => {
    const { tree, parent, load, collect } = pair(3600);
    await tree.pass(20, collect);
    const apartSec = tree.clock.nowSec;
    tree.cut("parent");
    await tree.pass(1500, collect);
    tree.join("parent");
    tree.bytesPerSec = 20_000;
    let breaks = 0;
    for (let i = 0; i < 300 && !(breaks > 0 && missingAt(parent) === 0); i++) {
      await tree.pass(1, collect);
      const chart = parent.database.host(CHILD_GUID)?.chart("load.c0");
      const isLive = chart !== undefined && chart.lastEntrySec >= tree.clock.nowSec - 2;
      if (!isLive || missingAt(parent) === 0) continue;
      expect(missingAt(parent)).toBeGreaterThan(apartSec - 5);
      if (breaks++ > 3) continue;
      tree.cut("parent");
      tree.join("parent");
    }
    expect(breaks).toBeGreaterThan(0);
    await tree.pass(20, collect);
    expect(missingAt(parent)).toBe(0);
    expect(differences(load, parent)).toEqual([]);
  });

  test("charts and dimensions that come later, and charts that go", async () => {
    const { tree, child, parent, load, collect } = pair();
    await tree.pass(20, collect);
    child.local.defineDimension(load.charts[0]!, dimension("late"));
    await tree.pass(5, collect);
    tree.cut("parent");
    const more = new Load(child, tree.clock, 5);
    await tree.pass(20, () => more.collect());
    child.local.retireChart(more.charts[0]!);
    child.local.removeObsolete(Number.MAX_SAFE_INTEGER, 0);
    tree.join("parent");
    more.charts.shift();
    await tree.pass(30, () => more.collect());
    expect(differences(more, parent)).toEqual([]);
    expect(linkOf(child).backlog).toBe(0);
  });

  test.each([
    { name: "one of our kind", isForeign: false, asked: 0xffff },
    { name: "another that replicates", isForeign: true, asked: 4800 },
    { name: "another that takes final points too", isForeign: true, asked: 21_184 },
  ])("$name has the first seconds of a new chart, also when it was slow to ask for them", async (parentKind) => {
    const { tree, child, parent, collect } = pair();
    if (parentKind.isForeign) tree.foreign.add("parent");
    tree.asked.set("parent", parentKind.asked);
    await tree.pass(20, collect);
    tree.bytesPerSec = 150;
    // One of them was not there before.
    const more = new Load(child, tree.clock, 4);
    await tree.pass(15, () => more.collect());
    tree.bytesPerSec = 100_000;
    await tree.pass(15, () => more.collect());
    expect(differences(more, parent)).toEqual([]);
  });

  test("a chart that its parent has forgotten since it was retired comes back with its past", async () => {
    const { tree, child, parent, load, collect } = pair();
    await tree.pass(30, collect);
    const chart = load.charts[0]!;
    child.local.retireChart(chart);
    await tree.pass(1, () => {});
    const there = parent.database.host(CHILD_GUID)!;
    for (const nowUs of [1, Number.MAX_SAFE_INTEGER]) there.removeObsolete(nowUs, 0);
    expect(there.chart(chart.id) === undefined).toBe(true);
    await tree.pass(30, collect);
    expect(differences(load, parent)).toEqual([]);
    expect(linkOf(child).backlog).toBe(0);
  });

  test.each([
    { name: "one of our kind", isForeign: false },
    { name: "another that replicates", isForeign: true },
  ])("$name begins a dimension that was never collected when the child does", async ({ isForeign }) => {
    const { tree, child, parent, load, collect } = pair();
    if (isForeign) tree.foreign.add("parent");
    tree.asked.set("parent", isForeign ? 4800 : 0xffff);
    const chart = child.local.defineChart({ id: "late.c" })!;
    for (const id of ["a", "b"]) child.local.defineDimension(chart, dimension(id, "incremental"));
    const row = new ValueRow();
    const collectLate = () => {
      collect();
      row.reserve(2);
      row.set(0, 100 * load.ticks);
      if (load.ticks > 40) row.set(1, 7000 * load.ticks);
      commitLocal(chart, row, Math.round(tree.clock.nowUs()));
      row.clear();
    };
    await tree.pass(60, collectLate);
    load.charts.push(chart);
    expect(differences(load, parent)).toEqual([]);
  });

  test("what was lost is recovered by a parent of many charts, whose definitions do not fit into the buffer", async () => {
    const tree = new Tree();
    const child = tree.add("child", "parent");
    tree.add("parent", null);
    const load = new Load(child, tree.clock, 450);
    tree.cut("parent");
    await tree.pass(20, () => load.collect());
    expect(linkOf(child).lost.not_connected).toBeGreaterThan(0);
    tree.join("parent");
    tree.bytesPerSec = 100_000;
    await tree.pass(30, () => load.collect());
    tree.bytesPerSec = Number.POSITIVE_INFINITY;
    await tree.pass(10, () => load.collect());
    expect(linkOf(child)).toMatchObject({ backlog: 0, lost: { not_connected: 0 } });
  });

  test("a clock that is put back takes the charts along", async () => {
    const { tree, child, parent, load, collect } = pair();
    await tree.pass(100, collect);
    tree.clock.wallOffsetMs -= 30_000;
    await tree.pass(60, collect);
    expect(differences(load, parent)).toEqual([]);
    tree.clock.wallOffsetMs += 3_600_000;
    await tree.pass(60, collect);
    expect(differences(load, parent)).toEqual([]);
    expect(linkOf(child).backlog).toBe(0);
  });
});

describe("child → proxy → parent", () => {
  test.each([
    { name: "the proxy's parent", cut: ["parent"] },
    { name: "the proxy", cut: ["proxy"] },
    { name: "both", cut: ["parent", "proxy"] },
  ])("an outage of $name costs nothing", async ({ cut }) => {
    const { tree, child, proxy, parent, load, collect } = chain();
    await tree.pass(30, collect);
    for (const name of cut) tree.cut(name);
    await tree.pass(60, collect);
    for (const name of cut) {
      tree.join(name);
      await tree.pass(30, collect);
    }
    await tree.pass(30, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
    expect([missingAt(proxy), missingAt(parent)]).toEqual([0, 0]);
    for (const node of [child, proxy]) {
      expect(linkOf(node).lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    }
  });

  test("a chart that is not collected any more gets to the end, too, although the proxy's link stood before", async () => {
    const { tree, child, proxy, parent, load, collect } = chain();
    await tree.pass(10, collect);
    tree.cut("proxy");
    const old = child.local.defineChart({ id: "old.chart" })!;
    child.local.defineDimension(old, dimension("gauge"));
    const row = new ValueRow();
    await tree.pass(30, () => {
      collect();
      row.set(0, load.ticks);
      commitLocal(old, row, Math.round(tree.clock.nowUs()));
    });
    // As after a restart: its past is there, and what it was collected with is not.
    old.lastCollectedUs = 0;
    tree.join("proxy");
    await tree.pass(60, collect);
    const held = stored(old, 0, old.firstEntrySec + 1, old.lastEntrySec);
    expect(held.length).toBeGreaterThan(20);
    for (const node of [proxy, parent]) {
      const chart = node.database.host(CHILD_GUID)?.chart("old.chart");
      expect(chart && stored(chart, 0, old.firstEntrySec + 1, old.lastEntrySec)).toEqual(held);
    }
  });

  test("an hour behind the proxy arrives at its parent, although that has the newest values by then", async () => {
    const { tree, proxy, parent, load, collect } = chain();
    await tree.pass(30, collect);
    tree.cut("proxy");
    await tree.pass(400, collect);
    tree.join("proxy");
    await tree.pass(60, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
    expect([missingAt(proxy), missingAt(parent)]).toEqual([0, 0]);
  });

  test.each([
    { name: "one of our kind", isForeign: false },
    { name: "another that replicates", isForeign: true },
  ])("$name gets a chart that came and went while the proxy was away from the child", async ({ isForeign }) => {
    const { tree, child, parent, collect } = chain();
    if (isForeign) tree.foreign.add("parent");
    tree.asked.set("parent", isForeign ? 4800 : 0xffff);
    await tree.pass(30, collect);
    tree.cut("proxy");
    // One of them was not there before.
    const more = new Load(child, tree.clock, 4);
    await tree.pass(10, () => more.collect());
    child.local.retireChart(more.charts.at(-1)!);
    tree.join("proxy");
    await tree.pass(30, () => {});
    expect(more.charts.at(-1)!.slotsPassed).toBeGreaterThan(5);
    expect(differences(more, parent)).toEqual([]);
  });

  test("a proxy that lost its memory fetches from its child what its parent lacks", async () => {
    const { tree, parent, load, collect } = chain();
    await tree.pass(60, collect);
    tree.remove("proxy");
    await tree.pass(60, collect);
    const proxy = tree.add("proxy", "parent");
    tree.join("proxy");
    await tree.pass(60, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
  });

  test("a foreign parent, which wants all in order, gets what was behind the proxy before newer values", async () => {
    const { tree, proxy, parent, load, collect } = chain();
    tree.foreign.add("parent");
    await tree.pass(30, collect);
    tree.cut("proxy");
    await tree.pass(200, collect);
    tree.join("proxy");
    await tree.pass(60, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
    tree.cut("proxy");
    tree.cut("parent");
    await tree.pass(200, collect);
    // The child is back before the parent is: live values reach the proxy first, the older ones slowly.
    tree.bytesPerSec = 10_000;
    tree.join("proxy");
    for (let i = 0; i < 100 && missingAt(proxy) === 0; i++) await tree.pass(1, collect);
    expect(missingAt(proxy)).toBeGreaterThan(0);
    tree.join("parent");
    await tree.pass(150, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
  });

  test("a foreign parent that connects while the proxy still fetches the past is offered all of it", async () => {
    const { tree, proxy, parent, load, collect } = chain();
    tree.foreign.add("parent");
    tree.cut("proxy");
    await tree.pass(200, collect);
    tree.bytesPerSec = 4000;
    tree.join("proxy");
    await tree.pass(150, collect);
    expect(differences(load, proxy)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
  });

  test("a foreign parent does not wait for ever for what a child that is gone for good had", async () => {
    const tree = new Tree();
    const child = tree.add("child", "lower");
    const lower = tree.add("lower", "upper");
    const upper = tree.add("upper", "parent");
    const parent = tree.add("parent", null);
    tree.foreign.add("parent");
    const load = new Load(child, tree.clock);
    const collect = () => load.collect();
    tree.cut("parent");
    await tree.pass(30, collect);
    tree.cut("lower");
    await tree.pass(200, collect);
    tree.bytesPerSec = 10_000;
    tree.join("lower");
    for (let i = 0; i < 100 && missingAt(upper) === 0; i++) await tree.pass(1, collect);
    tree.cut("lower");
    tree.bytesPerSec = Number.POSITIVE_INFINITY;
    tree.join("parent");
    const lastSec = (node: Node) => node.database.host(CHILD_GUID)?.chart("load.c0")?.lastEntrySec ?? 0;
    await tree.pass(75, () => {});
    expect([missingAt(lower) > 0, missingAt(upper) > 0, lastSec(parent)]).toEqual([true, true, 0]);
    await tree.pass(60, () => {});
    expect(lastSec(parent)).toBe(lastSec(upper));
  });
});
