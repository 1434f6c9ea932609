import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { Database } from "../../agent/rrd/database.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { addHost, WIDE_LIMITS } from "../simulated-host.ts";

const LINES = 200;
const LONG = "x".repeat(60_000);

/** Feeds lines one at a time, as they come. @returns bytes the process holds more than before, after a collection. */
function heldAfter(line: (index: number) => string): { bytes: number; host: Host } {
  const host = addHost(new Database(WIDE_LIMITS, () => {}), { memoryMode: "none" })!;
  const decoder = new StreamDecoder<Chart>(new HostWriter(host, { problem() {}, disable() {} }));
  decoder.feed(Buffer.from('CHART t.first "" "" "u" "f" "c" line 1 1\n'), 1e15);
  const before = heldBytes();
  for (let index = 0; index < LINES; index++) decoder.feed(Buffer.from(line(index)), 1e15);
  const bytes = heldBytes() - before;
  // Both must live until here.
  expect(decoder.row.setCount).toBe(0);
  return { bytes, host };
}

function heldBytes(): number {
  Bun.gc(true);
  const { heapSize, extraMemorySize } = heapStats();
  return heapSize + extraMemorySize;
}

describe("what is cut of a definition is not kept", () => {
  const kinds: Record<string, (index: number) => string> = {
    "titles of charts": (index) => `CHART t.c${index} "" "${index}${LONG}" "u" "f" "c" line 1 1\n`,
    "names of charts": (index) => `CHART t.c${index} "${index}${LONG}" "" "u" "f" "c" line 1 1\n`,
    "ids of charts": (index) => `CHART t.${LONG}${index} "" "" "u" "f" "c" line 1 1\n`,
    "names of dimensions": (index) => `DIMENSION d${index} "${index}${LONG}" absolute 1 1\n`,
    "ids of charts in titles": (index) =>
      `CHART t.${LONG.slice(30_000)}${index} "" "ab (t.${LONG.slice(30_000)}${index})" "u" "f" "c" line 1 1\n`,
  };
  for (const [kind, line] of Object.entries(kinds)) {
    test(kind, () => {
      const { bytes, host } = heldAfter(line);
      expect(host.chartCount).toBeGreaterThan(0);
      // Of 12 MB that came.
      expect(bytes).toBeLessThan(2_000_000);
    });
  }
});
