import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BenchAgent, type BenchReport, startChildren } from "./bench-agent.ts";
import { processCpuSec } from "./process-cpu.ts";

// Agents of our kind with all that they agree on, as compiled: first → proxy → parent, children of the first played by
// another process. Values per CPU second of the proxy and of the parent while they stream, and while a parent that has
// lost everything fetches the rings of the proxy.
// bun test/bench/negotiated.bench.ts CHILDREN CHARTS DIMENSIONS [SETTLE_SEC] [WINDOW_SEC]
const [children = 20, charts = 250, dimensions = 10, settleSec = 45, windowSec = 20] = process.argv
  .slice(2)
  .map(Number);
const directory = mkdtempSync(join(tmpdir(), "tributary-bench-"));

type Balance = BenchReport["hosts"][number]["balance"];

function total({ hosts }: BenchReport, amount: (balance: Balance) => number): number {
  return hosts.reduce((sum, { balance }) => sum + amount(balance), 0);
}

/** What an agent has used and taken since the last call. */
class Meter {
  readonly agent: BenchAgent;
  private cpuSec = 0;
  private received = 0;
  private backfilled = 0;

  constructor(agent: BenchAgent) {
    this.agent = agent;
  }

  async read(): Promise<{ cpuSec: number; received: number; backfilled: number }> {
    const report = await this.agent.report();
    const { cpuSec, received, backfilled } = this;
    this.cpuSec = processCpuSec(this.agent.pid);
    this.received = total(report, (balance) => balance.received);
    this.backfilled = total(report, (balance) => balance.backfilled);
    return {
      cpuSec: this.cpuSec - cpuSec,
      received: this.received - received,
      backfilled: this.backfilled - backfilled,
    };
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

let parent = await BenchAgent.start(join(directory, "parent"));
const proxy = await BenchAgent.start(join(directory, "proxy"), parent.port);
const sending = await BenchAgent.start(join(directory, "first"), proxy.port);
const sender = await startChildren(sending, [children, charts, dimensions, 0, settleSec + windowSec + 600]);
await parent.until((report) => total(report, ({ received }) => received) > 0);
await Bun.sleep(settleSec * 1000);

const live = { proxy: new Meter(proxy), parent: new Meter(parent) };
await Promise.all([live.proxy.read(), live.parent.read()]);
await Bun.sleep(windowSec * 1000);
const [atProxy, atParent] = await Promise.all([live.proxy.read(), live.parent.read()]);
say(`${children} × ${charts} × ${dimensions}, ${windowSec} s after ${settleSec} s`);
for (const [name, { received, cpuSec }] of Object.entries({ proxy: atProxy, parent: atParent })) {
  say(`${name.padEnd(6)} live: ${(received / cpuSec / 1e6).toFixed(2)} M values per CPU second (${received} values)`);
}

// One that has forgotten everything, in the same place.
const { port } = parent;
await parent.stop();
parent = await BenchAgent.start(join(directory, "empty"), 0, port);
const replay = { proxy: live.proxy, parent: new Meter(parent) };
await replay.proxy.read();
const sinceMs = performance.now();
await parent.until(({ hosts }) => {
  const fed = hosts.filter(({ balance }) => balance.backfilled > 0);
  return fed.length === children && hosts.every(({ missing_from: missing }) => missing === 0);
}, 200);
const seconds = (performance.now() - sinceMs) / 1000;
const [fromProxy, intoParent] = await Promise.all([replay.proxy.read(), replay.parent.read()]);
const fetched = intoParent.backfilled;
// What was streamed meanwhile cost what it costs at other times.
const costs = {
  proxy: fromProxy.cpuSec - (fromProxy.received * atProxy.cpuSec) / atProxy.received,
  parent: intoParent.cpuSec - (intoParent.received * atParent.cpuSec) / atParent.received,
};
for (const [name, cpuSec] of Object.entries(costs)) {
  say(`${name.padEnd(6)} replay: ${(fetched / cpuSec / 1e6).toFixed(2)} M values per CPU second (${fetched} values)`);
}
say(`fetched in ${seconds.toFixed(1)} s, beside ${intoParent.received} live values`);
sender.kill();
await Promise.all([sender.exited, sending.stop(), proxy.stop(), parent.stop()]);
rmSync(directory, { recursive: true, force: true });
