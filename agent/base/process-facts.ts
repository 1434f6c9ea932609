import { readFileSync } from "node:fs";
import { errorCode } from "./errors.ts";

/** What tells one process from every other, before and after it. */
export interface ProcessFacts {
  /** Of this process. */
  readonly pid: number;
  /** Of this run of the kernel; empty when it does not tell. */
  readonly bootId: string;
  /**
   * When a process started, in clock ticks since the kernel did; a number given out again has another one.
   * @returns null when no such process runs, NaN when one runs that is closed to us.
   */
  startTicks(pid: number): number | null;
}

/** Field 22 of /proc/PID/stat; fields are counted from the state, field 3, behind the name. */
const START_FIELD = 22 - 3;

/** @param proc where the kernel shows the processes of this machine. */
export function createProcessFacts(proc = "/proc"): ProcessFacts {
  return {
    pid: process.pid,
    bootId: readBootId(`${proc}/sys/kernel/random/boot_id`),
    startTicks: (pid) => readStartTicks(`${proc}/${pid}/stat`),
  };
}

function readBootId(path: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return ""; // then only process numbers and start times are compared
  }
}

function readStartTicks(path: string): number | null {
  let text: string;
  try {
    text = readFileSync(path, "latin1");
  } catch (error) {
    // ESRCH: it ended between the opening and the reading.
    const isGone = errorCode(error) === "ENOENT" || errorCode(error) === "ESRCH";
    return isGone ? null : Number.NaN;
  }
  // The name is the program's own choice: it may hold spaces and brackets.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // A process that has ended and waits for its parent holds nothing any more.
  if (fields[0] === "Z" || fields[0] === "X") return null;
  return Number(fields[START_FIELD] ?? Number.NaN);
}
