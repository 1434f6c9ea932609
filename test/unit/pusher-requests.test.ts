import { describe, expect, test } from "bun:test";
import { SimplePattern } from "../../agent/base/pattern.ts";
import { SendBuffer } from "../../agent/base/send-buffer.ts";
import { ChartStream, SetHeadsCache } from "../../agent/pusher/chart-stream.ts";
import { LinkAccount } from "../../agent/pusher/link-account.ts";
import { Replication } from "../../agent/pusher/replication.ts";
import { restoreTimes, storePast } from "../../agent/rrd/backfill.ts";
import { commitLocal } from "../../agent/rrd/commit.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { dimension, newHost, T0_SEC } from "../simulated-host.ts";
import { type FakeSocket, PusherScene } from "./pusher-fixture.ts";

const LIMIT_BYTES = 65_536;

/** One link of a host whose parent asks. */
class Link {
  readonly host = newHost({ historyEntries: 600 });
  readonly buffer = new SendBuffer(LIMIT_BYTES);
  readonly account = new LinkAccount(LIMIT_BYTES);
  readonly replication: Replication;
  /** All that the kernel took. */
  text = "";

  constructor(charts: number, id = (n: number) => `t.c${n}`) {
    const values = Float64Array.of(1);
    for (let n = 0; n < charts; n++) {
      const chart = this.host.defineChart({ id: id(n) })!;
      this.host.defineDimension(chart, dimension("x"));
      storePast(chart, { endSec: T0_SEC, values, isReset: false, isCorrection: false }, T0_SEC * 1e6);
    }
    const stream = new ChartStream(this.buffer, new SetHeadsCache(), new SimplePattern("*"), 1);
    this.replication = new Replication(this.host, this.buffer, stream, this.account);
  }

  /** The link writes what there is room for; the kernel takes it. @returns it. */
  flush(): string {
    this.replication.write(LIMIT_BYTES, T0_SEC, () => false);
    const text = this.buffer.bytes.toString("utf8", this.buffer.tail - this.buffer.pendingBytes, this.buffer.tail);
    this.buffer.clear();
    this.text += text;
    return text;
  }

  drain(): void {
    while (this.flush() !== "");
  }
}

const answers = (text: string, id: string) => text.split(`RBEGIN "${id}"\n`).length - 1;

describe("requests of a parent", () => {
  test("many of them, for charts that are there and for others, take no time for each other", () => {
    const link = new Link(5000);
    link.drain();
    const startMs = performance.now();
    for (let n = 0; n < 100_000; n++) {
      link.replication.ask(`t.c${n % 5000}`, true, 0, T0_SEC);
      link.replication.ask(`no.such${n}`, true, 0, T0_SEC);
    }
    // Looking through 5000 charts for each takes minutes.
    expect(performance.now() - startMs).toBeLessThan(10_000);
    link.drain();
    expect(link.text.match(/^REND/gm)?.length).toBe(5000 + 1000);
  });

  test("for charts that are not here leave half of the buffer to values", () => {
    const link = new Link(0);
    link.drain();
    for (let n = 0; n < 1000; n++) link.replication.ask("x".repeat(300), true, 0, T0_SEC);
    link.replication.write(LIMIT_BYTES, T0_SEC, () => false);
    expect(link.buffer.pendingBytes).toBeLessThan(LIMIT_BYTES / 2 + 500);
  });

  test("again for what is being answered: the second request is answered, whole", () => {
    const link = new Link(2);
    link.drain();
    link.replication.ask("t.c0", false, T0_SEC - 10, T0_SEC);
    link.replication.ask("t.c1", true, T0_SEC - 10, T0_SEC);
    link.replication.ask("t.c0", true, T0_SEC - 1, T0_SEC);
    const text = link.flush();
    expect([answers(text, "t.c0"), answers(text, "t.c1")]).toEqual([1, 1]);
    expect(text.indexOf('"t.c1"')).toBeLessThan(text.indexOf('"t.c0"'));
    expect(text.match(/^REND .*$/gm)).toEqual([
      `REND 1 ${T0_SEC} ${T0_SEC} true ${T0_SEC - 10} ${T0_SEC} ${T0_SEC}`,
      `REND 1 ${T0_SEC} ${T0_SEC} true ${T0_SEC - 1} ${T0_SEC} ${T0_SEC}`,
    ]);
  });

  test("are answered in dimensions that the parent has heard of", () => {
    const link = new Link(1);
    link.drain();
    link.host.defineDimension(link.host.chart("t.c0")!, dimension("new"));
    link.replication.ask("t.c0", true, T0_SEC - 1, T0_SEC);
    const lines = link.flush().split("\n");
    const at = lines.findIndex((line) => line.startsWith('DIMENSION "new"') || line.startsWith("DIMENSION 'new'"));
    expect(at).toBeGreaterThan(0);
    expect(lines.indexOf('RSET "new" NAN "E"')).toBeGreaterThan(at);
  });

  test("name a chart as it was written to them", () => {
    const link = new Link(3, (n) => `t.${'"'}${n}`);
    link.drain();
    const written = /RBEGIN "(.*)"|CHART "([^"]*)"/.exec(link.text)![2]!;
    expect(written).not.toContain('"');
    link.replication.ask(written, true, 0, T0_SEC);
    expect(link.flush()).toContain(`REND 1 ${T0_SEC} ${T0_SEC} true`);
  });
});

