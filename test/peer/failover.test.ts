import { expect } from "bun:test";
import { Agent } from "./agent.ts";
import { lossOf, reportOf } from "./agent-report.ts";
import { agentBinary } from "./binary.ts";
import { HostView, type Points, readCharts, readPoints } from "./compare.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

const RECONNECT_SEC = 1;
const RETURN_SEC = 4;
const TIMEOUT_SEC = 5;
const START_MS = 20_000;
/** The newest seconds are still on their way, or just come about. */
const MARGIN_SEC = 3;
const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;

/** A parent that can be killed and started again where it was, with nothing of what it had. */
class MortalParent {
  readonly port = freePorts();
  agent!: Agent;
  private readonly lab: Lab;
  private readonly folder: string;

  constructor(lab: Lab, name: string) {
    this.lab = lab;
    this.folder = lab.newFolder(name);
  }

  async start(): Promise<this> {
    this.agent = this.lab.use(await Agent.start(this.folder, { listen: `127.0.0.1:${this.port}`, config: ACCEPT }));
    return this;
  }
}

/** A child that collects this machine, and two parents; it prefers the first. */
async function fork(lab: Lab) {
  const [a, b] = await Promise.all([new MortalParent(lab, "a").start(), new MortalParent(lab, "b").start()]);
  const child = await lab.agent({
    config: `[stream]
enabled = true
destination = ["127.0.0.1:${a.port}", "127.0.0.1:${b.port}"]
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = ${RECONNECT_SEC}
return_to_preferred_after_seconds = ${RETURN_SEC}
timeout_seconds = ${TIMEOUT_SEC}
`,
  });
  const { self } = await reportOf(child);
  return { a, b, child, self };
}

const nowSec = () => Math.floor(Date.now() / 1000);

/** Waits until the child's link stands with a parent. @returns milliseconds. */
async function linkTo(child: Agent, { port }: MortalParent, deadlineMs: number): Promise<number> {
  const startMs = performance.now();
  await waitFor(`the link to ${port}`, deadlineMs, async () => {
    const [link] = (await reportOf(child)).links;
    return link!.to === `127.0.0.1:${port}` && link!.state === "connected";
  });
  return performance.now() - startMs;
}

/** What a parent lacks, or has otherwise, of all charts of the child. @returns also how many points were compared. */
async function differences(child: Agent, { port }: MortalParent, guid: string, [after, before]: [number, number]) {
  const [here, there] = [new HostView(child.port), new HostView(port, guid)];
  const found: string[] = [];
  let compared = 0;
  for (const id of (await readCharts(here)).keys()) {
    const [own, other] = await Promise.all([readPoints(here, id, after, before), readPoints(there, id, after, before)]);
    for (const [name, points] of own as Points) {
      for (const [second, value] of points) {
        if (value === null) continue;
        compared++;
        const got = other.get(name)?.get(second) ?? null;
        if (got !== value) found.push(`${id} ${name} at ${second}: ${got}, not ${value}`);
      }
    }
  }
  return { found: found.slice(0, 10), compared };
}

async function statusText(agent: Agent): Promise<string> {
  const child = Bun.spawn([await agentBinary(), "status", agent.url], { stdout: "pipe" });
  return await new Response(child.stdout).text();
}

peerTest(
  "the preferred parent is killed with -9 and comes back empty: neither parent lacks a second of the child",
  {},
  async (lab) => {
    const { a, b, child, self } = await fork(lab);
    await linkTo(child, a, START_MS);
    await Bun.sleep(5000);
    const firstSec = nowSec() - 4;
    a.agent.signal("SIGKILL");
    await a.agent.exited;
    // The parents are asked, the first one refuses, and the link stands: far less than the reconnect delay and 5 s.
    await linkTo(child, b, 1000 * (RECONNECT_SEC + 5));
    await Bun.sleep(5000);
    const text = await statusText(child);
    expect(text).toMatch(new RegExp(`127\\.0\\.0\\.1:${b.port} +for \\d+ s `));
    expect(text).toMatch(new RegExp(`127\\.0\\.0\\.1:${a.port} +- `));
    await a.start();
    const backMs = await linkTo(child, a, 30_000);
    expect(backMs).toBeGreaterThan(RETURN_SEC * 1000);
    const movedSec = nowSec();
    expect(child.log()).toMatch(/ pusher\.returning .*preferred=/);
    await waitFor("all that was lost to be fetched", START_MS, async () => {
      return lossOf((await reportOf(child)).links[0]!.account) === 0;
    });
    await Bun.sleep(MARGIN_SEC * 1000);
    const atA = await differences(child, a, self, [firstSec, nowSec() - MARGIN_SEC]);
    const atB = await differences(child, b, self, [firstSec, movedSec - MARGIN_SEC]);
    expect([atA.found, atB.found]).toEqual([[], []]);
    expect(atB.compared).toBeGreaterThan(1000);
    const { destinations } = (await reportOf(child)).links[0]!;
    expect(destinations.map(({ in_use_since: since }) => since > 0)).toEqual([true, false]);
    expect(child.log()).not.toMatch(/pusher\.values_discarded .*overflow/);
    process.stdout.write(`      ${atA.compared} and ${atB.compared} points compared, back after ${backMs | 0} ms\n`);
  },
  120_000,
);

peerTest(
  "a parent that stands still is left within the limit and a second",
  {},
  async (lab) => {
    const { a, b, child, self } = await fork(lab);
    await linkTo(child, a, START_MS);
    await Bun.sleep(4000);
    const firstSec = nowSec() - 3;
    const stillMs = performance.now();
    a.agent.signal("SIGSTOP");
    try {
      await waitFor("the silence to be noticed", 15_000, () => / pusher\.send_failed .*said nothing/.test(child.log()));
      // The last confirmation came up to a second before, and the log is looked at from time to time.
      expect(performance.now() - stillMs).toBeLessThan(1000 * (TIMEOUT_SEC + 1) + 500);
      // It takes connections, but does not answer: two seconds are given to that.
      await linkTo(child, b, 5000);
      const [silent] = (await reportOf(child)).links[0]!.destinations;
      expect(silent).toMatchObject({ reason: "silent", in_use_since: 0 });
    } finally {
      a.agent.signal("SIGCONT");
    }
    await Bun.sleep(MARGIN_SEC * 1000);
    const { found, compared } = await differences(child, b, self, [firstSec, nowSec() - MARGIN_SEC]);
    expect(found).toEqual([]);
    expect(compared).toBeGreaterThan(500);
  },
  90_000,
);
