import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { RandomStream } from "../random-stream.ts";
import { ReferenceDecoder } from "../reference-decoder.ts";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { type RecordedChart, StreamRecorder } from "../stream-recorder.ts";

const NOW_US = 1_700_000_000_000_000;
const RUNS = IS_SOAK ? 20_000 : 300;

const TIMEOUT_MS = 60_000 * (IS_SOAK ? 60 : 1);

/** Positions at which a stream is cut, ascending. */
type Cut = (length: number, random: SeededRandom) => number;
const CUTS: { name: string; cut: Cut; runs: number; rawBlocksMin: number }[] = [
  // Pieces of a few bytes never hold a whole iteration; with the others the short way must have been taken often.
  { name: "1 byte", cut: () => 1, runs: RUNS / 4, rawBlocksMin: 0 },
  { name: "7 bytes", cut: () => 7, runs: RUNS, rawBlocksMin: 0 },
  { name: "64 KiB", cut: () => 65_536, runs: RUNS, rawBlocksMin: RUNS },
  {
    name: "any length",
    cut: (length, random) => 1 + random.below(random.pick([3, 30, 300, length + 1])),
    runs: RUNS,
    rawBlocksMin: RUNS / 4,
  },
];

function decode(bytes: Buffer, cut: Cut, random: SeededRandom): StreamRecorder {
  const recorder = new StreamRecorder();
  const decoder = new StreamDecoder<RecordedChart>(recorder);
  for (let at = 0; at < bytes.length; ) {
    const next = Math.min(bytes.length, at + cut(bytes.length, random));
    // A copy each time: nothing may be kept of a chunk.
    const chunk = Buffer.from(bytes.subarray(at, next));
    if (!decoder.feed(chunk, NOW_US)) throw new Error("the stream was given up");
    chunk.fill(0x41);
    at = next;
  }
  decoder.end();
  return recorder;
}

const anyStream = fc.record({
  seed: fc.integer(),
  oddness: fc.constantFrom(0, 1, 3, 10, 30),
  rounds: fc.integer({ min: 1, max: 12 }),
});

function bytesOf({ seed, oddness, rounds }: { seed: number; oddness: number; rounds: number }): Buffer {
  return Buffer.from(new RandomStream(new SeededRandom(seed), oddness).write(rounds), "latin1");
}

/** As `toEqual`, but a difference shows as the few calls around it. */
function expectSameCalls(got: string[], expected: string[]): void {
  const length = Math.max(got.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (got[i] !== expected[i]) expect(got.slice(Math.max(0, i - 3), i + 2)).toEqual(expected.slice(i - 3, i + 2));
  }
}

describe("stream decoder", () => {
  test.each(CUTS)(
    "calls are those of the reference, in pieces of $name",
    ({ cut, runs, rawBlocksMin }) => {
      let rawBlocks = 0;
      const property = fc.property(anyStream, (stream) => {
        const bytes = bytesOf(stream);
        const reference = new ReferenceDecoder(NOW_US);
        reference.read(bytes);
        reference.finish();
        const recorder = decode(bytes, cut, new SeededRandom(stream.seed));
        expectSameCalls(recorder.calls, reference.calls);
        expect(recorder.rawFaults).toEqual([]);
        rawBlocks += recorder.rawBlocks;
      });
      fc.assert(property, { seed: TEST_SEED, numRuns: runs });
      expect(rawBlocks).toBeGreaterThanOrEqual(rawBlocksMin);
    },
    TIMEOUT_MS,
  );
});
