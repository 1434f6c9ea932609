import { readFileSync } from "node:fs";

const STEP_MS = 50;

/** Resident memory of a process, in bytes: its own, and pages of files that it has mapped, such as its rings. */
export interface ProcessMemory {
  readonly anon: number;
  readonly file: number;
}

/** The most of both within a time. */
export async function peakMemory(pid: number, durationMs: number): Promise<ProcessMemory> {
  const endMs = performance.now() + durationMs;
  let peak = memoryOf(pid);
  while (performance.now() < endMs) {
    await Bun.sleep(STEP_MS);
    peak = most(peak, memoryOf(pid));
  }
  return peak;
}

export function most(one: ProcessMemory, other: ProcessMemory): ProcessMemory {
  return { anon: Math.max(one.anon, other.anon), file: Math.max(one.file, other.file) };
}

function memoryOf(pid: number): ProcessMemory {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const bytesOf = (name: string) => 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]);
  return { anon: bytesOf("RssAnon"), file: bytesOf("RssFile") };
}
