import { describe, expect } from "bun:test";
import { Agent } from "./agent.ts";
import { HostView, readCharts, readPoints } from "./compare.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { NETDATA_KEY, startNetdata } from "./servers.ts";
import { waitFor } from "./wait.ts";

/** Seconds that a child is alone before its parent is there, between a kill and the start after it, and at the end. */
const ALONE_SEC = 20;
const AWAY_SEC = 15;
const TOGETHER_SEC = 20;
const START_MS = 20_000;
/** The newest seconds may be on their way still. */
const SETTLED_SEC = 4;
const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\ndefault_memory_mode = "map"\n[collector]\nenabled = false\n`;

interface Peer {
  readonly port: number;
  /** Kills it with -9, if it was started, and starts it again after a time, where it was. */
  restart(awaySec: number): Promise<void>;
}

async function ourParent(lab: Lab): Promise<Peer> {
  const [folder, port] = [lab.newFolder("parent"), freePorts()];
  let agent: Agent | null = null;
  return {
    port,
    async restart(awaySec) {
      agent?.signal("SIGKILL");
      await agent?.exited;
      await Bun.sleep(1000 * awaySec);
      agent = lab.use(await Agent.start(folder, { listen: `127.0.0.1:${port}`, config: ACCEPT }));
    },
  };
}

async function realParent(lab: Lab): Promise<Peer> {
  const [folder, port] = [lab.newFolder("parent"), freePorts()];
  let pid = 0;
  return {
    port,
    async restart(awaySec) {
      if (pid !== 0) process.kill(pid, "SIGKILL");
      await Bun.sleep(1000 * awaySec);
      ({ pid } = lab.use(await startNetdata(folder, { role: "parent", port, mode: "dbengine" })));
    },
  };
}

async function ourChild(lab: Lab, parentPort: number): Promise<number> {
  const config = `[stream]
enabled = true
destination = "127.0.0.1:${parentPort}"
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = 2
`;
  return (await lab.agent({ config })).port;
}

async function realChild(lab: Lab, parentPort: number): Promise<number> {
  return (await lab.netdata({ role: "child", parent: `127.0.0.1:${parentPort}` })).port;
}

/** What became of the points of a child at its parent. */
interface Compared {
  charts: number;
  points: number;
  equal: number;
  /** Examples of what is missing or different. */
  faults: string[];
}

async function compare(child: HostView, parent: HostView, after: number, before: number): Promise<Compared> {
  const charts = await readCharts(child);
  const result: Compared = { charts: 0, points: 0, equal: 0, faults: [] };
  for (const [id, { update_every: updateEvery }] of charts) {
    if (updateEvery !== 1) continue;
    result.charts++;
    const [here, there] = await Promise.all([child, parent].map((view) => readPoints(view, id, after, before)));
    for (const [dimension, points] of here!) {
      compareDimension(`${id} ${dimension}`, points, there!.get(dimension) ?? new Map(), result);
    }
  }
  return result;
}

function compareDimension(
  name: string,
  here: ReadonlyMap<number, number | null>,
  there: ReadonlyMap<number, number | null>,
  result: Compared,
): void {
  for (const [second, value] of here) {
    if (value === null) continue;
    result.points++;
    const other = there.get(second) ?? null;
    if (other !== null && Math.abs(other - value) <= 1e-4 * Math.abs(value) + 1.1e-7) result.equal++;
    else if (result.faults.length < 200) result.faults.push(`${name} ${second}: ${other}, not ${value}`);
  }
}

describe.each([
  { name: "our child → netdata 1.37.1", parent: realParent, child: ourChild },
  { name: "netdata 1.37.1 → our parent", parent: ourParent, child: realChild },
  { name: "our child → our parent", parent: ourParent, child: ourChild },
])("$name", ({ name, parent: startParent, child: startChild }) => {
  peerTest(
    "the time before the parent was there, and while it was killed and away, is there too",
    { needs: ["netdata"] },
    async (lab) => {
      const parent = await startParent(lab);
      const childPort = await startChild(lab, parent.port);
      const sinceSec = Math.ceil(Date.now() / 1000) + 3;
      await Bun.sleep(1000 * ALONE_SEC);
      await parent.restart(0);
      await Bun.sleep(1000 * TOGETHER_SEC);
      await parent.restart(AWAY_SEC);
      await Bun.sleep(1000 * TOGETHER_SEC);
      const child = new HostView(childPort);
      const { uid } = JSON.parse(await child.text("info")) as { uid: string };
      const endSec = Math.floor(Date.now() / 1000) - SETTLED_SEC;
      const there = new HostView(parent.port, uid);
      await waitFor("the child's charts", START_MS, async () => (await there.text("charts")) !== "");
      const result = await compare(child, there, sinceSec, endSec);
      const share = result.equal / result.points;
      process.stdout.write(
        `      ${name}: ${result.charts} charts, ${result.points} points, ${(100 * share).toFixed(2)} % equal in their second\n`,
      );
      expect(result.points).toBeGreaterThan(50 * (endSec - sinceSec));
      expect([share >= 0.99, share >= 0.99 ? [] : result.faults]).toEqual([true, []]);
    },
    240_000,
  );
});
