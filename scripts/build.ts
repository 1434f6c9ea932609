/**
 * Builds the agent.
 *   bun scripts/build.ts             dist/tributary for this machine
 *   bun scripts/build.ts --if-stale  the same, unless it was built from the very same sources
 *   bun scripts/build.ts --all       dist/tributary-VERSION-linux-TARGET for every target, with SHA256SUMS
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import manifest from "../package.json" with { type: "json" };
import { compile, refreshLicenses, sourceFingerprint } from "./compile.ts";
import { readElfHeader } from "./elf.ts";
import { fetchRuntimes, TARGETS, type Target } from "./targets.ts";

const DIST = join(import.meta.dir, "../dist");
const BINARY = join(DIST, "tributary");
/** Fingerprint of what {@link BINARY} was built from. */
const STAMP = join(DIST, ".tributary-sources");
/** Linkers put the program headers and the loader's path into the first page. */
const ELF_HEAD_BYTES = 4096;

async function buildHost(ifStale: boolean): Promise<void> {
  refreshLicenses();
  const fingerprint = sourceFingerprint();
  if (ifStale && existsSync(BINARY) && existsSync(STAMP) && readFileSync(STAMP, "utf8") === fingerprint) return;
  await compile(BINARY, { executablePath: process.execPath });
  writeFileSync(STAMP, fingerprint);
  say(`dist/tributary ${megabytes(BINARY)}`);
}

async function buildAll(): Promise<void> {
  refreshLicenses();
  const runtimes = fetchRuntimes();
  const sums: string[] = [];
  for (const target of TARGETS) {
    const file = join(DIST, `tributary-${manifest.version}-linux-${target.name}`);
    const executablePath = runtimes.get(target.runtimePackage);
    if (executablePath === undefined) throw new Error(`no runtime for ${target.name}`);
    await compile(file, { executablePath, compileTarget: target.compileTarget });
    checkHeader(file, target);
    const sum = new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex");
    sums.push(`${sum}  ${basename(file)}\n`);
    say(`${basename(file)}  ${megabytes(file)}  ${sum}  ${tryRun(file, target)}`);
  }
  writeFileSync(join(DIST, "SHA256SUMS"), sums.join(""));
}

/** @throws Error when the file is for another machine or another C library than its name says. */
function checkHeader(file: string, target: Target): void {
  const head = new Uint8Array(ELF_HEAD_BYTES);
  const fd = openSync(file, "r");
  readSync(fd, head);
  closeSync(fd);
  const { machine, interpreter } = readElfHeader(head);
  if (machine !== target.machine || interpreter !== target.interpreter)
    throw new Error(`${file}: is for ${machine} ${interpreter}, not ${target.machine} ${target.interpreter}`);
}

/** Runs the binary's `version` where this machine can. @throws Error when it should run and does not. */
function tryRun(file: string, target: Target): string {
  const machine = process.arch === "arm64" ? "aarch64" : "x86-64";
  if (target.machine !== machine) return `not run: this machine is ${machine}`;
  if (!existsSync(target.interpreter)) return `not run: ${target.interpreter} is not installed`;
  const { success, stdout, stderr } = Bun.spawnSync([file, "version"]);
  // Debian's musl comes without the C++ library that Bun needs there; Alpine has it as libstdc++.
  if (stderr.toString().includes("Error loading shared library libstdc++")) return "not run: no libstdc++ for musl";
  if (!success || !stdout.toString().startsWith(`tributary ${manifest.version} `))
    throw new Error(`${file} does not run:\n${stdout}${stderr}`);
  return "runs";
}

function megabytes(file: string): string {
  return `${(statSync(file).size / 1e6).toFixed(1)} MB`;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

const [option, ...rest] = process.argv.slice(2);
if (rest.length > 0 || (option !== undefined && option !== "--all" && option !== "--if-stale")) {
  say("usage: bun scripts/build.ts [--if-stale | --all]");
  process.exit(2);
}
if (Bun.version !== manifest.devDependencies.bun) {
  say(`this is Bun ${Bun.version}; the agent is built with ${manifest.devDependencies.bun}: use node_modules/.bin/bun`);
  process.exit(1);
}
if (option === "--all") await buildAll();
else await buildHost(option === "--if-stale");
