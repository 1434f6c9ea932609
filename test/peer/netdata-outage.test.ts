import { describe, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { Agent } from "./agent.ts";
import { type AgentReport, linkImbalance, lossOf, reportOf } from "./agent-report.ts";
import { HostView, readPoints } from "./compare.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { NETDATA_KEY, startNetdata } from "./servers.ts";
import { waitFor } from "./wait.ts";

const RECONNECT_SEC = 2;
/** streaming.md §12 (d). */
const RECOVERY_MS = (RECONNECT_SEC + 5) * 1000;
const START_MS = 20_000;
const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;

function streamTo(port: number): string {
  return `[stream]
enabled = true
destination = "127.0.0.1:${port}"
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = ${RECONNECT_SEC}
`;
}

/** Reads an agent's accounts all the time. */
class AccountWatch implements AsyncDisposable {
  readonly problems: string[] = [];
  looks = 0;
  private isOver = false;
  private readonly agent: Agent;
  private readonly done: Promise<void>;

  constructor(agent: Agent) {
    this.agent = agent;
    this.done = this.run();
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      const report = await reportOf(this.agent).catch((error: unknown) => String(error));
      if (typeof report === "string") this.problems.push(report);
      else this.look(report);
      await Bun.sleep(50);
    }
  }

  private look({ hosts, links }: AgentReport): void {
    this.looks++;
    for (const { account } of links) {
      if (linkImbalance(account) !== 0) this.problems.push(JSON.stringify(account));
    }
    for (const { balance } of hosts) if (balance.imbalance !== 0) this.problems.push(JSON.stringify(balance));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.done;
  }
}

/** A parent that can be killed and started again where it was. */
interface MortalParent {
  readonly port: number;
  readonly pid: number;
  restart(): Promise<void>;
}

async function ourParent(lab: Lab): Promise<MortalParent> {
  const [folder, port] = [lab.newFolder("mortal"), freePorts()];
  const start = async () => lab.use(await Agent.start(folder, { listen: `127.0.0.1:${port}`, config: ACCEPT }));
  let agent = await start();
  const restart = async () => {
    await agent.exited;
    agent = await start();
  };
  return { port, pid: agent.pid, restart };
}

async function realParent(lab: Lab): Promise<MortalParent> {
  const [folder, port] = [lab.newFolder("mortal"), freePorts()];
  const start = async () => lab.use(await startNetdata(folder, { role: "parent", port }));
  const { pid } = await start();
  return { port, pid, restart: async () => void (await start()) };
}

/** The second of the newest value of the child's CPU at the parent. */
async function newestSec(port: number, guid: string): Promise<number> {
  const nowSec = Math.floor(Date.now() / 1000);
  const points = await readPoints(new HostView(port, guid), "system.cpu", nowSec - 10, nowSec);
  const seconds = [...(points.get("user") ?? [])].filter(([, value]) => value !== null).map(([second]) => second);
  return Math.max(0, ...seconds);
}

describe.each([
  { name: "our parent", start: ourParent, needs: [] },
  { name: "netdata 1.37.1", start: realParent, needs: ["netdata"] as const },
])("$name, killed with -9", ({ start, needs }) => {
  peerTest(
    "and back: our child streams on in time, its accounts add up all the while",
    { needs: [...needs] },
    async (lab) => {
      const parent = await start(lab);
      const child = await lab.agent({ config: streamTo(parent.port) });
      const watch = lab.use(new AccountWatch(child));
      const { self } = await reportOf(child);
      await waitFor("values at the parent", START_MS, async () => (await newestSec(parent.port, self)) > 0);
      process.kill(parent.pid, "SIGKILL");
      await waitFor(
        "the child to notice",
        START_MS,
        async () => (await reportOf(child)).links[0]!.state !== "connected",
      );
      await parent.restart();
      const backSec = Math.floor(Date.now() / 1000);
      await waitFor("the link", RECOVERY_MS, async () => (await reportOf(child)).links[0]!.state === "connected");
      await waitFor("new values", START_MS, async () => (await newestSec(parent.port, self)) > backSec);
      await watch[Symbol.asyncDispose]();
      expect(watch.problems).toEqual([]);
      expect(watch.looks).toBeGreaterThan(20);
      const { account } = (await reportOf(child)).links[0]!;
      // What the outage cost is there to be seen.
      expect(lossOf(account)).toBeGreaterThan(0);
      expect(account.lost["overflow"]).toBe(0);
      expect(child.log()).toMatch(/ pusher\.send_failed /);
      expect(child.log()).toMatch(/ pusher\.ready .*discarded_values=\d/);
    },
    120_000,
  );
});

