import type { CollectedAlgorithm } from "../../agent/collector/collector.ts";

/** One dimension that a seeded child collects. */
export interface SeededDimension {
  readonly id: string;
  readonly algorithm: CollectedAlgorithm;
  readonly multiplier: number;
  readonly divisor: number;
  /** Of 1000 iterations so many leave it out. */
  readonly holesPerMille: number;
  /** Raw value in a second since the world began; a bigint where a number would not be exact. */
  valueAt(second: number): number | bigint;
}

export interface SeededChart {
  readonly id: string;
  readonly updateEverySec: number;
  readonly dimensions: readonly SeededDimension[];
}

/** Evenly spread 32 bits of three numbers. */
export function mix(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b ^ (a >>> 13), 0xc2b2ae35) ^ Math.imul(c, 0x27d4eb2f);
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39);
  return (hash ^ (hash >>> 15)) >>> 0;
}

/** A dimension `d<place>`, 1/1 and without holes unless more is said of it. */
export function dimension(
  place: number,
  algorithm: CollectedAlgorithm,
  valueAt: SeededDimension["valueAt"],
  more: Partial<SeededDimension> = {},
): SeededDimension {
  return { id: `d${place}`, algorithm, multiplier: 1, divisor: 1, holesPerMille: 0, valueAt, ...more };
}

/** Values from −1000 to 1000. */
export function levelOf(seed: number, place: number): SeededDimension["valueAt"] {
  return (second) => (mix(seed, place, second) % 2001) - 1000;
}

/** A counter that goes up by about 1000 a second, and begins anew every so many seconds. */
export function counterOf(seed: number, place: number, laps: number): SeededDimension["valueAt"] {
  return (second) => (second % laps) * 1000 + (mix(seed, place, second) % 500);
}

/** The charts of a seeded child that are always there: every algorithm, holes, counters that fall, numbers beyond 2^53, two intervals. */
export function seededCharts(seed: number): readonly SeededChart[] {
  const level = (place: number) => levelOf(seed, place);
  const counter = (place: number, laps: number) => counterOf(seed, place, laps);
  const wide = (place: number) => (second: number) =>
    2n ** 60n + BigInt(second * 1000 + (mix(seed, place, second) % 500));
  return [
    {
      id: "sim.stamp",
      updateEverySec: 1,
      dimensions: [
        dimension(0, "absolute", (second) => second),
        dimension(1, "absolute", (second) => -3 * second, { multiplier: -1, divisor: 3 }),
        dimension(2, "absolute", (second) => second * 1000, { divisor: 1000, holesPerMille: 50 }),
        dimension(3, "absolute", level(3)),
      ],
    },
    {
      id: "sim.counter",
      updateEverySec: 1,
      dimensions: [
        dimension(0, "incremental", counter(10, 1e9)),
        dimension(1, "incremental", counter(11, 700)),
        dimension(2, "incremental", counter(12, 1e9), { holesPerMille: 50 }),
        dimension(3, "incremental", counter(13, 1e9), { multiplier: 8, divisor: 1000 }),
      ],
    },
    {
      id: "sim.share",
      updateEverySec: 1,
      dimensions: [0, 1, 2, 3].map((place) =>
        dimension(place, place < 2 ? "percentage-of-absolute-row" : "percentage-of-incremental-row", (second) =>
          place < 2 ? 1 + (mix(seed, 20 + place, second) % 99) : counter(20 + place, 1e9)(second),
        ),
      ),
    },
    {
      id: "sim.wide",
      updateEverySec: 1,
      dimensions: [
        dimension(0, "incremental", wide(30)),
        dimension(1, "incremental", counter(31, 1e9)),
        dimension(2, "absolute", (second) => second),
        dimension(3, "absolute", level(33), { holesPerMille: 300 }),
      ],
    },
    {
      id: "sim.slow",
      updateEverySec: 2,
      dimensions: [
        dimension(0, "absolute", (second) => second),
        dimension(1, "absolute", level(41)),
        dimension(2, "incremental", counter(42, 1e9)),
        dimension(3, "incremental", counter(43, 500)),
      ],
    },
  ];
}
