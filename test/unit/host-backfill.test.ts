import { describe, expect, test } from "bun:test";
import type { ReplayRequest } from "../../agent/receiver/chart-replay.ts";
import { HostBackfill } from "../../agent/receiver/host-backfill.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { ReplayPace } from "../../agent/receiver/replay-pace.ts";
import { ReplayPlan } from "../../agent/receiver/replay-plan.ts";
import { ReplayShare } from "../../agent/receiver/replay-share.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { StreamDecoder } from "../../agent/wire/decode.ts";
import { newHost, stored, T0_SEC } from "../simulated-host.ts";

const NOW = T0_SEC;
const FAR = Number.MAX_SAFE_INTEGER;

/** A child of our kind, as text, with one chart. */
class Child {
  readonly host: Host;
  readonly requests: ReplayRequest[] = [];
  readonly backfill: HostBackfill;
  private readonly decoder: StreamDecoder<Chart>;
  private nowSec = NOW;

  constructor(historyEntries = 3600) {
    this.host = newHost({ historyEntries });
    const settings = { isEnabled: true, windowSec: 86_400, stepSec: 600 };
    const pace = new ReplayPace({ monotonicMs: () => 1000 * (this.nowSec - NOW) });
    const plan = new ReplayPlan(this.host, settings, new ReplayShare(), pace, (request) => this.requests.push(request));
    this.backfill = new HostBackfill(this.host, plan);
    this.decoder = new StreamDecoder(new HostWriter(this.host, { problem() {}, disable() {} }, this.backfill));
    this.backfill.allowLater();
    this.send('CHART a.b "" "" "" "" "" line 1 1', "DIMENSION x");
  }

  get chart(): Chart {
    return this.host.chart("a.b")!;
  }

  send(...lines: string[]): void {
    this.decoder.feed(Buffer.from(lines.map((line) => `${line}\n`).join("")), this.nowSec * 1e6);
    expect(imbalance(this.host.balance)).toBe(0);
  }

  pass(seconds: number): void {
    this.nowSec += seconds;
  }

  /** Second that is missing from, as the next start of the agent will know it. */
  missing(): number {
    this.backfill.tick();
    return this.host.missingFromSec;
  }
}

describe("a child that says absurd seconds", () => {
  test("of what it holds is asked for nothing that is to come", () => {
    const child = new Child();
    child.send(`CHART_DEFINITION_END 1 ${FAR} 0`);
    expect(child.requests.map(({ afterSec, beforeSec }) => [afterSec, beforeSec])).toEqual([[NOW - 5, NOW + 5]]);
    expect(child.missing()).toBeLessThanOrEqual(NOW);
    child.send("RBEGIN a.b", `REND 1 1 ${FAR} false 0 ${FAR} 0`);
    expect(child.requests.every(({ beforeSec }) => beforeSec <= NOW + 5)).toBe(true);
    expect(child.missing()).toBeLessThanOrEqual(NOW);
  });

  test.each([
    [`TRIBUTARY MISSING ${FAR}`, NOW],
    ["TRIBUTARY MISSING 1", NOW - 86_400],
    ["TRIBUTARY MISSING -5", 0],
    ["TRIBUTARY MISSING NaN", 0],
    ["TRIBUTARY MISSING 1e99", 0],
    ["TRIBUTARY MISSING", 0],
    [`TRIBUTARY PAST a.b 1 ${FAR}`, NOW - 3599],
    [`TRIBUTARY PAST a.b ${FAR} 1`, 0],
    [`TRIBUTARY PAST a.b ${FAR} ${FAR}`, 0],
    ["TRIBUTARY PAST no.such 1 2", 0],
  ])("%s", (line, missing) => {
    const child = new Child();
    child.send(
      `CHART_DEFINITION_END 0 0 ${NOW}`,
      "RBEGIN a.b",
      `REND 1 0 0 true 0 0 ${NOW}`,
      line,
      "TRIBUTARY DEFINED",
    );
    expect(child.missing()).toBe(missing);
    expect(child.requests.every(({ beforeSec }) => beforeSec <= NOW)).toBe(true);
  });

  test.each(["1000000 -100000000", "-1000000 1000000", "0 0", `${FAR} ${FAR}`, "1000000 1000000", "1 0"])(
    "of its state: RSSTATE %s",
    (state) => {
      const child = new Child(120);
      child.send('CHART other.c "" "" "" "" "" line 1 1', "DIMENSION x");
      for (let second = 0; second < 100; second++) {
        for (const id of ["a.b", "other.c"]) child.send(`BEGIN ${id} 1000000`, `SET x = ${second}`, "END");
        child.pass(1);
      }
      const other = child.host.chart("other.c")!;
      const held = stored(other, 0, NOW + 2, NOW + 90);
      expect(held.some(Number.isNaN)).toBe(false);
      child.send("RBEGIN a.b", `RSSTATE ${state}`, `REND 1 0 0 true 0 0 ${NOW}`);
      for (let second = 0; second < 3; second++) {
        child.send("BEGIN a.b 1000000", `SET x = ${second}`, "END");
        child.pass(1);
      }
      // No slot was found for a time before 1970: it would be another's.
      expect(child.chart.lastUpdatedUs).toBeGreaterThanOrEqual(0);
      expect(stored(other, 0, NOW + 2, NOW + 90)).toEqual(held);
    },
  );
});

