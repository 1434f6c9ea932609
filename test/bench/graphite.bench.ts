import { ByteBuffer } from "../../agent/format/byte-buffer.ts";
import { GraphiteFormat } from "../../agent/format/graphite.ts";

// Points formatted per CPU second: 500 charts × 20 dimensions, values as a parent stores them.
const CHARTS = 500;
const DIMENSIONS = 20;
const RUNS = 15;
const ROUNDS = 40;
const FIRST_SEC = 1_700_000_000;

const dimensions = Array.from({ length: DIMENSIONS }, (_, i) => ({ id: `dimension${i}`, name: `dimension${i}` }));
const format = new GraphiteFormat({ prefix: "netdata", hostDots: "keep", compatNames: true, useNames: true });
const tags: [string, string][] = [];
const chartNames = Array.from({ length: CHARTS }, (_, i) => `disk_ops.sd${i}`);
const writers = chartNames.map((chart) => {
  return format.chart({ hostname: "edge-host-17", tags, chart, dimensions, hasSharedDimensions: true });
});
const stored = Float64Array.from({ length: DIMENSIONS }, (_, i) => {
  return Math.fround([0, 97.025238, 19_710.864, 1548.38176, -10_520.435, 3][i % 6]! * (1 + i));
});
const collected = Float64Array.from({ length: DIMENSIONS }, (_, i) => 12_345_678 * (i * i + 1));
const out = new ByteBuffer(4 * 2 ** 20);

const cases: { name: string; run: (timeSec: number) => number }[] = [
  {
    name: "graphite, stored values",
    run(timeSec) {
      out.length = 0;
      for (const writer of writers) writer.stored(out, stored, 0, DIMENSIONS, timeSec);
      return out.length;
    },
  },
  {
    name: "graphite, collected values",
    run(timeSec) {
      out.length = 0;
      for (const writer of writers) {
        for (let i = 0; i < DIMENSIONS; i++) writer.collected(out, i, collected[i]!, timeSec);
      }
      return out.length;
    },
  },
  {
    name: "baseline: template strings, encoded",
    run(timeSec) {
      let text = "";
      for (const chart of chartNames) {
        for (let i = 0; i < DIMENSIONS; i++) {
          text += `netdata.edge-host-17.${chart}.${dimensions[i]!.name} ${stored[i]!.toFixed(7)} ${timeSec}\n`;
        }
      }
      return new TextEncoder().encode(text).length;
    },
  },
];

for (const { name, run } of cases) {
  const points = CHARTS * DIMENSIONS;
  const perPoint: number[] = [];
  let bytes = 0;
  for (let i = 0; i < RUNS; i++) {
    const before = process.threadCpuUsage();
    for (let round = 0; round < ROUNDS; round++) bytes = run(FIRST_SEC + round);
    const used = process.threadCpuUsage(before);
    // The first runs warm up.
    if (i >= RUNS / 2) perPoint.push(((used.user + used.system) * 1000) / (points * ROUNDS));
  }
  perPoint.sort((a, b) => a - b);
  const median = perPoint[Math.floor(perPoint.length / 2)]!;
  const rate = (1000 / median).toFixed(1);
  process.stdout.write(
    `${name}: ${median.toFixed(1)} ns/point, ${rate} M points per CPU second, ${(bytes / points).toFixed(0)} bytes/point\n`,
  );
}
