import fc from "fast-check";
import type { FuzzRuns } from "./fuzz-cases.ts";
import { spoil } from "./fuzz-child.ts";
import { SeededRandom } from "./seeded-random.ts";
import { differences, Load, Tree } from "./unit/replication-tree.ts";

const SPOILT_SEC = 40;
/** An agent that was refused or broke off comes back within this. */
const HEALED_SEC = 150;
const INTERPOLATED = 64 + 128 + 512 + 16_384;

/** How the agents of a tree talk to each other. */
const KINDS = ["ours", "ours", "foreign", "interpolated", "plain"] as const;

/**
 * A child, a proxy and a parent, with a wire between them that damages what it carries, in both directions. The accounts
 * of all are looked at every second. Afterwards the wire is as good as new, and so is what comes over it.
 * @throws the smallest case found that breaks it.
 */
export function fuzzWire(runs: FuzzRuns): Promise<void> {
  const property = fc.asyncProperty(fc.nat(), fc.constantFrom(...KINDS), async (seed, kind) => {
    const tree = treeOf(kind);
    const load = new Load(tree.nodes.get("child")!, tree.clock);
    await tree.pass(5, () => load.collect());
    await damage(tree, load, new SeededRandom(seed));
    const found = mismatchesOf(tree);
    await tree.pass(HEALED_SEC, () => load.collect());
    if (mismatchesOf(tree) > found) throw new Error("streams over good wires do not add up");
    const isExact = kind === "ours" || kind === "foreign";
    const { nowSec } = tree.clock;
    const wrong = isExact ? differences(load, tree.nodes.get("parent")!, nowSec - 20, nowSec - 3) : [];
    if (wrong.length > 0)
      throw new Error(`${wrong.length} values of the last seconds: ${wrong.slice(0, 5).join("; ")}`);
  });
  return Promise.resolve(fc.assert(property, runs));
}

function treeOf(kind: (typeof KINDS)[number]): Tree {
  const tree = new Tree(300);
  if (kind !== "ours") tree.foreign.add("proxy").add("parent");
  if (kind === "plain") tree.asked.set("parent", 0);
  if (kind === "interpolated") tree.asked.set("parent", INTERPOLATED);
  tree.add("child", "proxy");
  tree.add("proxy", "parent");
  tree.add("parent", null);
  return tree;
}

async function damage(tree: Tree, load: Load, random: SeededRandom): Promise<void> {
  const names = ["proxy", "parent"];
  tree.mayDiffer = true;
  tree.spoil = (bytes) => spoilt(bytes, random);
  for (let second = 0; second < SPOILT_SEC; second++) {
    const isCut = random.chance(5);
    for (const name of names) isCut ? tree.cut(name) : tree.join(name);
    await tree.pass(1, () => load.collect());
  }
  tree.spoil = (bytes) => bytes;
  for (const name of names) {
    tree.cut(name);
    tree.join(name);
  }
}

/** Times that an agent did not read what was written. */
function mismatchesOf({ nodes }: Tree): number {
  return [...nodes.values()].reduce((sum, { mismatches }) => sum + mismatches.counts.stream, 0);
}

function spoilt(bytes: Buffer, random: SeededRandom): Buffer {
  const text = bytes.toString("latin1");
  return Buffer.from(random.chance(30) ? spoil(text, random) : text, "latin1");
}
