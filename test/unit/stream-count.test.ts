import { describe, expect, test } from "bun:test";
import { silentLog } from "../../agent/base/log.ts";
import { HostWriter } from "../../agent/receiver/host-writer.ts";
import { SenderReports } from "../../agent/receiver/sender-reports.ts";
import type { DatabaseLimits } from "../../agent/rrd/database.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import { Mismatches } from "../../agent/rrd/mismatches.ts";
import { newHost } from "../simulated-host.ts";
import { SimulatedClock } from "./exporter-fixture.ts";
import { CHILD_GUID, Load, Tree } from "./replication-tree.ts";

/** More refused names than are told apart. */
const MANY = 10_001;

/** `Tree.pass` throws when any agent finds that what was written is not what was read. */
describe("what was written is what was read", () => {
  const cases: { name: string; limits: Partial<DatabaseLimits>; modes: MemoryMode[]; dropped: number }[] = [
    { name: "where a limit refuses a chart", limits: { chartsPerHost: 2 }, modes: ["ram", "ram"], dropped: 0 },
    {
      name: "… on links without replication",
      limits: { chartsPerHost: 2 },
      modes: ["none", "none"],
      dropped: 240,
    },
    { name: "… a dimension", limits: { dimensionsPerChart: 2 }, modes: ["ram", "ram"], dropped: 240 },
    { name: "where nothing is kept on the way", limits: {}, modes: ["none", "ram"], dropped: 0 },
    { name: "where nobody keeps anything", limits: {}, modes: ["none", "none"], dropped: 0 },
  ];
  test.each(cases)("$name", async ({ limits, modes, dropped }) => {
    const tree = new Tree();
    const [received, local] = modes as [MemoryMode, MemoryMode];
    const child = tree.add("child", "proxy", "ram", local);
    const proxy = tree.add("proxy", "parent", received);
    // Both below know what the last one does not take.
    tree.limits = limits;
    const parent = tree.add("parent", null);
    const load = new Load(child, tree.clock);
    const pass = (seconds: number) => tree.pass(seconds, () => load.collect());
    await pass(75);
    tree.cut("parent");
    await pass(20);
    tree.join("parent");
    await pass(75);
    const host = parent.database.host(CHILD_GUID)!;
    expect(host.balance.received + host.balance.backfilled).toBeGreaterThan(75 * 6);
    expect(host.balance.dropped.limit).toBeGreaterThanOrEqual(dropped);
    // It was told, so it was compared.
    expect(host.path.version).toBeGreaterThan(3);
    expect([proxy.mismatches.counts.stream, parent.mismatches.counts.stream]).toEqual([0, 0]);
  });

  test("cannot be said any more once more was refused than is remembered", () => {
    const clock = new SimulatedClock();
    const mismatches = new Mismatches(clock, silentLog);
    const host = newHost({}, { dimensionsPerChart: 1 });
    const reports = new SenderReports(host, "10.0.0.7", clock, mismatches);
    const writer = new HostWriter(host, { problem() {}, disable() {} }, null, reports);
    const told = () => {
      writer.extension(["WRITTEN", "7", "77"], clock.nowUs());
      return mismatches.counts.stream;
    };
    const chart = host.defineChart({ id: "t.a" })!;
    const define = (id: string) =>
      writer.defineDimension(chart, { id, name: id, algorithm: "absolute", multiplier: 1, divisor: 1, options: "" });
    for (let i = 0; i < MANY; i++) define(`d${i}`);
    expect(told()).toBe(1);
    define("one more");
    writer.extension(["WRITTEN", "8", "88"], clock.nowUs());
    expect(mismatches.counts.stream).toBe(1);
  });
});
