/**
 * Runs the static checks and the tests, and ends with the line `N passed, N failed, N skipped`.
 *   bun scripts/test.ts [PATH…]          everything: types, lint, dead code, all tests, the real peers included
 *   bun scripts/test.ts --quick          without the peers and the builds: under a minute
 *   TRIBUTARY_SOAK=1 bun scripts/test.ts full counts
 * Exit code 0 only when something passed and nothing failed.
 */
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
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
const QUICK_TESTS = [
  "test/unit",
  "test/prop",
  "test/golden",
  "./test/sim/world.test.ts",
  "./test/sim/network.test.ts",
  "./test/tidy.test.ts",
];
/** They take all processors there are, one after the other. */
const SIMULATIONS = ["sim/seeds", "fuzz/sockets"];
/**
 * They look at real programs for minutes and hardly use a processor: these rows run side by side, the files of a row one
 * after the other, each in a process of its own. All other tests run before them, in three processes: what they need of the
 * machine would disturb these. The demonstration, which must lose nothing from its very start, begins when the others have started.
 */
const WAITING_TESTS = [
  ["netdata-replication"],
  ["outages", "slow-parent"],
  // store-disk mounts disks: the agents of netdata-streams would see them come and go.
  ["netdata-streams", "store-disk"],
  ["carbon", "interop", "way"],
  ["agent-carbon", "store-modes", "failover", "agent"],
  ["demo", "netdata-refusals", "netdata-outage", "netdata-labels", "netdata-old-host"],
];

const BROKEN: Totals = { passed: 0, failed: 1, skipped: 0 };

const args = process.argv.slice(2);
const isQuick = args.includes("--quick");
const paths = args.filter((arg) => arg !== "--quick");
const broken = STATIC_CHECKS.filter((command) => !runStatic(command)).length;
const chosen = paths.length > 0 || !isQuick ? paths : QUICK_TESTS;
const totals = chosen.length > 0 ? [await runTests(chosen)] : await runAll();
const sum = (count: (each: Totals) => number) => totals.reduce((all, each) => all + count(each), 0);
const failed = sum((each) => each.failed) + broken;
const passed = sum((each) => each.passed);
say(`${passed} passed, ${failed} failed, ${sum((each) => each.skipped)} skipped`);
process.exit(failed > 0 || passed === 0 ? 1 : 0);

async function runAll(): Promise<Totals[]> {
  const place = (name: string) => `./test/${name}.test.ts`;
  const rows = WAITING_TESTS.map((names) => names.map((name) => place(`peer/${name}`)));
  const simulations = SIMULATIONS.map(place);
  const apart = [...rows.flat(), ...simulations];
  const all = [...new Bun.Glob("./test/**/*.test.ts").scanSync({ cwd: ROOT })].toSorted();
  const absent = apart.filter((file) => !all.includes(file));
  if (absent.length > 0) throw new Error(`scripts/test.ts names tests that are not there: ${absent.join(", ")}`);
  const others = all.filter((file) => !apart.includes(file));
  const isPeer = (file: string) => file.startsWith("./test/peer/");
  // Several processes would build the binary that they try.
  if (!runStatic(["bun", "scripts/build.ts", "--if-stale"])) return [BROKEN];
  say(
    "three runs side by side, each shown when it has ended: real programs, what takes all processors, everything else",
  );
  const first = await Promise.all(
    [others.filter(isPeer), simulations, others.filter((file) => !isPeer(file))].map((files) => runTests(files, true)),
  );
  say(`side by side, each file shown when it has ended: ${WAITING_TESTS.flat().join(", ")}`);
  return [...first, ...(await Promise.all(rows.map(runRow))).flat()];
}

async function runRow(files: string[]): Promise<Totals[]> {
  const totals: Totals[] = [];
  for (const file of files) totals.push(await runTests([file], true));
  return totals;
}

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

/** @param isShownLater what it prints comes in one piece at its end. */
async function runTests(patterns: string[], isShownLater = false): Promise<Totals> {
  const folder = mkdtempSync(join(tmpdir(), "tributary-report-"));
  const [report, printed] = [join(folder, "junit.xml"), join(folder, "printed.txt")];
  const options = ["--randomize", "--timeout=60000", "--reporter=junit", `--reporter-outfile=${report}`];
  const run = crypto.randomUUID();
  const output = isShownLater ? openSync(printed, "a") : "inherit";
  const child = Bun.spawn([process.execPath, "test", "--no-orphans", ...options, ...patterns], {
    cwd: ROOT,
    env: { ...process.env, [RUN_VARIABLE]: run },
    stdio: ["ignore", output, output],
  });
  const exitCode = await child.exited;
  if (isShownLater) say(readFileSync(printed, "utf8"));
  if (typeof output === "number") closeSync(output);
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

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
