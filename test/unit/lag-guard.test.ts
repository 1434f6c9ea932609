import { describe, expect, test } from "bun:test";
import { LagGuard } from "../../agent/receiver/lag-guard.ts";

const T0_US = 1_700_000_000_000_000;

/** Seconds (from 0) at which the guard says that a lag stays, for one sample a second with these lags. */
function stuckAt(lags: (second: number) => number, seconds: number, updateEverySec = 1): number[] {
  const guard = new LagGuard(updateEverySec);
  const said: number[] = [];
  for (let second = 0; second < seconds; second++) {
    const nowUs = T0_US + second * 1e6;
    if (guard.isStuck(nowUs - lags(second) * 1e6, nowUs)) said.push(second);
  }
  return said;
}

describe("a lag", () => {
  const cases = [
    { name: "within 5 s is no lag", lags: () => 5, expected: [] },
    { name: "of a link that catches up, 1 s in 10, is left alone", lags: (s: number) => 40 - s / 10, expected: [] },
    {
      name: "that comes and goes within a minute is left alone",
      lags: (s: number) => (s % 90 < 50 ? 20 : 0),
      expected: [],
    },
    { name: "that stays is told after more than a minute", lags: () => 12, expected: [80, 161] },
    {
      name: "of every tenth sample that stays, too",
      lags: (s: number) => (s % 10 === 3 ? 12 : 0),
      expected: [80, 161],
    },
    { name: "that grows, too", lags: (s: number) => 6 + s / 20, expected: [80, 161] },
  ];
  test.each(cases)("$name", ({ lags, expected }) => {
    expect(stuckAt(lags, 200)).toEqual(expected);
  });

  test("is measured against three intervals of the host", () => {
    expect(stuckAt(() => 29, 200, 10)).toEqual([]);
    expect(stuckAt(() => 31, 100, 10)).toEqual([80]);
  });

  test("that stays while our clock steps back is told all the same", () => {
    const guard = new LagGuard(1);
    let told = 0;
    for (let second = 0; second < 300; second++) {
      const nowUs = T0_US + (second < 100 ? second : second - 3600) * 1e6;
      if (guard.isStuck(nowUs - 12e6, nowUs)) told++;
    }
    expect(told).toBeGreaterThan(1);
  });
});
