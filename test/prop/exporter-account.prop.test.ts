import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ExporterConfig } from "../../agent/config/schema.ts";
import { IS_SOAK, TEST_SEED } from "../seeded-random.ts";
import {
  checkBalance,
  ExporterWorld,
  exporterConfigs,
  FedChart,
  parseLine,
  START_SEC,
} from "../unit/exporter-fixture.ts";

/** What the servers, the network and the operator do to a run. */
type Deed = (run: Run) => void | Promise<void>;

interface Event {
  name: string;
  deed: Deed;
}

function event(name: string, deed: Deed): Event {
  // A counterexample is printed as a list of names.
  return Object.assign({ name, deed, [fc.toStringMethod]: () => name });
}

const waiting = fc
  .integer({ min: 1, max: 3000 })
  .map((ms) => event(`wait ${ms}`, (run) => run.world.clock.advance(ms)));
const taking = fc.constantFrom(-1, 0, 1, 13, 500, 1_000_000).map((bytes) => {
  return event(`take ${bytes}`, (run) => {
    for (const server of run.servers) server.takes = (length) => Math.min(length, bytes);
  });
});
const ofSockets = fc.constantFrom("drain", "hangUp", "drop").map((deed) => {
  return event(deed, (run) => {
    for (const server of run.servers) server.sockets.at(-1)?.[deed]();
  });
});
const coming = fc.tuple(fc.nat(1), fc.boolean()).map(([which, isUp]) => {
  return event(`${which} ${isUp ? "up" : "down"}`, (run) => {
    run.servers[which]!.isUp = isUp;
  });
});
const refusing = fc.boolean().map((isOn) => {
  return event(`close at once ${isOn}`, (run) => {
    for (const server of run.servers) server.onConnect = (socket) => (isOn ? socket.hangUp() : undefined);
  });
});
const reloading = fc.constantFrom(64, 200).map((kib) => {
  return event(`reload ${kib}`, (run) => run.reload({ queue_memory_bytes: kib * 1024 }));
});
const anything = fc.oneof(
  { weight: 6, arbitrary: waiting },
  { weight: 4, arbitrary: taking },
  { weight: 6, arbitrary: ofSockets },
  { weight: 2, arbitrary: coming },
  { weight: 1, arbitrary: refusing },
  { weight: 1, arbitrary: reloading },
);

const settings = fc.record({
  buffer_on_failures: fc.constantFrom(0, 0, 3),
  queue_max_age_seconds: fc.constantFrom(0, 0, 20),
  timeout_ms: fc.constantFrom(500, 5000),
  failback_seconds: fc.constantFrom(1, 5),
  replay_points_per_second: fc.constantFrom(200, 20_000),
});

const POINTS_PER_SECOND = 60;

/** An exporter with two servers and a chart of 60 dimensions every second. */
class Run {
  readonly world = new ExporterWorld();
  readonly servers = [this.world.server("a:2003"), this.world.server("b:2003")];
  private readonly names = Array.from({ length: POINTS_PER_SECOND }, (_, i) => `dimension${i}`);
  private readonly chart = new FedChart(
    this.world.local,
    "t.c",
    Object.fromEntries(this.names.map((name) => [name, "absolute" as const])),
  );
  private readonly table: Partial<ExporterConfig>;

  constructor(given: Partial<ExporterConfig>) {
    this.table = { ...given, destination: ["a", "b"], update_every: 1, queue_memory_bytes: 65_536 };
    this.world.start({ main: this.table });
  }

  reload(change: Partial<ExporterConfig>): void {
    this.world.exporters.reload(exporterConfigs({ main: { ...this.table, ...change } }));
  }

  async seconds(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      await this.world.clock.advance(1000);
      const { clock } = this.world;
      this.chart.commit(
        clock.nowUs(),
        this.names.map((_, index) => clock.nowSec - START_SEC + index),
      );
      checkBalance(this.world.exporters);
    }
  }

  heal(): void {
    for (const server of this.servers) {
      server.isUp = true;
      server.takes = (length) => length;
      server.onConnect = () => {};
      server.sockets.at(-1)?.drain();
    }
  }
}

test("the account adds up at every step and agrees with what the servers have", async () => {
  const property = fc.asyncProperty(
    fc.array(anything, { minLength: 20, maxLength: 100 }),
    settings,
    async (events, given) => {
      const run = new Run(given);
      for (const { deed } of events) {
        await run.seconds(1);
        await deed(run);
        checkBalance(run.world.exporters);
      }
      run.heal();
      await run.seconds(150);
      const { produced, sent, lost, queued, queueBytes, error } = run.world.exporters.status()[0]!;
      expect(error).toBeNull();
      // The latest intervals are on their way.
      expect(queued).toBeLessThanOrEqual(4 * POINTS_PER_SECOND);
      expect(queueBytes).toBeLessThanOrEqual(204_800);
      expect(sent + queued + lost).toBe(produced);
      // Every line is whole; what is counted as sent is there; nothing is there that was not produced.
      const got = new Set(run.servers.flatMap(({ lines }) => lines));
      for (const line of got) parseLine(line);
      expect(got.size).toBeGreaterThanOrEqual(sent);
      expect(got.size).toBeLessThanOrEqual(produced);
      const stopped = run.world.exporters.stop(2000);
      await run.world.clock.advance(5000);
      await stopped;
      expect(run.world.clock.pending).toBe(0);
    },
  );
  await fc.assert(property, { seed: TEST_SEED, numRuns: IS_SOAK ? 500 : 25 });
});
