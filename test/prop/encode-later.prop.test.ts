import { expect, test } from "bun:test";
import fc from "fast-check";
import { agreedBy } from "../../agent/wire/capabilities.ts";
import { CommandReader } from "../../agent/wire/commands.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { definitionLines } from "../../agent/wire/encode.ts";
import { FINAL_END_LINE, finalBeginLine, finalSetHead, finalSetLine } from "../../agent/wire/encode-final.ts";
import { hostLabelLines } from "../../agent/wire/encode-labels.ts";
import {
  chartStateLine,
  definitionEndLine,
  dimensionStateLine,
  replayBeginLine,
  replayEndLine,
  replayRowLine,
  replaySetHead,
  replaySetLine,
} from "../../agent/wire/encode-replay.ts";
import type { Label } from "../../agent/wire/stream-handler.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import { numberText, type RecordedChart, StreamRecorder } from "../stream-recorder.ts";

const RUNS = { seed: TEST_SEED, numRuns: IS_SOAK ? 20_000 : 400 };
const NOW_US = 1_700_000_000_000_000;
const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

const text = (max: number) =>
  fc
    .array(fc.constantFrom(..."abcXYZ09_-.:/ ='ü😀"), { minLength: 1, maxLength: max })
    .map((letters) => letters.join(""));
/** Any double there is: the sign of 0, the smallest and the largest included. */
const anyDouble = fc.double({ noDefaultInfinity: true });
const seconds = fc.integer({ min: 1, max: 4_000_000_000 });
const exact = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const label = fc.record({ name: text(20), value: text(40), source: fc.nat(15) });
const labels = fc.uniqueArray(label, { selector: ({ name }) => name, maxLength: 8 });

const scene = fc.record({
  dimensions: fc.uniqueArray(text(12), { minLength: 1, maxLength: 5 }),
  labels,
  hostLabels: labels,
  rows: fc.array(fc.array(fc.tuple(anyDouble, fc.boolean()), { minLength: 5, maxLength: 5 }), { maxLength: 4 }),
  states: fc.array(fc.tuple(exact, anyDouble, anyDouble), { minLength: 5, maxLength: 5 }),
  now: seconds,
  pieceBytes: fc.integer({ min: 1, max: 200 }),
});

function split(value: bigint) {
  const nearest = Number(value);
  return { value: nearest, rest: Number(value - BigInt(nearest)) };
}

function textOf(value: number): string {
  return numberText(value);
}

