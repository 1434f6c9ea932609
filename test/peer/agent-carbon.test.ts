import { expect } from "bun:test";
import { Glob } from "bun";
import type { Agent } from "./agent.ts";
import { peerTest } from "./peer.ts";
import type { CarbonPeer } from "./servers.ts";
import { waitFor } from "./wait.ts";
import { readWhisper } from "./whisper.ts";

const RUN_SEC = 60;
const SETTLE_MS = 20_000;

interface ExporterReport {
  produced: number;
  sent: number;
  lost: number;
  queued: number;
}

async function exporterReport(agent: Agent): Promise<ExporterReport> {
  const { exporters } = await agent.json<{ exporters: ExporterReport[] }>("/api/v1/agent");
  const [report] = exporters;
  expect(report!.produced).toBe(report!.sent + report!.lost + report!.queued);
  return report!;
}

/** Points in all whisper files of an agent, and how many files there are. */
function storedPoints(carbon: CarbonPeer): { points: number; series: number } {
  let points = 0;
  let series = 0;
  for (const file of new Glob("netdata/**/*.wsp").scanSync(`${carbon.folder}/whisper`)) {
    points += readWhisper(`${carbon.folder}/whisper/${file}`).length;
    series++;
  }
  return { points, series };
}

peerTest(
  "the compiled agent's own metrics for 60 s: every point it calls sent is in carbon, once",
  { needs: ["carbon"] },
  async (lab) => {
    const carbon = await lab.carbon();
    const agent = await lab.agent({
      config: `[exporter.main]\ntype = "graphite"\ndestination = "127.0.0.1:${carbon.port}"\nupdate_every = 1\n`,
    });
    await Bun.sleep(RUN_SEC * 1000);
    // Points already stored can only be fewer than those sent meanwhile: ask in this order until both agree.
    await waitFor("carbon to hold what was sent", SETTLE_MS, async () => {
      const before = await exporterReport(agent);
      const { points } = storedPoints(carbon);
      const after = await exporterReport(agent);
      return before.sent <= points && points <= after.produced;
    });
    const report = await exporterReport(agent);
    const { series } = storedPoints(carbon);
    expect(report.lost).toBe(0);
    expect(series).toBeGreaterThan(100);
    expect(report.sent).toBeGreaterThan(series * (RUN_SEC - 10) * 0.5);
    await agent.stop();
  },
  150_000,
);
