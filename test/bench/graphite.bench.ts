import { ByteBuffer } from "../../agent/format/byte-buffer.ts";
import { GraphiteFormat } from "../../agent/format/graphite.ts";
import { ExporterWorld, FedChart, feed } from "../unit/exporter-fixture.ts";

// Points formatted per CPU second: 500 charts × 20 dimensions, values as a parent stores them. Then the whole engine:
// reading the windows, formatting, queue and hand-over, 10,000 points an interval.
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

await engine();

/** A whole exporter on a simulated clock: every second of 10,000 dimensions, to a server that takes everything. */
async function engine(): Promise<void> {
  const world = new ExporterWorld();
  let bytes = 0;
  const server = world.server("a:2003");
  server.takes = (length) => {
    bytes += length;
    return length;
  };
  const names = Object.fromEntries(dimensions.map(({ id }) => [id, "absolute" as const]));
  const charts = chartNames.map((name) => new FedChart(world.local, name, names));
  const row = Array.from({ length: DIMENSIONS }, (_, i) => 1000 * i);
  let cpuUs = 0;
  let startedUs = 0;
  let isInside = false;
  const threadCpu = () => {
    const { user, system } = process.threadCpuUsage();
    if (isInside) cpuUs += user + system - startedUs;
    else startedUs = user + system;
    isInside = !isInside;
    return { user, system };
  };
  const table = {
    destination: ["a"],
    update_every: 1,
    queue_memory_bytes: 64 * 2 ** 20,
    replay_points_per_second: 10 ** 9,
  };
  world.start({ main: table }, { threadCpu });
  const second = () => {
    for (const socket of server.sockets) socket.text = "";
    return feed(world, 1, () => charts.map((chart) => [chart, row] as const));
  };
  for (let i = 0; i < 30; i++) await second();
  const before = { cpuUs, points: world.exporters.status()[0]!.produced };
  for (let i = 0; i < 60; i++) await second();
  const points = world.exporters.status()[0]!.produced - before.points;
  const perPoint = ((cpuUs - before.cpuUs) * 1000) / points;
  process.stdout.write(
    `engine: ${perPoint.toFixed(1)} ns/point, ${(1000 / perPoint).toFixed(1)} M points per CPU second, ` +
      `${(points / 60).toFixed(0)} points/s, ${(bytes / 1e6).toFixed(0)} MB in all\n`,
  );
}
