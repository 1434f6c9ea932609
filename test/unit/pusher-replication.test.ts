import { expect, test } from "bun:test";
import { PROMPT_VN } from "../../agent/wire/answers.ts";
import { PusherScene } from "./pusher-fixture.ts";

const GREETING = 'TRIBUTARY "1" "aaaaaaaa-0000-0000-0000-000000000009" "parent"\n';

/** A parent of our kind that replicates; its chart streams, and it has asked for nothing older. */
async function streaming() {
  const scene = new PusherScene({ isReplicating: true }, { historyEntries: 600 });
  const chart = scene.chart("a.b", "x");
  await scene.send(chart);
  const socket = await scene.accept(`${PROMPT_VN}4800`);
  for (let i = 0; i < 20; i++) {
    await scene.pass(1);
    await scene.send(chart);
  }
  socket.send(GREETING);
  socket.send(`REPLAY_CHART "a.b" "true" ${chart.lastEntrySec - 5} ${chart.lastEntrySec}\n`);
  await scene.flush();
  /** Lines that were written since the last call. */
  let read = 0;
  const lines = () => {
    const text = socket.stream.toString("latin1", read);
    read = socket.stream.length;
    return text;
  };
  expect(lines()).toMatch(/^REND .* true \d+ \d+ \d+$/m);
  return { scene, chart, socket, lines };
}

test("a request that comes while its chart is about to be defined once more is answered", async () => {
  const { scene, chart, socket, lines } = await streaming();
  // Its own sender goes on elsewhere, and it is collected by and by.
  chart.restarts++;
  expect(scene.host.listener?.pathEnd?.checkpoint()).toBeNaN();
  socket.send(`REPLAY_CHART "a.b" "false" ${chart.lastEntrySec - 15} ${chart.lastEntrySec - 10}\n`);
  await scene.flush();
  const answer = lines();
  expect(answer.match(/^RSET /gm)).toHaveLength(5);
  // The stream has not begun anew with that.
  expect(answer).toMatch(/^REND .* false \d+ \d+ \d+$/m);
  expect(answer).toMatch(/^CHART_DEFINITION_END /m);
});

test("what is not collected any more is offered within a second", async () => {
  const { scene, chart, lines } = await streaming();
  chart.restarts++;
  expect(scene.host.listener?.pathEnd?.checkpoint()).toBeNaN();
  await scene.pass(1);
  expect(lines()).toMatch(/^CHART_DEFINITION_END /m);
});
