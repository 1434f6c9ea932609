import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { collectLicenses, LICENSES_FILE } from "./licenses.ts";

const ROOT = join(import.meta.dir, "..");
/** Everything that decides about a binary. */
const SOURCES = ["agent", "package.json", "bun.lock", "scripts/compile.ts"];

/** Bun that goes into the binary: the running one, or another machine's with its name for the bundler. */
export interface Runtime {
  executablePath: string;
  compileTarget?: Bun.Build.CompileTarget;
}

/** Writes the licence texts again if a package changed, so that no binary carries old ones. */
export function refreshLicenses(): void {
  const text = collectLicenses();
  if (readFileSync(LICENSES_FILE, "utf8") !== text) writeFileSync(LICENSES_FILE, text);
}

/**
 * Compiles the agent into one file. The file appears whole or not at all, so several builds at once do no harm.
 * @throws AggregateError of the bundler when a source is broken.
 */
export async function compile(outfile: string, runtime: Runtime): Promise<void> {
  const folder = join(dirname(outfile), `.building-${process.pid}`);
  // The name ends up inside the file: it must not differ between two builds of the same sources.
  const unfinished = join(folder, "tributary");
  mkdirSync(folder, { recursive: true });
  try {
    await Bun.build({
      entrypoints: [join(ROOT, "agent/main.ts")],
      target: "bun",
      format: "esm", // top-level await needs it
      minify: true,
      bytecode: true,
      sourcemap: "linked", // a stack in a bug report then names our files and lines
      define: { TRIBUTARY_COMMIT: JSON.stringify(sourceCommit()) },
      compile: {
        outfile: unfinished,
        executablePath: runtime.executablePath,
        ...(runtime.compileTarget === undefined ? {} : { target: runtime.compileTarget }),
        // The agent's only configuration is its own file: what lies in the folder it starts in must not reach it.
        autoloadDotenv: false,
        autoloadBunfig: false,
      },
    });
    renameSync(unfinished, outfile);
  } finally {
    // With it goes a copy of the source map, which is inside the binary too.
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A hash that changes whenever {@link compile} would give another binary for the same runtime. */
export function sourceFingerprint(): string {
  const hasher = new Bun.CryptoHasher("sha256");
  hasher.update(`${Bun.version} ${sourceCommit()}`);
  for (const path of SOURCES.flatMap((source) => filesOf(source)).sort())
    hasher.update(`\n${path}\n`).update(readFileSync(join(ROOT, path)));
  return hasher.digest("hex");
}

/** The last commit that changed a source, `-dirty` when they have changed since; `unknown` outside a repository. */
function sourceCommit(): string {
  const commit = git("log", "-1", "--format=%h", "--", ...SOURCES);
  if (commit === "") return "unknown";
  return git("status", "--porcelain", "--", ...SOURCES) === "" ? commit : `${commit}-dirty`;
}

function git(...args: string[]): string {
  if (Bun.which("git") === null) return "";
  const { success, stdout } = Bun.spawnSync(["git", ...args], { cwd: ROOT });
  return success ? stdout.toString().trim() : "";
}

/** Paths from the root of all files in a file or folder. */
function filesOf(path: string): string[] {
  if (statSync(join(ROOT, path)).isFile()) return [path];
  return readdirSync(join(ROOT, path)).flatMap((name) => filesOf(join(path, name)));
}
