import { expect } from "bun:test";
import type { AgentReport } from "./agent-report.ts";
import { HostView, readCharts } from "./compare.ts";
import { peerTest } from "./peer.ts";
import { PROMPT, RawChild } from "./raw-child.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

const OLD_GUID = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeee0016";

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