test("older points that came while the buffer was full are told when there is room, in one line a chart", () => {
  const link = new Link(2);
  link.replication.greeted();
  link.drain();
  const [first, second] = link.host.chartList();
  link.buffer.append(Buffer.alloc(LIMIT_BYTES));
  for (let n = 0; n < 10; n++) {
    link.replication.grown(first!, T0_SEC - 100 + n, T0_SEC - 90 + n);
    link.replication.grown(second!, T0_SEC - 50, T0_SEC - 40);
  }
  link.buffer.clear();
  link.host.missingFromSec = T0_SEC - 30;
  expect(link.flush().split("\n")).toEqual([
    `TRIBUTARY "PAST" "t.c0" "${T0_SEC - 100}" "${T0_SEC - 81}"`,
    `TRIBUTARY "PAST" "t.c1" "${T0_SEC - 50}" "${T0_SEC - 40}"`,
    `TRIBUTARY "MISSING" "${T0_SEC - 30}"`,
    "",
  ]);
});

test("a chart that is gone before it was asked for is not waited for", () => {
  const link = new Link(2);
  link.drain();
  const [first, second] = link.host.chartList();
  link.replication.hold(first!, 3);
  link.replication.ask(second!.id, true, 0, T0_SEC);
  link.drain();
  expect(link.replication.isUpToDate).toBe(false);
  link.host.retireChart(first!);
  link.host.removeObsolete(T0_SEC * 1e6, -1);
  link.replication.sweep();
  expect(link.replication.isUpToDate).toBe(true);
  expect(link.account.balance()).toMatchObject({ offered: 3, backlog: 0, lost: { overflow: 3 } });
});

describe("a chart that was removed and comes back in another place", () => {
  /** The first of two charts, in the place of the second. */
  function moved() {
    const link = new Link(2, (n) => `t.${'"'}${n}`);
    link.drain();
    const wireId = /CHART "([^"]*)"/.exec(link.text)![1]!;
    const [first, second] = link.host.chartList();
    link.replication.hold(first!, 3);
    for (const chart of [first!, second!]) link.host.retireChart(chart);
    link.host.removeObsolete(T0_SEC * 1e6, -1);
    expect(link.host.readmit(first!)).toBe(true);
    link.host.reviveChart(first!);
    expect(first!.index).toBe(1);
    storePast(
      first!,
      { endSec: T0_SEC, values: Float64Array.of(2), isReset: false, isCorrection: false },
      T0_SEC * 1e6,
    );
    link.replication.hold(first!, 2);
    link.drain();
    return { link, chart: first!, wireId };
  }

  test("leaves nothing to wait for in the old one", () => {
    const { link, chart, wireId } = moved();
    link.replication.ask(wireId, true, 0, T0_SEC);
    link.drain();
    expect(link.replication.isLive(chart)).toBe(true);
    link.replication.sweep();
    expect(link.replication.isUpToDate).toBe(true);
    expect(link.account.balance()).toMatchObject({ offered: 5, backlog: 0, queued: 2, lost: { overflow: 3 } });
    expect(link.replication.isLive(chart)).toBe(true);
  });

  test("loses nothing of what is open when another takes the old one", () => {
    const { link, chart, wireId } = moved();
    link.replication.ask(wireId, true, 0, T0_SEC);
    link.replication.grown(chart, T0_SEC - 10, T0_SEC);
    const other = link.host.defineChart({ id: "t.other" })!;
    expect(other.index).toBe(0);
    link.replication.hold(other, 1);
    link.replication.greeted();
    const text = link.flush();
    expect(text.match(/^REND .*$/gm)).toEqual([`REND 1 ${T0_SEC} ${T0_SEC} true 0 ${T0_SEC} ${T0_SEC}`]);
    expect(text).toContain(`TRIBUTARY "PAST" "${wireId}"`);
    link.replication.ask(wireId, true, 0, T0_SEC);
    expect(link.flush()).toContain(`REND 1 ${T0_SEC} ${T0_SEC} true`);
  });
});

