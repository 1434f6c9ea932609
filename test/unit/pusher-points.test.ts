import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { PROMPT_VN } from "../../agent/wire/answers.ts";
import { dimension } from "../simulated-host.ts";
import { type FakeSocket, PusherScene } from "./pusher-fixture.ts";

/** A link to a parent that takes points and does not replicate, and a chart that was just collected. */
async function started(): Promise<{ scene: PusherScene; socket: FakeSocket; chart: Chart }> {
  const scene = new PusherScene();
  const chart = scene.chart("t.c", "a");
  scene.host.defineDimension(chart, dimension("rate", "incremental"));
  scene.commit(chart, 100, 1000);
  await scene.flush();
  const socket = await scene.accept(`${PROMPT_VN}17088`);
  await scene.clock.advance(1000);
  scene.commit(chart, 200, 1010);
  await scene.flush();
  return { scene, socket, chart };
}

/** Lines from a position on; seconds count from the scene's present one. */
function lines(socket: FakeSocket, scene: PusherScene, from = 0): string[] {
  const text = socket.stream.toString("utf8", from);
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => line.replace(/0x[0-9A-F]{8}/g, (hex) => `now${Number(hex) - scene.clock.nowSec || ""}`));
}

describe("points of a link", () => {
  test("are told when their second is complete, definitions first; what waited is not told as collected", async () => {
    const { scene, socket } = await started();
    const all = lines(socket, scene);
    expect(all.filter((line) => /^(?:BEGIN|SET) /.test(line))).toEqual([]);
    expect(all.slice(0, 3).map((line) => line.split(" ", 2).join(" "))).toEqual([
      'CHART "t.c"',
      'DIMENSION "a"',
      'DIMENSION "rate"',
    ]);
    expect(all.slice(3)).toEqual(['BEGIN2 "t.c" 0x1 now #', 'SET2 "a" 0xC8 # A', 'SET2 "rate" 0x3F2 10 A', "END2"]);
    expect(scene.imbalance).toBe(0);
  });

  test("a commit within a second tells nothing, and its values go with the next point", async () => {
    const { scene, socket, chart } = await started();
    const from = socket.stream.length;
    await scene.clock.advance(100);
    scene.commit(chart, 7, 1020);
    await scene.flush();
    expect(socket.stream.length).toBe(from);
    expect(scene.status.values).toMatchObject({ offered: 6, backlog: 2, lost: { not_connected: 2 } });
    await scene.clock.advance(1000);
    scene.commit(chart, 7, 1030);
    await scene.flush();
    expect(lines(socket, scene, from).filter((line) => line.startsWith("BEGIN2")).length).toBe(1);
    await scene.pass(3);
    expect(scene.status.values).toMatchObject({ offered: 8, backlog: 0, queued: 0, inFlight: 0, delivered: 6 });
  });

  test("several seconds at once are told one by one; what is empty is left out; a reset is said", async () => {
    const { scene, socket, chart } = await started();
    await scene.clock.advance(400);
    scene.commit(chart, 100, 2000);
    await scene.flush();
    const from = socket.stream.length;
    await scene.clock.advance(2000);
    scene.commit(chart, 200, 3);
    await scene.flush();
    await scene.clock.advance(1000);
    scene.commit(chart, undefined, 5);
    await scene.flush();
    expect(lines(socket, scene, from)).toEqual([
      'BEGIN2 "t.c" 0x1 now-2 now-1',
      'SET2 "a" 0xC8 130 R',
      'SET2 "rate" 0x3 990 R',
      "END2",
      'BEGIN2 "t.c" 0x1 now-1 #',
      'SET2 "a" 0xC8 # A',
      'SET2 "rate" 0x3 0 A',
      "END2",
      'BEGIN2 "t.c" 0x1 now #',
      'SET2 "rate" 0x5 1.2000000476837158 A',
      "END2",
    ]);
  });

  test("each carries what had been collected then, also when several iterations leave at once", async () => {
    const { scene, socket, chart } = await started();
    const from = socket.stream.length;
    for (let i = 1; i <= 3; i++) {
      await scene.clock.advance(1000);
      scene.commit(chart, i, 2000 + i);
    }
    await scene.flush();
    const sets = lines(socket, scene, from).filter((line) => line.startsWith('SET2 "rate"'));
    expect(sets.map((line) => Number(line.split(" ")[2]))).toEqual([2001, 2002, 2003]);
  });

  test("a chart that is retired leaves nothing behind", async () => {
    const { scene, chart } = await started();
    await scene.clock.advance(100);
    scene.commit(chart, 7, 1020);
    await scene.flush();
    expect(scene.status.values.backlog).toBe(2);
    scene.host.retireChart(chart);
    expect(scene.status.values.backlog).toBe(0);
    expect(scene.imbalance).toBe(0);
    scene.host.removeObsolete(1, 0);
    scene.host.removeObsolete(Number.MAX_SAFE_INTEGER, 0);
    scene.commit(scene.chart("t.d", "x"), 1);
    await scene.flush();
    expect(scene.imbalance).toBe(0);
  });

  test("what waits when the connection breaks is lost by that", async () => {
    const { scene, socket, chart } = await started();
    await scene.pass(2);
    await scene.clock.advance(100);
    scene.commit(chart, 7, 1020);
    await scene.flush();
    socket.reset();
    expect(scene.status.values).toMatchObject({ backlog: 0, lost: { not_connected: 2, disconnect: 2 } });
    expect(scene.imbalance).toBe(0);
  });
});
