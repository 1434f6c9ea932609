/** The machines Tributary is released for, and the Bun runtime of each. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import type { ElfHeader } from "./elf.ts";

const ROOT = join(import.meta.dir, "..");
const BUN_VERSION = manifest.devDependencies.bun;
const RUNTIMES = join(ROOT, ".tools/runtimes", BUN_VERSION);

/** One released binary. */
export interface Target extends ElfHeader {
  /** As in the file name `tributary-VERSION-linux-NAME`. */
  name: string;
  compileTarget: Bun.Build.CompileTarget;
  /** npm package that holds Bun for this target. */
  runtimePackage: string;
}

/**
 * Since Bun 1.4 the x64 runtime needs only SSE4.2 and picks faster code at run time; `x64-baseline` is the same binary
 * under the name that scripts written for older releases ask for.
 */
export const TARGETS: readonly Target[] = [
  target("x64", "bun-linux-x64", "bun-linux-x64", "x86-64", "/lib64/ld-linux-x86-64.so.2"),
  target("x64-baseline", "bun-linux-x64", "bun-linux-x64", "x86-64", "/lib64/ld-linux-x86-64.so.2"),
  target("x64-musl", "bun-linux-x64-musl", "bun-linux-x64-musl", "x86-64", "/lib/ld-musl-x86_64.so.1"),
  target("arm64", "bun-linux-arm64", "bun-linux-aarch64", "aarch64", "/lib/ld-linux-aarch64.so.1"),
  target("arm64-musl", "bun-linux-arm64-musl", "bun-linux-aarch64-musl", "aarch64", "/lib/ld-musl-aarch64.so.1"),
];

/**
 * Gets the Bun runtime of every target through its npm package; nothing is fetched that is there already.
 * @returns path of the runtime by package name.
 * @throws Error when a package is not the one that `bun.lock` pins.
 */
export function fetchRuntimes(): Map<string, string> {
  const names = [...new Set(TARGETS.map((target) => target.runtimePackage))];
  const paths = new Map(names.map((name) => [name, join(RUNTIMES, "node_modules", name, "bin/bun")]));
  if ([...paths.values()].every((path) => existsSync(path))) return paths;
  mkdirSync(RUNTIMES, { recursive: true });
  const dependencies = Object.fromEntries(names.map((name) => [name, BUN_VERSION]));
  writeFileSync(join(RUNTIMES, "package.json"), JSON.stringify({ name: "runtimes", private: true, dependencies }));
  const platform = ["--os=linux", "--cpu=*", "--libc=*"];
  const { success, stderr } = Bun.spawnSync([process.execPath, "install", "--ignore-scripts", ...platform], {
    cwd: RUNTIMES,
  });
  if (!success) throw new Error(`the runtimes of other machines cannot be fetched:\n${stderr.toString().trim()}`);
  checkIntegrity(names);
  return paths;
}

function checkIntegrity(names: string[]): void {
  const pinned = readFileSync(join(ROOT, "bun.lock"), "utf8");
  const fetched = readFileSync(join(RUNTIMES, "bun.lock"), "utf8");
  for (const name of names) {
    const hash = lockedHash(fetched, name);
    if (hash === "" || hash !== lockedHash(pinned, name)) throw new Error(`${name} is not the package bun.lock pins`);
  }
}

/** The hash a lock file keeps for a package: the last string of its line. */
function lockedHash(lock: string, name: string): string {
  const line = lock.split("\n").find((text) => text.trimStart().startsWith(`"${name}": [`)) ?? "";
  return /"(sha512-[^"]+)"\],?$/.exec(line)?.[1] ?? "";
}

function target(
  name: string,
  compileTarget: Bun.Build.CompileTarget,
  runtime: string,
  machine: Target["machine"],
  interpreter: string,
): Target {
  return { name, compileTarget, runtimePackage: `@oven/${runtime}`, machine, interpreter };
}
