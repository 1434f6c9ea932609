import { describe, expect, test } from "bun:test";
import { CHILD_GUID, differences, Load, type Node, Tree } from "./replication-tree.ts";

const NO_LOSS = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
const VALUES_PER_SEC = 9;
/** Each agent of the path tells once a second what is stored; so may it be told. */
const BEHIND_SEC = 4;

/** A child that wants to know what the end has, a proxy that does not, and the proxy's parents. */
function chain({ history = 600, parents = "parent" } = {}) {
  const tree = new Tree(history);
  tree.confirmsEnd = true;
  const child = tree.add("child", "proxy");
  tree.confirmsEnd = false;
  const proxy = tree.add("proxy", parents);
  const ends = parents.split(" ").map((name) => tree.add(name, null));
  const load = new Load(child, tree.clock);
  return { tree, child, proxy, parent: ends[0]!, ends, load, collect: () => load.collect() };
}

function linkOf(node: Node, guid = CHILD_GUID) {
  return node.pushers.status().find(({ from }) => from === guid)!;
}

/** Values that were delivered and are not confirmed. */
function openValues(node: Node): number {
  const { delivered, acknowledged } = linkOf(node).values;
  expect(acknowledged).toBeLessThanOrEqual(delivered);
  return delivered - acknowledged;
}

/** No more is confirmed than the end has: what it lacks of the child's ring is among what is not confirmed. */
function checkEnd(load: Load, child: Node, end: Node): void {
  const { offered, acknowledged } = linkOf(child).values;
  // A second that is not complete yet is in nobody's ring, and one that had no value before is a base.
  expect(differences(load, end).length).toBeLessThanOrEqual(offered - acknowledged);
}

