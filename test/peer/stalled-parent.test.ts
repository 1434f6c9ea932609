import { expect } from "bun:test";
import { AccountWatch } from "./account-watch.ts";
import type { Agent } from "./agent.ts";
import { linkImbalance, reportOf } from "./agent-report.ts";
import { HostView, readPoints } from "./compare.ts";
import { peerTest } from "./peer.ts";
import { peakMemory } from "./process-memory.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

const START_MS = 20_000;
const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;

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

peerTest(
  "a parent that stands still: bounded memory, nothing else is held up, and it goes on when the parent does",
  {},
  async (lab) => {
    const stalled = await lab.agent({ config: `${ACCEPT}[db]\nmode = "none"\n` });
    const healthy = await lab.agent({ config: ACCEPT });
    const proxy = await lab.agent({
      config: `[stream]
enabled = true
destination = "127.0.0.1:${healthy.port}"
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = 2
buffer_size_bytes = ${BUFFER_BYTES}
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
    const before = (await peakMemory(proxy.pid, MEMORY_CYCLE_MS)).anon;
    stalled.signal("SIGSTOP");
    lab.use({ [Symbol.dispose]: () => stalled.signal("SIGCONT") });
    const stalledAtSec = Math.floor(Date.now() / 1000);
    const acceptedBefore = await received(proxy);
    const overflow = waitFor("the buffer to overflow", 40_000, async () => {
      return ((await linkOf(RAW_GUID)).account.lost["overflow"] ?? 0) > 0;
    });
    const during = await Promise.all([overflow, peakMemory(proxy.pid, MEMORY_CYCLE_MS)]).then(([, { anon }]) => anon);
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
      return link.account.queued + link.account.in_flight + link.account.backlog === 0 && link.account;
    });
    expect(account.offered).toBe(flood.sets);
    expect(linkImbalance(account)).toBe(0);
    // What the parent's kernel confirmed is there; more may be: of a connection that died nobody tells the last bytes.
    expect(await received(stalled)).toBeGreaterThanOrEqual(account.delivered);
    expect(await received(stalled)).toBeLessThanOrEqual(account.offered - account.lost["not_connected"]!);
  },
  180_000,
);
