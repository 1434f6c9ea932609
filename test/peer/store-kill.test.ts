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
/** Of each mode, side by side; they share the kills. */
const AGENTS = IS_SOAK ? 3 : 2;
const ROUND_MS = 12_000;
/** 3000 values a second. */
const CHARTS = knownCharts("load", 60, 50, 1);
const ENDS = [CHARTS[0]!, CHARTS.at(-1)!];
const HISTORY = 600;
/** Older seconds are not asked for any more. */
const ASKED_SEC = 60;
/** Charts of the agent itself whose points are compared with what they were before the kill. */
const OWN_CHARTS = ["system.cpu", "system.ram", "system.ctxt", "system.processes", "system.uptime"];
/** Seconds between a connect and the second in which the agent is killed; in mode `save` some must be old enough. */
const TICKS = { map: 3, save: 4 };
/** Then it is killed at any moment within this. */
const KILL_WITHIN_MS = { map: 1000, save: 2000 };
/** Mode `save`: files are written this often. */
const SAVE_EVERY_SEC = 1;

type Shown = Map<string, Map<string, Map<number, number | null>>>;

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

/** Points of the agent's own charts, and of some of the child's. */
async function readShown(agent: Agent, after: number, before: number): Promise<Shown> {
  const view = new HostView(agent.port);
  const own: Shown = new Map();
  for (const chart of OWN_CHARTS) own.set(chart, await readPoints(view, chart, after, before));
  for (const { id } of ENDS) own.set(id, await readPoints(new HostView(agent.port, GUID), id, after, before));
  return own;
}

/** Points of the seconds `[fromSec, toSec]` that were shown and are others, or none, now. */
function changedPoints(before: Shown, after: Shown, fromSec: number, toSec: number): string[] {
  const changed: string[] = [];
  for (const [chart, dimensions] of before) {
    for (const [dimension, points] of dimensions) {
      for (const [second, value] of points) {
        if (value === null || second < fromSec || second > toSec) continue;
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
  /** Time of values that a kill took, at most. */
  readonly lostMs: number[] = [];
  /** Points of its own, and seconds of the child, that had to be there after a start. */
  own = 0;
  asked = 0;
  private readonly lab: Lab;
  private readonly mode: "save" | "map";
  private readonly folder: string;
  private readonly random: SeededRandom;
  private required: number[] = [];
  private shown: Shown = new Map();
  private shownUpToSec = 0;
  private sent: readonly number[] = [];
  private killedSec = 0;
  /** Seconds of the child that were not right before the kill: their values came late. */
  private late = 0;
  private readonly sinceSec = Math.floor(Date.now() / 1000);

  constructor(lab: Lab, mode: "save" | "map", seed: number) {
    this.lab = lab;
    this.mode = mode;
    this.folder = lab.newFolder(mode);
    this.random = new SeededRandom(TEST_SEED + seed);
  }

  async round(): Promise<void> {
    const startedSec = Math.floor(Date.now() / 1000) - 1;
    const agent = await this.start();
    await this.look(agent);
    using child = await KnownChild.connect(agent.port, CHILD, CHARTS);
    await waitFor("values to be sent", ROUND_MS, () => child.seconds.length >= TICKS[this.mode]);
    const nowSec = Math.floor(Date.now() / 1000);
    this.shown = await readShown(agent, nowSec - ASKED_SEC, nowSec);
    const right = await this.rightSeconds(agent, child.seconds.slice(1, -1));
    const seenMs = Date.now();
    await Bun.sleep(this.random.below(KILL_WITHIN_MS[this.mode]));
    agent.signal("SIGKILL");
    this.killedSec = Date.now() / 1000;
    await agent.exited;
    this.sent = child.seconds;
    // What was shown was in the ring. Mode `save` has it when all files were written after that.
    const isKept = this.mode === "map" || this.savedMs() > seenMs;
    this.shownUpToSec = isKept ? nowSec : startedSec;
    if (isKept) this.required.push(...right);
    this.required = this.required.filter((second) => second > nowSec - ASKED_SEC);
  }

  /** Those of some seconds that an agent has at their place. All charts come in one piece: the first and last tell. */
  private async rightSeconds(agent: Agent, sent: readonly number[]): Promise<number[]> {
    const { shifted, seconds } = await readKnown(agent, GUID, ENDS, [], [sent[0]!, sent.at(-1)!]);
    const isRight = (second: number) => {
      return !shifted.includes(second) && seconds.filter((held) => held === second).length === ENDS.length;
    };
    const right = sent.filter(isRight);
    this.late += sent.length - right.length;
    return right;
  }

  /** When the oldest of all segments was written. */
  private savedMs(): number {
    const folder = join(this.folder, "state/db");
    const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".rrd"));
    return Math.min(...names.map((name) => statSync(join(folder, name)).mtimeMs));
  }

  /** Starts it for the last time and looks. */
  async finish(): Promise<void> {
    const agent = await this.start();
    await this.look(agent);
    report(
      `${this.mode}: ${this.startMs.length} starts with up to ${megabytes(join(this.folder, "state"))} MB of files, ` +
        `ms until ready: ${spread(this.startMs)}; ms of values lost by a kill: ${spread(this.lostMs)}; ` +
        `${this.asked} seconds looked at, ${this.late} late`,
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
    this.required = this.required.filter((second) => second >= window[0]);
    const known = await readKnown(agent, GUID, CHARTS, this.required, window);
    const shifted = known.shifted.filter((second) => this.required.includes(second));
    const round = { mode: this.mode, killedSec: this.killedSec, sent: this.sent };
    const found = { wrong: known.wrong.slice(0, 5), shifted: shifted.slice(0, 5), missing: known.missing.slice(0, 5) };
    expect({ ...round, ...found }).toEqual({ ...round, wrong: [], shifted: [], missing: [] });
    const own = await readShown(agent, ...window);
    expect(changedPoints(this.shown, own, window[0], this.shownUpToSec).slice(0, 5)).toEqual([]);
    this.asked += this.required.length;
    this.own += [...this.shown.values()].reduce((sum, dimensions) => sum + dimensions.size, 0);
    const newestSec = known.seconds.reduce((newest, second) => Math.max(newest, second), 0);
    const nextSec = this.sent.find((second) => second > newestSec);
    if (nextSec !== undefined) this.lostMs.push(1000 * (this.killedSec - nextSec - KnownChild.PHASE_SEC));
    else this.lostMs.push(0);
    expect(agent.log()).not.toMatch(/ (?:error|warn) +rrd/);
  }
}

peerTest(
  `${KILLS} times kill -9 under load: map loses no more than the tick at hand, save no more than save_every`,
  {},
  async (lab) => {
    lab.use(new ProcessPriority());
    const kills = KILLS / AGENTS;
    const agents = Array.from({ length: 2 * AGENTS }, (_, index) => {
      return new KillRounds(lab, index < AGENTS ? "map" : "save", index);
    });
    await Promise.all(
      agents.map(async (rounds) => {
        for (let kill = 0; kill < kills; kill++) await rounds.round();
        await rounds.finish();
        expect(rounds.own).toBeGreaterThan(0);
        expect(rounds.asked).toBeGreaterThan(0);
      }),
    );
  },
  ROUND_MS * (KILLS + 1),
);
