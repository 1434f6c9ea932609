import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { createProcessFacts } from "../../agent/base/process-facts.ts";
import { TestTree } from "../collector-world.ts";

/** Fields 4 to 21, then the start time, then one more. */
const REST = `1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0`;

const cases: { what: string; stat: string; ticks: number | null }[] = [
  { what: "a plain name", stat: `7 (tributary) S ${REST} 98765 999\n`, ticks: 98765 },
  { what: "a name like the fields behind it", stat: `7 (a) S 1 2) R ${REST} 98765 999\n`, ticks: 98765 },
  { what: "a stopped process", stat: `7 (tributary) T ${REST} 5 999\n`, ticks: 5 },
  { what: "one that ended and waits for its parent", stat: `7 (tributary) Z ${REST} 98765 999\n`, ticks: null },
  { what: "one that is just ending", stat: `7 (tributary) X ${REST} 98765 999\n`, ticks: null },
  { what: "too few fields", stat: "7 (tributary) S 1 2\n", ticks: Number.NaN },
];
test.each(cases)("the start of $what", ({ stat, ticks }) => {
  using tree = new TestTree();
  tree.write("7/stat", stat);
  expect(createProcessFacts(tree.root).startTicks(7)).toBe(ticks);
});

test("a process that is not there, one that is closed to us, a kernel that does not tell its run", () => {
  using tree = new TestTree();
  mkdirSync(`${tree.root}/8/stat`, { recursive: true });
  const facts = createProcessFacts(tree.root);
  expect([facts.startTicks(7), facts.startTicks(8), facts.bootId]).toEqual([null, Number.NaN, ""]);
  tree.write("sys/kernel/random/boot_id", "0f3a-11\n");
  expect(createProcessFacts(tree.root).bootId).toBe("0f3a-11");
});

test("this machine: this process runs, one that has ended does not", async () => {
  const facts = createProcessFacts();
  expect(facts.pid).toBe(process.pid);
  expect(facts.bootId).toMatch(/^[0-9a-f-]{36}$/);
  const own = facts.startTicks(process.pid)!;
  expect(own).toBeGreaterThan(0);
  const child = Bun.spawn(["cat"], { stdin: "pipe", stdout: "ignore" });
  expect(facts.startTicks(child.pid)).toBeGreaterThanOrEqual(own);
  child.stdin.end();
  await child.exited;
  expect(facts.startTicks(child.pid)).toBeNull();
});
