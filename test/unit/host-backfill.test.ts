import { expect, test } from "bun:test";
import { HostBackfill } from "../../agent/receiver/host-backfill.ts";
import { ReplayPace } from "../../agent/receiver/replay-pace.ts";
import { ReplayPlan } from "../../agent/receiver/replay-plan.ts";
import { ReplayShare } from "../../agent/receiver/replay-share.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import { dimension, newHost, T0_SEC } from "../simulated-host.ts";

const NOW_SEC = T0_SEC + 100;

function scene() {
  const host = newHost();
  const chart = host.defineChart({ id: "t.c" })!;
  host.defineDimension(chart, dimension("a"));
  const settings = { isEnabled: true, windowSec: 86_400, stepSec: 600 };
  const plan = new ReplayPlan(host, settings, new ReplayShare(), new ReplayPace({ monotonicMs: () => 0 }), () => {});
  return { host, chart, backfill: new HostBackfill(host, plan) };
}

test("what a child of our kind has and we lack is missing as soon as it is offered, not at the next tick", () => {
  const { host, chart, backfill } = scene();
  backfill.allowLater();
  backfill.definitionEnd(chart, T0_SEC + 40, T0_SEC + 99, NOW_SEC, NOW_SEC * 1e6);
  expect(host.missingFromSec).toBe(T0_SEC + 40);
});

test("a child whose clock is ahead of ours by more than 5 s replays in vain, and that is accounted for", () => {
  const { host, chart, backfill } = scene();
  backfill.definitionEnd(chart, T0_SEC + 40, T0_SEC + 109, NOW_SEC + 10, NOW_SEC * 1e6);
  const sets = Uint8Array.of(1, 0);
  const times = { startSec: T0_SEC + 59, endSec: T0_SEC + 60, senderNowSec: NOW_SEC + 10 };
  const row = { ...times, values: Float64Array.of(1, 2), sets, setCount: 1, isReset: false };
  backfill.replay(chart, row, NOW_SEC * 1e6);
  expect(chart.slotsPassed).toBe(0);
  expect(host.balance).toMatchObject({ backfilled: 1, stored: 0, dropped: { clock: 1 } });
  expect(imbalance(host.balance)).toBe(0);
});
