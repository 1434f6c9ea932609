import { afterAll, describe, expect } from "bun:test";
import { OBSERVATION_MS, type Observation, observe, ROUTES, type RouteName } from "./netdata-tree.ts";
import { peerTest } from "./peer.ts";
import { firstMinuteProblems, type StreamFigures, steadyProblems } from "./stream-rules.ts";
import type { StreamText } from "./stream-text.ts";

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

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}

function sayFigures(name: string, { changing, points, equalShare, nearShare }: StreamFigures): void {
  say(`${name}: ${changing} dimensions change; of ${points} points ${percent(equalShare)} equal in their second,`);
  say(`  ${percent(nearShare)} in it or beside it`);
}

describe.each(Object.keys(ROUTES) as RouteName[])("%s", (name) => {
  treeTest("charts: all there, with the same titles, units, families, contexts, dimensions", ({ routes }) => {
    const { sourceCharts, targetCharts } = routes[name];
    expect(sourceCharts.size).toBeGreaterThan(40);
    expect(Object.fromEntries(targetCharts)).toEqual(Object.fromEntries(sourceCharts));
  });

  treeTest("in the first minute, 0 µs: every chart and value there, each in its second or beside it", (observation) => {
    const { firstMinute } = observation.routes[name];
    sayFigures(`${name}, first minute`, firstMinute);
    expect(firstMinuteProblems(firstMinute)).toEqual([]);
  });

  treeTest(
    "after it: the same values in the same seconds, rates the same in their sums, none missing",
    (observation) => {
      const { steady } = observation.routes[name];
      for (const reason of observation.givenUp) say(`observed again, because ${reason}`);
      sayFigures(name, steady);
      expect(steadyProblems(steady)).toEqual([]);
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
  treeTest("our child: only what was agreed, and every interval as it was measured", ({ ourStream, ourLink }) => {
    const base = ["BEGIN", "CHART", "DIMENSION", "END", "SET"];
    const labels = ["CLABEL", "CLABEL_COMMIT", "LABEL", "OVERWRITE", "VARIABLE"];
    const replication = ["CHART_DEFINITION_END", "RBEGIN", "RDSTATE", "REND", "RSET", "RSSTATE"];
    expect([...ourStream.keywords.keys()].toSorted()).toEqual([...base, ...labels, ...replication].toSorted());
    const { offered, queued, replayed, lost } = ourLink;
    // What came before the connection stood was fetched; and it went on after it was asked.
    expect(lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(replayed).toBeGreaterThan(0);
    expect(ourStream.keywords.get("SET")!).toBeGreaterThanOrEqual(offered - queued - replayed);
    const { intervalsUs } = ourStream.charts.get("system.cpu")!;
    expect(intervalsUs.length).toBeGreaterThan(60);
    for (const intervalUs of intervalsUs) expect(intervalUs).toBeGreaterThan(0);
  });

  treeTest("our proxy: every value it was sent, once, and the last ones unchanged", (observation) => {
    const { proxyStream, proxyLink } = observation;
    const { stream } = observation.received.proxiedChild;
    const { offered, delivered, in_flight, queued, backlog, replayed, lost } = proxyLink;
    expect({ offered, waiting: queued + in_flight + backlog }).toEqual({
      offered: stream.keywords.get("SET")!,
      waiting: 0,
    });
    expect(lost).toEqual({ not_connected: 0, overflow: 0, disconnect: 0, refused: 0 });
    expect(delivered).toBe(offered);
    expect(proxyStream.keywords.get("SET")).toBe(delivered - replayed);
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