peerTest("our child, killed with -9 and back: the parent takes it again at once", {}, async (lab) => {
  const parent = await lab.agent({ config: ACCEPT });
  const folder = lab.newFolder("child");
  const options = { config: streamTo(parent.port) };
  const child = lab.use(await Agent.start(folder, options));
  const { self } = await reportOf(child);
  await waitFor("values at the parent", START_MS, async () => (await newestSec(parent.port, self)) > 0);
  child.signal("SIGKILL");
  await child.exited;
  lab.use(await Agent.start(folder, options));
  const backSec = Math.floor(Date.now() / 1000);
  await waitFor("new values", RECOVERY_MS, async () => (await newestSec(parent.port, self)) > backSec);
  const { hosts, receivers } = await reportOf(parent);
  expect(receivers.map(({ guid }) => guid)).toEqual([self]);
  expect(hosts.find(({ guid }) => guid === self)!.balance).toMatchObject({ imbalance: 0, dropped: { malformed: 0 } });
});

const BUFFER_BYTES = 1_048_576;
const CHARTS = 50;
const DIMENSIONS = 100;
/** Far more than a child sends, so that what the kernel keeps and what waits for the garbage collector passes quickly. */
const ROUND_MS = 25;
const ROUNDS_MADE = 32;
/** The rise and fall of memory between two collections of garbage: several times within this. */
const MEMORY_CYCLE_MS = 12_000;
const RAW_GUID = "aaaaaaaa-0000-0000-0000-00000000000f";
/** streaming.md §12 (g). */
const GROWTH_BYTES_MAX = BUFFER_BYTES + 10 * 1_048_576;

/** Sends many values, as long as it is not disposed. */
class Flood implements Disposable {
  sets = 0;
  private readonly timer: Timer;
  private readonly child: RawChild;
  private readonly rounds = Array.from({ length: ROUNDS_MADE }, (_, round) => Flood.make(round));
  private round = 0;

