import { describe, expect, test } from "bun:test";
import { releaseChunk } from "../../agent/base/release-chunk.ts";

const cases = [
  { name: "a large chunk with memory of its own is given back", chunk: () => Buffer.allocUnsafeSlow(65_536), left: 0 },
  { name: "a small one is left to the collector", chunk: () => Buffer.allocUnsafeSlow(1000), left: 1000 },
  {
    name: "a part of other memory is left alone",
    chunk: () => Buffer.from(new ArrayBuffer(20_000), 0, 10_000),
    left: 10_000,
  },
  { name: "shared memory too", chunk: () => Buffer.from(new SharedArrayBuffer(8192)), left: 8192 },
];

describe("releaseChunk", () => {
  test.each(cases)("$name", ({ chunk, left }) => {
    const bytes = chunk();
    releaseChunk(bytes);
    expect(bytes.length).toBe(left);
  });
});
