import { describe, expect, test } from "bun:test";
import type { ReplayRequest } from "../../agent/receiver/chart-replay.ts";
import { ReplayPace } from "../../agent/receiver/replay-pace.ts";
import { ReplayPlan } from "../../agent/receiver/replay-plan.ts";
import { ReplayShare } from "../../agent/receiver/replay-share.ts";
import { storePast } from "../../agent/rrd/backfill.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { dimension, newHost } from "../simulated-host.ts";

const NOW = 1_700_000_000;
const SETTINGS = { isEnabled: true, windowSec: 86_400, stepSec: 600 };

/** A plan whose requests are kept. */
class Asked {
  readonly host = newHost({ historyEntries: 3600 });
  readonly requests: ReplayRequest[] = [];
  readonly plan: ReplayPlan;
  nowMs = 0;

  constructor(settings = SETTINGS, share = new ReplayShare(), missingFromSec = 0, newestSec = 0) {
    this.host.missingFromSec = missingFromSec;
    this.host.lastCollectedUs = newestSec * 1e6;
    const pace = new ReplayPace({ monotonicMs: () => this.nowMs });
    this.plan = new ReplayPlan(this.host, settings, share, pace, (request) => this.requests.push(request));
  }

  /** @param heldSec newest second that we hold of it, 0 = none. */
  chart(id: string, heldSec = 0, dimensions = 1, updateEverySec = 1): Chart {
    const chart = this.host.defineChart({ id: `t.${id}`, updateEverySec })!;
    for (let i = 0; i < dimensions; i++) this.host.defineDimension(chart, dimension(`d${i}`));
    const values = new Float64Array(dimensions).fill(1);
    if (heldSec > 0) storePast(chart, { endSec: heldSec, values, isReset: false, isCorrection: false }, NOW * 1e6);
    return chart;
  }

  /** The requests since the last call, as `chart streams? after before`, times relative to now. */
  take(): string[] {
    return this.requests.splice(0).map(({ chart, startsStreaming, afterSec, beforeSec }) => {
      const range = beforeSec === 0 ? "nothing" : `${afterSec - NOW} ${beforeSec - NOW}`;
      return `${chart.id} ${startsStreaming} ${range}`;
    });
  }
}

describe("a child that can be asked once a chart", () => {
  test("streams at once when nothing is missing", () => {
    const asked = new Asked();
    asked.plan.defined(asked.chart("new"), 0, 0, NOW);
    asked.plan.defined(asked.chart("same", NOW), NOW - 50, NOW, NOW);
    expect(asked.take()).toEqual(["t.new true nothing", "t.same true nothing"]);
  });

  test("replays what is missing in steps, in order, before it streams", () => {
    const asked = new Asked();
    const chart = asked.chart("a", NOW - 1300);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    expect(asked.take()).toEqual(["t.a false -1300 -700"]);
    // Asked already.
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    expect(asked.take()).toEqual([]);
    asked.plan.answered(chart, false, NOW - 700, NOW + 1);
    expect(asked.take()).toEqual(["t.a false -700 -100"]);
    asked.plan.answered(chart, false, NOW - 100, NOW + 3);
    expect(asked.take()).toEqual(["t.a true -100 3"]);
    asked.plan.answered(chart, true, NOW + 4, NOW + 4);
    expect([asked.take(), asked.plan.missingFromSec]).toEqual([[], 0]);
  });

  test("may take smaller steps, but none at all is one", () => {
    const asked = new Asked();
    const chart = asked.chart("a", NOW - 1300);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, false, NOW - 1290, NOW);
    asked.plan.answered(chart, false, NOW - 1290, NOW);
    expect(asked.take()).toEqual(["t.a false -1300 -700", "t.a false -1290 -690", "t.a false -690 -90"]);
  });

  test("may stream before it was told to", () => {
    const asked = new Asked();
    const chart = asked.chart("a", NOW - 1300);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    expect(asked.take()).toEqual(["t.a false -1300 -700"]);
  });
});

