import { describe, expect, test } from "bun:test";
import { HostBackfill } from "../../agent/receiver/host-backfill.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { ReplayPace } from "../../agent/receiver/replay-pace.ts";
import { ReplayPlan } from "../../agent/receiver/replay-plan.ts";
import { ReplayShare } from "../../agent/receiver/replay-share.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { latestCollected } from "../../agent/rrd/read.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { recordedPoints } from "../capture-points.ts";
import { type CapturedLine, captureStreams } from "../capture-stream.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { addHost, newDatabase } from "../simulated-host.ts";

const FILES = [
  { file: "netdata-2.9.0-child-caps21184-text-interpolated.txt", endSec: 1_795_302_461, finals: 17 },
  { file: "netdata-2.9.0-child-caps326592-slots-ieee754.txt", endSec: 1_795_302_531, finals: 40 },
];

function feed(host: Host, lines: CapturedLine[], pieceBytes: number, nowSec: number): void {
  const settings = { isEnabled: true, windowSec: 86_400, stepSec: 600 };
  const backfill = new HostBackfill(
    host,
    new ReplayPlan(host, settings, new ReplayShare(), new ReplayPace({ monotonicMs: () => 0 }), () => {}),
  );
  const writer = new HostWriter(host, { problem: () => {}, disable: () => {} }, backfill);
  const decoder = new StreamDecoder<Chart>(writer);
  const bytes = Buffer.concat(lines.map((line) => line.bytes));
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    expect(decoder.feed(Buffer.from(bytes.subarray(at, at + pieceBytes)), nowSec * 1e6)).toBe(true);
    expect(imbalance(host.balance)).toBe(0);
  }
  decoder.end();
}

describe("recorded streams of final points", () => {
  test.each(FILES)("$file: every value is shown at its second", async ({ file, endSec, finals }) => {
    const lines = captureStreams(file).at(-1)!;
    const expected = recordedPoints(lines);
    expect(expected.filter(({ collected }) => collected !== null).length).toBeGreaterThanOrEqual(finals);
    for (const pieceBytes of [65_536, 11]) {
      const database = newDatabase();
      const host = addHost(database, { isLocal: true, historyEntries: 300 })!;
      feed(host, lines, pieceBytes, endSec + 2);
      const api = newApi(database, new FixedClock(endSec + 2));
      for (const { chart, dimension, endSec: second, value, collected } of expected) {
        const query = `chart=${chart}&dims=${dimension}&after=${second}&before=${second}`;
        const text = await ask(api, `/api/v1/data?${query}&options=match-ids,unaligned`).text();
        const { data } = JSON.parse(text) as { data: [number, number | null][] };
        const shown = data.find(([time]) => time === second)?.[1] ?? Number.NaN;
        expect([chart, dimension, second, Math.abs(shown - value) <= 1e-7 + 6e-8 * Math.abs(value)]).toEqual([
          chart,
          dimension,
          second,
          true,
        ]);
        if (collected === null) continue;
        const there = host.chart(chart)!;
        expect(BigInt(latestCollected(there, there.dimensions.indexOf(dimension))!)).toBe(collected);
      }
    }
  });
});
