import { expect, test } from "bun:test";
import { killLeftovers, processesOfRun, RUN_VARIABLE } from "../../scripts/leftovers.ts";
import { waitFor } from "../peer/wait.ts";

test("killLeftovers ends the processes of that run, and no others", async () => {
  const [own, other] = [crypto.randomUUID(), crypto.randomUUID()];
  // A program in a session of its own, as the peer scripts start theirs.
  const spawn = (run: string) =>
    Bun.spawn(["sleep", "60"], { detached: true, env: { ...process.env, [RUN_VARIABLE]: run } });
  await using mine = spawn(own);
  await using theirs = spawn(other);
  for (const run of [own, other]) await waitFor("its start", 5000, () => processesOfRun(run).length === 1);

  expect(killLeftovers(own)).toEqual([`${mine.pid} sleep 60`]);
  expect(await mine.exited).toBe(137);
  expect(theirs.exitCode).toBe(null);
  expect(processesOfRun(other)).toEqual([theirs.pid]);
  expect(killLeftovers(crypto.randomUUID())).toEqual([]);
});
