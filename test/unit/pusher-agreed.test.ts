import { describe, expect, test } from "bun:test";
import { setChartLabels, setLabels, setVariable } from "../../agent/rrd/host-facts.ts";
import { PROMPT_V1, PROMPT_V2, PROMPT_VN } from "../../agent/wire/answers.ts";
import { settle } from "./exporter-fixture.ts";
import { type FakeSocket, PusherScene, readStrictly } from "./pusher-fixture.ts";

const label = (name: string, value: string, source = 2) => ({ name, value, source });

function linesOf(socket: FakeSocket, from = 0): string[] {
  return socket.stream.toString("utf8", from).split("\n").slice(0, -1);
}

/** A host with everything that can be agreed on, and a link that carries its values. */
async function startedWith(prompt: string, isReplicating = false): Promise<{ scene: PusherScene; socket: FakeSocket }> {
  const scene = new PusherScene({ isReplicating });
  const chart = scene.chart("net.eth0", "sent");
  setLabels(scene.host, [label("_os", "linux", 1), label("room", "server room")]);
  setVariable(scene.host, null, "active_processors", 2);
  setChartLabels(scene.host, chart, [label("device", "eth0", 1)]);
  setVariable(scene.host, chart, "nic_speed_max", 1000);
  await scene.send(chart);
  const socket = await scene.accept(prompt);
  await scene.clock.advance(100);
  await scene.pass(1);
  await scene.send(chart);
  return { scene, socket };
}

describe("what was agreed decides what is written", () => {
  test("is offered, once", async () => {
    const { socket } = await startedWith(PROMPT_V1);
    expect(socket.bytes.toString().match(/[?&]ver=\d+/g)).toEqual(["&ver=17088"]);
    expect(socket.request).toMatchObject({ ver: 17_088, isTributary: true, problem: null });
  });

  test("V1: the base protocol, whatever there is to say", async () => {
    const { scene, socket } = await startedWith(PROMPT_V1);
    scene.host.retireChart(scene.host.chart("net.eth0")!);
    await scene.flush();
    // It throws at any other keyword.
    expect(readStrictly(socket.stream).updates.length).toBe(2);
    expect(socket.stream.toString()).not.toContain("obsolete");
  });

  test("V2: labels of the host, nothing of charts", async () => {
    const { socket } = await startedWith(PROMPT_V2);
    const keywords = new Set(linesOf(socket).map((line) => line.split(" ")[0]!));
    expect([...keywords].sort()).toEqual(["BEGIN", "CHART", "DIMENSION", "END", "LABEL", "OVERWRITE", "SET"]);
  });

  test("704: what waited for the answer first, then all of it, then values", async () => {
    const { socket } = await startedWith(`${PROMPT_VN}704`);
    const definition = (line: string) => line.startsWith("CHART") || line.startsWith("DIMENSION");
    expect(linesOf(socket).map((line) => (definition(line) ? line.split(" ", 2).join(" ") : line))).toEqual([
      'CHART "net.eth0"',
      'DIMENSION "sent"',
      "BEGIN net.eth0 0",
      expect.stringMatching(/^SET sent = \d+$/),
      "END",
      "VARIABLE HOST active_processors = 2.0000000",
      'LABEL "_os" = 1 "linux"',
      'LABEL "room" = 2 "server room"',
      "OVERWRITE labels",
      'CHART "net.eth0"',
      'CLABEL "device" "eth0" 1',
      "CLABEL_COMMIT",
      'DIMENSION "sent"',
      "VARIABLE CHART nic_speed_max = 1000.0000000",
      // It follows on a first collection, whose moment is a guess.
      "BEGIN net.eth0 0",
      expect.stringMatching(/^SET sent = \d+$/),
      "END",
    ]);
  });

  test("a chart with nothing more to say is not defined a second time", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const socket = await scene.accept(`${PROMPT_VN}704`);
    await scene.clock.advance(100);
    await scene.send(chart);
    expect(linesOf(socket).filter((line) => line.startsWith("CHART")).length).toBe(1);
  });
});

