import { expect, test } from "bun:test";
import { killLeftovers, RUN_VARIABLE } from "../../scripts/leftovers.ts";

test("killLeftovers ends the processes of that run, and no others", async () => {
  const [own, other] = [crypto.randomUUID(), crypto.randomUUID()];
  const spawn = (run: string) => {
    // A program of its own session, as the peer scripts start theirs.
    return Bun.spawn(["setsid", "--wait", "sleep", "60"], { env: { ...process.env, [RUN_VARIABLE]: run } });
  };
  await using mine = spawn(own);
  await using theirs = spawn(other);
  const found = killLeftovers(own);
  expect(found.some((line) => line.startsWith(`${mine.pid} `))).toBe(true);
  expect(found.some((line) => line.startsWith(`${theirs.pid} `))).toBe(false);
  expect(await mine.exited).toBe(137);
  expect(theirs.exitCode).toBe(null);
  expect(killLeftovers(other).length).toBeGreaterThan(0);
  await theirs.exited;
  expect(killLeftovers(crypto.randomUUID())).toEqual([]);
});
