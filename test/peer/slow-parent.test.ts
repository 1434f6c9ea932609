import { describe, expect } from "bun:test";
import { IS_SOAK } from "../seeded-random.ts";
import { AccountWatch } from "./account-watch.ts";
import type { Agent } from "./agent.ts";
import { type LinkAccount, lossOf, reportOf } from "./agent-report.ts";
import { CommitRecord, STEADY_CHARTS, type Verdict } from "./commit-record.ts";
import { type ChartFacts, HostView, isNear, readPoints } from "./compare.ts";
import { KnownChild, knownCharts } from "./known-child.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { type ProcessMemory, peakMemory } from "./process-memory.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

const STILL_SEC = IS_SOAK ? 600 : 60;
/** The child is there first: a parent that knows the past of a chart dates what comes next by it, not by its arrival. */
const ALONE_SEC = 5;
/** The rise and fall of memory between two collections of garbage takes some seconds. */
const WARM_SEC = 40;
const START_MS = 30_000;
const ACCOUNT_MS = 1000;
/** The longest delay between two attempts is a minute, +20 %, and netdata may say twice that it knows us already. */
const RECOVERY_MS = 150_000;
const BUFFER_BYTES = 1_048_576;
/** streaming.md §12 (g). */
const GROWTH_BYTES_MAX = BUFFER_BYTES + 10 * 1_048_576;
/** Of what a parent of another kind calculates itself, so much must be there as the same number (streaming.md §9). */
const SHARE_MIN = 0.99;

const ACCEPT = `[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;
const LEAF = { key: NETDATA_KEY, guid: "aaaaaaaa-0000-0000-0000-0000000000c1", hostname: "leaf" };
/** A thousand values a second, so that the buffer has something to hold. */
const LEAF_CHARTS = knownCharts("leaf", 20, 50, 1);

const isEverySecond = ({ update_every: updateEvery }: ChartFacts) => updateEvery === 1;

/** A leaf, a child, and a parent that will stop reading. Whatever the child commits is put on record. */
class SlowParent {
  readonly child: Agent;
  readonly parent: { readonly port: number; readonly pid: number };
  /** Machine GUID at the parent → record. */
  readonly records: ReadonlyMap<string, CommitRecord>;

  private constructor(child: Agent, parent: SlowParent["parent"], guid: string) {
    this.child = child;
    this.parent = parent;
    const { port } = child;
    this.records = new Map([
      [guid, new CommitRecord(new HostView(port), isEverySecond)],
      [LEAF.guid, new CommitRecord(new HostView(port, LEAF.guid), isEverySecond)],
    ]);
  }

  static async start(lab: Lab, isOurs: boolean): Promise<SlowParent> {
    const port = freePorts();
    const config = `[db]
