import { parseArgs } from "node:util";
import { simulate } from "./simulation.ts";

/**
 * Runs seeds one after the other, one line each; those that fail say why.
 *   bun test/sim/run.ts --seed 17 [--count 100] [--step 1] [--seconds 3600] [--without 3,5] [--log MACHINE]
 */
const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    step: { type: "string", default: "1" },
    seconds: { type: "string", default: "3600" },
    without: { type: "string", default: "" },
    log: { type: "string", default: "" },
  },
});
const without = options.without.split(",").filter(Boolean).map(Number);
let seed = Number(options.seed);
let failed = 0;
let unhandled = "";
process.on("unhandledRejection", (error) => {
  unhandled = error instanceof Error ? (error.stack ?? error.message) : String(error);
});

for (let left = Number(options.count); left > 0; left--) {
  const start = process.cpuUsage();
  const result = simulate({ seed, seconds: Number(options.seconds), without });
  await Bun.sleep(0);
  const problems = [...result.problems, ...(unhandled === "" ? [] : [`unhandled: ${unhandled}`])];
  unhandled = "";
  const { user, system } = process.cpuUsage(start);
  const ms = Math.round((user + system) / 1000);
  const { trace, events, pointsChecked, quietMinutes, wellAfterSec, faults } = result;
  const what = `${events} events, ${faults.length} faults, ${pointsChecked} points, ${quietMinutes} quiet minutes`;
  const well = `well after ${Math.ceil(wellAfterSec)} s`;
  say(`seed ${seed} ${problems.length === 0 ? "ok" : "FAILED"} trace ${trace} ${what}, ${well}, ${ms} ms CPU`);
  if (problems.length > 0) {
    failed++;
    const { proxies, modes, dialects, resyncIterations } = result.world.plan;
    say(`  ${JSON.stringify({ proxies, modes, dialects, resyncIterations })}`);
    for (const line of [...faults, ...problems]) say(`  ${line}`);
  }
  if (options.log !== "") for (const line of result.world.machine(options.log).lines) process.stdout.write(line);
  seed += Number(options.step);
}
process.exitCode = failed === 0 ? 0 : 1;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
