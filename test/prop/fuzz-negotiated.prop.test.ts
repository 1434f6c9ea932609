import { expect, test } from "bun:test";
import { fuzzPusher, fuzzReceiver } from "../fuzz-cases.ts";
import { fuzzWire } from "../fuzz-wire.ts";
import { TEST_SEED } from "../seeded-random.ts";

/** Some seconds; many more are in test/fuzz. */
const RUNS = { seed: TEST_SEED, numRuns: 25 };

test("a parent: whatever a child says, accounts add up, all is bounded, nothing lies in the future", async () => {
  expect(await fuzzReceiver(RUNS)).toBeUndefined();
});

test("a child: whatever its parents say, accounts add up, all is bounded, and what it sends is well-formed", async () => {
  expect(await fuzzPusher(RUNS)).toBeUndefined();
});

test("a tree: whatever its wires do, accounts add up, and afterwards every second is at the parent again", async () => {
  expect(await fuzzWire({ ...RUNS, numRuns: 5 })).toBeUndefined();
});
