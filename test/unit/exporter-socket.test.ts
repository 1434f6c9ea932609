import { expect, test } from "bun:test";
import { createDial } from "../../agent/base/dial.ts";
import { turn, until } from "./door-fixture.ts";
import { checkBalance, ExporterWorld, FedChart, feed, START_SEC } from "./exporter-fixture.ts";

const CHARTS = 20;
const DIMENSIONS = 1000;

/** A server of the system that does not read until told. */
function pausedServer() {
  const got: Buffer[] = [];
  const sockets: Bun.Socket<undefined>[] = [];
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      open(socket) {
        socket.pause();
        sockets.push(socket);
      },
      data(_socket, chunk) {
        got.push(Buffer.from(chunk));
      },
    },
  });
  return {
    port: listener.port,
    sockets,
    resume: () => sockets[0]?.resume(),
    text: () => Buffer.concat(got).toString("latin1"),
    bytes: () => got.reduce((sum, chunk) => sum + chunk.length, 0),
    [Symbol.dispose]: () => listener.stop(true),
  };
}

test("a server that stops reading: the kernel fills up, nothing is cut, lost or repeated", async () => {
  using server = pausedServer();
  const world = new ExporterWorld();
  const dimensions = Object.fromEntries(Array.from({ length: DIMENSIONS }, (_, i) => [`d${i}`, "absolute" as const]));
  const charts = Array.from({ length: CHARTS }, (_, i) => new FedChart(world.local, `t.c${i}`, dimensions));
  const table = { destination: [`127.0.0.1:${server.port}`], update_every: 1, timeout_ms: 600_000 };
  world.start(
    { main: { ...table, queue_memory_bytes: 67_108_864, replay_points_per_second: 10_000_000 } },
    { dial: createDial(world.clock) },
  );
  const second = async () => {
    await feed(world, 1, (now) => charts.map((chart, c) => [chart, rowOf(now, c)] as const));
    checkBalance(world.exporters);
  };
  const counters = () => world.exporters.counters()[0]!;
  await second();
  while (counters().points.produced === 0) await second();
  await until(() => server.sockets.length === 1);
  // More than all buffers of the kernel between the two: 1 MB a second.
  while (counters().bytes.produced < 20_000_000) await second();
  expect(counters().bytes.queued).toBeGreaterThan(4_000_000);
  expect(counters().failure).toBe(0);
  server.resume();
  // Time passes in small steps: the agent writes 1 MiB a turn.
  while (server.bytes() < counters().bytes.produced) {
    await world.clock.advance(1);
    await turn();
  }
  const stopped = world.exporters.stop(2000);
  await world.clock.advance(2000);
  await stopped;
  const { bytes } = counters();
  expect(bytes).toMatchObject({ sent: bytes.produced, queued: 0 });
  await until(() => server.bytes() === bytes.produced);
  const lines = server.text().trimEnd().split("\n");
  expect(new Set(lines).size).toBe(lines.length);
  for (const line of lines)
    if (!/^netdata\.edge1\.t\.c\d+\.d\d+ \d+\.0000000 \d{10}$/.test(line)) throw new Error(line);
  expect(server.sockets.length).toBe(1);
});

function rowOf(nowSec: number, chart: number): number[] {
  return Array.from({ length: DIMENSIONS }, (_, i) => nowSec - START_SEC + chart + i);
}
