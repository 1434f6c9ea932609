/** Small seeded generator (mulberry32): the same numbers for the same seed on every machine. */
export class SeededRandom {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** Uniform in [0, 1). */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** Integer in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  /** True in `percent` of 100 cases. */
  chance(percent: number): boolean {
    return this.next() * 100 < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }

  /** Up to 64 random bits. */
  bits(count: number): bigint {
    const high = BigInt(this.below(4294967296));
    const low = BigInt(this.below(4294967296));
    return BigInt.asUintN(count, (high << 32n) | low);
  }
}

/** Seed of all property tests: fixed, or from the environment to repeat or widen a run. */
export const TEST_SEED = Number(process.env["TRIBUTARY_SEED"] ?? 20_260_101);

/** True in the long runs of `bun run soak`. */
export const IS_SOAK = (process.env["TRIBUTARY_SOAK"] ?? "") !== "";

/** How long a soak of the fuzz tests takes in all. */
export const FUZZ_MINUTES = Number(process.env["TRIBUTARY_FUZZ_MINUTES"] ?? 30);
