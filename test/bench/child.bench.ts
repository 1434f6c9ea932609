import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processCpuSec } from "./process-cpu.ts";

// CPU and memory of the compiled agent with its defaults (ram, default collectors, not streaming): bun child.bench.ts [SECONDS]
const seconds = Number(process.argv[2] ?? 60);
const SETTLE_SEC = 10;
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
const agent = Bun.spawn(
  [join(import.meta.dir, "../../dist/tributary"), "run", "--listen", "127.0.0.1:0", "--state", directory],
  { stdout: "ignore", stderr: "ignore" },
);
await Bun.sleep(SETTLE_SEC * 1000);
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
const status = await Bun.file(`/proc/${agent.pid}/status`).text();
const kilobytes = (name: string) => Number(new RegExp(`${name}:\\s*(\\d+)`).exec(status)?.[1] ?? 0);
const percent = (value: number) => `${(100 * value).toFixed(2)} %`;
process.stdout.write(
  `child, defaults: ${percent((last - start) / seconds)} of a core over ${seconds} s ` +
    `(median second ${percent(perSecond[Math.floor(seconds / 2)]!)}, quiet ${percent(perSecond[Math.floor(seconds / 4)]!)}); ` +
    `RSS ${(kilobytes("VmRSS") / 1024).toFixed(1)} MB, RssAnon ${(kilobytes("RssAnon") / 1024).toFixed(1)} MB\n`,
);
agent.kill();
await agent.exited;
rmSync(directory, { recursive: true, force: true });
