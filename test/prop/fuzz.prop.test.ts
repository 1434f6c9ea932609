import { expect, test } from "bun:test";
import { LINE_BYTES_MAX } from "../../agent/base/limits.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { capturedLines, mutate } from "../fuzz-lines.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";
import { rawProblems } from "../strict-reader.ts";

const LINES = IS_SOAK ? 10_000_000 : 200_000;
const CHARTS_MAX = 60;
const DIMENSIONS_MAX = 50;
const MEMORY_MAX = 2 ** 22;
/** Lines after which a connection ends and the next child begins. */
const CONNECTION_LINES = 5000;

/** One child: its host, and what is wrong with what it was told. */
class Connection {
  readonly host: Host;
  readonly decoder: StreamDecoder<Chart>;
  readonly faults: string[] = [];

  constructor() {
    const options = { historyEntries: 5, memoryMode: "ram" as const };
    const limits = { chartsPerHost: CHARTS_MAX, dimensionsPerChart: DIMENSIONS_MAX, memoryBytes: MEMORY_MAX };
    this.host = newHost(options, limits);
    this.host.listener = {
      commit: (chart, row) => {
        if (row.raw === null) return;
        const values = new Map<number, bigint>();
        chart.dimensions.list.forEach((_, i) => {
          if (!row.complete && row.sets[i] === 0) return;
          const rest = row.residuals === null || Math.abs(row.values[i]!) < 2 ** 53 ? 0 : row.residuals[i]!;
          values.set(i, BigInt(row.values[i]!) + BigInt(rest));
        });
        const ids = chart.dimensions.list.map(({ id }) => id);
        const raw = Buffer.from(row.raw.subarray(row.rawStart, row.rawEnd));
        this.faults.push(...rawProblems(raw, ids, values));
      },
    };
    this.decoder = new StreamDecoder(new HostWriter(this.host, { problem() {}, disable() {} }));
  }

  /** @returns false when the stream was given up. */
  feed(bytes: Buffer, nowUs: number): boolean {
    const isFollowed = this.decoder.feed(bytes, nowUs);
    if (imbalance(this.host.balance) !== 0) this.faults.push(`imbalance ${imbalance(this.host.balance)}`);
    return isFollowed;
  }

  check(): void {
    const { host } = this;
    this.decoder.end();
    expect(imbalance(host.balance)).toBe(0);
    expect(this.faults).toEqual([]);
    expect(host.chartCount).toBeLessThanOrEqual(CHARTS_MAX);
    for (const chart of host.chartList()) expect(chart.dimensions.count).toBeLessThanOrEqual(DIMENSIONS_MAX);
    expect(host.ring!.bytes).toBeLessThanOrEqual(MEMORY_MAX);
    expect(host.variables.size).toBeLessThanOrEqual(100);
    expect(host.labels.length).toBeLessThanOrEqual(100);
    for (const chart of host.chartList()) expect(chart.labels.length).toBeLessThanOrEqual(100);
    // Holes in the pool are closed before they are many.
    expect(host.pool.size).toBeLessThanOrEqual(2 * CHARTS_MAX * DIMENSIONS_MAX + 128);
  }
}

test(`${LINES} spoiled lines of recorded children: no exception, bounded, every value accounted for`, () => {
  const random = new SeededRandom(TEST_SEED);
  const lines = capturedLines();
  let connection = new Connection();
  let pending: Buffer[] = [];
  let nowUs = T0_SEC * 1e6;
  let at = 0;
  // Some connections are nearly clean, so that the short ways run too, some are nothing but noise.
  let spoiltPercent = 5;
  let stored = 0;
  for (let count = 1; count <= LINES; count++) {
    const line = lines[at++ % lines.length]!;
    const isSpoilt = random.chance(spoiltPercent);
    pending.push(isSpoilt ? mutate(line, random.pick(lines), random) : line);
    if (random.chance(0.5)) at = random.below(lines.length);
    const isEnd = count % CONNECTION_LINES === 0;
    if (!isEnd && !random.chance(20)) continue;
    const bytes = Buffer.concat(pending);
    pending = [];
    const cut = random.below(bytes.length + 1);
    nowUs += random.below(random.chance(1) ? 100_000_000 : 100_000);
    let isFollowed = connection.feed(bytes.subarray(0, cut), nowUs) && connection.feed(bytes.subarray(cut), nowUs);
    // A line that never ends.
    while (isFollowed && isEnd && random.chance(50)) isFollowed = connection.feed(Buffer.alloc(20_000, 0x41), nowUs);
    expect(connection.decoder["carryBytes"]).toBeLessThanOrEqual(LINE_BYTES_MAX);
    if (isFollowed && !isEnd) continue;
    connection.check();
    stored += connection.host.balance.stored;
    connection = new Connection();
    spoiltPercent = random.pick([1, 5, 20, 90]);
  }
  // It was not all refused at the door.
  expect(stored).toBeGreaterThan(LINES / 50);
}, 3_600_000);
