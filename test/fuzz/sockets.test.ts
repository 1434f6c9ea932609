import { expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { Agent } from "../../agent/app/agent.ts";
import { createSystemClock } from "../../agent/base/clock.ts";
import { Logger } from "../../agent/base/log.ts";
import { parseConfig } from "../../agent/config/load.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { FUZZ_MINUTES, IS_SOAK } from "../seeded-random.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-00000000000c";
const KINDS = ["rows", "points", "iterations", "paces", "titles", "labels", "scales", "states", "charts", "words"];
/** Half of a soak. */
const RUN_MS = IS_SOAK ? (FUZZ_MINUTES * 60_000) / 2 : 15_000;
/** What the agent and the test wait for at most, before and after. */
const WAIT_MS = 120_000;
const TIMEOUT_MS = RUN_MS + 3 * WAIT_MS;
const LAG_MS_MAX = 2000;
const HEALTHY_STEP_MS = 200;
const MEMORY_LIMIT_BYTES = 2 ** 27;
/**
 * Beside the rings and definitions that the limit is for: one read and what is left of it for each of ten children
 * (10 × 1 MiB), a send buffer and a quarter for each of eleven links (11 × 5 MiB), the lines of one piece and of a
 * definition of 5000 dimensions, and what the collector of the runtime lets gather before it runs.
 */
const RSS_BESIDE_BYTES = 300 * 2 ** 20;

function configuration(parentPort: number) {
  const loaded = parseConfig(
    `[agent]
       state_dir = "/nowhere"
       machine_guid = "aaaaaaaa-0000-0000-0000-000000000000"
       [web]
       listen = "127.0.0.1:0"
       [db]
       mode = "ram"
       history = 600
       memory_limit_bytes = ${MEMORY_LIMIT_BYTES}
       [stream]
       enabled = true
       receive_timeout_seconds = 10
       destination = "127.0.0.1:${parentPort}"
       api_key = "${KEY}"
       [api_key."${KEY}"]
       enabled = true
       default_memory_mode = "ram"
       default_history = 600`,
    "test.toml",
  );
  if (loaded instanceof Error) throw loaded;
  return loaded;
}

/** Processes that do harm, and end with the test. */
class Hostile implements Disposable {
  private readonly processes: Bun.Subprocess[] = [];

  async parent(): Promise<number> {
    const reader = this.start(["parent", "1"]).stdout.getReader();
    const { value } = await reader.read();
    return Number(new TextDecoder().decode(value));
  }

  child(port: number, kind: string, seed: number): void {
    this.start(["child", String(port), KEY, kind, String(seed)]);
  }

  [Symbol.dispose](): void {
    for (const each of this.processes) each.kill("SIGKILL");
  }

  private start(args: string[]) {
    const script = join(import.meta.dir, "hostile.ts");
    // In life they run on machines of their own.
    const started = Bun.spawn(["nice", "-n", "10", process.execPath, script, ...args], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.processes.push(started);
    return started;
  }
}

/** A child that sends one value every now and then, and knows when each was sent. */
class HealthyChild implements Disposable {
  lagMsMax = 0;
  private sent = 0;
  private seen = 0;
  private readonly sentMs: number[] = [];
  private readonly socket: Socket;
  private chart: Chart | undefined;

  constructor(port: number) {
    this.socket = connect(port, "127.0.0.1");
    this.socket.write(`STREAM key=${KEY}&hostname=healthy&machine_guid=${GUID}&update_every=1 HTTP/1.1\r\n\r\n`);
    this.socket.write('CHART h.c "" "" "u" "" "" line 1 1\nDIMENSION x "" absolute 1 1\n');
  }

  send(): void {
    this.sentMs.push(performance.now());
    this.socket.write(`BEGIN h.c 0\nSET x = ${++this.sent}\nEND\n`);
  }

  /** How long values that have come since the last look were on their way, at most. */
  look(agent: Agent): void {
    this.chart ??= agent["database"].host(GUID)?.chart("h.c");
    const got = this.chart === undefined ? 0 : this.chart.host.pool.lastCollected(this.chart.start);
    for (; this.seen < got; this.seen++) {
      this.lagMsMax = Math.max(this.lagMsMax, performance.now() - this.sentMs[this.seen]!);
    }
  }

  get received(): number {
    return this.chart?.host.balance.received ?? 0;
  }

  get count(): number {
    return this.sent;
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

async function until(isDone: () => boolean, what: string): Promise<void> {
  const endMs = performance.now() + WAIT_MS;
  while (!isDone()) {
    if (performance.now() > endMs) throw new Error(`not within ${WAIT_MS} ms: ${what}`);
    await Bun.sleep(20);
  }
}

function checkAccounts(agent: Agent): void {
  for (const { hostname, balance } of agent["database"].hosts) {
    if (imbalance(balance) !== 0) throw new Error(`${hostname}: ${JSON.stringify(balance)}`);
  }
  for (const { hostname, values } of agent["pushers"].status()) {
    if (hopImbalance(values) !== 0) throw new Error(`link of ${hostname}: ${JSON.stringify(values)}`);
  }
}

test(
  "ten children and a parent that do harm as fast as they can: another child's values are there within 2 s",
  async () => {
    using hostile = new Hostile();
    const clock = createSystemClock();
    const log = new Logger({ clock, level: "error", format: "text", write: () => {} });
    const agent = await Agent.start(configuration(await hostile.parent()), { clock, log, version: "0" });
    try {
      const port = Number(new URL(agent.url!).port);
      using healthy = new HealthyChild(port);
      const rssBefore = process.memoryUsage().rss;
      KINDS.forEach((kind, index) => void hostile.child(port, kind, index + 1));
      const receiver = agent["receiver"];
      // Some are sent away, and come again.
      const areKnown = () => KINDS.every((kind) => agent["database"].hosts.some(({ hostname }) => hostname === kind));
      await until(areKnown, "all children have been connected");
      let blockMsMax = 0;
      let rssMax = 0;
      let sendMs = 0;
      const endMs = performance.now() + RUN_MS;
      for (let beforeMs = performance.now(); beforeMs < endMs; ) {
        await Bun.sleep(5);
        const nowMs = performance.now();
        blockMsMax = Math.max(blockMsMax, nowMs - beforeMs);
        beforeMs = nowMs;
        healthy.look(agent);
        if (nowMs < sendMs) continue;
        sendMs = nowMs + HEALTHY_STEP_MS;
        healthy.send();
        checkAccounts(agent);
        rssMax = Math.max(rssMax, process.memoryUsage().rss);
      }
      hostile[Symbol.dispose]();
      await until(() => healthy.received === healthy.count, "all values of the healthy child");
      healthy.look(agent);
      checkAccounts(agent);
      const { bytesIn } = receiver.counters;
      const seen = { lagMs: healthy.lagMsMax, blockMs: blockMsMax, rssMiB: (rssMax - rssBefore) / 2 ** 20, bytesIn };
      process.stdout.write(`${JSON.stringify(seen)}\n`);
      expect(bytesIn).toBeGreaterThan(1_000_000);
      expect(seen.lagMs).toBeLessThanOrEqual(LAG_MS_MAX);
      expect(rssMax - rssBefore).toBeLessThanOrEqual(MEMORY_LIMIT_BYTES + RSS_BESIDE_BYTES);
      const areGone = () => receiver.connections.every(({ hostname }) => hostname === "healthy");
      await until(areGone, "all that the others left is stored or given up");
      // The healthy one was asked for nothing.
      const { replayShare, inputTurns } = receiver["context"];
      expect([replayShare["outstanding"], replayShare["waiting"].size, inputTurns.waiting]).toEqual([0, 0, 0]);
    } finally {
      await agent.stop();
    }
  },
  TIMEOUT_MS,
);
