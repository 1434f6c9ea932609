import { expect, test } from "bun:test";
import { Backoff } from "../../agent/base/backoff.ts";

test("the cap doubles up to its limit, and starts anew after a reset", () => {
  const backoff = new Backoff(1000, 60_000, () => 0.5);
  const delays = Array.from({ length: 9 }, () => backoff.nextMs());
  expect(delays).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  backoff.reset();
  expect(backoff.nextMs()).toBe(500);
});

test("full jitter: anything from 0 up to the cap", () => {
  const drawn = [0, 0.25, 0.999];
  const backoff = new Backoff(1000, 1000, () => drawn.shift() ?? 0);
  expect([backoff.nextMs(), backoff.nextMs(), backoff.nextMs()]).toEqual([0, 250, 999]);
});
