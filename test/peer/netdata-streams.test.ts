import { afterAll, describe, expect } from "bun:test";
import type { AgentReport } from "./agent-report.ts";
import { HostView, readCharts } from "./compare.ts";
import { OBSERVATION_MS, type Observation, observe, ROUTES, type RouteName } from "./netdata-tree.ts";
import { peerTest } from "./peer.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { NETDATA_KEY } from "./servers.ts";
import type { StreamText } from "./stream-text.ts";
import { waitFor } from "./wait.ts";

/** issue: at least so many dimensions change under the load; only they count. */
const CHANGING_MIN = 60;
const EQUAL_SHARE_MIN = 0.97;
const OLD_GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0016";

/** The agents run once, side by side, for all tests of this file. */
let observation: Promise<Observation> | undefined;

function observed(): Promise<Observation> {
  observation ??= observe();
  return observation;
}

// Tests that have given up do not end the agents.
afterAll(() => observation?.catch(() => {}).then(() => {}), OBSERVATION_MS);

function treeTest(name: string, run: (observation: Observation) => void): void {
  peerTest(name, { needs: ["netdata"] }, async () => run(await observed()), OBSERVATION_MS);
}

function say(text: string): void {
  process.stdout.write(`      ${text}\n`);
}

describe.each(Object.keys(ROUTES) as RouteName[])("%s", (name) => {
  treeTest("charts: all there, with the same titles, units, families, contexts, dimensions", ({ routes }) => {
    const { sourceCharts, targetCharts } = routes[name];
    expect(sourceCharts.size).toBeGreaterThan(40);
    expect(Object.fromEntries(targetCharts)).toEqual(Object.fromEntries(sourceCharts));
  });

  treeTest(
    "values: the same in the same seconds, rates the same in their sums, none missing",
    ({ routes, wasQuiet }) => {
      const { figures } = routes[name];
      const { changing, points, equalShare, incremental, incrementalProblems, worst } = figures;
      say(`${name}: ${changing} dimensions change; ${(100 * equalShare).toFixed(2)} % of ${points} points equal`);
      expect(incremental).toBeGreaterThan(0);
      expect(points).toBeGreaterThan(0);
      if (!wasQuiet) say(`${name}: the machine stood still in every attempt, which moves values between seconds`);
      expect(incrementalProblems).toEqual([]);
      expect(changing).toBeGreaterThanOrEqual(CHANGING_MIN);
      expect({ isEnough: equalShare >= EQUAL_SHARE_MIN, equalShare, worst }).toMatchObject({ isEnough: true });
    },
  );
});

describe.each(["plainChild", "child", "proxiedChild"] as const)("raw, from %s", (child) => {
  treeTest("every SET on the wire is accepted, and the last value of each dimension is the one sent", (observation) => {
    const { stream, balance, collected, complaints } = observation.received[child];
    const sets = stream.keywords.get("SET")!;
    say(`${child}: ${sets} SETs sent, ${balance.received} accepted, ${collected.count} last values compared`);
    expect(sets).toBeGreaterThan(10_000);
    expect(balance).toMatchObject({ received: sets, imbalance: 0 });
    expect(Object.values(balance.dropped).reduce((sum, count) => sum + count, 0)).toBe(0);
    expect(collected.problems).toEqual([]);
    expect(collected.count).toBeGreaterThan(200);
    expect(complaints).toEqual([]);
  });
});