describe("how far back a child is asked for depends on", () => {
  const cases: [string, Partial<typeof SETTINGS>, number, number, string][] = [
    ["what we hold", {}, 70, 1000, "-70 0"],
    ["what the child holds, its oldest point included", {}, 0, 80, "-81 0"],
    ["the limit of the configuration", { windowSec: 60 }, 0, 1000, "-60 0"],
    ["nothing when it is switched off", { isEnabled: false }, 70, 1000, "nothing"],
  ];
  test.each(cases)("%s", (_, settings, heldAgo, firstAgo, range) => {
    const asked = new Asked({ ...SETTINGS, ...settings });
    const chart = asked.chart("a", heldAgo === 0 ? 0 : NOW - heldAgo);
    asked.plan.defined(chart, NOW - firstAgo, NOW, NOW);
    expect(asked.take()).toEqual([`t.a true ${range}`]);
  });

  test("the length of our ring", () => {
    const asked = new Asked({ ...SETTINGS, stepSec: 100_000 });
    asked.plan.defined(asked.chart("a"), NOW - 50_000, NOW, NOW);
    expect(asked.take()).toEqual(["t.a true -3600 0"]);
  });

  test("all that the child holds, when its clock was put back", () => {
    const asked = new Asked();
    asked.plan.defined(asked.chart("a", NOW), NOW - 300, NOW - 20, NOW);
    expect(asked.take()).toEqual(["t.a true -301 -20"]);
  });

  test("what may be otherwise, when it ends before us after it was away", () => {
    const asked = new Asked(SETTINGS, new ReplayShare(), 0, NOW - 30);
    const chart = asked.chart("a", NOW - 30);
    asked.plan.defined(chart, NOW - 700, NOW - 200, NOW);
    // Nothing was heard of it for 30 s.
    expect(asked.take()).toEqual(["t.a true -290 -200"]);
    asked.plan.answered(chart, true, NOW - 200, NOW - 200);
    // What it does before our eyes is a clock that was put back.
    asked.plan.defined(chart, NOW - 700, NOW - 200, NOW);
    expect(asked.take()).toEqual(["t.a true -701 -200"]);
  });

  test("all that it holds, when it ends before us and our own clock was put back, too", () => {
    const asked = new Asked(SETTINGS, new ReplayShare(), 0, NOW + 1);
    asked.plan.defined(asked.chart("a", NOW), NOW - 700, NOW - 200, NOW);
    expect(asked.take()).toEqual(["t.a true -701 -200"]);
  });

  test("what was missing when the last connection ended", () => {
    const asked = new Asked(SETTINGS, new ReplayShare(), NOW - 40);
    const chart = asked.chart("a", NOW);
    asked.plan.defined(chart, NOW - 300, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    // Not once more for a chart that begins anew.
    asked.plan.defined(chart, NOW - 300, NOW + 5, NOW + 5);
    expect(asked.take()).toEqual(["t.a true -41 0", "t.a true 0 5"]);
  });
});

describe("a child that can be asked for older points too", () => {
  test("is asked for the rest of its backlog although it defined the chart anew meanwhile", () => {
    const share = new ReplayShare();
    const asked = new Asked({ ...SETTINGS, stepSec: 500 }, share);
    asked.plan.allowLater();
    const [chart, other] = [asked.chart("a"), asked.chart("b")];
    for (const each of [chart, other]) asked.plan.defined(each, NOW - 1000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    // Others take all that may be asked for: it has to wait.
    share.take(1_000_000);
    asked.plan.answered(chart, false, NOW - 500, NOW);
    expect(asked.take().at(-1)).toBe("t.a false -1000 -500");
    const values = new Float64Array([1]);
    storePast(chart, { endSec: NOW, values, isReset: false, isCorrection: false }, NOW * 1e6);
    asked.plan.defined(chart, NOW - 1000, NOW, NOW);
    share.give(1_000_000);
    share.ask();
    asked.plan.answered(chart, true, NOW, NOW);
    expect(asked.take()).toEqual(["t.a true -10 0", "t.a false -500 -10"]);
  });

  test("may have passed in its answer what it gets meanwhile: that is asked for again", () => {
    const asked = new Asked();
    asked.plan.allowLater();
    const chart = asked.chart("a", NOW - 500);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    expect(asked.take()).toEqual(["t.a true -10 0", "t.a false -500 -10"]);
    asked.plan.grown(chart, NOW - 400, NOW - 300);
    asked.plan.answered(chart, false, NOW - 10, NOW);
    expect(asked.take()).toEqual(["t.a false -400 -10"]);
    asked.plan.answered(chart, false, NOW - 10, NOW);
    expect([asked.take(), asked.plan.missingFromSec]).toEqual([[], 0]);
  });

  test("streams at once with its newest ones; its backlog comes in steps, all charts side by side", () => {
    const asked = new Asked();
    asked.plan.allowLater();
    const one = asked.chart("one", NOW - 1000);
    const two = asked.chart("two", NOW - 500);
    asked.plan.defined(one, NOW - 3000, NOW, NOW);
    asked.plan.defined(two, NOW - 3000, NOW, NOW);
    expect(asked.take()).toEqual(["t.one true -10 0", "t.two true -10 0"]);
    expect(asked.plan.missingFromSec).toBe(NOW - 999);
    asked.plan.answered(one, true, NOW + 1, NOW + 1);
    asked.plan.answered(two, true, NOW + 1, NOW + 1);
    expect(asked.take()).toEqual(["t.one false -1000 -400", "t.two false -500 -10"]);
    asked.plan.answered(one, false, NOW - 400, NOW + 1);
    expect(asked.take()).toEqual(["t.one false -400 -10"]);
    expect(asked.plan.missingFromSec).toBe(NOW - 499);
    asked.plan.answered(two, false, NOW - 10, NOW + 1);
    asked.plan.answered(one, false, NOW - 10, NOW + 1);
    expect([asked.take(), asked.plan.missingFromSec]).toEqual([[], 0]);
  });

  test("tells of older points that it got itself", () => {
    const asked = new Asked();
    asked.plan.allowLater();
    const chart = asked.chart("a", NOW);
    asked.plan.grown(chart, NOW - 100, NOW - 50);
    expect(asked.take()).toEqual([]);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    asked.plan.grown(chart, NOW - 100, NOW - 50);
    asked.plan.grown(chart, NOW - 50, NOW - 20);
    expect(asked.take()).toEqual(["t.a true nothing", "t.a false -100 -50"]);
    asked.plan.answered(chart, false, NOW - 50, NOW);
    expect(asked.take()).toEqual(["t.a false -50 -20"]);
  });

  test("is asked for no more than we can keep, whatever it tells of", () => {
    const asked = new Asked({ ...SETTINGS, windowSec: 900 });
    asked.plan.allowLater();
    const chart = asked.chart("a", NOW);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    asked.plan.grown(chart, 0, NOW - 50);
    asked.plan.grown(chart, 5, NOW);
    expect(asked.take()).toEqual(["t.a true nothing", "t.a false -950 -350"]);
    asked.plan.answered(chart, false, NOW - 350, NOW);
    asked.plan.answered(chart, false, NOW, NOW);
    expect(asked.take()).toEqual(["t.a false -900 -300", "t.a false -300 0"]);
  });
});

test("requests are small enough to let live values in between", () => {
  const asked = new Asked();
  const wide = asked.chart("wide", NOW - 600, 1000);
  asked.plan.defined(wide, NOW - 3000, NOW, NOW);
  asked.plan.defined(asked.chart("slow", NOW - 600, 1000, 10), NOW - 3000, NOW, NOW);
  expect(asked.take()).toEqual(["t.wide false -600 -580"]);
  asked.plan.answered(wide, false, NOW - 580, NOW);
  expect(asked.take()).toEqual(["t.slow false -600 -400", "t.wide false -580 -560"]);
});

describe("the pace of one child", () => {
  /** Lets every open request be answered after so long. @returns how many there were. */
  function answer(asked: Asked, tookMs: number): number {
    const open = asked.requests.splice(0);
    asked.nowMs += tookMs;
    for (const { chart, beforeSec } of open) asked.plan.answered(chart, false, beforeSec, NOW);
    return open.length;
  }

  function child(): Asked {
    const asked = new Asked();
    for (let i = 0; i < 100; i++) asked.plan.defined(asked.chart(`c${i}`, NOW - 3000, 100), NOW - 3500, NOW, NOW);
    return asked;
  }

  test("grows as long as answers come soon", () => {
    const asked = child();
    const counts = Array.from({ length: 6 }, () => answer(asked, 20));
    // 20,000 values and 100 of a state each; 200,000 are half of what all children may be asked for.
    expect(counts).toEqual([1, 2, 4, 8, 10, 10]);
  });

  test("stays where an answer takes its time, and falls where live values would wait for more than a second", () => {
    const asked = child();
    for (let i = 0; i < 3; i++) answer(asked, 20);
    expect(answer(asked, 600)).toBe(8);
    expect(answer(asked, 600)).toBe(8);
    expect(answer(asked, 1500)).toBe(8);
    expect(answer(asked, 1500)).toBe(4);
    expect(answer(asked, 1500)).toBe(2);
    for (let i = 0; i < 9; i++) answer(asked, 1500);
    const [request] = asked.requests;
    expect(asked.requests.length).toBe(1);
    expect((request!.beforeSec - request!.afterSec) * 100).toBe(2000);
  });
});

test("all children together are asked for so much at a time, each in turn; one that goes makes room", () => {
  const share = new ReplayShare();
  const children = Array.from({ length: 30 }, () => new Asked(SETTINGS, share));
  for (const asked of children) {
    for (let i = 0; i < 5; i++) asked.plan.defined(asked.chart(`c${i}`, NOW - 600, 100), NOW - 3000, NOW, NOW);
  }
  // 20,000 values and 100 of a state each.
  const [full, scarce] = [children.slice(0, 20), children.slice(20)].map((some) =>
    some.flatMap((asked) => asked.take()),
  );
  expect(full).toEqual(Array(20).fill("t.c0 false -600 -400"));
  // The others still get one small request each.
  expect(scarce).toEqual(Array(10).fill("t.c0 false -600 -590"));
  for (const asked of children.slice(0, 3)) asked.plan.end();
  expect(children.map((asked) => asked.take().length)).toEqual(children.map((_, i) => (i >= 20 && i < 23 ? 1 : 0)));
});

describe("a child that misbehaves", () => {
  test("and leaves one question open is asked the others all the same", () => {
    const asked = new Asked();
    asked.plan.defined(asked.chart("gone"), 0, 0, NOW);
    for (let n = 0; n < 10; n++) asked.plan.tick();
    const later = [asked.chart("b"), asked.chart("c"), asked.chart("d")];
    for (const chart of later) asked.plan.defined(chart, 0, 0, NOW);
    for (let n = 0; n < 10; n++) asked.plan.tick();
    asked.plan.answered(later[0]!, true, 0, NOW);
    expect(asked.take()).toEqual(["t.gone true nothing", "t.b true nothing", "t.c true nothing", "t.d true nothing"]);
    asked.plan.answered(later[1]!, true, 0, NOW);
    asked.plan.answered(later[2]!, true, 0, NOW);
    for (let n = 0; n < 10; n++) asked.plan.tick();
    asked.plan.completed();
    expect(asked.plan.isSettled).toBe(true);
  });

  const defined = (asked: Asked, chart: Chart, more = 0) => asked.plan.defined(chart, NOW - 3000, NOW + more, NOW);

  test("and answers what nobody asked is not asked because of it", () => {
    const asked = new Asked();
    const charts = Array.from({ length: 250 }, (_, n) => asked.chart(`c${n}`, NOW - 50));
    for (const chart of charts) defined(asked, chart);
    const before = asked.take().length;
    for (let n = 0; n < 1000; n++) for (const chart of charts.slice(-5)) asked.plan.answered(chart, false, 0, 0);
    expect([asked.take(), before]).toEqual([[], 200]);
    asked.plan.answered(charts[0]!, true, NOW, NOW);
    expect(asked.take()).toEqual(["t.c200 true -50 0"]);
  });

  test("and does not answer keeps nobody else waiting", () => {
    const share = new ReplayShare();
    const silent = Array.from({ length: 22 }, () => new Asked(SETTINGS, share));
    for (const each of silent) {
      for (let n = 0; n < 20; n++) defined(each, each.chart(`c${n}`, 0, 100));
    }
    expect(silent.map((each) => each.take().length)).toEqual(silent.map(() => 1));
    // All is taken: one request at a time, and a small one.
    const other = new Asked(SETTINGS, share);
    const [first, second] = [other.chart("a", 0, 100), other.chart("b", 0, 100)];
    defined(other, first);
    defined(other, second);
    expect(other.take()).toEqual(["t.a false -3001 -2991"]);
    other.plan.answered(first, true, NOW, NOW);
    expect(other.take()).toEqual(["t.b false -3001 -2991"]);
    for (let n = 0; n < 10; n++) for (const each of silent) each.plan.tick();
    // Each was asked something else, which counts against nobody.
    for (const each of silent) expect([1, 2]).toContain(each.take().length);
    other.plan.answered(second, false, NOW - 2991, NOW);
    expect(other.take()).toEqual(["t.b false -2991 -2791"]);
    // It may be asked again as soon as it has said anything.
    silent[0]!.plan.answered(silent[0]!.host.chart("t.c0")!, false, NOW - 2801, NOW);
    expect(silent[0]!.take().length).toBe(1);
    for (const each of [...silent, other]) each.plan.end();
    expect(share["outstanding"]).toBe(0);
  });

  test("and says to have got points of all times is asked for those that a ring of ours holds", () => {
    const asked = new Asked();
    asked.plan.allowLater();
    const chart = asked.chart("a", NOW);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.plan.answered(chart, true, NOW, NOW);
    asked.take();
    asked.plan.grown(chart, 1, NOW);
    expect(asked.take()).toEqual(["t.a false -3600 -3000"]);
  });

  test.each([
    ["says to have got less than a slot", 0],
    ["changes update_every while it is asked", 60],
  ])("and %s lacks nothing that is to come", (_, heldSec) => {
    const share = new ReplayShare();
    const asked = new Asked(SETTINGS, share);
    asked.plan.allowLater();
    const chart = asked.chart("a", NOW - heldSec);
    asked.plan.defined(chart, NOW - 3000, NOW, NOW);
    asked.host.defineChart({ id: "t.a", updateEverySec: 3600 });
    if (heldSec === 0) asked.plan.answered(chart, true, NOW, NOW);
    asked.plan.grown(chart, NOW - 10, NOW);
    expect(asked.plan.missingFromSec).toBeLessThanOrEqual(NOW);
    expect(asked.plan.missingFromSec > 0).toBe(heldSec > 0);
    asked.plan.answered(chart, true, NOW - 50, NOW);
    expect(Number.isInteger(share["outstanding"])).toBe(true);
  });
});

test("charts that are gone are forgotten", () => {
  const asked = new Asked();
  for (let n = 0; n < 5000; n++) {
    const chart = asked.chart(`c${n}`);
    asked.plan.defined(chart, 0, 0, NOW);
    asked.plan.answered(chart, true, 0, 0);
    asked.host.retireChart(chart);
    asked.host.removeObsolete(NOW * 1e6, -1);
  }
  expect(asked.plan["byChart"].size).toBeLessThanOrEqual(1024);
});
