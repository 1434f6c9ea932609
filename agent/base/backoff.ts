import type { Random } from "./clock.ts";

/** Delays between attempts: they double up to a cap, each drawn evenly from [0, cap) so that peers spread out. */
export class Backoff {
  private readonly firstMs: number;
  private readonly maxMs: number;
  private readonly random: Random;
  private capMs: number;

  /** @param firstMs cap of the first delay. @param maxMs cap of all. */
  constructor(firstMs: number, maxMs: number, random: Random) {
    this.firstMs = firstMs;
    this.maxMs = maxMs;
    this.random = random;
    this.capMs = firstMs;
  }

  /** The delay before the next attempt, in ms; its cap doubles for the one after. */
  nextMs(): number {
    const delayMs = this.random() * this.capMs;
    this.capMs = Math.min(this.maxMs, 2 * this.capMs);
    return delayMs;
  }

  /** Begins anew: the peer works again. */
  reset(): void {
    this.capMs = this.firstMs;
  }
}
