import { expect } from "bun:test";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import { Agent } from "./agent.ts";
import { HostView, readPoints } from "./compare.ts";
import { KnownChild, knownCharts, readKnown } from "./known-child.ts";
import { type Lab, peerTest } from "./peer.ts";
import { ProcessPriority } from "./process-priority.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-0000000000a1";
const CHILD = { key: KEY, guid: GUID, hostname: "known" };
const KILLS = IS_SOAK ? 300 : 10;
const ROUND_MS = 12_000;
/** 3000 values a second. */
const CHARTS = knownCharts("load", 60, 50, 1);
const HISTORY = 600;
/** Older seconds are not asked for any more. */
const ASKED_SEC = 120;
/** Charts of the agent itself whose points are compared too. */
const OWN_CHARTS = ["system.cpu", "system.ram", "system.ctxt", "system.processes", "system.uptime"];
/** Seconds between a connect and the second in which the agent is killed; in mode `save` some must be old enough. */
const TICKS = { map: 3, save: 4 };
/** Mode `save`: files are written this often … */
const SAVE_EVERY_SEC = 1;
/** … and that takes a while; timers are late now and then; values come within the first part of their second. */
const SAVE_SLACK_SEC = 0.9;

type Own = Map<string, Map<string, Map<number, number | null>>>;

function megabytes(folder: string): number {
  let bytes = 0;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const status = statSync(join(folder, name));
    if (status.isFile()) bytes += status.size;
  }
  return Math.round(bytes / 1e6);
}

function report(text: string): void {
  process.stdout.write(`      ${text}\n`);
}

function spread(values: readonly number[]): string {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))]!);
  return `median ${at(0.5)}, worst ${at(1)}`;
}

async function readOwn(agent: Agent, after: number, before: number): Promise<Own> {
  const view = new HostView(agent.port);
  const own: Own = new Map();
  for (const chart of OWN_CHARTS) own.set(chart, await readPoints(view, chart, after, before));
  return own;
}

/** Points that were shown up to a second and are others, or none, now. */
function changedPoints(before: Own, after: Own, upToSec: number): string[] {
  const changed: string[] = [];
  for (const [chart, dimensions] of before) {
    for (const [dimension, points] of dimensions) {
      for (const [second, value] of points) {
        if (value === null || second > upToSec) continue;
        const now = after.get(chart)?.get(dimension)?.get(second);
        if (now !== value) changed.push(`${chart}.${dimension} at ${second}: ${now}, was ${value}`);
      }
    }
  }
  return changed;
}

/** One agent that is killed again and again, and what it has to have after that. */
class KillRounds {
  readonly startMs: number[] = [];
  readonly lostSec: number[] = [];
  /** Points of its own, and seconds of the child, that had to be there after a start. */
  own = 0;
  asked = 0;
  private readonly lab: Lab;
  private readonly mode: "save" | "map";
  private readonly folder: string;
  private readonly random: SeededRandom;
  private required: number[] = [];
  private shown: Own = new Map();
  private shownUpToSec = 0;
  private lastSentSec = 0;
  /** Seconds whose values came late, as was seen before the kill. */
  private readonly late = new Set<number>();
  private readonly sinceSec = Math.floor(Date.now() / 1000);

  constructor(lab: Lab, mode: "save" | "map", seed: number) {
    this.lab = lab;
    this.mode = mode;
    this.folder = lab.newFolder(mode);
    this.random = new SeededRandom(TEST_SEED + seed);
  }

