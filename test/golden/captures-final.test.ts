import { describe, expect, test } from "bun:test";
import { HostBackfill } from "../../agent/receiver/host-backfill.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { ReplayPlan } from "../../agent/receiver/replay-plan.ts";
import { ReplayShare } from "../../agent/receiver/replay-share.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { latestCollected } from "../../agent/rrd/read.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { type CapturedLine, captureStreams } from "../capture-stream.ts";
import { ask, FixedClock, newApi } from "../http-fixture.ts";
import { naiveWords } from "../naive-words.ts";
import { addHost, newDatabase } from "../simulated-host.ts";

const FILES = [
  { file: "netdata-2.9.0-child-caps21184-text-interpolated.txt", endSec: 1_795_302_461, finals: 17 },
  { file: "netdata-2.9.0-child-caps326592-slots-ieee754.txt", endSec: 1_795_302_531, finals: 40 },
];
const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

interface Point {
  chart: string;
  dimension: string;
  endSec: number;
  value: number;
  collected: bigint | null;
}

/** A number as netdata 2.x writes it (streaming.md §6), read in the plainest way. */
function numberOf(word: string): number {
  if (word.startsWith("#")) return Number(integerOf(word));
  if (!word.startsWith("@")) return Number(word);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setBigUint64(0, integerOf(`#${word.slice(1)}`));
  return bits.getFloat64(0);
}

function integerOf(word: string): bigint {
  if (word.startsWith("-")) return -integerOf(word.slice(1));
  if (!word.startsWith("#")) return BigInt(word);
  return [...word.slice(1)].reduce((sum, digit) => 64n * sum + BigInt(DIGITS.indexOf(digit)), 0n);
}

/** Every value of a row that has an end, of charts and dimensions that are defined: recordings are cut in places. */
function pointsOf(lines: CapturedLine[]): Point[] {
  const points: Point[] = [];
  const defined = new Set<string>();
  let row: Point[] = [];
  let chart = "";
  let endSec = 0;
  for (const { bytes } of lines) {
    const [keyword = "", ...words] = naiveWords(bytes.toString("latin1")).filter((word) => !word.startsWith("SLOT:"));
    const [first = "", , third = ""] = words;
    if (["RBEGIN", "RDSTATE", "REND", "END2"].includes(keyword)) points.push(...row);
    if (!["RSET", "SET2"].includes(keyword)) row = [];
    if (["CHART", "BEGIN2", "RBEGIN"].includes(keyword)) chart = first || chart;
    if (keyword === "DIMENSION") defined.add(`${chart} ${first}`);
    if (["BEGIN2", "RBEGIN"].includes(keyword)) endSec = numberOf(third || "0");
    row.push(...valuesOf(keyword, words).map((value) => ({ chart, dimension: first, endSec, ...value })));
  }
  return points.filter((point) => point.endSec > 0 && defined.has(`${point.chart} ${point.dimension}`));
}

function valuesOf(keyword: string, words: string[]): Pick<Point, "value" | "collected">[] {
  const [, second = "", third = ""] = words;
  if (words.includes("E")) return [];
  if (keyword === "RSET") return [{ value: numberOf(second), collected: null }];
  if (keyword !== "SET2") return [];
  const collected = integerOf(second);
  return [{ value: third === "#" ? Number(collected) : numberOf(third), collected }];
}

function feed(host: Host, lines: CapturedLine[], pieceBytes: number, nowSec: number): void {
  const settings = { isEnabled: true, windowSec: 86_400, stepSec: 600 };
  const backfill = new HostBackfill(host, new ReplayPlan(host, settings, new ReplayShare(), () => {}));
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
    const expected = pointsOf(lines);
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
