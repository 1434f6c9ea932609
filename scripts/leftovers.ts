import { readdirSync, readFileSync } from "node:fs";

/** Environment variable that marks every process of one test run, those that left its process group included. */
export const RUN_VARIABLE = "TRIBUTARY_TEST_RUN";
/** A process that starts another one just then is found with it in the next round. */
const ROUNDS_MAX = 10;

/** @param run value of {@link RUN_VARIABLE}. @returns ids of the processes started with it, this one excepted. */
export function processesOfRun(run: string): number[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.filter((pid) => readWords(pid, "environ").includes(`${RUN_VARIABLE}=${run}`)).map(Number);
}

/**
 * Ends the processes of a test run that outlived it.
 * @param run value of {@link RUN_VARIABLE} they were started with. @returns `pid command` of each.
 */
export function killLeftovers(run: string): string[] {
  const found = new Map<number, string>();
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const fresh = processesOfRun(run).filter((pid) => !found.has(pid));
    if (fresh.length === 0) break;
    for (const pid of fresh) {
      const command = readWords(String(pid), "cmdline").join(" ").trim();
      try {
        process.kill(pid, "SIGKILL");
        found.set(pid, `${pid} ${command}`);
      } catch {
        // It has ended by itself in the meantime.
      }
    }
  }
  return [...found.values()];
}

/** @returns no words for a process that has ended or is another user's: neither is ours to end. */
function readWords(pid: string, file: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8").split("\0");
  } catch {
    return [];
  }
}
