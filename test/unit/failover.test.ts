import { describe, expect, test } from "bun:test";
import { CHILD_GUID, differences, Load, type Node, Tree } from "./replication-tree.ts";

const NO_LOSS = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
/** Back-off at the start of an outage, and a tick. */
const SOON_SEC = 6;

/** A child with two parents of its own kind; the first is preferred. */
function fork() {
  const tree = new Tree(3600);
  const child = tree.add("child", "a b");
  const [a, b] = [tree.add("a", null), tree.add("b", null)];
  const load = new Load(child, tree.clock);
  return { tree, child, a, b, load, collect: () => load.collect() };
}

function linkOf(node: Node, guid = CHILD_GUID) {
  return node.pushers.status().find(({ from }) => from === guid)!;
}

/** Lets seconds pass until the link stands with this parent. @returns how many. */
async function passUntil(tree: Tree, node: Node, parent: string, collect: () => void, secondsMax: number) {
  let seconds = 0;
  for (; seconds < secondsMax; seconds++) {
    const { to, state } = linkOf(node);
    if (to === `${parent}:19999` && state === "connected") break;
    await tree.pass(1, collect);
  }
  return seconds;
}

describe("child → two parents", () => {
  test.each([
    { name: "that comes back as it was", isNew: false },
    { name: "that was killed and has lost its memory", isNew: true },
  ])("a parent $name: neither lacks a second", async ({ isNew }) => {
    const { tree, child, b, load, collect } = fork();
    await tree.pass(40, collect);
    expect(linkOf(child).to).toBe("a:19999");
    if (isNew) tree.remove("a");
    else tree.cut("a");
    expect(await passUntil(tree, child, "b", collect, 100)).toBeLessThanOrEqual(SOON_SEC);
    await tree.pass(60, collect);
    expect(differences(load, b)).toEqual([]);
    const a = isNew ? tree.add("a", null) : tree.nodes.get("a")!;
    tree.join("a");
    const waitedSec = await passUntil(tree, child, "a", collect, 600);
    // It has to be there for five minutes, asked once a minute.
    expect(waitedSec).toBeGreaterThanOrEqual(300);
    expect(waitedSec).toBeLessThanOrEqual(365);
    const movedSec = tree.clock.nowSec;
    await tree.pass(60, collect);
    expect(differences(load, a)).toEqual([]);
    expect(differences(load, b, 0, movedSec - 2)).toEqual([]);
    expect(linkOf(child).values.lost).toEqual(NO_LOSS);
    expect(b.database.host(CHILD_GUID)!.isConnected).toBe(false);
  });

  test("parents that fail in turn: the link is always with one of them, and both have everything in the end", async () => {
    const { tree, child, a, b, load, collect } = fork();
    for (let i = 0; i < 6; i++) {
      await tree.pass(30, collect);
      const [dead, alive] = i % 2 === 0 ? (["a", "b"] as const) : (["b", "a"] as const);
      tree.cut(dead);
      expect(await passUntil(tree, child, alive, collect, 100)).toBeLessThanOrEqual(SOON_SEC);
      await tree.pass(20, collect);
      tree.join(dead);
    }
    await tree.pass(30, collect);
    expect(differences(load, a)).toEqual([]);
    tree.cut("a");
    await tree.pass(40, collect);
    expect(differences(load, b)).toEqual([]);
    expect(linkOf(child).values.lost).toEqual(NO_LOSS);
  });

  test("a parent that swallows everything is left within 31 s, and costs nothing", async () => {
    const { tree, child, b, load, collect } = fork();
    await tree.pass(40, collect);
    tree.swallowed.add("a");
    // It is asked once more before the connect, and waited for.
    expect(await passUntil(tree, child, "b", collect, 100)).toBeLessThanOrEqual(31 + 2);
    expect(linkOf(child).destinations[0]).toMatchObject({ reason: "silent" });
    await tree.pass(30, collect);
    expect(differences(load, b)).toEqual([]);
    expect(linkOf(child).values.lost).toEqual(NO_LOSS);
  });

  test("of two living parents the one that has the newest values is taken", async () => {
    const { tree, child, load, collect, b } = fork();
    tree.cut("a");
    await tree.pass(60, collect);
    tree.join("a");
    for (const parent of ["a", "b"]) tree.cut(parent);
    await tree.pass(2, collect);
    for (const parent of ["a", "b"]) tree.join(parent);
    await passUntil(tree, child, "b", collect, 30);
    expect(linkOf(child)).toMatchObject({ to: "b:19999", state: "connected" });
    await tree.pass(10, collect);
    expect(differences(load, b)).toEqual([]);
  });
});

test("child → proxy → two parents: neither lacks a second", async () => {
  const tree = new Tree(3600);
  const child = tree.add("child", "proxy");
  const proxy = tree.add("proxy", "a b");
  const [a, b] = [tree.add("a", null), tree.add("b", null)];
  const load = new Load(child, tree.clock);
  const collect = () => load.collect();
  await tree.pass(40, collect);
  tree.cut("a");
  await tree.pass(10, collect);
  tree.cut("proxy");
  await tree.pass(30, collect);
  tree.join("proxy");
  await tree.pass(60, collect);
  expect(differences(load, b)).toEqual([]);
  tree.join("a");
  await passUntil(tree, proxy, "a", collect, 600);
  const movedSec = tree.clock.nowSec;
  await tree.pass(60, collect);
  expect(differences(load, a)).toEqual([]);
  expect(differences(load, b, 0, movedSec - 3)).toEqual([]);
  expect(linkOf(proxy).values.lost).toEqual(NO_LOSS);
});