  async round(): Promise<void> {
    const agent = await this.start();
    await this.look(agent);
    using child = await KnownChild.connect(agent.port, CHILD, CHARTS);
    await waitFor("values to be sent", ROUND_MS, () => child.seconds.length >= TICKS[this.mode]);
    const nowSec = Math.floor(Date.now() / 1000);
    this.shown = await readOwn(agent, nowSec - ASKED_SEC, nowSec);
    // All charts come in one piece: what is right for the first and the last is right for all.
    const ends = [CHARTS[0]!, CHARTS.at(-1)!];
    const { shifted } = await readKnown(agent, GUID, ends, [], [child.seconds[0]!, nowSec]);
    await Bun.sleep(this.random.below(1000));
    agent.signal("SIGKILL");
    const killedSec = Date.now() / 1000;
    await agent.exited;
    const isMap = this.mode === "map";
    this.lastSentSec = child.seconds.at(-1)!;
    const safeSec = isMap ? this.lastSentSec - 1 : killedSec - SAVE_EVERY_SEC - SAVE_SLACK_SEC;
    this.shownUpToSec = isMap ? nowSec : safeSec;
    if (shifted.length > 0) for (const second of [...shifted, ...child.seconds]) this.late.add(second);
    // The first second after a connect is only the base of the next.
    else this.required.push(...child.seconds.slice(1).filter((second) => second <= safeSec));
    this.required = this.required.filter((second) => second > nowSec - ASKED_SEC);
  }

  /** Starts it for the last time and looks. */
  async finish(): Promise<void> {
    const agent = await this.start();
    await this.look(agent);
    report(
      `${this.mode}: ${this.startMs.length} starts with up to ${megabytes(join(this.folder, "state"))} MB of files, ` +
        `ms until ready: ${spread(this.startMs)}; ${this.late.size} seconds late; ticks lost by a kill: ${spread(this.lostSec)}`,
    );
  }

  private async start(): Promise<Agent> {
    const startMs = performance.now();
    const config =
      `[agent]\nhostname = "own"\n[db]\nmode = "${this.mode}"\nhistory = ${HISTORY}\n` +
      `save_every = ${SAVE_EVERY_SEC}\n[api_key."${KEY}"]\nenabled = true\n`;
    const agent = this.lab.use(await Agent.start(this.folder, { config }));
    this.startMs.push(performance.now() - startMs);
    return agent;
  }

  /** All that must have survived, before the child is back. */
  private async look(agent: Agent): Promise<void> {
    if (this.startMs.length === 1) return;
    const nowSec = Math.floor(Date.now() / 1000);
    const window = [Math.max(nowSec - ASKED_SEC, this.sinceSec), nowSec] as const;
    const known = await readKnown(agent, GUID, CHARTS, this.required, window);
    expect(known.wrong.slice(0, 5)).toEqual([]);
    expect(known.shifted.filter((second) => !this.late.has(second)).slice(0, 5)).toEqual([]);
    expect(known.missing.slice(0, 5)).toEqual([]);
    const own = await readOwn(agent, ...window);
    expect(changedPoints(this.shown, own, this.shownUpToSec).slice(0, 5)).toEqual([]);
    this.asked += this.required.length;
    this.own += [...this.shown.values()].reduce((sum, dimensions) => sum + dimensions.size, 0);
    this.lostSec.push(this.lastSentSec - known.seconds.reduce((newest, second) => Math.max(newest, second), 0));
    expect(agent.log()).not.toMatch(/ (?:error|warn) +rrd/);
  }
}

peerTest(
  `${KILLS} times kill -9 under load: map loses no more than the tick at hand, save no more than save_every`,
  {},
  async (lab) => {
    lab.use(new ProcessPriority());
    // A round of mode save takes longer: two agents share them.
    const agents: [KillRounds, number][] = [
      [new KillRounds(lab, "map", 1), KILLS],
      [new KillRounds(lab, "save", 2), KILLS / 2],
      [new KillRounds(lab, "save", 3), KILLS / 2],
    ];
    await Promise.all(
      agents.map(async ([rounds, kills]) => {
        for (let kill = 0; kill < kills; kill++) await rounds.round();
        await rounds.finish();
        expect(rounds.own).toBeGreaterThan(0);
        expect(rounds.asked).toBeGreaterThan(kills);
      }),
    );
  },
  ROUND_MS * (KILLS + 1),
);
