import { describe, expect, test } from "bun:test";
import { SimplePattern } from "../../agent/base/pattern.ts";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { ChartStream, SetHeadsCache } from "../../agent/pusher/chart-stream.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { ChildLoad } from "../bench/load.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";
import { StrictV16Reader } from "../strict-v16-reader.ts";

/** A proxy that re-streams what it receives twice: as it does, and with every line written anew. */
function twoWays() {
  const host = newHost();
  const ways = [new SendBuffer(1e9), new SendBuffer(1e9)] as const;
  const streams = ways.map((buffer) => new ChartStream(buffer, new SetHeadsCache(), new SimplePattern("*"), 1));
  let rawCount = 0;
  host.listener = {
    commit(chart: Chart, row: CollectedRow, elapsedUs: number) {
      if (row.raw !== null) rawCount++;
      const encoded: CollectedRow = { ...row, values: row.values, sets: row.sets, raw: null };
      expect(streams[0]!.write(chart, row, elapsedUs)).toBe(streams[1]!.write(chart, encoded, elapsedUs));
    },
  };
  const decoder = new StreamDecoder<Chart>(new HostWriter(host, { problem() {}, disable() {} }));
  return {
    host,
    feed: (bytes: Buffer, second: number) => decoder.feed(Buffer.from(bytes), (T0_SEC + second) * 1e6),
    texts: () => ways.map((buffer) => buffer.bytes.toString("utf8", 0, buffer.tail)),
    rawCount: () => rawCount,
  };
}

describe("a proxy's short way", () => {
  test.each([
    { name: "all dimensions", holes: 0 },
    { name: "with holes", holes: 30 },
  ])("$name: copied lines are those that would be written", ({ holes }) => {
    const load = new ChildLoad({ charts: 20, dimensions: 7, holes, percentageEvery: 3 });
    const proxy = twoWays();
    proxy.feed(load.definitions(), 0);
    for (let second = 0; second < 20; second++) proxy.feed(load.tick(second, second < 2), second);
    const [copied, written] = proxy.texts();
    expect(copied).toBe(written!);
    expect(proxy.rawCount()).toBeGreaterThan(20 * 15);
    const reader = new StrictV16Reader();
    reader.feed(Buffer.from(copied!));
    reader.finish();
    expect(reader.updates.length).toBe(20 * 20);
  });

  test("ids that cannot be passed on as they came are written anew", () => {
    const proxy = twoWays();
    proxy.feed(Buffer.from(`CHART 't.a"b' '' 't' 'u'\nDIMENSION 'x"y' '' 'absolute' 1 1 ''\n`), 0);
    for (let second = 1; second < 6; second++) {
      proxy.feed(Buffer.from(`BEGIN 't.a"b' 1000000\nSET 'x"y' = ${second}\nEND\n`), second);
    }
    const [copied, written] = proxy.texts();
    expect(copied).toBe(written!);
    const reader = new StrictV16Reader();
    reader.feed(Buffer.from(copied!));
    expect([...reader.charts.keys()]).toEqual([expect.stringMatching(/^t\.a_b~[0-9a-f]{8}$/)]);
    expect(reader.updates.map(({ values }) => [...values.values()])).toEqual([[1n], [2n], [3n], [4n], [5n]]);
  });

  test("a dimension defined in mid-stream reaches the next parent before its first value", () => {
    const proxy = twoWays();
    const begin = "BEGIN t.a 1000000\nSET a = 1\n";
    proxy.feed(Buffer.from("CHART t.a '' t u\nDIMENSION a '' absolute 1 1\n"), 0);
    for (let second = 1; second < 5; second++) proxy.feed(Buffer.from(`${begin}END\n`), second);
    proxy.feed(Buffer.from("CHART t.a '' t u\nDIMENSION a '' absolute 1 1\nDIMENSION b '' absolute 1 1\n"), 5);
    for (let second = 5; second < 9; second++) proxy.feed(Buffer.from(`${begin}SET b = 2\nEND\n`), second);
    const [copied, written] = proxy.texts();
    expect(copied).toBe(written!);
    const reader = new StrictV16Reader();
    reader.feed(Buffer.from(copied!));
    expect(reader.updates.map(({ values }) => values.size)).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
  });

  test("the real children's streams pass on without loss", async () => {
    for (const name of ["netdata-1.6.0-child-v1", "netdata-1.37.1-child-v1", "netdata-2.9.0-child-v1"]) {
      const url = new URL(`../fixtures/captures/${name}.txt`, import.meta.url);
      const lines = (await Bun.file(url).text())
        .split("\n")
        .map((line) => /<< ((?:CHART|DIMENSION|BEGIN|SET|END).*)$/.exec(line)?.[1]);
      const all = `${lines.filter((line) => line !== undefined).join("\n")}\n`;
      // Two of them end in the middle of an iteration.
      const stream = all.slice(0, all.lastIndexOf("END\n") + 4);
      const proxy = twoWays();
      proxy.feed(Buffer.from(stream), 0);
      const [copied, written] = proxy.texts();
      // The short way keeps the quotes of the child; every parent reads both.
      expect(copied!.replace(/^SET "([^ ="]+)"/gm, "SET $1")).toBe(written!);
      const reader = new StrictV16Reader();
      reader.feed(Buffer.from(copied!));
      reader.finish();
      const sets = reader.updates.reduce((sum, { values }) => sum + values.size, 0);
      expect(sets).toBe(stream.match(/^SET /gm)!.length);
      expect(reader.updates.length).toBe(stream.match(/^END/gm)!.length);
    }
  });
});
