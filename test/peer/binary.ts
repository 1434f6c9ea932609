import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
/** The compiled agent, as users have it. */
const BINARY = join(ROOT, "dist/tributary");

let built: Promise<string> | undefined;

/** Builds `dist/tributary` unless it is up to date. @returns its path. @throws Error with what the build printed. */
export function agentBinary(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  // The pinned Bun, whichever runs the tests.
  const bun = join(ROOT, "node_modules/.bin/bun");
  const child = Bun.spawn([bun, "scripts/build.ts", "--if-stale"], { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
  const text = await child.stderr.text();
  if ((await child.exited) !== 0) throw new Error(`dist/tributary cannot be built:\n${text}`);
  return BINARY;
}
