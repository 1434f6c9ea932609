import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { StoreHistory } from "../store-history.ts";

const RUNS = IS_SOAK ? 100_000 : 2000;
const STEPS = 30;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 240 : 2);

describe.each(["none", "ram", "save", "map"] as const)("mode %s", (mode) => {
  test(
    "a reader sees what the naive model holds after every step of a random history",
    async () => {
      let compared = 0;
      const property = fc.asyncProperty(fc.integer(), async (seed) => {
        const history = new StoreHistory(new SeededRandom(seed), mode);
        for (let step = 0; step < STEPS; step++) {
          const event = await history.step();
          try {
            history.compare();
          } catch (error) {
            throw new Error(`step ${step}, ${event}: ${(error as Error).message}`, { cause: error });
          }
        }
        compared += history.compared;
      });
      await fc.assert(property, { seed: TEST_SEED, numRuns: RUNS, endOnFailure: true });
      if (mode !== "none") expect(compared).toBeGreaterThan(RUNS * 1000);
    },
    TIMEOUT_MS,
  );
});
