import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processCpuSec } from "./process-cpu.ts";

// CPU, memory and bytes dirtied of the compiled agent with its default collectors, not streaming:
// bun child.bench.ts [SECONDS [MEMORY_MODE]]
const [seconds = 60, mode = "ram"] = [Number(process.argv[2] ?? 60), process.argv[3]];
const SETTLE_SEC = 10;
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
const agent = Bun.spawn(
  [
    join(import.meta.dir, "../../dist/tributary"),
    "run",
    "--listen",
    "127.0.0.1:0",
    "--state",
    directory,
    "--memory",
    mode,
  ],
  { stdout: "ignore", stderr: "ignore" },
);
await Bun.sleep(SETTLE_SEC * 1000);
/** Pages that it made dirty, in bytes: what the disk is given sooner or later, at least. */
const dirtiedBytes = async () => {
  const io = await Bun.file(`/proc/${agent.pid}/io`).text();
  return Number(/^write_bytes: (\d+)/m.exec(io)?.[1] ?? Number.NaN);
};
const dirtiedBefore = await dirtiedBytes();
const perSecond: number[] = [];
const start = processCpuSec(agent.pid);
let last = start;
for (let second = 0; second < seconds; second++) {
  await Bun.sleep(1000);
  const now = processCpuSec(agent.pid);
  perSecond.push(now - last);
  last = now;
}
perSecond.sort((a, b) => a - b);
const dirtied = (((await dirtiedBytes()) - dirtiedBefore) / seconds) * 60;
const status = await Bun.file(`/proc/${agent.pid}/status`).text();
const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1] ?? 0);
const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
process.stdout.write(
  `child, ${mode}: ${percent((last - start) / seconds)} of a core over ${seconds} s ` +
    `(median second ${percent(perSecond[Math.floor(seconds / 2)]!)}, quiet ${percent(perSecond[Math.floor(seconds / 4)]!)}); ` +
    `RSS ${(kilobytes("VmRSS") / 1024).toFixed(1)} MB, RssAnon ${(kilobytes("RssAnon") / 1024).toFixed(1)} MB; ` +
    `${(dirtied / 1e6).toFixed(2)} MB a minute dirtied\n`,
);
agent.kill();
await agent.exited;
rmSync(directory, { recursive: true, force: true });
