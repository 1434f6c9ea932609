import { describe, expect, test } from "bun:test";
import { closeSync, copyFileSync, existsSync, openSync, readFileSync, readSync, realpathSync } from "node:fs";
import { join } from "node:path";
import manifest from "../../package.json" with { type: "json" };
import { type ElfHeader, readElfHeader } from "../../scripts/elf.ts";
import { agentBinary } from "./binary.ts";
import { type Lab, peerTest } from "./peer.ts";

const ROOT = join(import.meta.dir, "../..");
const DIST = join(ROOT, "dist");
/** Five bundles and, the first time, three runtimes to fetch. */
const BUILD_MS = 300_000;
const MUSL_LOADER = "/lib/ld-musl-x86_64.so.1";

/** The five files of a release and where each must run. */
const RELEASE: ({ target: string } & ElfHeader)[] = [
  { target: "x64", machine: "x86-64", interpreter: "/lib64/ld-linux-x86-64.so.2" },
  { target: "x64-baseline", machine: "x86-64", interpreter: "/lib64/ld-linux-x86-64.so.2" },
  { target: "x64-musl", machine: "x86-64", interpreter: MUSL_LOADER },
  { target: "arm64", machine: "aarch64", interpreter: "/lib/ld-linux-aarch64.so.1" },
  { target: "arm64-musl", machine: "aarch64", interpreter: "/lib/ld-musl-aarch64.so.1" },
];

let releasing: Promise<void> | undefined;

/** Builds all targets once for the tests of this file. */
function buildRelease(): Promise<void> {
  releasing ??= (async () => {
    const bun = join(ROOT, "node_modules/.bin/bun");
    const child = Bun.spawn([bun, "scripts/build.ts", "--all"], { cwd: ROOT, stdout: "ignore", stderr: "pipe" });
    const text = await child.stderr.text();
    if ((await child.exited) !== 0) throw new Error(text);
  })();
  return releasing;
}

function releaseFile(target: string): string {
  return join(DIST, `tributary-${manifest.version}-linux-${target}`);
}

function headerOf(file: string): ElfHeader {
  const head = new Uint8Array(4096);
  const fd = openSync(file, "r");
  readSync(fd, head);
  closeSync(fd);
  return readElfHeader(head);
}

/** Runs a copy of the binary alone in an empty folder, without an environment. */
function runAlone(lab: Lab, file: string, env: Record<string, string> = {}): { code: number; text: string } {
  const folder = lab.newFolder("alone");
  copyFileSync(file, join(folder, "tributary"));
  const { exitCode, stdout, stderr } = Bun.spawnSync([join(folder, "tributary"), "version"], { cwd: folder, env });
  return { code: exitCode, text: `${stdout}${stderr}` };
}

const VERSION_LINE = new RegExp(`^tributary ${manifest.version.replaceAll(".", "\\.")} \\(`);

peerTest("the binary runs from an empty folder with nothing beside it", {}, async (lab) => {
  const { code, text } = runAlone(lab, await agentBinary());
  expect(text).toMatch(VERSION_LINE);
  expect(code).toBe(0);
});

describe("a release", () => {
  test.each(RELEASE)(
    "$target is for $machine, $interpreter",
    async ({ target, machine, interpreter }) => {
      await buildRelease();
      expect(headerOf(releaseFile(target))).toEqual({ machine, interpreter });
    },
    BUILD_MS,
  );

  test(
    "has the SHA-256 sum of every file",
    async () => {
      await buildRelease();
      const lines = readFileSync(join(DIST, "SHA256SUMS"), "utf8").trimEnd().split("\n");
      const expected = RELEASE.map(({ target }) => {
        const file = releaseFile(target);
        return `${new Bun.CryptoHasher("sha256").update(readFileSync(file)).digest("hex")}  ${file.slice(DIST.length + 1)}`;
      });
      expect(lines).toEqual(expected);
    },
    BUILD_MS,
  );

  for (const target of ["x64", "x64-baseline"])
    test.skipIf(process.arch !== "x64" || !existsSync("/lib64/ld-linux-x86-64.so.2"))(
      `${target} runs`,
      async () => {
        await buildRelease();
        const { success, stdout } = Bun.spawnSync([releaseFile(target), "version"]);
        expect(stdout.toString()).toMatch(VERSION_LINE);
        expect(success).toBe(true);
      },
      BUILD_MS,
    );

  const runsMusl = async (lab: Lab) => {
    await buildRelease();
    const { code, text } = runAlone(lab, releaseFile("x64-musl"), { LD_LIBRARY_PATH: muslLibraries(lab) });
    expect(text).toMatch(VERSION_LINE);
    expect(code).toBe(0);
  };
  if (process.arch === "x64") peerTest("x64-musl runs under musl", { needs: ["musl", "cc"] }, runsMusl, BUILD_MS);
});

/** @returns a folder with the C++ library the musl binary needs, made from Debian's. */
function muslLibraries(lab: Lab): string {
  const folder = lab.newFolder("musl");
  for (const name of ["libstdc++.so.6", "libgcc_s.so.1"])
    copyFileSync(realpathSync(join("/usr/lib/x86_64-linux-gnu", name)), join(folder, name));
  const shim = join(folder, "ld-linux-x86-64.so.2");
  const source = join(import.meta.dir, "musl-shim.c");
  const { success, stderr } = Bun.spawnSync(["cc", "-shared", "-fPIC", "-nostdlib", "-o", shim, source]);
  if (!success) throw new Error(`cc: ${stderr}`);
  return folder;
}