describe("what our agents write", () => {
  treeTest(
    "our child: only the base protocol, 0 µs for the first minute, then the interval",
    ({ ourStream, ourLink }) => {
      expect([...ourStream.keywords.keys()].toSorted()).toEqual(["BEGIN", "CHART", "DIMENSION", "END", "SET"]);
      const { offered, queued, lost } = ourLink;
      // What came before the connection stood is all that may be lost; and it went on after it was asked.
      expect(lost).toEqual({ not_connected: expect.any(Number), overflow: 0, disconnect: 0, refused: 0 });
      expect(ourStream.keywords.get("SET")!).toBeGreaterThanOrEqual(offered - queued - lost["not_connected"]!);
      const { intervalsUs } = ourStream.charts.get("system.cpu")!;
      expect(intervalsUs.slice(0, 60)).toEqual(Array<number>(60).fill(0));
      const measured = intervalsUs.slice(60);
      expect(measured.length).toBeGreaterThan(5);
      for (const intervalUs of measured) expect(intervalUs).toBeGreaterThan(0);
    },
  );

  treeTest("our proxy: every value it was sent, once, and the last ones unchanged", (observation) => {
    const { proxyStream, proxyLink } = observation;
    const { stream } = observation.received.proxiedChild;
    const { offered, delivered, in_flight, queued, lost } = proxyLink;
    expect({ offered, queued, in_flight }).toEqual({ offered: stream.keywords.get("SET")!, queued: 0, in_flight: 0 });
    expect(lost).toEqual({ not_connected: expect.any(Number), overflow: 0, disconnect: 0, refused: 0 });
    expect(delivered).toBe(offered - lost["not_connected"]!);
    expect(proxyStream.keywords.get("SET")).toBe(delivered);
    const last = ({ charts }: StreamText) =>
      Object.fromEntries([...charts].map(([id, chart]) => [id, [...chart.last]]));
    expect(last(proxyStream)).toEqual(last(stream));
  });

  treeTest(
    "our proxy: the child's identity, one hop on, and the parameters without which netdata dies",
    (observation) => {
      const { proxyStream, proxyParentVersion } = observation;
      const asked = observation.received.proxiedChild.stream.request;
      expect(proxyParentVersion).toStartWith("v1.37.1");
      for (const same of ["hostname", "machine_guid", "os", "update_every"]) {
        expect(proxyStream.request.get(same)).toBe(asked.get(same)!);
      }
      expect([asked.get("hops"), proxyStream.request.get("hops")]).toEqual(["1", "2"]);
      const needed = ["OS_NAME", "OS_ID", "OS_VERSION", "KERNEL_NAME", "KERNEL_VERSION"];
      for (const word of needed)
        expect(proxyStream.request.get(`NETDATA_SYSTEM_${word}`)).not.toBeOneOf([undefined, ""]);
    },
  );
});

peerTest(
  "a host of an agent of 2017, which tells nothing of its system, passes our proxy and a real one behind it",
  { needs: ["netdata"] },
  async (lab) => {
    const key = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;
    const parent = await lab.agent({ config: key });
    const realProxy = await lab.netdata({ role: "proxy", parent: `127.0.0.1:${parent.port}` });
    const to = `[stream]\nenabled = true\ndestination = "127.0.0.1:${realProxy.port}"\napi_key = "${NETDATA_KEY}"\n`;
    const proxy = await lab.agent({ config: `${key}${to}` });
    const child = lab.use(await RawChild.connect(proxy.port));
    expect(await child.ask(`key=${NETDATA_KEY}&hostname=old&machine_guid=${OLD_GUID}&os=linux&update_every=1`)).toBe(
      PROMPT,
    );
    child.send(
      "CHART old.chart old.chart 'Old (old.chart)' things family context line 100 1\nDIMENSION a a absolute 1 1 ''\n",
    );
    const hostOf = async () => {
      child.send("BEGIN old.chart 0\nSET a = 42\nEND\n");
      await Bun.sleep(1000);
      const report = await parent.json<AgentReport>("/api/v1/agent");
      return report.hosts.find(({ guid, balance }) => guid === OLD_GUID && balance.stored >= 3);
    };
    const host = await waitFor("three of its values at the last parent", 30_000, hostOf);
    expect(host).toMatchObject({ hostname: "old", hops: 3 });
    const facts = await readCharts(new HostView(parent.port, OLD_GUID));
    expect(facts.get("old.chart")).toMatchObject({ title: "Old (old.chart)", units: "things", family: "family" });
    expect(JSON.parse(await new HostView(realProxy.port).text("info"))).toMatchObject({ version: "v1.37.1" });
  },
);
