import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { Database } from "../../agent/rrd/database.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import type { StreamHandler } from "../../agent/wire/stream-handler.ts";
import { ChildLoad, type LoadShape } from "./load.ts";

// (a) decode + collect + store, fed from memory in chunks. bun test/bench/decode.bench.ts [children charts dims holes pct]
const [children = 20, charts = 250, dimensions = 10, holes = 0, percentageEvery = 0] = process.argv
  .slice(2)
  .map(Number);
const CHUNK_BYTES = 65_536;
const START_SEC = 1_700_000_000;
const shape: LoadShape = { charts, dimensions, holes, percentageEvery };

const database = new Database(
  {
    memoryBytes: 64 * 2 ** 30,
    hosts: children,
    chartsPerHost: 100_000,
    dimensionsPerChart: 5000,
    newChartsPerMinute: 1e9,
  },
  () => {},
);
const load = new ChildLoad(shape);
const nothing = { problem() {}, disable() {} };
class DecodeOnly extends HostWriter implements StreamHandler<Chart> {
  override commit(): void {}
}

function decoders(make: (index: number) => HostWriter): StreamDecoder<Chart>[] {
  const definitions = load.definitions();
  return Array.from({ length: children }, (_, index) => {
    const decoder = new StreamDecoder<Chart>(make(index));
    decoder.feed(definitions, START_SEC * 1e6);
    return decoder;
  });
}

function measure(name: string, all: StreamDecoder<Chart>[], seconds: number): void {
  const perSample: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const bytes = Buffer.from(load.tick(second, second < 2));
    const chunks: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
    const nowUs = (START_SEC + second) * 1e6 + 500_000;
    const before = process.cpuUsage();
    for (const decoder of all) for (const chunk of chunks) decoder.feed(chunk, nowUs);
    const used = process.cpuUsage(before);
    const samples = (children * charts * dimensions * (100 - holes)) / 100;
    if (second >= seconds / 2) perSample.push(((used.user + used.system) * 1000) / samples);
  }
  perSample.sort((a, b) => a - b);
  const at = (share: number) => perSample[Math.floor(perSample.length * share)]!.toFixed(1);
  const median = perSample[Math.floor(perSample.length / 2)]!;
  process.stdout.write(
    `${name}: ${at(0.5)} ns/sample median, ${at(0.25)} quiet, ${at(0.9)} p90; ${(1000 / median).toFixed(1)} M samples per CPU second\n`,
  );
}

const hosts = Array.from(
  { length: children },
  (_, index) =>
    database.addHost({
      machineGuid: `bench-${index}`,
      hostname: `bench-${index}`,
      os: "linux",
      updateEverySec: 1,
      historyEntries: 3600,
      memoryMode: "ram",
      gapIterations: 3,
      isLocal: false,
    })!,
);
process.stdout.write(
  `${children} children × ${charts} charts × ${dimensions} dimensions, holes ${holes} %, percentages 1/${percentageEvery}\n`,
);
const seconds = Number(process.env["BENCH_SECONDS"] ?? 60);
measure(
  "decode + collect + store",
  decoders((index) => new HostWriter(hosts[index]!, nothing)),
  seconds,
);
measure(
  "decode only            ",
  decoders((index) => new DecodeOnly(hosts[index]!, nothing)),
  seconds,
);
const balance = hosts[0]!.balance;
process.stdout.write(
  `host 0: received ${balance.received}, stored ${balance.stored}, base ${balance.base}, merged ${balance.merged}\n`,
);
