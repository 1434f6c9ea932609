import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchAgent, firstLine, startChildren } from "./bench-agent.ts";
import { processCpuSec } from "./process-cpu.ts";

// (b), (c): samples per CPU second of the compiled parent or proxy, fed through TCP by another process.
// bun test/bench/stream.bench.ts parent|proxy CHILDREN CHARTS DIMENSIONS [HOLES] [SETTLE_SEC] [WINDOW_SEC]
const [role = "parent", ...numbers] = process.argv.slice(2);
const [children = 20, charts = 1000, dimensions = 25, holes = 0, settleSec = 45, windowSec = 20] = numbers.map(Number);
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));

interface Counts {
  samples: number;
  stored: number;
  lost: number;
}

async function readCounts(): Promise<Counts> {
  const report = await agent.report();
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    samples: sum(report.hosts.map((host) => host.balance.received)),
    stored: sum(report.hosts.map((host) => host.balance.stored)),
    lost: sum(report.links.flatMap((link) => Object.values(link.account.lost))),
  };
}

const sink = Bun.spawn([process.execPath, join(import.meta.dir, "sink.ts")], { stdin: "pipe", stdout: "pipe" });
const sinkPort = await firstLine(sink.stdout);
const agent = await BenchAgent.start(directory, role === "proxy" ? Number(sinkPort) : 0);
const sender = await startChildren(agent, [children, charts, dimensions, holes, settleSec + windowSec + 300]);
// What is measured begins when values are there.
await agent.until(({ hosts }) => hosts.some(({ balance }) => balance.received > 0));

const perSecond: number[] = [];
let cpu = processCpuSec(agent.pid);
let counts = await readCounts();
let windowStart = { cpu, counts };
const connected = { cpu, counts };
for (let second = 1; second <= settleSec + windowSec; second++) {
  await Bun.sleep(1000);
  const cpuNow = processCpuSec(agent.pid);
  const countsNow = await readCounts();
  if (second === settleSec) windowStart = { cpu: cpuNow, counts: countsNow };
  if (second > settleSec) perSecond.push(((cpuNow - cpu) * 1e9) / (countsNow.samples - counts.samples));
  cpu = cpuNow;
  counts = countsNow;
}
perSecond.sort((a, b) => a - b);
const million = (from: { cpu: number; counts: Counts }, to: { cpu: number; counts: Counts }) => {
  return ((to.counts.samples - from.counts.samples) / (to.cpu - from.cpu) / 1e6).toFixed(2);
};
const end = { cpu, counts };
const quiet = perSecond[Math.floor(perSecond.length / 4)]!;
const stored = end.counts.stored - windowStart.counts.stored;
const received = end.counts.samples - windowStart.counts.samples;
process.stdout.write(
  `${role} ${children} × ${charts} × ${dimensions}, holes ${holes} %: ${million(windowStart, end)} M samples per CPU second ` +
    `in ${windowSec} s after ${settleSec} s, quiet seconds ${(1000 / quiet).toFixed(2)} M (${quiet.toFixed(0)} ns), ` +
    `before that ${million(connected, windowStart)} M; received ${received}, stored ${stored}, lost ${end.counts.lost}\n`,
);
const memory = await Bun.file(`/proc/${agent.pid}/status`).text();
process.stdout.write(`${/RssAnon:\s*(\d+) kB/.exec(memory)?.[0]}, ${/VmRSS:\s*(\d+) kB/.exec(memory)?.[0]}\n`);
sender.kill();
sink.stdin.end();
await Promise.all([sender.exited, agent.stop(), sink.exited]);
rmSync(directory, { recursive: true, force: true });
