import { expect, test } from "bun:test";
import { fuzzPusher, fuzzReceiver } from "../fuzz-cases.ts";
import { fuzzWire } from "../fuzz-wire.ts";
import { FUZZ_MINUTES, IS_SOAK, TEST_SEED } from "../seeded-random.ts";

/** Another seed than that of the quick check. A soak goes on with the next seeds, a sixth of its time each. */
const SEED = TEST_SEED + 1;
const SOAK_MS = (FUZZ_MINUTES * 60_000) / 6;
const TIMEOUT_MS = SOAK_MS + 10 * 60_000;

test.each([
  ["a parent, and children that say anything", fuzzReceiver, 600],
  ["a child, and parents that say anything", fuzzPusher, 600],
  ["a tree of agents, and wires that damage what they carry", fuzzWire, 300],
] as const)(
  "%s",
  async (_, fuzz, numRuns) => {
    const endMs = performance.now() + (IS_SOAK ? SOAK_MS : 0);
    let seed = SEED;
    do expect(await fuzz({ seed: seed++, numRuns })).toBeUndefined();
    while (performance.now() < endMs);
    if (IS_SOAK) process.stdout.write(`seeds ${SEED} to ${seed - 1}, ${numRuns} cases each\n`);
  },
  TIMEOUT_MS,
);
