import { describe, expect } from "bun:test";
import { IS_SOAK } from "../seeded-random.ts";
import { lossOf, reportOf } from "./agent-report.ts";
import { CommitRecord } from "./commit-record.ts";
import { type ChartFacts, HostView, isNear, readPoints } from "./compare.ts";
import { type Mortal, MortalAgent, MortalNetdata } from "./mortal.ts";
import { type Lab, peerTest } from "./peer.ts";
import { ProcessPriority } from "./process-priority.ts";
import { RecordWatch } from "./record-watch.ts";
import { Relay } from "./relay.ts";
import { NETDATA_KEY } from "./servers.ts";
import { waitFor } from "./wait.ts";

/** Seconds that a child is alone before its parent is there, and that they have between two faults. */
const ALONE_SEC = 20;
const TOGETHER_SEC = 8;
const AWAY_SEC = 4;
const SHORT_CUT_SEC = 5;
const LONG_CUT_SEC = IS_SOAK ? 600 : 60;
/** The longest delay between two attempts is a minute, +20 %; 1.37.1 has some seconds. */
const RECOVERY_MS = 90_000;
/** The newest seconds may be on their way still. */
const SETTLED_SEC = 4;
/** A program is killed at any moment within this. */
const KILL_WITHIN_MS = 1000;
/** Of the points of a chart that changes its agent, so much must be there, as the same number (streaming.md §9). */
const SHARE_MIN = 0.99;

const ACCEPT = `[db]\nmode = "map"\n[api_key."${NETDATA_KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;

function ourParent(lab: Lab): Mortal {
  return new MortalAgent("parent", lab.newFolder("parent"), { config: ACCEPT });
}

function realParent(lab: Lab): Mortal {
  return new MortalNetdata("parent", lab.newFolder("parent"), { role: "parent", mode: "dbengine" });
}

function ourChild(lab: Lab, parentPort: number): Mortal {
  const config = `[db]