  constructor(child: RawChild) {
    this.child = child;
    const dimensions = Array.from({ length: DIMENSIONS }, (_, index) => `DIMENSION value${index}\n`).join("");
    for (let chart = 0; chart < CHARTS; chart++) child.send(`CHART flood.c${chart}\n${dimensions}`);
    this.timer = setInterval(() => this.send(), ROUND_MS);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  private static make(round: number): Buffer {
    let text = "";
    for (let chart = 0; chart < CHARTS; chart++) {
      text += `BEGIN flood.c${chart} 0\n`;
      for (let index = 0; index < DIMENSIONS; index++) text += `SET value${index} = ${1_000_000 + round + index}\n`;
      text += "END\n";
    }
    return Buffer.from(text);
  }

  private send(): void {
    // A proxy that does not read is what the test looks for: then nothing is added.
    if (this.child.pendingBytes > 0) return;
    this.child.send(this.rounds[this.round++ % ROUNDS_MADE]!);
    this.sets += CHARTS * DIMENSIONS;
  }
}

function privateBytes(pid: number): number {
  return 1024 * Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
}

/** The most memory of a process within a time. */
async function peakBytes(pid: number, durationMs: number): Promise<number> {
  const endMs = performance.now() + durationMs;
  let peak = 0;
  while (performance.now() < endMs) {
    peak = Math.max(peak, privateBytes(pid));
    await Bun.sleep(50);
  }
  return peak;
}

peerTest(
  "a parent that stands still: bounded memory, nothing else is held up, and it goes on when the parent does",
  {},
  async (lab) => {
    const stalled = await lab.agent({ config: `${ACCEPT}[db]\nmode = "none"\n` });
    const healthy = await lab.agent({ config: ACCEPT });
    const proxy = await lab.agent({
      config: `${streamTo(healthy.port)}buffer_size_bytes = ${BUFFER_BYTES}
[api_key."${NETDATA_KEY}"]
enabled = true
default_memory_mode = "none"
default_proxy_destination = "127.0.0.1:${stalled.port}"
`,
    });
    const child = lab.use(await RawChild.connect(proxy.port));
    expect(await child.ask(`key=${NETDATA_KEY}&hostname=flood&machine_guid=${RAW_GUID}&update_every=1`)).toBe(PROMPT);
    const flood = lab.use(new Flood(child));
    const watch = lab.use(new AccountWatch(proxy));
    const linkOf = async (guid: string) => (await reportOf(proxy)).links.find(({ from }) => from === guid)!;
    const received = async (agent: Agent) => {
      return (await reportOf(agent)).hosts.find(({ guid }) => guid === RAW_GUID)?.balance.received ?? 0;
    };
    await waitFor(
      "the flood at the parent",
      START_MS,
      async () => (await received(stalled)) > 100 * CHARTS * DIMENSIONS,
    );
    const before = await peakBytes(proxy.pid, MEMORY_CYCLE_MS);
    stalled.signal("SIGSTOP");
    lab.use({ [Symbol.dispose]: () => stalled.signal("SIGCONT") });
    const stalledAtSec = Math.floor(Date.now() / 1000);
    const acceptedBefore = await received(proxy);
    const overflow = waitFor("the buffer to overflow", 40_000, async () => {
      return ((await linkOf(RAW_GUID)).account.lost["overflow"] ?? 0) > 0;
    });
    const during = await Promise.all([overflow, peakBytes(proxy.pid, MEMORY_CYCLE_MS)]).then(([, peak]) => peak);
    expect({ isBounded: during - before <= GROWTH_BYTES_MAX, before, during }).toMatchObject({ isBounded: true });
    // The flood is still read, at its full rate; this host's own values are all stored and all on their way.
    expect((await received(proxy)) - acceptedBefore).toBeGreaterThan(100 * CHARTS * DIMENSIONS);
    const { self } = await reportOf(proxy);
    const own = await readPoints(new HostView(proxy.port), "system.uptime", stalledAtSec, stalledAtSec + 10);
    expect([...own.values()].flatMap((values) => [...values.values()]).filter((value) => value === null)).toEqual([]);
    const ownLink = await linkOf(self);
    expect(ownLink).toMatchObject({
      state: "connected",
      account: { lost: { overflow: 0, disconnect: 0, refused: 0 } },
    });
    expect(proxy.log()).toMatch(/error pusher\.buffer_overflow host=flood /);
    stalled.signal("SIGCONT");
    const seen = await waitFor("the link after the stall", 40_000, async () => {
      return (await linkOf(RAW_GUID)).state === "connected" && (await received(stalled));
    });
    await waitFor("new values after the stall", 20_000, async () => (await received(stalled)) > seen);
    flood[Symbol.dispose]();
    await watch[Symbol.asyncDispose]();
    expect(watch.problems).toEqual([]);
    const account = await waitFor("everything to be with the parent", 20_000, async () => {
      const link = await linkOf(RAW_GUID);
      return link.account.queued + link.account.in_flight === 0 && link.account;
    });
    expect(account.offered).toBe(flood.sets);
    expect(linkImbalance(account)).toBe(0);
    // What the parent's kernel confirmed is there; more may be: of a connection that died nobody tells the last bytes.
    expect(await received(stalled)).toBeGreaterThanOrEqual(account.delivered);
    expect(await received(stalled)).toBeLessThanOrEqual(account.offered - account.lost["not_connected"]!);
  },
  180_000,
);
