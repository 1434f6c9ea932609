import { describe, expect, test } from "bun:test";
import { exact } from "./looseness.ts";
import { killsWhileFetching, PLANTED } from "./planted.ts";
import { PLAIN, simulate } from "./simulation.ts";

/** A world whose proxy keeps nothing, so that its links do not replicate. */
const WITHOUT_RING = 18;
/** More than any schedule has. */
const ALL_FAULTS = Array.from({ length: 1000 }, (_, i) => i + 1);
const SHORT_SEC = 900;
const EXACT = { ...PLAIN, loosenessOf: () => exact, nothingLost: true };

describe("a simulated world", () => {
  test("is the same once more with the same seed, to the last byte", () => {
    const [once, again] = [1, 1].map(() => simulate({ seed: 3, seconds: SHORT_SEC }));
    expect(once!.events).toBeGreaterThan(10_000);
    expect([again!.trace, again!.events]).toEqual([once!.trace, once!.events]);
  });

  test("is another one with another seed", () => {
    const traces = [4, 5, 6].map((seed) => simulate({ seed, seconds: 120 }).trace);
    expect(new Set(traces).size).toBe(3);
  });

  test("goes on as before when faults are taken out, up to the first of them", () => {
    const whole = simulate({ seed: 8, seconds: SHORT_SEC });
    const part = simulate({ seed: 8, seconds: SHORT_SEC, without: [2] });
    expect(whole.faults.length).toBeGreaterThan(2);
    expect(part.faults).toEqual(whole.faults.filter((line) => !line.startsWith("#2 ")));
    expect(part.trace).not.toBe(whole.trace);
  });

  test.each([1, 2, 3, 4, 5, 6])("with seed %d: a quarter of an hour in which all that must hold does", (seed) => {
    const { problems, faults, pointsChecked } = simulate({ seed, seconds: SHORT_SEC });
    expect(problems, faults.join("\n")).toEqual([]);
    expect(pointsChecked).toBeGreaterThan(10_000);
  });
});

describe("a simulation finds it when", () => {
  // Without faults every minute is a quiet one: nothing hides what is planted.
  const quiet = { seed: 13, seconds: 420, without: ALL_FAULTS };

  test("nothing is planted: then nothing is found", () => {
    const { problems, quietMinutes, pathsChecked, valuesChecked } = simulate(quiet);
    expect(problems).toEqual([]);
    expect(quietMinutes).toBeGreaterThan(8);
    expect(pathsChecked).toBeGreaterThan(3);
    expect(valuesChecked).toBeGreaterThan(2000);
  });

  test("more is expected than links without replication can keep: equal values, and that nothing is lost", () => {
    // A child in mode none has nothing to replicate.
    const { problems } = simulate({ seed: WITHOUT_RING, seconds: 900, expected: EXACT });
    expect(problems.join("\n")).toMatch(/ at \d+ is [\d.-]+, the child stored /);
    expect(problems.join("\n")).toMatch(/ values of the child are missing/);
  });

  test("a parent dies while it fetches: what it lacked then it has in the end, if nothing else is wrong", () => {
    // No schedule knows of that outage.
    const expected = { ...EXACT, livenessSec: 400 };
    const { problems } = simulate({ ...quiet, prepare: killsWhileFetching, expected });
    expect(problems).toEqual([]);
  });

  test.each(PLANTED)("$what", ({ plan, plant, found }) => {
    // Nothing comes right after a confirmation in this world.
    const expected = { ...EXACT, confirmedSec: 1.3 };
    const { problems } = simulate({ ...quiet, plan: { confirm: "hop", ...plan }, prepare: plant, expected });
    for (const text of found) expect(problems.join("\n")).toContain(text);
  });
});
