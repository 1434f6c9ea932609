import { describe, expect } from "bun:test";
import { AccountWatch } from "./account-watch.ts";
import { Agent } from "./agent.ts";
import { lossOf, reportOf } from "./agent-report.ts";
import { HostView, readPoints } from "./compare.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
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
      // What was lost during the outage is fetched from the child's ring.
      const accountOf = async () => (await reportOf(child)).links[0]!.account;
      const account = await waitFor("all to be recovered", START_MS, async () => {
        const now = await accountOf();
        return lossOf(now) === 0 && now;
      });
      expect(account.recovered).toBeGreaterThan(0);
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
