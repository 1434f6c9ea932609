import { readdirSync, readFileSync } from "node:fs";

/** Environment variable that marks every process of one test run, those that left its process group included. */
export const RUN_VARIABLE = "TRIBUTARY_TEST_RUN";

/**
 * Ends the processes of a test run that outlived it.
 * @param run value of {@link RUN_VARIABLE} they were started with. @returns `pid command` of each.
 */
export function killLeftovers(run: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      if (!variables.includes(`${RUN_VARIABLE}=${run}`)) continue;
      const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0").join(" ").trim();
      process.kill(Number(pid), "SIGKILL");
      found.push(`${pid} ${command}`);
    } catch {
      // Ended in the meantime, or another user's: not ours in both cases.
    }
  }
  return found;
}
