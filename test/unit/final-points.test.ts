import { describe, expect, test } from "bun:test";
import { CHILD_GUID, differences, Load, type Node, Tree } from "./replication-tree.ts";

const WITHOUT_REPLICATION = 704 + 16_384;

/** A child, its parent of another kind, and between them a proxy of ours if there is one. */
function world(...names: string[]) {
  const tree = new Tree();
  const nodes = names.map((name, index) => tree.add(name, names[index + 1] ?? null));
  const load = new Load(nodes[0]!, tree.clock);
  return { tree, nodes, load, parent: nodes.at(-1)!, collect: () => load.collect() };
}

function linkOf(node: Node) {
  return node.pushers.status().find(({ from }) => from === CHILD_GUID)!.values;
}

const NOTHING_LOST = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };

describe("final points to a parent of another kind", () => {
  test("that replicates: every second, whatever outages there are, and every value accounted for", async () => {
    const { tree, nodes, load, parent, collect } = world("child", "parent");
    tree.foreign.add("parent");
    await tree.pass(40, collect);
    expect([...tree.pointed]).toEqual(["parent"]);
    tree.cut("parent");
    await tree.pass(60, collect);
    tree.join("parent");
    await tree.pass(60, collect);
    expect(differences(load, parent)).toEqual([]);
    const link = linkOf(nodes[0]!);
    expect(link.lost).toEqual(NOTHING_LOST);
    expect(link.recovered).toBeGreaterThan(0);
    expect(link.offered - link.delivered).toBeLessThanOrEqual(4 * 9);
  });

  test("that does not: every second from the connection on", async () => {
    const { tree, nodes, load, parent, collect } = world("child", "parent");
    tree.foreign.add("parent");
    tree.asked.set("parent", WITHOUT_REPLICATION);
    tree.cut("parent");
    await tree.pass(20, collect);
    tree.join("parent");
    await tree.pass(20, collect);
    const fromSec = tree.clock.nowSec;
    await tree.pass(60, collect);
    expect([...tree.pointed]).toEqual(["parent"]);
    expect(differences(load, parent, fromSec)).toEqual([]);
    const { offered, delivered, lost } = linkOf(nodes[0]!);
    expect(lost.not_connected).toBeGreaterThan(100);
    expect(offered - delivered - lost.not_connected).toBeLessThanOrEqual(4 * 9);
  });

  test("that does not read for a while: nothing is lost, as long as the ring holds it", async () => {
    const { tree, nodes, load, parent, collect } = world("child", "parent");
    tree.foreign.add("parent");
    await tree.pass(30, collect);
    tree.bytesPerSec = 150;
    await tree.pass(50, collect);
    expect(linkOf(nodes[0]!).backlog + linkOf(nodes[0]!).queued).toBeGreaterThan(9 * 20);
    tree.bytesPerSec = 1_000_000;
    await tree.pass(30, collect);
    expect(differences(load, parent)).toEqual([]);
    expect(linkOf(nodes[0]!).lost).toEqual(NOTHING_LOST);
  });

  test("charts that go and come, and a clock that is put back", async () => {
    const { tree, nodes, load, parent, collect } = world("child", "parent");
    tree.foreign.add("parent");
    await tree.pass(50, collect);
    nodes[0]!.local.retireChart(load.charts[0]!);
    await tree.pass(5, () => {});
    const idle = linkOf(nodes[0]!);
    expect(idle.backlog).toBeLessThanOrEqual(2 * 3);
    await tree.pass(20, collect);
    tree.clock.wallOffsetMs -= 10_000;
    await tree.pass(40, collect);
    expect(differences(load, parent)).toEqual([]);
  });
});

describe("final points through a proxy", () => {
  test("a chart that came and went while the proxy was away from the child is told", async () => {
    const { tree, nodes, parent, collect } = world("child", "proxy", "parent");
    tree.foreign.add("parent");
    tree.asked.set("proxy", 4800).set("parent", WITHOUT_REPLICATION);
    await tree.pass(30, collect);
    tree.cut("proxy");
    // One of them was not there before.
    const more = new Load(nodes[0]!, tree.clock, 4);
    const fromSec = tree.clock.nowSec + 2;
    await tree.pass(10, () => more.collect());
    nodes[0]!.local.retireChart(more.charts.at(-1)!);
    tree.join("proxy");
    await tree.pass(30, () => {});
    expect(more.charts.at(-1)!.slotsPassed).toBeGreaterThan(5);
    expect(differences(more, parent, fromSec)).toEqual([]);
  });

  test("what its child replays is told too, although none of it was told on this connection before", async () => {
    const { tree, load, parent, collect } = world("child", "proxy", "parent");
    tree.foreign.add("proxy").add("parent");
    tree.asked.set("proxy", 4800).set("parent", WITHOUT_REPLICATION);
    await tree.pass(40, collect);
    const apartSec = tree.clock.nowSec;
    tree.cut("proxy");
    tree.cut("parent");
    await tree.pass(20, collect);
    tree.join("parent");
    await tree.pass(20, collect);
    tree.join("proxy");
    await tree.pass(30, collect);
    expect(differences(load, parent, apartSec + 2)).toEqual([]);
  });

  test("to a parent of another kind: as points, exact", async () => {
    const { tree, nodes, load, parent, collect } = world("child", "proxy", "parent");
    tree.foreign.add("proxy").add("parent");
    await tree.pass(40, collect);
    tree.cut("proxy");
    await tree.pass(30, collect);
    tree.join("proxy");
    await tree.pass(40, collect);
    expect([...tree.pointed].sort()).toEqual(["parent", "proxy"]);
    expect(differences(load, nodes[1]!)).toEqual([]);
    expect(differences(load, parent)).toEqual([]);
    expect(linkOf(nodes[1]!).lost).toEqual(NOTHING_LOST);
  });

  test.each([
    { name: "one of our kind", asked: 0xffff },
    { name: "one that knows nothing of them", asked: 0 },
  ])("to $name: what was collected, which gives nearly the same", async ({ asked }) => {
    const { tree, nodes, load, parent, collect } = world("child", "proxy", "parent");
    tree.foreign.add("proxy");
    tree.asked.set("parent", asked);
    await tree.pass(100, collect);
    expect([...tree.pointed]).toEqual(["proxy"]);
    expect(differences(load, nodes[1]!)).toEqual([]);
    const there = parent.database.host(CHILD_GUID)!;
    expect(there.chartCount).toBe(3);
    expect(there.balance.stored).toBeGreaterThan(90 * 9);
    const { lost, offered, delivered } = linkOf(nodes[1]!);
    expect(lost.overflow + lost.disconnect + lost.refused).toBe(0);
    expect(offered - delivered - lost.not_connected).toBeLessThanOrEqual(4 * 9);
  });
});