describe("confirm = end", () => {
  test("what the parent of the proxy has is confirmed, some seconds later", async () => {
    const { tree, child, proxy, parent, load, collect } = chain();
    for (let i = 0; i < 60; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(linkOf(child)).toMatchObject({ confirm: "end", unconfirmed: "" });
    expect(openValues(child)).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(linkOf(child).values.acknowledged).toBeGreaterThan(50 * VALUES_PER_SEC);
    // It was asked, but its own account goes by what its parent has.
    expect(linkOf(proxy)).toMatchObject({ confirm: "hop", unconfirmed: "" });
    expect(openValues(proxy)).toBe(0);
    // It is the end itself of a host that goes no further.
    expect(linkOf(proxy, proxy.guid)?.confirm).toBe("hop");
  });

  test("it stands still while the end is away, and goes on when that has fetched everything", async () => {
    const { tree, child, parent, load, collect } = chain();
    await tree.pass(60, collect);
    tree.cut("parent");
    const before = linkOf(child).values;
    for (let i = 0; i < 120; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    const during = linkOf(child);
    expect(during.values.acknowledged - before.acknowledged).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(during.values.delivered - before.delivered).toBeGreaterThan(110 * VALUES_PER_SEC);
    expect(during.unconfirmed).toBe("no connection to parent:19999");
    tree.join("parent");
    for (let i = 0; i < 30; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(linkOf(child).unconfirmed).toBe("");
    expect(openValues(child)).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(linkOf(child).values.lost).toEqual(NO_LOSS);
  });

  test("what the ring of the proxy could not hold for the end is never confirmed", async () => {
    const { tree, child, parent, load, collect } = chain({ history: 100 });
    await tree.pass(60, collect);
    tree.cut("parent");
    await tree.pass(300, collect);
    tree.join("parent");
    for (let i = 0; i < 60; i++) {
      await tree.pass(1, collect);
      openValues(child);
    }
    const open = openValues(child);
    // 300 s less the hundred that were still there.
    expect(open).toBeGreaterThanOrEqual(200 * VALUES_PER_SEC);
    const { received, backfilled } = parent.database.host(CHILD_GUID)!.balance;
    const { acknowledged } = linkOf(child).values;
    expect(acknowledged).toBeLessThanOrEqual(received + backfilled);
    // The oldest slots may have been written over while they were fetched: they count as lost.
    expect(acknowledged).toBeGreaterThan(received + backfilled - 3 * BEHIND_SEC * VALUES_PER_SEC);
    await tree.pass(60, collect);
    expect(openValues(child)).toBe(open);
    expect(differences(load, parent)).toEqual([]);
  });

  test.each([
    {
      name: "the child's link breaks",
      act: ({ tree }: ReturnType<typeof chain>) => [tree.cut("proxy"), tree.join("proxy")],
    },
    {
      name: "the proxy is killed and has lost its memory",
      act: ({ tree }: ReturnType<typeof chain>) => [
        tree.remove("proxy"),
        tree.add("proxy", "parent"),
        tree.join("proxy"),
      ],
    },
  ])("what was delivered before $name is confirmed by the next connection", async ({ act }) => {
    const world = chain();
    const { tree, child, parent, load, collect } = world;
    await tree.pass(60, collect);
    tree.cut("parent");
    await tree.pass(30, collect);
    act(world);
    for (let i = 0; i < 30; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(openValues(child)).toBeGreaterThan(50 * VALUES_PER_SEC);
    tree.join("parent");
    for (let i = 0; i < 30; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(openValues(child)).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(linkOf(child).values.lost).toEqual(NO_LOSS);
    expect(differences(load, parent)).toEqual([]);
  });

  test("the end moves from one parent to another: only what the new one has is confirmed", async () => {
    const { tree, child, ends, load, collect } = chain({ parents: "a b" });
    await tree.pass(60, collect);
    tree.cut("a");
    for (let i = 0; i < 60; i++) {
      await tree.pass(1, collect);
      const [a, b] = ends.map((end) => differences(load, end).length);
      const { offered, acknowledged } = linkOf(child).values;
      expect(Math.min(a!, b!)).toBeLessThanOrEqual(offered - acknowledged);
    }
    expect(openValues(child)).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(differences(load, ends[1]!)).toEqual([]);
  });

  test("through two proxies", async () => {
    const tree = new Tree();
    tree.confirmsEnd = true;
    const child = tree.add("child", "one");
    tree.confirmsEnd = false;
    tree.add("one", "two");
    tree.add("two", "parent");
    const parent = tree.add("parent", null);
    const load = new Load(child, tree.clock);
    const collect = () => load.collect();
    await tree.pass(40, collect);
    tree.cut("parent");
    const { acknowledged } = linkOf(child).values;
    await tree.pass(60, collect);
    expect(linkOf(child).values.acknowledged - acknowledged).toBeLessThanOrEqual(6 * VALUES_PER_SEC);
    expect(linkOf(child).unconfirmed).toBe("no connection to parent:19999");
    tree.join("parent");
    for (let i = 0; i < 30; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(openValues(child)).toBeLessThanOrEqual(6 * VALUES_PER_SEC);
  });

  test.each([
    { name: "one that replicates", asked: 4800 },
    { name: "one that takes final points", asked: 21_184 },
    { name: "one of the oldest", asked: 0 },
  ])("a foreign parent behind the proxy ($name) confirms nothing, and status says so", async ({ asked }) => {
    const { tree, child, collect } = chain();
    tree.foreign.add("parent");
    tree.asked.set("parent", asked);
    await tree.pass(60, collect);
    const { values, unconfirmed } = linkOf(child);
    expect(values.acknowledged).toBe(0);
    expect(values.delivered).toBeGreaterThan(50 * VALUES_PER_SEC);
    expect(unconfirmed).toBe("parent:19999 has not said that it confirms what it stores: agents of this kind do");
  });

  test("a proxy that keeps nothing cannot say what the end has", async () => {
    const tree = new Tree();
    tree.confirmsEnd = true;
    const child = tree.add("child", "proxy");
    tree.add("proxy", "parent", "none");
    tree.add("parent", null);
    const load = new Load(child, tree.clock);
    await tree.pass(60, () => load.collect());
    const { values, unconfirmed } = linkOf(child);
    expect(values).toMatchObject({ acknowledged: 0, lost: NO_LOSS });
    expect(unconfirmed).toStartWith("parent:19999 does not fetch what it lacks");
  });

  test("a last agent that keeps nothing confirms nothing", async () => {
    const tree = new Tree();
    tree.confirmsEnd = true;
    const child = tree.add("child", "parent");
    tree.add("parent", null, "none");
    const load = new Load(child, tree.clock);
    await tree.pass(30, () => load.collect());
    expect(linkOf(child).values.acknowledged).toBe(0);
    expect(linkOf(child).unconfirmed).toBe("the last agent keeps nothing of it (memory mode none)");
  });

  test("a parent that is the end confirms at once what it stores", async () => {
    const tree = new Tree();
    tree.confirmsEnd = true;
    const child = tree.add("child", "parent");
    const parent = tree.add("parent", null);
    const load = new Load(child, tree.clock);
    const collect = () => load.collect();
    await tree.pass(30, collect);
    expect(openValues(child)).toBe(0);
    tree.cut("parent");
    await tree.pass(60, collect);
    tree.join("parent");
    for (let i = 0; i < 30; i++) {
      await tree.pass(1, collect);
      checkEnd(load, child, parent);
    }
    expect(openValues(child)).toBe(0);
    expect(linkOf(child).values.acknowledged).toBeGreaterThan(110 * VALUES_PER_SEC);
  });

  test("the setting changes without a new connection", async () => {
    const { tree, child, collect } = chain();
    const settings = { ...tree.pushSettings("proxy") };
    await tree.pass(40, collect);
    tree.cut("parent");
    await tree.pass(20, collect);
    const connects = child.pushers.counters.connects;
    const isOpen = openValues(child);
    expect(isOpen).toBeGreaterThan(15 * VALUES_PER_SEC);
    child.pushers.attach(child.local, { ...settings, confirmsEnd: false });
    expect(openValues(child)).toBe(0);
    await tree.pass(10, collect);
    expect([openValues(child), linkOf(child).unconfirmed]).toEqual([0, ""]);
    child.pushers.attach(child.local, { ...settings, confirmsEnd: true });
    await tree.pass(10, collect);
    expect(openValues(child)).toBeGreaterThan(5 * VALUES_PER_SEC);
    tree.join("parent");
    await tree.pass(20, collect);
    expect(openValues(child)).toBeLessThanOrEqual(BEHIND_SEC * VALUES_PER_SEC);
    expect(child.pushers.counters.connects).toBe(connects);
  });
});