describe("what changes on a link with labels and variables", () => {
  test("is told again: labels as a whole, variables one by one, nothing when nothing changes", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}704`);
    let from = socket.stream.length;
    await scene.pass(5);
    expect(socket.stream.length).toBe(from);
    setLabels(scene.host, [label("room", "cellar")]);
    await scene.pass(1);
    expect(linesOf(socket, from)).toEqual(['LABEL "room" = 2 "cellar"', "OVERWRITE labels"]);
    from = socket.stream.length;
    setVariable(scene.host, null, "active_processors", 4);
    setVariable(scene.host, null, "other", 0.5);
    await scene.pass(1);
    expect(linesOf(socket, from)).toEqual([
      "VARIABLE HOST active_processors = 4.0000000",
      "VARIABLE HOST other = 0.5000000",
    ]);
    from = socket.stream.length;
    setLabels(scene.host, []);
    await scene.pass(1);
    expect(linesOf(socket, from)).toEqual(["OVERWRITE labels"]);
  });

  test("of a chart: with its definition before its next values", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}704`);
    const chart = scene.host.chart("net.eth0")!;
    const from = socket.stream.length;
    setVariable(scene.host, chart, "nic_speed_max", 1000);
    await scene.send(chart);
    expect(linesOf(socket, from)).toHaveLength(3);
    setVariable(scene.host, chart, "nic_speed_max", 10_000);
    setChartLabels(scene.host, chart, [label("device", "eth1", 1)]);
    await scene.send(chart);
    const lines = linesOf(socket, from).slice(3);
    expect(lines).toContain("VARIABLE CHART nic_speed_max = 10000.0000000");
    expect(lines).toContain('CLABEL "device" "eth1" 1');
  });

  test("a chart that is retired is defined as obsolete, and as living when it is back", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}704`);
    const chart = scene.host.chart("net.eth0")!;
    const unseen = scene.chart("net.eth1", "sent");
    let from = socket.stream.length;
    scene.host.retireChart(unseen);
    scene.host.retireChart(chart);
    scene.host.retireChart(chart);
    await scene.flush();
    const charts = () => linesOf(socket, from).filter((line) => line.startsWith("CHART"));
    expect(charts().map((line) => /"(net\.eth\d)".* 1 "(\w*)"/.exec(line)!.slice(1))).toEqual([
      ["net.eth0", "obsolete"],
    ]);
    from = socket.stream.length;
    await scene.send(chart);
    expect(charts().map((line) => /"(net\.eth\d)".* 1 "(\w*)"/.exec(line)!.slice(1))).toEqual([["net.eth0", ""]]);
  });

  test("a chart that is another one by the time its past is asked for is defined before the answer", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}4800`, true);
    await scene.pass(3);
    await scene.send(scene.host.chart("net.eth0")!);
    const from = socket.stream.length;
    scene.host.defineChart({ id: "net.eth0", updateEverySec: 5 });
    socket.send(`REPLAY_CHART "net.eth0" "true" ${scene.clock.nowSec - 10} ${scene.clock.nowSec}\n`);
    // It has no point yet: it is given the time for one.
    await scene.pass(13);
    const keywords = linesOf(socket, from).map((line) => line.split(" ")[0]!);
    expect(keywords.slice(0, keywords.indexOf("RBEGIN"))).toEqual([
      "CHART",
      "CLABEL",
      "CLABEL_COMMIT",
      "DIMENSION",
      "VARIABLE",
    ]);
    expect(linesOf(socket, from)[0]).toMatch(/ 1000 5 /);
    expect(linesOf(socket, from).at(-1)).toMatch(/^REND 5 /);
  });

  test("a full buffer: nothing is lost of it, and it is told when there is room", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}704`);
    socket.room = 0;
    const chart = scene.host.chart("net.eth0")!;
    // The smallest buffer holds some thousand iterations.
    while (scene.status.bufferUsedBytes < 65_000) scene.commit(chart, 1);
    setLabels(
      scene.host,
      Array.from({ length: 20 }, (_, i) => label(`l${i}`, "some value")),
    );
    await scene.pass(2);
    expect(scene.status.state).toBe("connected");
    const from = socket.stream.length;
    socket.drain();
    await scene.pass(1);
    expect(linesOf(socket, from).filter((line) => line.startsWith("LABEL"))).toHaveLength(20);
    expect(scene.imbalance).toBe(0);
  });

  test("a new connection is told everything anew", async () => {
    const { scene, socket } = await startedWith(`${PROMPT_VN}704`);
    await scene.pass(20);
    socket.reset();
    await settle();
    const chart = scene.host.chart("net.eth0")!;
    await scene.send(chart);
    const next = await scene.accept(`${PROMPT_VN}704`);
    await scene.clock.advance(100);
    await scene.send(chart);
    const lines = linesOf(next);
    expect(lines.filter((line) => line.startsWith("OVERWRITE"))).toHaveLength(1);
    expect(lines.filter((line) => line.startsWith("CLABEL_COMMIT"))).toHaveLength(1);
    expect(scene.imbalance).toBe(0);
  });
});

describe("a parent that answers with version 5", () => {
  test("is asked once more at once, for the base protocol, and from then on; nothing is lost", async () => {
    const scene = new PusherScene();
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    const first = await scene.accept(`${PROMPT_VN}5`);
    await scene.clock.advance(100);
    expect([first.closedBy, scene.attempts.length, first.request.ver]).toEqual(["terminate", 2, 17_088]);
    const second = await scene.accept(PROMPT_V2);
    expect([second.request.ver, scene.status.state]).toEqual([0, "connected"]);
    expect(scene.status.values.lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(linesOf(second)).toContain("BEGIN a.b 0");
    expect(scene.events()).toContain("pusher.offer_withdrawn");
    await scene.pass(20);
    second.reset();
    await settle();
    await scene.send(chart);
    expect((await scene.accept(PROMPT_V1)).request.ver).toBe(0);
    expect(scene.pushers.counters.rejected).toBe(0);
  });

  test("although nothing was offered is not understood", async () => {
    const scene = new PusherScene();
    await scene.send(scene.chart("a.b", "x"));
    for (let attempt = 0; attempt < 2; attempt++) {
      await scene.accept(`${PROMPT_VN}5`);
      await scene.clock.advance(100);
    }
    expect([scene.attempts.length, scene.status.state, scene.status.reason]).toEqual([2, "waiting", "not_understood"]);
  });

  test("of two parents: that one comes first again, the other keeps its offer", async () => {
    const scene = new PusherScene({ destinations: ["parent-1", "parent-2"] });
    const chart = scene.chart("a.b", "x");
    await scene.send(chart);
    await scene.accept(`${PROMPT_VN}5`);
    await scene.clock.advance(100);
    expect(scene.attempt.destination.name).toBe("parent-1:19999");
    await scene.attempt.refuse();
    expect(scene.attempt.destination.name).toBe("parent-2:19999");
    expect((await scene.accept(PROMPT_V1)).request.ver).toBe(17_088);
  });
});