mode = "map"
[stream]
enabled = true
destination = "127.0.0.1:${port}"
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = 2
buffer_size_bytes = ${BUFFER_BYTES}
[api_key."${NETDATA_KEY}"]
enabled = true
`;
    const child = await lab.agent({ config });
    lab.use(await KnownChild.connect(child.port, LEAF, LEAF_CHARTS));
    await Bun.sleep(1000 * ALONE_SEC);
    const startParent = async () => {
      // In its mode `ram` 1.37.1 puts what is replayed into a chart that has values one second late.
      if (!isOurs) return await lab.netdata({ role: "parent", port, mode: "dbengine" });
      return await lab.agent({ config: ACCEPT, listen: `127.0.0.1:${port}` });
    };
    const slow = new SlowParent(child, await startParent(), (await reportOf(child)).self);
    await slow.look();
    await slow.recover(Math.floor(Date.now() / 1000), START_MS);
    return slow;
  }

  /** Takes on record what the child shows: at some moments only, for answers are memory too. It is not killed here. */
  async look(): Promise<void> {
    for (const record of this.records.values()) await record.read();
  }

  /** Stops the parent for a time. @returns the child's most memory meanwhile. */
  async stall(lab: Lab, seconds: number): Promise<ProcessMemory> {
    const { child, parent } = this;
    process.kill(parent.pid, "SIGSTOP");
    const waking = lab.use({ [Symbol.dispose]: () => void process.kill(parent.pid, "SIGCONT") });
    const peak = await peakMemory(child.pid, 1000 * seconds);
    await this.look();
    waking[Symbol.dispose]();
    return peak;
  }

  /** Waits until both links stand, with nothing lost and nothing left to tell, and the parent is past a second. */
  async recover(second: number, deadlineMs: number): Promise<void> {
    await waitFor("all values at the parent", deadlineMs, async () => {
      const { links } = await reportOf(this.child);
      const isWhole = links.every(({ state, account }) => {
        return state === "connected" && account.delivered > 0 && lossOf(account) + account.backlog === 0;
      });
      return isWhole && links.length === this.records.size && (await this.isPast(second));
    });
  }

  /** Compares what the parent shows with the record. @returns one verdict for each host. */
  async verify(sinceSec: number, endSec: number, isEqual: (one: number, other: number) => boolean): Promise<Verdict[]> {
    const compare = ([guid, record]: [string, CommitRecord]) => {
      return record.compare(new HostView(this.parent.port, guid), [], [sinceSec, endSec], isEqual);
    };
    return Promise.all([...this.records].map(compare));
  }

  async accounts(): Promise<LinkAccount[]> {
    return (await reportOf(this.child)).links.map(({ account }) => account);
  }

  /** Values come in the order of their seconds: with a later one there, all of this second are. */
  private async isPast(second: number): Promise<boolean> {
    for (const [guid, { charts }] of this.records) {
      const chart = charts.has("system.cpu") ? "system.cpu" : LEAF_CHARTS.at(-1)!.id;
      const points = await readPoints(new HostView(this.parent.port, guid), chart, second + 1, second + 10);
      const [values] = points.values();
      if (![...(values?.values() ?? [])].some((value) => value !== null)) return false;
    }
    return true;
  }
}

describe.each([
  { name: "our parent", isOurs: true, needs: [], isEqual: Object.is, shareMin: 1 },
  { name: "netdata 1.37.1", isOurs: false, needs: ["netdata"] as const, isEqual: isNear, shareMin: SHARE_MIN },
])("$name", ({ name, isOurs, needs, isEqual, shareMin }) => {
  peerTest(
    `stops reading for ${STILL_SEC} s: its child's memory is bounded, it collects on, and all of it comes later`,
    { needs: [...needs], isConcurrent: true },
    async (lab) => {
      const slow = await SlowParent.start(lab, isOurs);
      const watch = lab.use(new AccountWatch(slow.child, ACCOUNT_MS));
      const sinceSec = Math.floor(Date.now() / 1000);
      const before = await peakMemory(slow.child.pid, 1000 * WARM_SEC);
      const during = await slow.stall(lab, STILL_SEC);
      const startMs = performance.now();
      const endSec = Math.floor(Date.now() / 1000);
      await slow.recover(endSec, RECOVERY_MS);
      const recoveredMs = Math.round(performance.now() - startMs);
      await slow.look();
      const verdicts = await slow.verify(sinceSec, endSec, isEqual);
      await watch[Symbol.asyncDispose]();
      process.stdout.write(
        `      ${name}: ${STILL_SEC} s still; private memory ${megabytes(before.anon)} → ${megabytes(during.anon)} MiB, ` +
          `pages of files ${megabytes(before.file)} → ${megabytes(during.file)} MiB; all there ${recoveredMs} ms later\n`,
      );
      for (const { recovered, replayed } of await slow.accounts()) {
        process.stdout.write(`      ${name}: ${recovered} values lost and fetched later, ${replayed} sent as points\n`);
      }
      expect(during.anon - before.anon).toBeLessThanOrEqual(GROWTH_BYTES_MAX);
      expect(watch.problems).toEqual([]);
      const [own] = slow.records.values();
      const holes = STEADY_CHARTS.map((chart) => own!.holes(chart, []).length);
      expect(Math.max(...holes)).toBeLessThanOrEqual(own!.missedTicks);
      for (const { points, equal, missing, wrong, invented } of verdicts) {
        process.stdout.write(`      ${name}: ${points} points, ${equal} equal, missing in ${missing.size} seconds\n`);
        expect(points).toBeGreaterThan(50 * STILL_SEC);
        const isEnough = equal >= shareMin * points;
        expect([isEnough, isEnough ? [] : [...missing.keys()], isEnough ? [] : wrong]).toEqual([true, [], []]);
        if (isOurs) expect(invented).toEqual([]);
      }
    },
    (STILL_SEC + 300) * 1000,
  );
});

function megabytes(bytes: number): string {
  return (bytes / 1_048_576).toFixed(1);
}
