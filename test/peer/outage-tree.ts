import { join } from "node:path";
import { CommitRecord } from "./commit-record.ts";
import { HostView } from "./compare.ts";
import { type KnownChart, KnownChild, knownCharts } from "./known-child.ts";
import { MortalAgent } from "./mortal.ts";
import type { Lab } from "./peer.ts";
import { RecordWatch } from "./record-watch.ts";
import { type Failure, Relay } from "./relay.ts";
import { countPoints, readStoredPoints } from "./stored-points.ts";
import { TreeAccounts } from "./tree-accounts.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const START_MS = 30_000;
/** A child is killed at any moment within this, after it has been looked at. */
const KILL_WITHIN_MS = 1000;
const RECONNECT_SEC = 2;

/** A machine without a ring, whose values the test itself makes: it streams to the child. */
export const LEAF_GUID = "aaaaaaaa-0000-0000-0000-0000000000b1";
export const LEAF_CHARTS: readonly KnownChart[] = knownCharts("leaf", 4, 10, 1);

export const NAMES = ["child", "proxy", "parent"] as const;
export type Name = (typeof NAMES)[number];
/** The links child → proxy and proxy → parent. */
export type Link = "lower" | "upper";

/** Points that the files of an agent held of each host when it was started last: machine GUID → how many. */
export type Restored = ReadonlyMap<string, number>;

/**
 * A leaf, and child → proxy → parent with files of their own, the links between them through relays. The child collects
 * this machine. Whatever it commits, of its own and of the leaf, is put on record.
 */
export class OutageTree implements AsyncDisposable {
  readonly agents: Readonly<Record<Name, MortalAgent>>;
  readonly links: Readonly<Record<Link, Relay>>;
  readonly accounts: TreeAccounts;
  /** Of the child's own host. */
  guid = "";
  records!: { readonly own: CommitRecord; readonly leaf: CommitRecord };
  /** The first second that counts. */
  sinceSec = 0;
  /** Seconds that the leaf sent, but for the first of each connection, which is only a base. */
  readonly sent: number[] = [];
  private readonly restored = new Map<Name, Restored>();
  private leaf: KnownChild | null = null;
  private watch: RecordWatch | null = null;

  private constructor(agents: OutageTree["agents"], links: OutageTree["links"]) {
    this.agents = agents;
    this.links = links;
    this.accounts = new TreeAccounts(NAMES.map((name) => agents[name]));
  }

  /** Starts all of it, and waits until the parent is up to date. */
  static async start(lab: Lab): Promise<OutageTree> {
    const config = (name: Name, parent: Relay | null) => {
      const stream =
        parent === null
          ? ""
          : `[stream]\nenabled = true\ndestination = "127.0.0.1:${parent.port}"\napi_key = "${KEY}"\n` +
            `reconnect_delay_seconds = ${RECONNECT_SEC}\n`;
      const collector = name === "child" ? "" : "[collector]\nenabled = false\n";
      return `[agent]\nhostname = "${name}"\n[db]\nmode = "map"\n${stream}[api_key."${KEY}"]\nenabled = true\n${collector}`;
    };
    const start = async (name: Name, beyond: Relay | null) => {
      return lab.use(await new MortalAgent(name, lab.newFolder(name), { config: config(name, beyond) }).start());
    };
    const parent = await start("parent", null);
    const upper = lab.use(await Relay.open(parent.port));
    const proxy = await start("proxy", upper);
    const lower = lab.use(await Relay.open(proxy.port));
    const tree = new OutageTree({ child: await start("child", lower), proxy, parent }, { lower, upper });
    lab.use(tree);
    await tree.begin();
    return tree;
  }

  /** Both hosts, machine GUID → record. */
  get hosts(): [string, CommitRecord][] {
    return [
      [this.guid, this.records.own],
      [LEAF_GUID, this.records.leaf],
    ];
  }

  state(name: Name): string {
    return join(this.agents[name].folder, "state");
  }

  /** What an agent held when it was started last, by its files. */
  restoredAt(name: Name): Restored {
    return this.restored.get(name) ?? new Map();
  }

  /** Links fail, all at once, and are whole again after a time. */
  async cut(names: readonly Link[], failure: Failure, seconds: number): Promise<void> {
    for (const name of names) this.links[name].fail(failure);
    await Bun.sleep(1000 * seconds);
    for (const name of names) await this.links[name].heal();
  }

  /** Kills an agent with -9 at a random moment of a second, and starts it again after a time. */
  async kill(name: Name, awaySec: number): Promise<void> {
    const mortal = this.agents[name];
    if (name === "child") await this.watch?.look();
    await Bun.sleep(KILL_WITHIN_MS * Math.random());
    const gone = mortal.kill();
    // Nobody listens there now. The proxy's link does not know: it takes connections, and closes them again.
    const relay = name === "parent" ? this.links.upper : null;
    relay?.fail("refused");
    await gone;
    if (name === "child") this.leaveLeaf();
    this.restored.set(name, this.count(name));
    await Bun.sleep(1000 * awaySec);
    await mortal.start();
    await relay?.heal();
    if (name === "child") await this.connectLeaf();
  }

  /** Waits until everything has come to the parent, and nothing is lost. @returns milliseconds. */
  async recover(deadlineMs: number): Promise<number> {
    const startMs = performance.now();
    let open: string[] = [];
    await waitFor("everything to be up to date", deadlineMs, async () => {
      await Bun.sleep(100);
      open = await this.accounts.unfinished([this.guid, LEAF_GUID]);
      return open.length === 0;
    }).catch((error: unknown) => {
      throw new Error(`${error}: ${open.join("; ")}`);
    });
    return performance.now() - startMs;
  }

  /** Waits until every agent has all of a second, and of all before it. */
  async reach(second: number, deadlineMs: number): Promise<void> {
    await waitFor(`second ${second} everywhere`, deadlineMs, () => {
      return this.accounts.haveReached(second, [this.guid, LEAF_GUID]);
    });
  }

  /** Ends the leaf and the looks: all that is to come is on record afterwards. */
  async end(): Promise<void> {
    this.leaveLeaf();
    await this.watch?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.leaf?.[Symbol.dispose]();
    await this.accounts[Symbol.asyncDispose]();
    await this.watch?.[Symbol.asyncDispose]();
  }

  private async begin(): Promise<void> {
    const { child } = this.agents;
    this.guid = (await child.agent!.json<{ self: string }>("/api/v1/agent")).self;
    this.records = {
      own: new CommitRecord(new HostView(child.port)),
      leaf: new CommitRecord(new HostView(child.port, LEAF_GUID)),
    };
    this.sinceSec = Math.ceil(Date.now() / 1000);
    await this.connectLeaf();
    await this.recover(START_MS);
    this.watch = new RecordWatch(child, [this.records.own, this.records.leaf]);
  }

  private async connectLeaf(): Promise<void> {
    const who = { key: KEY, guid: LEAF_GUID, hostname: "leaf" };
    this.leaf = await KnownChild.connect(this.agents.child.port, who, LEAF_CHARTS);
  }

  private leaveLeaf(): void {
    this.sent.push(...(this.leaf?.seconds.slice(1) ?? []));
    this.leaf?.[Symbol.dispose]();
    this.leaf = null;
  }

  private count(name: Name): Restored {
    const guids = [this.guid, LEAF_GUID];
    return new Map(guids.map((guid) => [guid, countPoints(readStoredPoints(this.state(name), guid))]));
  }
}
