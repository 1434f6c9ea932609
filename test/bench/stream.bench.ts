import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { processCpuSec } from "./process-cpu.ts";

// (b), (c): samples per CPU second of the compiled parent or proxy, fed through TCP by another process.
// bun test/bench/stream.bench.ts parent|proxy CHILDREN CHARTS DIMENSIONS [HOLES] [SETTLE_SEC] [WINDOW_SEC]
const [role = "parent", ...numbers] = process.argv.slice(2);
const [children = 20, charts = 1000, dimensions = 25, holes = 0, settleSec = 45, windowSec = 20] = numbers.map(Number);
const KEY = "11111111-2222-3333-4444-555555555555";
const binary = join(import.meta.dir, "../../dist/tributary");
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));

interface Counts {
  samples: number;
  stored: number;
  lost: number;
}

async function readCounts(url: string): Promise<Counts> {
  const report = (await (await fetch(`${url}/api/v1/agent`)).json()) as {
    hosts: { balance: { received: number; stored: number } }[];
    links: { account: { lost: Record<string, number> } }[];
  };
  const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
  return {
    samples: sum(report.hosts.map((host) => host.balance.received)),
    stored: sum(report.hosts.map((host) => host.balance.stored)),
    lost: sum(report.links.flatMap((link) => Object.values(link.account.lost))),
  };
}

async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) return text.slice(0, text.indexOf("\n"));
  }
  return text;
}

const sink = Bun.spawn([process.execPath, join(import.meta.dir, "sink.ts")], { stdin: "pipe", stdout: "pipe" });
const sinkPort = await firstLine(sink.stdout);
const proxying = `[stream]\nenabled = true\ndestination = "127.0.0.1:${sinkPort}"\napi_key = "${KEY}"\n`;
const config = join(directory, "bench.toml");
writeFileSync(
  config,
  `[agent]\nstate_dir = ${JSON.stringify(directory)}\n[web]\nlisten = "127.0.0.1:0"\n[collector]\nenabled = false\n` +
    `[db]\nmemory_limit_bytes = ${64 * 2 ** 30}\n` +
    `[api_key."${KEY}"]\nenabled = true\n${role === "proxy" ? proxying : ""}`,
);
const agent = Bun.spawn([binary, "run", "--config", config], { stdout: "pipe", stderr: "ignore" });
const url = / ready on (\S+) /.exec(await firstLine(agent.stdout))?.[1] ?? "";
const sender = Bun.spawn(
  [
    process.execPath,
    join(import.meta.dir, "sender.ts"),
    new URL(url).port,
    KEY,
    ...[children, charts, dimensions, holes, settleSec + windowSec + 300].map(String),
  ],
  { stdout: "pipe" },
);
await firstLine(sender.stdout);
// Half a million definitions take a while; what is measured begins when the agent answers again.
for (;;) {
  try {
    if ((await readCounts(url)).samples > 0) break;
  } catch {
    // Busy beyond the limits of an HTTP client.
  }
  await Bun.sleep(1000);
}

const perSecond: number[] = [];
let cpu = processCpuSec(agent.pid);
let counts = await readCounts(url);
let windowStart = { cpu, counts };
const connected = { cpu, counts };
for (let second = 1; second <= settleSec + windowSec; second++) {
  await Bun.sleep(1000);
  const cpuNow = processCpuSec(agent.pid);
  const countsNow = await readCounts(url);
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
agent.kill();
sink.stdin.end();
await Promise.all([sender.exited, agent.exited, sink.exited]);
rmSync(directory, { recursive: true, force: true });
