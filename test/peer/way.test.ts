import { expect } from "bun:test";
import { Agent } from "./agent.ts";
import { type AgentReport, linkImbalance, lossOf, reportOf } from "./agent-report.ts";
import { agentBinary } from "./binary.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const TOLD_MS = 60_000;
/** The accounts are looked at once a minute. */
const CHECKED_MS = 65_000;
const OUTAGE_MS = 5000;

function config(hostname: string, parentPort: number | null): string {
  const stream =
    parentPort === null
      ? ""
      : `[stream]\nenabled = true\ndestination = "127.0.0.1:${parentPort}"\napi_key = "${KEY}"\nreconnect_delay_seconds = 1\n`;
  return `[agent]\nhostname = "${hostname}"\n[api_key."${KEY}"]\nenabled = true\n${stream}`;
}

/** What `tributary status` shows of an agent. */
async function statusOf(lab: Lab, { url }: Agent): Promise<string> {
  const child = lab.use(Bun.spawn([await agentBinary(), "status", url], { stdout: "pipe", stderr: "inherit" }));
  return await child.stdout.text();
}

peerTest(
  "child → proxy → parent, the proxy killed with -9 and back: the parent knows the way, and when all is there again",
  {},
  async (lab) => {
    const parent = await lab.agent({ config: config("parent", null) });
    const [folder, port] = [lab.newFolder("proxy"), freePorts()];
    const options = { config: config("proxy", parent.port), listen: `127.0.0.1:${port}` };
    let proxy = lab.use(await Agent.start(folder, options));
    const child = await lab.agent({ config: config("child", port) });
    const guids = await Promise.all([child, proxy].map(async (agent) => (await reportOf(agent)).self));
    const seenAt = ({ hosts }: AgentReport) => hosts.find(({ guid }) => guid === guids[0])!;
    const seen = async () => seenAt(await reportOf(parent));

    const first = await waitFor("both hops", TOLD_MS, async () => {
      const host = await seen();
      return host.path.length === 2 && host.path[0]!.account.delivered > 0 && host;
    });
    expect(first.path.map(({ guid }) => guid)).toEqual(guids);
    expect(first.path.map(({ account }) => linkImbalance(account))).toEqual([0, 0]);
    expect(await statusOf(lab, parent)).toMatch(/^child +proxy +parent +\d+ +\d+ +\d+ +\d+ +\d+ +.* ago$/m);

    proxy.signal("SIGKILL");
    await proxy.exited;
    await Bun.sleep(OUTAGE_MS);
    // What it has been told stays, with its age.
    const killed = await seen();
    expect(killed.path.map(({ guid }) => guid)).toEqual(guids);
    proxy = lab.use(await Agent.start(folder, options));
    const last = await waitFor("all to be there again", TOLD_MS, async () => {
      const host = await seen();
      const [origin] = host.path;
      const isRecovered = origin!.account.recovered > killed.path[0]!.account.recovered;
      return isRecovered && lossOf(origin!.account) === 0 && host.missing_from === 0 && host;
    });
    const nowSec = Date.now() / 1000;
    expect(last.complete_to).toBeGreaterThan(killed.complete_to + OUTAGE_MS / 1000);
    // Both ends and the test share a clock.
    for (const { told, complete_to: completeTo } of last.path) {
      expect(nowSec - told).toBeLessThan(TOLD_MS / 1000);
      expect(told - completeTo).toBeLessThan(10);
    }
    const reports = await waitFor("the check of all accounts", CHECKED_MS, async () => {
      const all = await Promise.all([child, proxy, parent].map(reportOf));
      return all.every(({ mismatches }) => mismatches.checked > 0) && all;
    });
    expect(reports.flatMap(({ mismatches }) => mismatches.latest)).toEqual([]);
  },
  300_000,
);
