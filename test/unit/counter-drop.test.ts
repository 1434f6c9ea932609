import { describe, expect, test } from "bun:test";
import { counterDelta } from "../../agent/rrd/counter-drop.ts";

const P32 = 2n ** 32n;
const I64_MIN = -(2n ** 63n);
const I64_MAX = 2n ** 63n - 1n;

// rrd.md §2.4: compared unsigned; δ = cap − last + value, a wrap when it is below a tenth of the cap, else a reset.
const cases: { name: string; last: bigint; value: bigint; isWide?: boolean; increase: number; isReset: boolean }[] = [
  { name: "grows", last: 5n, value: 9n, increase: 4, isReset: false },
  { name: "stays", last: 5n, value: 5n, increase: 0, isReset: false },
  { name: "wraps at 2³², one less than the true distance", last: P32 - 10n, value: 5n, increase: 14, isReset: false },
  { name: "falls a little: a reset, not a wrap", last: 1000n, value: 999n, increase: 0, isReset: true },
  { name: "restarts", last: 1_000_000n, value: 3n, increase: 0, isReset: true },
  {
    name: "just short enough for a wrap at 2³²",
    last: P32 - 1n,
    value: (P32 / 100n) * 10n - 1n,
    increase: Number((P32 / 100n) * 10n - 1n),
    isReset: false,
  },
  { name: "just too far", last: P32 - 1n, value: (P32 / 100n) * 10n, increase: 0, isReset: true },
  {
    name: "a counter that was beyond 32 bits does not wrap there",
    last: P32 - 10n,
    value: 5n,
    isWide: true,
    increase: 0,
    isReset: true,
  },
  { name: "falls from beyond 32 bits: a reset", last: P32, value: 5n, increase: 0, isReset: true },
  { name: "wraps at 2⁶⁴", last: -10n, value: 5n, isWide: true, increase: 14, isReset: false },
  { name: "passes 2⁶³ unsigned", last: I64_MAX, value: I64_MIN, increase: 1, isReset: false },
  { name: "−1 is larger than 5", last: 5n, value: -1n, increase: Number(2n ** 64n - 6n), isReset: false },
  { name: "negative and rising", last: -5n, value: -3n, increase: 2, isReset: false },
  { name: "negative and falling", last: -3n, value: -5n, increase: 0, isReset: true },
  { name: "16-bit counters wrap as resets", last: 65_535n, value: 3n, increase: 0, isReset: true },
];

describe("counterDelta", () => {
  test.each(cases)("$name", ({ last, value, isWide = false, increase, isReset }) => {
    expect(counterDelta(last, value, isWide)).toEqual({ increase, isReset });
  });
});