test(
  "labels, replays, states and final points come back to the bit, in pieces of any size",
  () => {
    const property = fc.property(scene, ({ dimensions, labels: ours, hostLabels, rows, states, now, pieceBytes }) => {
      const lines: string[] = [];
      const calls: string[] = [];
      const json = (list: readonly Label[]) =>
        JSON.stringify(list.map(({ name, value, source }) => ({ name, value, source })));
      lines.push(hostLabelLines(hostLabels));
      calls.push(`labels ${json(hostLabels)}`);
      lines.push(definition(dimensions, ours));
      if (ours.length > 0) calls.push(`labels t.c ${json(ours)}`);
      lines.push(definitionEndLine(5, now, now));
      calls.push(`defined t.c 5 ${now} ${now}`);
      lines.push(replayBeginLine("t.c"));
      const heads = dimensions.map(replaySetHead);
      rows.forEach((row, index) => {
        lines.push(replayRowLine(now + index, now + index + 1, now));
        for (const [at, head] of heads.entries()) lines.push(replaySetLine(head, row[at]![0], row[at]![1]));
        const isReset = heads.some((_, at) => row[at]![1] && !Number.isNaN(row[at]![0]));
        const values = heads.map((_, at) => ` ${at}=${textOf(row[at]![0])}x1`).join("");
        calls.push(
          `replay t.c ${now + index} ${now + index + 1} ${now} ${isReset} ${heads.length} ${NOW_US} ${values}`,
        );
      });
      dimensions.forEach((id, at) => {
        const [value, calculated, stored] = states[at]!;
        const { value: collected, rest } = split(value);
        const collections = at % 3;
        const isWide = at % 2 === 0;
        const state = { collectedUs: NOW_US, collected, rest, calculated, stored, collections, isWide };
        lines.push(dimensionStateLine(id, state, true));
        const finite = [calculated, stored].map((each) => textOf(Number.isNaN(each) ? 0 : each));
        calls.push(`state t.c ${at} ${NOW_US} ${value} ${finite.join(" ")} ${collections} ${isWide}`);
      });
      lines.push(chartStateLine(NOW_US, NOW_US - 1));
      calls.push(`state t.c ${NOW_US} ${NOW_US - 1}`);
      const end = {
        updateEverySec: 1,
        firstSec: 5,
        lastSec: now,
        isStreaming: true,
        afterSec: 6,
        beforeSec: 7,
        senderNowSec: now,
      };
      lines.push(replayEndLine(end));
      calls.push(`replayed t.c ${JSON.stringify(end)} ${NOW_US}`);
      lines.push(finalBeginLine("t.c", 1, now, now + 1));
      const finals = dimensions.map((id, at) => {
        const [exactValue, given] = states[at]!;
        const point = Number.isNaN(given) ? 1 : given;
        const { value: collected, rest } = split(exactValue);
        lines.push(finalSetLine(finalSetHead(id), collected, rest, point, at === 2));
        return ` ${at}=${textOf(point)}(${textOf(collected)})x1`;
      });
      lines.push(FINAL_END_LINE);
      const isReset = dimensions.length > 2;
      calls.push(`final t.c 1 ${now} ${now + 1} ${isReset} ${finals.length} ${NOW_US} ${finals.join("")}`);
      for (const line of lines.join("").split("\n")) expect(Buffer.byteLength(line)).toBeLessThan(1000);
      expect(decoded(lines.join(""), pieceBytes)).toEqual(calls);
    });
    fc.assert(property, RUNS);
  },
  TIMEOUT_MS,
);

function definition(dimensions: readonly string[], ours: readonly Label[]): string {
  const chart = {
    id: "t.c",
    name: "t.c",
    title: "",
    units: "",
    family: "",
    context: "",
    chartType: "line",
    priority: 1,
    updateEverySec: 1,
    plugin: "",
    module: "",
    detail: false,
    hidden: false,
    storeFirst: false,
  };
  const list = dimensions.map((id) => ({
    id,
    name: id,
    algorithm: "absolute",
    multiplier: 1,
    divisor: 1,
    hidden: false,
    noReset: false,
    obsolete: false,
  }));
  return definitionLines(chart, list, { isObsolete: false, labels: ours, variables: null }, agreedBy(704, 704)!);
}

/** @returns all calls but those of the definition. */
function decoded(stream: string, pieceBytes: number): string[] {
  const recorder = new StreamRecorder();
  const decoder = new StreamDecoder<RecordedChart>(recorder);
  const bytes = Buffer.from(stream);
  for (let at = 0; at < bytes.length; at += pieceBytes)
    decoder.feed(Buffer.from(bytes.subarray(at, at + pieceBytes)), NOW_US);
  decoder.end();
  return recorder.calls.filter((call) => !/^(?:chart|dimension) /.test(call));
}

test("any bytes are commands to someone, and none of them throw", () => {
  const property = fc.property(fc.array(fc.uint8Array({ maxLength: 1500 }), { maxLength: 8 }), (chunks) => {
    let calls = 0;
    const count = () => calls++;
    const reader = new CommandReader({ replayRequested: count, extension: count, unknown: count });
    for (const chunk of chunks) reader.feed(Buffer.from(chunk));
    const newlines = Buffer.concat(chunks).filter((byte) => byte === 10).length;
    expect(calls).toBeLessThanOrEqual(newlines);
  });
  fc.assert(property, RUNS);
});
