/**
 * Runs the static checks and the tests, and ends with the line `N passed, N failed, N skipped`.
 *   bun scripts/test.ts [PATH…]          everything: types, lint, dead code, all tests, the real peers included
 *   bun scripts/test.ts --quick          without the peers and the builds: under a minute
 *   TRIBUTARY_SOAK=1 bun scripts/test.ts full counts
 * Exit code 0 only when something passed and nothing failed.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readTotals, type Totals } from "./junit.ts";
import { killLeftovers, RUN_VARIABLE } from "./leftovers.ts";

const ROOT = join(import.meta.dir, "..");
const STATIC_CHECKS = [
  ["tsc", "--noEmit"],
  ["biome", "ci", "--colors=off", "."],
  ["knip", "--no-progress"],
];
const QUICK_TESTS = ["test/unit", "test/prop", "test/golden", "test/tidy.test.ts"];

const args = process.argv.slice(2);
const isQuick = args.includes("--quick");
const paths = args.filter((arg) => arg !== "--quick");
const broken = STATIC_CHECKS.filter((command) => !runStatic(command)).length;
const totals = runTests(paths.length > 0 ? paths : isQuick ? QUICK_TESTS.filter((path) => existsInRoot(path)) : []);
const failed = totals.failed + broken;
say(`${totals.passed} passed, ${failed} failed, ${totals.skipped} skipped`);
process.exit(failed > 0 || totals.passed === 0 ? 1 : 0);

/** @returns whether the tool found nothing; what it found is printed. */
function runStatic(command: string[]): boolean {
  const startMs = performance.now();
  const [name = "", ...rest] = command;
  const { exitCode, stdout, stderr } = Bun.spawnSync([join(ROOT, "node_modules/.bin", name), ...rest], { cwd: ROOT });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (exitCode === 0) say(`ok      ${command.join(" ")} (${seconds} s)`);
  else say(`FAILED  ${command.join(" ")} (${seconds} s)\n${stdout}${stderr}`);
  return exitCode === 0;
}

function runTests(patterns: string[]): Totals {
  const folder = mkdtempSync(join(tmpdir(), "tributary-report-"));
  const report = join(folder, "junit.xml");
  const options = ["--randomize", "--timeout=60000", "--reporter=junit", `--reporter-outfile=${report}`];
  const run = crypto.randomUUID();
  const { exitCode } = Bun.spawnSync([process.execPath, "test", "--no-orphans", ...options, ...patterns], {
    cwd: ROOT,
    env: { ...process.env, [RUN_VARIABLE]: run },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const leftovers = killLeftovers(run);
  const text = existsSync(report) ? readFileSync(report, "utf8") : "";
  rmSync(folder, { recursive: true });
  const found = readTotals(text);
  if (leftovers.length > 0) {
    say(`FAILED  left running by the tests, ended now:\n  ${leftovers.join("\n  ")}`);
    return { ...found, failed: found.failed + 1 };
  }
  if (exitCode === 0 || found.failed > 0) return found;
  // A crash, or an error outside any test: the report does not show it.
  say(`FAILED  bun test ended with ${exitCode}`);
  return { ...found, failed: 1 };
}

function existsInRoot(path: string): boolean {
  return existsSync(join(ROOT, path));
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