test("what a child of our kind has and we lack is missing as soon as it is offered, not at the next tick", () => {
  const child = new Child();
  child.send(`CHART_DEFINITION_END ${NOW - 61} ${NOW - 1} ${NOW}`);
  expect(child.host.missingFromSec).toBe(NOW - 60);
});

test("rows of a child whose clock is not trusted any more are accounted for", () => {
  const child = new Child();
  child.send(`CHART_DEFINITION_END ${NOW - 100} ${NOW} ${NOW}`);
  child.send(
    "RBEGIN a.b",
    `RBEGIN '' ${NOW - 11} ${NOW - 10} ${NOW}`,
    "RSET x 1 ''",
    `REND 1 0 0 false 0 0 ${NOW + 60}`,
  );
  child.send("RBEGIN a.b", `RBEGIN '' ${NOW - 10} ${NOW - 9} ${NOW}`, "RSET x 1 ''", `REND 1 0 0 false 0 0 ${NOW}`);
  expect(child.host.balance).toMatchObject({ backfilled: 2, stored: 1 });
  expect(child.host.balance.dropped.clock).toBe(1);
});

describe("values that are further ahead of our clock than can be stored", () => {
  /** Live values, one a second, each with the whole second at which it came. @returns by second. */
  function streamed(child: Child, seconds: number): number[] {
    for (let second = 0; second < seconds; second++) {
      child.pass(1);
      child.send("BEGIN a.b 1000000", `SET x = ${second + 1}`, "END");
    }
    // The first seconds are those in which a chart that is ahead waits.
    return stored(child.chart, 0, NOW + 10, NOW + seconds);
  }
  const byArrival = Array.from({ length: 11 }, (_, i) => 10 + i);

  /** @param lastSec newest point that is offered. @param collectedUs of the state. */
  function begun(childNowSec: number, lastSec: number, collectedUs: number): Child {
    const child = new Child();
    child.send(`CHART_DEFINITION_END ${NOW - 9} ${lastSec} ${childNowSec}`, "RBEGIN a.b");
    for (let second = NOW - 8; second <= lastSec; second++) {
      child.send(`RBEGIN '' ${second - 1} ${second} ${childNowSec}`, "RSET x 0 ''");
    }
    child.send(
      `RDSTATE x ${collectedUs} 0 0 0 2 0`,
      `RSSTATE ${collectedUs} ${Math.floor(collectedUs / 1e6) * 1e6}`,
      `REND 1 ${NOW - 9} ${lastSec} true ${NOW - 9} ${lastSec} ${childNowSec}`,
    );
    return child;
  }

  test("are dated by our clock, although the clock of who passes them on is near ours", () => {
    const child = begun(NOW + 4, NOW + 5, (NOW + 5.9) * 1e6);
    expect(child.backfill.isTrusting).toBe(false);
    expect(streamed(child, 20)).toEqual(byArrival);
  });

  test("so are they when only the state of a chart shows it", () => {
    const child = begun(NOW + 4, NOW + 4, (NOW + 5.1) * 1e6);
    expect(child.backfill.isTrusting).toBe(false);
    expect(streamed(child, 20)).toEqual(byArrival);
  });

  test("a chart that gets there by and by, its clock being fast, waits for ours", () => {
    const child = begun(NOW + 4, NOW + 4, (NOW + 4.9) * 1e6);
    child.pass(1);
    child.send("BEGIN a.b 1200000", "SET x = 1", "END");
    expect([child.backfill.isTrusting, child.host.balance.dropped.clock]).toEqual([true, 1]);
    child.pass(-1);
    expect(streamed(child, 20)).toEqual(byArrival);
  });

  test("of a chart that was left from a clock that was put back say nothing of others", () => {
    const child = begun(NOW, NOW, NOW * 1e6);
    child.send('CHART old.c "" "" "" "" "" line 1 1', "DIMENSION x", `CHART_DEFINITION_END 1 ${NOW + 600} ${NOW}`);
    const state = `RSSTATE ${NOW + 600}000000 ${NOW + 600}000000`;
    child.send("RBEGIN old.c", state, `REND 1 1 ${NOW + 600} true 0 0 ${NOW}`);
    expect([child.backfill.isTrusting, child.host.clockOffsetSec]).toEqual([true, 0.5]);
  });
});

