import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processCpuSec } from "./process-cpu.ts";

// The load of stream.bench.ts against a real netdata 1.37.1 parent, for the ratio: run both within minutes.
// bun peer.bench.ts CHILDREN CHARTS DIMENSIONS [SETTLE_SEC] [WINDOW_SEC]
const [children = 20, charts = 250, dimensions = 10, settleSec = 20, windowSec = 20] = process.argv
  .slice(2)
  .map(Number);
const KEY = "11111111-2222-3333-4444-555555555555";
const PORT = 20_000 + (process.pid % 20_000);
const script = join(import.meta.dir, "../peers/netdata.sh");
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));
const pid = Number(
  Bun.spawnSync([script, "start", directory, String(PORT), "parent"])
    .stdout.toString()
    .trim(),
);
const sender = Bun.spawn(
  [
    process.execPath,
    join(import.meta.dir, "sender.ts"),
    String(PORT),
    KEY,
    ...[children, charts, dimensions, 0, settleSec + windowSec + 300].map(String),
  ],
  { stdout: "pipe" },
);
const reader = sender.stdout.getReader();
await reader.read();
await Bun.sleep(settleSec * 1000);
const startCpu = processCpuSec(pid);
const startMs = performance.now();
await Bun.sleep(windowSec * 1000);
const seconds = (performance.now() - startMs) / 1000;
const cpu = processCpuSec(pid) - startCpu;
const samples = children * charts * dimensions * seconds;
process.stdout.write(
  `netdata 1.37.1 parent ${children} × ${charts} × ${dimensions}: ${(samples / cpu / 1e6).toFixed(2)} M samples per CPU second ` +
    `(${((cpu * 1e9) / samples).toFixed(0)} ns) in ${windowSec} s after ${settleSec} s\n`,
);
sender.kill();
Bun.spawnSync([script, "stop", directory]);
rmSync(directory, { recursive: true, force: true });
