import fc from "fast-check";
import { PusherFuzz } from "./fuzz-pusher.ts";
import { ReceiverFuzz } from "./fuzz-receiver.ts";

/** Each stands for one thing that is said; the fewer are left, the easier a failure is to read. */
const GENES = fc.array(fc.nat(2 ** 31 - 1), { minLength: 20, maxLength: 300, size: "max" });

/** Cases of one run; a failure prints the seed and path that repeat it, shrunk. */
export interface FuzzRuns {
  readonly seed: number;
  readonly numRuns: number;
}

/** A parent, and children that say anything. @throws the smallest case found that breaks it. */
export function fuzzReceiver(runs: FuzzRuns): Promise<void> {
  const property = fc.asyncProperty(GENES, async (genes) => {
    const fuzz = new ReceiverFuzz();
    for (const gene of genes) await fuzz.step(gene);
    await fuzz.finish();
  });
  return Promise.resolve(fc.assert(property, runs));
}

/** A child, and parents that say anything. @throws as {@link fuzzReceiver}. */
export function fuzzPusher(runs: FuzzRuns): Promise<void> {
  const property = fc.asyncProperty(fc.nat(1000), GENES, async (seed, genes) => {
    const fuzz = new PusherFuzz(seed);
    for (const gene of genes) await fuzz.step(gene);
  });
  return Promise.resolve(fc.assert(property, runs));
}
