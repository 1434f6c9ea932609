import { expect, test } from "bun:test";
import fc from "fast-check";
import { NUMBER_BYTES_MAX, writeFixed7, writeInteger } from "../../agent/format/number-text.ts";
import { TEST_SEED } from "../seeded-random.ts";

const seed = TEST_SEED;
const bytes = new Uint8Array(NUMBER_BYTES_MAX);
const text = (end: number) => Buffer.from(bytes.subarray(0, end)).toString("latin1");

/** Doubles of every size, 32-bit floats as the ring has them, and multiples of 1/256, which can be exact ties. */
const stored = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e20, max: 1e20 }),
  fc.float({ noNaN: true, noDefaultInfinity: true, min: Math.fround(-1e20), max: Math.fround(1e20) }),
  fc.integer({ min: -1_000_000_000, max: 1_000_000_000 }).map((n) => n / 256),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 }).map((n) => n / 20_000_000),
);

test("stored values are written as toFixed(7) writes them", () => {
  fc.assert(
    fc.property(stored, (value) => text(writeFixed7(bytes, 0, value)) === value.toFixed(7)),
    { seed, numRuns: 20_000 },
  );
});

test("collected values are written exactly", () => {
  const collected = fc.oneof(fc.maxSafeInteger(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }), fc.integer());
  fc.assert(
    fc.property(collected, (value) => text(writeInteger(bytes, 0, value)) === BigInt(value).toString()),
    { seed, numRuns: 20_000 },
  );
});

test("the rounding of ties is the runtime's", () => {
  for (let n = -4096; n <= 4096; n++) expect(text(writeFixed7(bytes, 0, n / 256))).toBe((n / 256).toFixed(7));
});
