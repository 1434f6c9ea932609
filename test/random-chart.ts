import { expect } from "bun:test";
import type { Chart } from "../agent/rrd/chart.ts";
import type { Algorithm, Dimension } from "../agent/rrd/dimension.ts";
import { isResetAt } from "../agent/rrd/read.ts";
import { ValueRow } from "../agent/rrd/value-row.ts";
import type { SeededRandom } from "./seeded-random.ts";
import { dimension, stored } from "./simulated-host.ts";

const ALGORITHMS: Algorithm[] = [
  "absolute",
  "incremental",
  "incremental",
  "percentage-of-absolute-row",
  "percentage-of-incremental-row",
];

/** What a chart collects by chance: counters that grow, fall, wrap and are missing, at intervals that are rarely even. */
export class RandomChart {
  /** What {@link collect} collected; the caller clears it after its commit. */
  readonly row = new ValueRow();
  private readonly random: SeededRandom;
  private readonly last: bigint[] = [];

  constructor(random: SeededRandom) {
    this.random = random;
  }

  /** One more dimension of any kind, for whoever is to know it. */
  addDimension(): Dimension {
    const { random } = this;
    const index = this.last.length;
    const options = { multiplier: random.pick([1, 8, -1]), divisor: random.pick([1, 3]), noReset: random.chance(20) };
    this.row.reserve(index + 1);
    this.last.push(BigInt(random.below(1_000_000)));
    return dimension(`d${index}`, random.pick(ALGORITHMS), options);
  }

  /** Mostly about one interval of the chart; now and then hardly any, many, more than its ring, or back in time. */
  intervalUs(chart: Chart): number {
    const { random } = this;
    const U = chart.updateEveryUs;
    if (random.chance(85)) return U + random.below(60_001) - 30_000;
    return random.pick([
      () => U - (chart.lastCollectedUs % U),
      () => 1 + random.below(U),
      () => U * (1 + random.below(12)),
      () => U * chart.host.historyEntries + random.below(3 * U),
      // Its clock was put back; the next values come once more.
      () => -random.below(20 * U),
    ])();
  }

  collect(): void {
    const { random } = this;
    const hasHoles = random.chance(30);
    this.last.forEach((last, i) => {
      if (hasHoles && random.chance(30)) return;
      const next = random.pick([
        () => last + BigInt(random.below(1000)),
        () => last + BigInt(random.below(1000)),
        () => BigInt(random.below(200) - 100),
        () => (last + BigInt(random.below(400_000_000))) % 2n ** 32n,
        () => BigInt.asIntN(64, last + 2n ** 53n + BigInt(random.below(99))),
      ])();
      this.last[i] = next;
      this.row.setExact(i, next);
    });
  }
}

/**
 * All that a chart holds after `fromSec`, and three slots that it does not have yet, are equal to the bit in another.
 * A mark on a second without any value is not passed on.
 * @param there undefined: nobody told it of the chart. @returns seconds with a value.
 */
export function expectEqualRings(here: Chart, there: Chart | undefined, fromSec: number): number {
  const U = here.definition.updateEverySec;
  const toSec = here.lastEntrySec + 3 * U;
  const columns = here.dimensions.list.map((_, i) => stored(here, i, fromSec, toSec));
  if (there === undefined) {
    expect(columns.every((column) => column.every(Number.isNaN))).toBe(true);
    return 0;
  }
  expect(here.dimensions.list.map((_, i) => stored(there, i, fromSec, toSec))).toEqual(columns);
  let count = 0;
  for (let second = fromSec, k = 0; second <= toSec; second += U, k++) {
    if (columns.every((column) => Number.isNaN(column[k]!))) continue;
    expect([second, isResetAt(there, second)]).toEqual([second, isResetAt(here, second)]);
    count++;
  }
  return count;
}
