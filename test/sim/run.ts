import { parseArgs } from "node:util";
import type { Plan } from "./plan.ts";
import { simulate } from "./simulation.ts";

/**
 * Runs seeds one after the other, one line each; those that fail say why.
 *   bun test/sim/run.ts --seed 17 [--count 100] [--step 1] [--seconds 3600] [--without 3,5] [--log MACHINE] [--confirm hop|end]
 */
const { values: options } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    count: { type: "string", default: "1" },
    step: { type: "string", default: "1" },
    seconds: { type: "string", default: "3600" },
    without: { type: "string", default: "" },
    log: { type: "string", default: "" },
    confirm: { type: "string", default: "" },
  },
});
const { confirm } = options;
const plan: Partial<Plan> = confirm === "hop" || confirm === "end" ? { confirm } : {};
const without = options.without.split(",").filter(Boolean).map(Number);
let seed = Number(options.seed);
let failed = 0;
let unhandled = "";
process.on("unhandledRejection", (error) => {
  unhandled = error instanceof Error ? (error.stack ?? error.message) : String(error);
});

for (let left = Number(options.count); left > 0; left--) {
  const start = process.cpuUsage();
  const result = simulate({ seed, seconds: Number(options.seconds), plan, without });
  await Bun.sleep(0);
  const problems = [...result.problems, ...(unhandled === "" ? [] : [`unhandled: ${unhandled}`])];
  unhandled = "";
  const { user, system } = process.cpuUsage(start);
  const ms = Math.round((user + system) / 1000);
  const { trace, events, pointsChecked, quietMinutes, wellAfterSec, endLooks, faults } = result;
  const what = `${events} events, ${faults.length} faults, ${pointsChecked} points, ${quietMinutes} quiet minutes, ${endLooks} looks at the end`;
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
