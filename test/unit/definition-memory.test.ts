import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { Database } from "../../agent/rrd/database.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { parseStreamRequest } from "../../agent/wire/handshake.ts";
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

test("what a request says of a host does not keep the request", () => {
  const kept: unknown[] = [];
  const before = heldBytes();
  for (let index = 0; index < LINES; index++) {
    const target = `hostname=h${index}&tags=${"t".repeat(5000)}${index}&NETDATA_HOST_OS_NAME=os&junk=${"j".repeat(10_000)}`;
    const head = `STREAM key=k&machine_guid=g${index}&${target} HTTP/1.1\r\nUser-Agent: program/1.${index}\r\n\r\n`;
    kept.push(parseStreamRequest(Buffer.from(head)));
  }
  // Of 3 MB that came, and 3 MB decoded.
  expect(heldBytes() - before).toBeLessThan(2_000_000);
  expect(kept.length).toBe(LINES);
});
