import { describe, expect, test } from "bun:test";
import type { Chart } from "../../agent/rrd/chart.ts";
import { PROMPT_VN } from "../../agent/wire/answers.ts";
import { type FakeSocket, PusherScene } from "./pusher-fixture.ts";

function answersOf(socket: FakeSocket): string[] {
  return socket.stream
    .toString("utf8")
    .split("\n")
    .filter((line) => /^R[A-Z]/.test(line));
}

/** A tick without a second passing. */
async function tick(scene: PusherScene): Promise<void> {
  scene.pushers.tick(scene.clock.monotonicMs());
  await scene.flush();
}

/** A chart that was collected once when a foreign parent asks for it: nothing of the past, and then what comes. */
async function askedAtOnce(): Promise<{ scene: PusherScene; chart: Chart; socket: FakeSocket }> {
  const scene = new PusherScene({ isReplicating: true });
  await scene.send(scene.chart("a.other", "x"));
  const socket = await scene.accept(`${PROMPT_VN}4800`);
  // More digits could follow.
  await scene.clock.advance(100);
  const chart = scene.chart("a.b", "x");
  await scene.send(chart);
  await tick(scene);
  expect(socket.stream.toString()).toMatch(/\nCHART_DEFINITION_END 0 0 \d+\n/);
  socket.send('REPLAY_CHART "a.b" "true" 0 0\n');
  await tick(scene);
  return { scene, chart, socket };
}

describe("a foreign parent asks for a chart that has no point yet", () => {
  test("the answer waits for the first point and tells it", async () => {
    const { scene, chart, socket } = await askedAtOnce();
    expect(answersOf(socket)).toEqual([]);
    await scene.pass(1);
    await scene.send(chart);
    await tick(scene);
    const { lastEntrySec } = chart;
    const row = `RBEGIN '' ${lastEntrySec - 1} ${lastEntrySec} `;
    // Twice, as it is the newest of a chart that is new there.
    expect(answersOf(socket).filter((line) => line.startsWith(row)).length).toBe(2);
    expect(answersOf(socket).at(-1)).toMatch(/^REND 1 \d+ \d+ true /);
    expect(socket.stream.toString()).not.toContain("\nBEGIN ");
    await scene.pass(1);
    await scene.send(chart);
    expect(socket.stream.toString()).toContain("\nBEGIN ");
  });

  test("it is not collected again: it is answered all the same, after two of its intervals", async () => {
    const { scene, socket } = await askedAtOnce();
    for (let sec = 0; sec < 3; sec++) {
      await scene.pass(1);
      expect(answersOf(socket)).toEqual([]);
    }
    await scene.pass(1);
    expect(answersOf(socket).at(-1)).toMatch(/^REND 1 0 0 true 0 0 /);
  });
});