mode = "map"
[stream]
enabled = true
destination = "127.0.0.1:${parentPort}"
api_key = "${NETDATA_KEY}"
reconnect_delay_seconds = 2
`;
  return new MortalAgent("child", lab.newFolder("child"), { config });
}

function realChild(lab: Lab, parentPort: number): Mortal {
  return new MortalNetdata("child", lab.newFolder("child"), { role: "child", parent: `127.0.0.1:${parentPort}` });
}

/** A child and its parent, the link between them, and what the child commits. */
class Pair implements AsyncDisposable {
  readonly child: Mortal;
  readonly parent: Mortal;
  readonly record: CommitRecord;
  uid = "";
  private readonly relay: Relay;
  private watch: RecordWatch | null = null;

  constructor(relay: Relay, child: Mortal, parent: Mortal) {
    this.relay = relay;
    this.child = child;
    this.parent = parent;
    const isWanted = ({ update_every: updateEvery }: ChartFacts) => updateEvery === 1;
    this.record = new CommitRecord(new HostView(child.port), isWanted);
  }

  /** The child alone. */
  async begin(): Promise<void> {
    await this.child.start();
    this.uid = (JSON.parse(await new HostView(this.child.port).text("info")) as { uid: string }).uid;
    this.watch = new RecordWatch(this.child, [this.record]);
  }

  /** The host at the parent. */
  get there(): HostView {
    return new HostView(this.parent.port, this.uid);
  }

  async cut(failure: "refused" | "silent", seconds: number): Promise<void> {
    this.relay.fail(failure);
    await Bun.sleep(1000 * seconds);
    await this.relay.heal();
  }

  async kill(mortal: Mortal, awaySec: number): Promise<void> {
    if (mortal === this.child) await this.watch?.look();
    await Bun.sleep(KILL_WITHIN_MS * Math.random());
    const gone = mortal.kill();
    // Nobody listens there now.
    if (mortal === this.parent) this.relay.fail("refused");
    await gone;
    await Bun.sleep(1000 * awaySec);
    await mortal.start();
    if (mortal === this.parent) await this.relay.heal();
  }

  /** Waits until the newest values are there, and nothing of ours is lost. */
  async recover(): Promise<void> {
    await waitFor("the newest values at the parent", RECOVERY_MS, async () => {
      const nowSec = Math.floor(Date.now() / 1000);
      const points = await readPoints(this.there, "system.cpu", nowSec - SETTLED_SEC, nowSec);
      const isThere = [...(points.get("user")?.values() ?? [])].some((value) => value !== null);
      return isThere && (await this.isNothingLost());
    });
  }

  async end(): Promise<void> {
    await this.watch?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.watch?.[Symbol.asyncDispose]();
    await this.child[Symbol.asyncDispose]();
    await this.parent[Symbol.asyncDispose]();
  }

  private async isNothingLost(): Promise<boolean> {
    if (!(this.child instanceof MortalAgent)) return true;
    const { links } = await reportOf(this.child.agent!);
    return links.every(({ account }) => lossOf(account) + account.backlog === 0);
  }
}

describe.each([
  { name: "our child → netdata 1.37.1", parent: realParent, child: ourChild },
  { name: "netdata 1.37.1 → our parent", parent: ourParent, child: realChild },
])("$name", ({ name, parent: makeParent, child: makeChild }) => {
  peerTest(
    `alone first, link cut ${SHORT_CUT_SEC} s and ${LONG_CUT_SEC} s, both killed with -9: all of it is there`,
    { needs: ["netdata"], isConcurrent: true },
    async (lab) => {
      lab.use(new ProcessPriority());
      const parent = makeParent(lab);
      const relay = lab.use(await Relay.open(parent.port));
      const pair = lab.use(new Pair(relay, makeChild(lab, relay.port), parent));
      await pair.begin();
      const sinceSec = Math.ceil(Date.now() / 1000) + 3;
      await Bun.sleep(1000 * ALONE_SEC);
      await parent.start();
      await pair.recover();
      const faults: [string, () => Promise<void>][] = [
        [`link silent ${SHORT_CUT_SEC} s`, () => pair.cut("silent", SHORT_CUT_SEC)],
        ["parent killed", () => pair.kill(parent, 0)],
        [`child killed, ${AWAY_SEC} s away`, () => pair.kill(pair.child, AWAY_SEC)],
        [`parent killed, ${AWAY_SEC} s away`, () => pair.kill(parent, AWAY_SEC)],
        [`link refused ${LONG_CUT_SEC} s`, () => pair.cut("refused", LONG_CUT_SEC)],
      ];
      for (const [what, fault] of faults) {
        await Bun.sleep(1000 * TOGETHER_SEC);
        await fault();
        const startMs = performance.now();
        await pair.recover();
        process.stdout.write(
          `      ${name}, ${what}: up to date after ${Math.round(performance.now() - startMs)} ms\n`,
        );
      }
      await Bun.sleep(1000 * TOGETHER_SEC);
      await pair.end();
      const window = [sinceSec, Math.floor(Date.now() / 1000) - SETTLED_SEC] as const;
      const verdict = await pair.record.compare(pair.there, pair.child.deaths, window, isNear);
      const { points, equal, missing, wrong, undead, invented } = verdict;
      process.stdout.write(
        `      ${name}: ${pair.record.charts.size} charts, ${points} points, ${((100 * equal) / points).toFixed(3)} % equal ` +
          `in their second; missing: ${JSON.stringify([...missing].slice(0, 20))}\n`,
      );
      expect(points).toBeGreaterThan(50 * (window[1] - window[0] - AWAY_SEC));
      expect([undead, invented]).toEqual([[], []]);
      const isEnough = equal >= SHARE_MIN * points;
      expect([isEnough, isEnough ? [] : wrong]).toEqual([true, []]);
    },
    (LONG_CUT_SEC + 300) * 1000,
  );
});
