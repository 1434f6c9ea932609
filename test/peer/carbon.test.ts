import { expect } from "bun:test";
import { createSystemClock } from "../../agent/base/clock.ts";
import { createDial } from "../../agent/base/dial.ts";
import { silentLog } from "../../agent/base/log.ts";
import type { ExporterConfig } from "../../agent/config/schema.ts";
import { Exporters } from "../../agent/exporter/exporters.ts";
import { readStored } from "../../agent/rrd/read.ts";
import { ExporterWorld, exporterConfigs, FedChart, GUID } from "../unit/exporter-fixture.ts";
import { type Lab, peerTest } from "./peer.ts";
import type { CarbonPeer, CarbonPoint } from "./servers.ts";
import { waitFor } from "./wait.ts";
import { readWhisper } from "./whisper.ts";

const CHARTS = 25;
const DIMENSIONS = ["rising", "falling", "wave", "big"];
const RUN_SEC = 60;
const COLLECT_OFFSET_MS = 100;

/** A database that collects every second of real time, and one exporter `main` at `update_every = 1`. */
class Source implements AsyncDisposable {
  readonly exporters: Exporters;
  private readonly world = new ExporterWorld();
  private readonly clock = createSystemClock();
  private nextSec = Math.ceil(this.clock.nowUs() / 1e6);
  private readonly charts = Array.from({ length: CHARTS }, (_, i) => {
    return new FedChart(
      this.world.local,
      `series.chart${i}`,
      Object.fromEntries(DIMENSIONS.map((d) => [d, "absolute"])),
    );
  });

  constructor(config: Partial<ExporterConfig>) {
    this.exporters = new Exporters({
      database: this.world.database,
      machineGuid: GUID,
      configs: exporterConfigs({ main: { update_every: 1, ...config } }),
      labels: { configured: {}, automatic: {} },
      clock: this.clock,
      random: Math.random,
      dial: createDial(this.clock),
      log: silentLog,
    });
    this.exporters.start();
  }

  /** Collects for `seconds`, 100 ms after each second. */
  async run(seconds: number): Promise<void> {
    for (const endSec = this.nextSec + seconds; this.nextSec < endSec; this.nextSec++) {
      await Bun.sleep(this.nextSec * 1000 + COLLECT_OFFSET_MS - this.clock.nowUs() / 1000);
      const nowUs = this.clock.nowUs();
      const second = Math.floor(nowUs / 1e6) % 10_000;
      for (const [index, chart] of this.charts.entries()) {
        chart.commit(nowUs, [second + index, -second, Math.round(1000 * Math.sin(second)), second * 1_000_003]);
      }
    }
  }

  get status() {
    return this.exporters.status()[0]!;
  }

  get counters() {
    return this.exporters.counters()[0]!;
  }

  /** Checks that carbon has exactly what the database has. @returns points compared. */
  compare(carbon: CarbonPeer): number {
    let compared = 0;
    for (const { chart } of this.charts) {
      for (const [index, dimension] of DIMENSIONS.entries()) {
        const points = readWhisper(
          `${carbon.folder}/whisper/netdata/edge1/${chart.id.replace(".", "/")}/${dimension}.wsp`,
        );
        this.compareSeries(index, chart, points);
        compared += points.length;
      }
    }
    return compared;
  }

  private compareSeries(index: number, chart: FedChart["chart"], points: CarbonPoint[]): void {
    const times = points.map(({ timeSec }) => timeSec);
    const firstSec = times[0]!;
    expect(times).toEqual(times.map((_, i) => firstSec + i));
    const stored = new Float64Array(times.length);
    readStored(chart, index, firstSec, times.at(-1)!, stored);
    expect(points.map(({ value }) => value)).toEqual([...stored].map((value) => Number(value.toFixed(7))));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.exporters.stop(0);
  }
}

async function open(lab: Lab, config: Partial<ExporterConfig> = {}) {
  const carbon = await lab.carbon();
  const source = lab.use(new Source({ destination: [`127.0.0.1:${carbon.port}`], ...config }));
  return { carbon, source };
}

/** Stops the exporter and checks that all it produced is in carbon. */
async function expectAllInCarbon(source: Source, carbon: CarbonPeer): Promise<void> {
  await source.exporters.stop(5000);
  const { produced, sent, lost, queued } = source.status;
  expect({ lost, queued }).toEqual({ lost: 0, queued: 0 });
  expect(sent).toBe(produced);
  expect(produced).toBeGreaterThanOrEqual((RUN_SEC - 20) * CHARTS * DIMENSIONS.length);
  // It writes to disk about once a second.
  await waitFor("all points on disk", 20_000, () => source.compare(carbon) === produced);
  // The server's own tool reads the same; it prints six decimals.
  const series = "netdata/edge1/series/chart7/wave";
  const points = await carbon.points(series.replaceAll("/", "."));
  const rounded = readWhisper(`${carbon.folder}/whisper/${series}.wsp`).map(({ timeSec, value }) => {
    return { timeSec, value: Number(value.toFixed(6)) };
  });
  expect(rounded).toEqual(points);
}

peerTest(
  "every point produced in 60 s at update_every = 1 is in carbon",
  { needs: ["carbon"] },
  async (lab) => {
    const { carbon, source } = await open(lab);
    await source.run(RUN_SEC);
    await expectAllInCarbon(source, carbon);
  },
  150_000,
);

peerTest(
  "carbon killed and started again within buffer_on_failures: still every point",
  { needs: ["carbon"] },
  async (lab) => {
    const { carbon, source } = await open(lab, { buffer_on_failures: 60 });
    await source.run(15);
    const { write } = source.counters;
    await Promise.all([
      source.run(15),
      (async () => {
        // Half a second after a batch has arrived: the one before it is on disk, this one is not confirmed.
        await waitFor("the next batch", 5000, () => source.counters.write > write);
        await Bun.sleep(500);
        process.kill(carbon.pid, "SIGKILL");
      })(),
    ]);
    expect(source.status.queued).toBeGreaterThan(5 * CHARTS * DIMENSIONS.length);
    expect(source.status.error).not.toBeNull();
    const [again] = await Promise.all([carbon.restart(), source.run(RUN_SEC - 30)]);
    lab.use(again);
    expect(source.counters).toMatchObject({ discard: 0 });
    await expectAllInCarbon(source, again);
  },
  150_000,
);