test.each([
  ["a row", `RBEGIN '' ${NOW - 11} ${NOW - 10} ${NOW}`],
  ["a state", `RSSTATE ${NOW}000000 ${NOW}000000`],
])("%s of a chart without dimensions is nothing to store, whatever other charts there are", (_, line) => {
  const child = new Child();
  child.send("BEGIN a.b 1000000", "SET x = 1", "END");
  child.send('CHART none.c "" "" "" "" "" line 1 1', "RBEGIN none.c", line, `REND 1 0 0 true 0 0 ${NOW}`);
  expect(child.host.chart("none.c")!.segment).toBeNull();
  expect(child.host.balance).toMatchObject({ received: 1, backfilled: 0 });
});

test.each([
  ["a dimension", 'DIMENSION x "" absolute 5 1'],
  ["another dimension", "DIMENSION y"],
  ["the end of its definition", `CHART_DEFINITION_END ${NOW - 100} ${NOW} ${NOW}`],
  ["the state of a dimension", `RDSTATE x ${NOW}000000 5 5 5 2 0`],
  ["its state", `RSSTATE ${NOW}000000 ${NOW}000000`],
  ["a label", "CLABEL l v 1\nCLABEL_COMMIT"],
  ["a variable", "VARIABLE CHART v = 1"],
])("%s of a chart that was removed since it was named harms no other", (_, lines) => {
  const child = new Child();
  const { host } = child;
  child.send('CHART other.c "" "" "" "" "" line 1 1', "DIMENSION x '' incremental");
  for (let second = 0; second < 10; second++) {
    child.send("BEGIN other.c 1000000", `SET x = ${second}`, "END");
    child.pass(1);
  }
  child.send('CHART a.b "" "" "" "" "" line 1 1 obsolete', "RBEGIN a.b", "CLABEL before v 1");
  host.removeObsolete((NOW + 10) * 1e6, -1);
  expect(host.chartCount).toBe(1);
  // The other one takes its place.
  const other = host.chart("other.c")!;
  host["compact"]();
  expect(other.start).toBe(0);
  const before = host.admission["bytes"];
  child.send(...lines.split("\n"));
  for (let second = 10; second < 13; second++) {
    child.send("BEGIN other.c 1000000", `SET x = ${second}`, "END");
    child.pass(1);
  }
  const values = stored(other, 0, NOW + 3, other.lastEntrySec);
  expect(other.lastEntrySec).toBeGreaterThan(NOW + 9);
  expect(values).toEqual(values.map(() => 1));
  if (host.chartCount === 1) expect(host.admission["bytes"]).toBe(before);
  expect(host.dimensionCount).toBe(host.chartList().reduce((sum, { dimensions }) => sum + dimensions.count, 0));
});

test("a child that goes back by more than a ring finds nothing of what was there when it comes forth again", () => {
  const child = new Child(120);
  child.send("DIMENSION y");
  const row = (sec: number, ...sets: string[]) => ["RBEGIN a.b", `RBEGIN '' ${sec - 1} ${sec} ${NOW}`, ...sets];
  for (let second = NOW - 200; second <= NOW; second++) child.send(...row(second, "RSET x 1 ''", "RSET y 1 ''"));
  const beforeUs = (NOW - 3000) * 1e6;
  child.send("RBEGIN a.b", `RSSTATE ${beforeUs} ${beforeUs}`, `REND 1 0 0 true 0 0 ${NOW}`);
  expect(child.chart.lastEntrySec).toBe(NOW - 3000);
  child.send(...row(NOW, "RSET x 2 ''"), `REND 1 0 0 true 0 0 ${NOW}`);
  expect([stored(child.chart, 0, NOW, NOW), stored(child.chart, 1, NOW, NOW)]).toEqual([[2], [Number.NaN]]);
});
