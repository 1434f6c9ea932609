import { expect } from "bun:test";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { Agent } from "./agent.ts";
import { HostView, type Points, readCharts, readPoints } from "./compare.ts";
import { type KnownChart, KnownChild, knownCharts, readKnown } from "./known-child.ts";
import { type Lab, peerTest } from "./peer.ts";
import { freePorts } from "./ports.ts";
import { ProcessPriority } from "./process-priority.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-0000000000a2";
const KILLS = IS_SOAK ? 50 : 5;
const ROUND_MS = 40_000;
const HISTORY = 120;
/** A tick's new charts need more columns than a segment has: files come with every one. */
const NEW_CHARTS = 30;
const DIMENSIONS = 10;
/** Charts of earlier rounds that are looked at in each round. */
const SAMPLED = 100;
const NAMES = ["child", "proxy", "parent"] as const;

/** What one agent showed of charts before it was killed. */
type Shown = Map<string, Points>;

/** Child → proxy → parent, each with files of its own; what the child receives goes through all of them. */
class GrowingTree {
  readonly startMs: number[] = [];
  listed = 0;
  points = 0;
  private readonly lab: Lab;
  private readonly random = new SeededRandom(TEST_SEED);
  private readonly folders: Record<(typeof NAMES)[number], string>;
  private readonly ports = { child: freePorts(), proxy: freePorts(), parent: freePorts() };
  private readonly charts: KnownChart[] = [];
  /** By agent, of the round before. */
  private shown = new Map<string, Shown>();

  constructor(lab: Lab) {
    this.lab = lab;
    this.folders = { child: lab.newFolder("child"), proxy: lab.newFolder("proxy"), parent: lab.newFolder("parent") };
  }

  async round(): Promise<void> {
    const agents = await this.start();
    await this.look(agents);
    using leaf = await KnownChild.connect(this.ports.child, { key: KEY, guid: GUID, hostname: "leaf" }, []);
    const fresh: KnownChart[] = [];
    leaf.beforeTick = () => {
      const first = 1 + (this.charts.length + fresh.length) * DIMENSIONS;
      const charts = knownCharts("grow", NEW_CHARTS, DIMENSIONS, first);
      fresh.push(...charts);
      leaf.add(charts);
    };
    // Links come up within seconds; then charts have grown for a while.
    await waitFor("new charts at the parent", ROUND_MS / 2, async () => {
      return (await readKnown(agents[2]!, GUID, fresh.slice(0, 1), [], window())).points > 0;
    });
    await Bun.sleep(1000 + this.random.below(1000));
    // What an agent shows now it must show again: all of it was committed before it was asked.
    const asked = fresh.slice();
    for (const [index, agent] of agents.entries()) this.shown.set(NAMES[index]!, await shownBy(agent, asked));
    for (const agent of agents) agent.signal("SIGKILL");
    for (const agent of agents) await agent.exited;
    this.charts.push(...fresh);
  }

  async finish(): Promise<void> {
    const agents = await this.start();
    await this.look(agents);
    for (const agent of agents) expect(await agent.stop()).toBe(0);
  }

  /** The parent first: a link that finds nobody waits before it tries again. */
  private async start(): Promise<Agent[]> {
    const agents: Agent[] = [];
    for (const [index, name] of NAMES.toReversed().entries()) {
      const parent = index === 0 ? "" : NAMES.toReversed()[index - 1]!;
      const destination = parent === "" ? 0 : this.ports[parent as "proxy" | "parent"];
      const stream =
        parent === "" ? "" : `[stream]\nenabled = true\ndestination = "127.0.0.1:${destination}"\napi_key = "${KEY}"\n`;
      const config =
        `[agent]\nhostname = "${name}"\n[db]\nmode = "map"\nhistory = ${HISTORY}\n` +
        "new_charts_per_minute_max = 100000\n" +
        `${stream}[api_key."${KEY}"]\nenabled = true\n[collector]\nenabled = false\n`;
      const startMs = performance.now();
      const listen = `127.0.0.1:${this.ports[name]}`;
      agents.unshift(this.lab.use(await Agent.start(this.folders[name], { config, listen })));
      this.startMs.push(performance.now() - startMs);
    }
    return agents;
  }

  /** After a start, before anything is connected. */
  private async look(agents: readonly Agent[]): Promise<void> {
    for (const [index, agent] of agents.entries()) {
      expect(agent.log()).not.toMatch(/ (?:error|warn) +rrd/);
      const shown = this.shown.get(NAMES[index]!);
      if (shown === undefined) continue;
      const list = await readCharts(new HostView(agent.port, GUID));
      expect([...shown.keys()].filter((id) => !list.has(id))).toEqual([]);
      this.listed += list.size;
      const [after, before] = window();
      for (const [chart, points] of shown) {
        const now = await readPoints(new HostView(agent.port, GUID), chart, after, before);
        expect({ chart, lost: lostPoints(points, now, after) }).toEqual({ chart, lost: [] });
      }
      const sampled = Array.from({ length: SAMPLED }, () => this.random.pick(this.charts));
      const { wrong, points } = await readKnown(agent, GUID, sampled, [], [after, before]);
      expect(wrong.slice(0, 5)).toEqual([]);
      this.points += points;
    }
  }
}

/** Points that were shown and are not there, or are others, now. */
function lostPoints(shown: Points, now: Points, afterSec: number): string[] {
  const lost: string[] = [];
  for (const [dimension, values] of shown) {
    for (const [second, value] of values) {
      if (value === null || second <= afterSec) continue;
      const found = now.get(dimension)?.get(second) ?? null;
      if (found !== value) lost.push(`${dimension} at ${second}: ${found}, was ${value}`);
    }
  }
  return lost;
}

/** Seconds that every ring still holds. */
function window(): [number, number] {
  const nowSec = Math.floor(Date.now() / 1000);
  return [nowSec - HISTORY + 20, nowSec];
}

/** The charts that have a value by now, with all of them. */
async function shownBy(agent: Agent, charts: readonly KnownChart[]): Promise<Shown> {
  const shown: Shown = new Map();
  for (const { id } of charts) {
    const points = await readPoints(new HostView(agent.port, GUID), id, ...window());
    const values = [...points.values()].flatMap((seconds) => [...seconds.values()]);
    if (values.some((value) => value !== null)) shown.set(id, points);
  }
  return shown;
}

peerTest(
  `${KILLS} times kill -9 of child, proxy and parent while files grow: every chart is there again, with what it showed`,
  {},
  async (lab) => {
    lab.use(new ProcessPriority());
    const tree = new GrowingTree(lab);
    for (let kill = 0; kill < KILLS; kill++) await tree.round();
    await tree.finish();
    expect(tree.listed).toBeGreaterThan(0);
    const worstMs = Math.round(Math.max(...tree.startMs));
    process.stdout.write(
      `      ${tree.startMs.length} starts, the slowest ready after ${worstMs} ms; ${tree.points} points read\n`,
    );
    expect(tree.points).toBeGreaterThan(0);
  },
  ROUND_MS * (KILLS + 1),
);