test.each([
  { what: "and where to go on", goesOn: true },
  { what: "and no more", goesOn: false },
])(
  "a foreign parent gets the last points of a chart that is not collected any more: its sender has them $what",
  ({ goesOn }) => {
    const link = new Link(1);
    const chart = link.host.chart("t.c0")!;
    // As files of an earlier run brought it.
    chart.lastCollectedUs = 0;
    link.drain();
    link.replication.ask(chart.id, true, 0, T0_SEC);
    link.drain();
    for (let second = 1; second <= 5; second++) {
      const row = { endSec: T0_SEC + second, values: Float64Array.of(second), isReset: false, isCorrection: false };
      storePast(chart, row, (T0_SEC + 5) * 1e6);
    }
    if (goesOn) restoreTimes(chart, (T0_SEC + 5) * 1e6, (T0_SEC + 5) * 1e6, (T0_SEC + 5) * 1e6);
    link.replication.grown(chart, T0_SEC, T0_SEC + 5);
    expect(link.flush()).toContain(`CHART_DEFINITION_END ${T0_SEC - 1} ${T0_SEC + 5} `);
    link.replication.ask(chart.id, true, T0_SEC, T0_SEC + 5);
    const values = [...link.flush().matchAll(/^RSET "x" (\d+)/gm)].map(([, value]) => value);
    expect([...new Set(values)]).toEqual(["1", "2", "3", "4", "5"]);
    // Told of once more, it has nothing that is new.
    link.replication.grown(chart, T0_SEC, T0_SEC + 5);
    expect(link.flush()).toBe("");
  },
);

test("what the ring had no place for while the parent let it wait is lost", async () => {
  const scene = new PusherScene({ isReplicating: true }, { historyEntries: 64 });
  const chart = scene.chart("t.c", "x");
  await scene.send(chart);
  const socket = await scene.accept("Hit me baby, push them over with the version=4800");
  for (let second = 0; second < 192; second++) {
    await scene.pass(1);
    await scene.send(chart);
  }
  const { clock } = scene;
  // It is looked after once a minute.
  const waiting = scene.status.values;
  expect(waiting.backlog + waiting.lost.overflow).toBe(192);
  expect(waiting.backlog).toBeLessThanOrEqual(64 + 61);
  socket.send(`REPLAY_CHART "t.c" "true" ${clock.nowSec - 192} ${clock.nowSec}\n`);
  const { backlog, replayed, lost } = scene.status.values;
  expect([scene.imbalance, backlog, replayed + lost.overflow]).toEqual([0, 0, 192]);
  expect(Math.abs(replayed - 64)).toBeLessThanOrEqual(2);
});

describe("an answer that takes long", () => {
  test("is written in turns, those of all links in turn", async () => {
    const scene = new PusherScene({ isReplicating: true, bufferSizeBytes: LIMIT_BYTES }, { historyEntries: 3600 });
    const other = newHost({ isLocal: true, machineGuid: "aaaaaaaa-0000-0000-0000-000000000009", historyEntries: 3600 });
    const { clock, host, pushers } = scene;
    const charts = [host, other].map((one) => {
      const chart = one.defineChart({ id: "t.c" })!;
      one.defineDimension(chart, dimension("x"));
      // A value, and nothing for an hour: answers without bytes, but not without work.
      for (const endSec of [clock.nowSec - 3500, clock.nowSec]) {
        storePast(chart, { endSec, values: Float64Array.of(1), isReset: false, isCorrection: false }, clock.nowUs());
      }
      return chart;
    });
    pushers.attach(other, scene.settings);
    const sockets: FakeSocket[] = [];
    for (const chart of charts) {
      commitLocal(chart, new ValueRow(), clock.nowUs());
      await scene.flush();
      sockets.push(await scene.accept("Hit me baby, push them over with the version=4800"));
    }
    // Each look at the clock takes longer than a turn.
    let workedMs = 0;
    const nowMs = clock.monotonicMs.bind(clock);
    clock.monotonicMs = () => {
      workedMs += 25;
      return nowMs() + workedMs;
    };
    const ends = () => sockets.map(({ stream }) => stream.toString().match(/^REND/gm)?.length ?? 0);
    for (const socket of sockets) socket.send(`REPLAY_CHART "t.c" "true" ${clock.nowSec - 3500} ${clock.nowSec}\n`);
    expect([ends(), clock.pending]).toEqual([[0, 0], 1]);
    for (let turns = 0; turns < 30 && clock.pending > 0; turns++) await clock.advance(0);
    expect([ends(), clock.pending]).toEqual([[1, 1], 0]);
  });
});
