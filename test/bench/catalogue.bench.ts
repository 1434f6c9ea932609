import { chartLine, hostLine, type StoredChart } from "../../agent/rrd/store/catalogue-format.ts";
import { readCatalogue } from "../../agent/rrd/store/catalogue-read.ts";
import { storedChart, storedDimensions, storedHost } from "../catalogue-world.ts";

// Catalogues of a whole parent, from memory: bun test/bench/catalogue.bench.ts [hosts charts dimensions]
const [hosts = 1000, charts = 100, dimensions = 15] = process.argv.slice(2).map(Number);
const ROUNDS = 7;

/** The catalogue of one host: no two charts share a column. */
function storedCharts(count: number): StoredChart[] {
  return Array.from({ length: charts }, (_, chart) => {
    const places = Array.from({ length: count }, (__, index) => chart * count + index);
    const stored = places.flatMap((place, i) => storedDimensions([place % 256], i, Math.floor(place / 256)));
    return storedChart(chart + 1, [], { dimensions: stored });
  });
}

function median(action: () => void): number {
  const times = Array.from({ length: ROUNDS }, () => {
    const startNs = Bun.nanoseconds();
    action();
    return Bun.nanoseconds() - startNs;
  });
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** @returns ns per chart to write and to read. */
function measure(count: number): { write: number; read: number; bytes: number } {
  const all = storedCharts(count);
  const file = Buffer.concat([hostLine(storedHost()), ...all.map((chart) => chartLine(chart, 1))]);
  const write = median(() => {
    for (let host = 0; host < hosts; host++) for (const chart of all) chartLine(chart, 1);
  });
  const read = median(() => {
    for (let host = 0; host < hosts; host++) {
      if (readCatalogue(file).charts.size !== charts) throw new Error("the catalogue was not read whole");
    }
  });
  return { write: write / hosts / charts, read: read / hosts / charts, bytes: file.length };
}

const bare = measure(0);
const full = measure(dimensions);
const per = (a: number, b: number) => ((b - a) / dimensions).toFixed(0);
process.stdout.write(
  `${hosts} hosts × ${charts} charts × ${dimensions} dimensions, ${full.bytes} bytes a host\n` +
    `read:  ${((full.read * hosts * charts) / 1e6).toFixed(0)} ms in all; ${bare.read.toFixed(0)} ns a chart and ` +
    `${per(bare.read, full.read)} ns a dimension\n` +
    `write: ${((full.write * hosts * charts) / 1e6).toFixed(0)} ms in all; ${bare.write.toFixed(0)} ns a chart and ` +
    `${per(bare.write, full.write)} ns a dimension\n`,
);
