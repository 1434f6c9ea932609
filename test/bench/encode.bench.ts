import { SimplePattern } from "../../agent/base/pattern.ts";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { ChartStream, SetHeadsCache } from "../../agent/pusher/chart-stream.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { CollectedRow } from "../../agent/rrd/collected-row.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { newHost, T0_SEC } from "../simulated-host.ts";
import { ChildLoad, type LoadShape } from "./load.ts";

// What re-streaming adds to receive + store, ns per sample. bun test/bench/encode.bench.ts [charts dims holes seconds]
const [charts = 1000, dimensions = 25, holes = 0, seconds = 80] = process.argv.slice(2).map(Number);
const CHUNK_BYTES = 65_536;
const shape: LoadShape = { charts, dimensions, holes, percentageEvery: 0 };
const discard = { write: (_bytes: Uint8Array, _offset = 0, length = 0) => length };

type Way = (buffer: SendBuffer, stream: ChartStream) => ((chart: Chart, row: CollectedRow, us: number) => void) | null;

const none: Way = () => null;
const raw: Way = (_, stream) => (chart, row, us) => {
  stream.write(chart, row, us);
};
/** The row without the child's own bytes, as after a cut between chunks. */
const encoded: Way = (_, stream) => {
  const plain: { -readonly [K in keyof CollectedRow]: CollectedRow[K] } = {
    values: new Float64Array(0),
    residuals: null,
    sets: new Uint8Array(0),
    complete: false,
    setCount: 0,
    wide: false,
    raw: null,
    rawStart: 0,
    rawEnd: 0,
  };
  return (chart, row, us) => {
    plain.values = row.values;
    plain.residuals = row.residuals;
    plain.sets = row.sets;
    plain.complete = row.complete;
    plain.setCount = row.setCount;
    plain.wide = row.wide;
    stream.write(chart, plain, us);
  };
};
/** What one would write first: a template a line. */
const naive: Way = (buffer) => (chart, row, us) => {
  let text = `BEGIN ${chart.id} ${us}\n`;
  chart.dimensions.list.forEach(({ id }, index) => {
    if (row.complete || row.sets[index]! > 0) text += `SET ${id} = ${row.values[index]!}\n`;
  });
  buffer.append(Buffer.from(`${text}END\n`));
};

/** @returns CPU ns per sample of each second of the second half, ascending. */
function measure(way: Way): number[] {
  const host = newHost({ historyEntries: 128 });
  const buffer = new SendBuffer(64e6);
  const commit = way(buffer, new ChartStream(buffer, new SetHeadsCache(), new SimplePattern("*"), 1));
  if (commit !== null) host.listener = { commit };
  const load = new ChildLoad(shape);
  const writer = new HostWriter(host, { problem() {}, disable() {} });
  const decoder = new StreamDecoder<Chart>(writer);
  decoder.feed(load.definitions(), T0_SEC * 1e6);
  const figures: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const bytes = Buffer.from(load.tick(second, second < 2));
    const before = writer.samples;
    const start = process.cpuUsage();
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      decoder.feed(bytes.subarray(at, at + CHUNK_BYTES), (T0_SEC + second) * 1e6 + 500_000);
      buffer.flush(discard);
    }
    const used = process.cpuUsage(start);
    if (second >= seconds / 2) figures.push(((used.user + used.system) * 1000) / (writer.samples - before));
  }
  return figures.sort((a, b) => a - b);
}

const line = (text: string) => process.stdout.write(`${text}\n`);
const at = (figures: number[], share: number) => figures[Math.floor(figures.length * share)]!.toFixed(1).padStart(7);

line(`${charts} charts × ${dimensions} dimensions, ${holes} % holes, ns of CPU per sample`);
line("                            median   quiet (25 %)");
for (const [name, way] of [
  ["receive + store", none],
  ["+ raw copy", raw],
  ["+ re-encode", encoded],
  ["+ naive templates", naive],
] as const) {
  measure(way);
  const figures = measure(way);
  line(`${name.padEnd(26)} ${at(figures, 0.5)}  ${at(figures, 0.25)}`);
}
