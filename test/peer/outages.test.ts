import { expect } from "bun:test";
import { IS_SOAK, SeededRandom, TEST_SEED } from "../seeded-random.ts";
import type { Agent } from "./agent.ts";
import { type AgentReport, reportOf } from "./agent-report.ts";
import { isTickOf, STEADY_CHARTS } from "./commit-record.ts";
import { HostView } from "./compare.ts";
import { knownValue } from "./known-child.ts";
import { LEAF_CHARTS, LEAF_GUID, NAMES, type Name, OutageTree } from "./outage-tree.ts";
import { peerTest } from "./peer.ts";
import { ProcessPriority } from "./process-priority.ts";
import { countPoints, readStoredPoints, type StoredPoints } from "./stored-points.ts";
import { waitFor } from "./wait.ts";

const LONG_SEC = IS_SOAK ? 600 : 60;
/** Everything has to be there so long after a link is whole or an agent back: the longest delay is a minute, +20 %. */
const RECOVERY_MS = 120_000;
const SETTLE_MS = 60_000;
/** Dimensions that are named when something of them is missing. */
const NAMED_MAX = 30;
/** Between two looks at an account that is to stand still. */
const STILL_MS = 1000;

function report(text: string): void {
  process.stdout.write(`      ${text}\n`);
}

peerTest(
  `links cut 5 s and ${LONG_SEC} s, each agent killed with -9: proxy and parent have every second the child committed`,
  { isConcurrent: true },
  async (lab) => {
    lab.use(new ProcessPriority());
    const tree = await OutageTree.start(lab);
    const steps: [string, () => Promise<void>][] = [
      ["child → proxy refused 5 s", () => tree.cut(["lower"], "refused", 5)],
      ["proxy → parent silent 5 s", () => tree.cut(["upper"], "silent", 5)],
      ["child killed, 4 s away", () => tree.kill("child", 4)],
      ["proxy killed, 4 s away", () => tree.kill("proxy", 4)],
      ["parent killed, 4 s away", () => tree.kill("parent", 4)],
      [`both silent ${LONG_SEC} s`, () => tree.cut(["lower", "upper"], "silent", LONG_SEC)],
    ];
    for (const [what, run] of steps) {
      await Bun.sleep(2000);
      await run();
      report(`${what}: up to date after ${Math.round(await tree.recover(RECOVERY_MS))} ms`);
    }
    await verify(tree);
  },
  (LONG_SEC + 600) * 1000,
);

if (IS_SOAK) {
  peerTest(
    `${LONG_SEC} s of kills and cuts at random: proxy and parent have every second the child committed`,
    { isConcurrent: true },
    async (lab) => {
      const tree = await OutageTree.start(lab);
      const random = new SeededRandom(TEST_SEED);
      const endMs = Date.now() + 1000 * LONG_SEC;
      const rest = () => Bun.sleep(1000 + random.below(12_000));
      const kill = async () => {
        while (Date.now() < endMs) {
          await rest();
          await tree.kill(random.pick(NAMES), random.below(9));
        }
      };
      const cut = async () => {
        while (Date.now() < endMs) {
          await rest();
          const links = random.pick([["lower"], ["upper"], ["lower", "upper"]] as const);
          await tree.cut(links, random.pick(["refused", "silent"]), 1 + random.below(20));
        }
      };
      await Promise.all([kill(), cut()]);
      const ms = await tree.recover(RECOVERY_MS);
      report(
        `${NAMES.map((name) => `${name} killed ${tree.agents[name].deaths.length} times`)}; up to date after ${ms | 0} ms`,
      );
      await verify(tree);
    },
    (LONG_SEC + 300) * 1000,
  );
}

/** Everything at once, after the last recovery. */
async function verify(tree: OutageTree): Promise<void> {
  const endSec = Math.floor(Date.now() / 1000);
  await tree.reach(endSec, SETTLE_MS);
  await tree.end();
  report(
    `from ${tree.sinceSec} to ${endSec}; killed: ${JSON.stringify(NAMES.map((name) => tree.agents[name].deaths))}`,
  );
  const shown: Shown[] = [];
  for (const name of NAMES) shown.push(...(await shownBy(tree, name, endSec)));
  expect(shown).toEqual(shown.map(({ name, guid }) => ({ name, guid, ...NO_FAULT })));
  verifyLeaf(tree, endSec);
  verifyCollected(tree);
  await verifyStored(tree, endSec);
  expect(tree.accounts.problems).toEqual([]);
  expect(tree.accounts.looks).toBeGreaterThan(100);
}

/** The child had every second of its life, but for ticks that it counted as missed. */
function verifyCollected(tree: OutageTree): void {
  const { own } = tree.records;
  const holes = STEADY_CHARTS.map((chart) => own.holes(chart, tree.agents.child.deaths).length);
  report(`child: ${own.missedTicks} ticks missed; seconds without values: ${holes.join(", ")}`);
  expect(Math.max(...holes)).toBeLessThanOrEqual(own.missedTicks);
}

/** What is wrong with a host at an agent: seconds that must be there and are not, and examples of all else. */
interface Shown {
  readonly name: Name;
  readonly guid: string;
  readonly lost: number[];
  readonly wrong: string[];
  readonly undead: string[];
  readonly invented: string[];
  readonly contradictions: string[];
}

const NO_FAULT = { lost: [], wrong: [], undead: [], invented: [], contradictions: [] };

/** What an agent shows is what is on record. */
async function shownBy(tree: OutageTree, name: Name, endSec: number): Promise<Shown[]> {
  const results: Shown[] = [];
  const deaths = Object.values(tree.agents).flatMap((agent) => agent.deaths);
  for (const [guid, record] of tree.hosts) {
    const view = new HostView(tree.agents[name].port, name === "child" && guid === tree.guid ? undefined : guid);
    const verdict = await record.compare(view, tree.agents.child.deaths, [tree.sinceSec, endSec]);
    const { points, equal, missing, missingOf, wrong, undead, invented, unseen } = verdict;
    const lost = [...missing.keys()].filter((second) => !deaths.some((death) => isTickOf(death, second)));
    report(
      `${name}: ${points} points of ${record.charts.size} charts, ${equal} equal; not on record: ${unseen.size}; ` +
        `missing: ${JSON.stringify([...missing])} ${JSON.stringify([...missingOf.keys()].slice(0, NAMED_MAX))}`,
    );
    const { contradictions } = record;
    results.push({ name, guid, lost, wrong, undead, invented, contradictions });
  }
  return results;
}

/**
 * What is on record of the leaf is what it sent. A child dates values by their arrival: on a machine that stands still
 * for a moment they lie some seconds beside theirs, and one may take the place of another.
 */
function verifyLeaf(tree: OutageTree, endSec: number): void {
  let [right, beside] = [0, 0];
  const wrong: string[] = [];
  for (const { id, code, dimensions } of LEAF_CHARTS) {
    for (let index = 0; index < dimensions; index++) {
      for (const [second, value] of tree.records.leaf.charts.get(id)?.get(`d${index}`) ?? []) {
        if (value === knownValue(code + index, second)) right++;
        else if (tree.sent.some((sent) => Math.abs(sent - second) <= 5 && value === knownValue(code + index, sent)))
          beside++;
        else wrong.push(`${id} d${index} at ${second}: ${value}`);
      }
    }
  }
  const values = LEAF_CHARTS.reduce((sum, { dimensions }) => sum + dimensions, 0);
  const seconds = tree.sent.filter((second) => second <= endSec).length;
  report(`leaf: ${seconds} seconds of ${values} values sent; on record ${right} in their second, ${beside} beside it`);
  expect(wrong).toEqual([]);
  expect(right).toBeGreaterThan((values * seconds) / 2);
}

/** Ends all agents, and compares their files: bit by bit, and with their accounts. */
async function verifyStored(tree: OutageTree, endSec: number): Promise<void> {
  await tree.accounts[Symbol.asyncDispose]();
  const reports = new Map<Name, AgentReport>();
  for (const name of NAMES) {
    const agent = tree.agents[name].agent!;
    reports.set(name, await (name === "child" ? reportOf(agent) : stillReport(agent)));
    expect(await agent.stop()).toBe(0);
    tree.agents[name].agent = null;
  }
  const deaths = Object.values(tree.agents).flatMap((agent) => agent.deaths);
  for (const guid of [tree.guid, LEAF_GUID]) {
    const [child, ...others] = NAMES.map((name) => readStoredPoints(tree.state(name), guid));
    others.forEach((points, index) => {
      const name = NAMES[index + 1]!;
      const { wrong, missing, more } = differences(child!, points, endSec);
      const lost = [...missing].filter((second) => !deaths.some((death) => isTickOf(death, second)));
      const extra = [...more].filter((second) => !tree.agents.child.deaths.some((death) => isTickOf(death, second)));
      expect({ name, guid, wrong, lost, extra }).toEqual({ name, guid, wrong: [], lost: [], extra: [] });
      const { balance } = reports.get(name)!.hosts.find((host) => host.guid === guid)!;
      const restored = tree.restoredAt(name).get(guid) ?? 0;
      report(
        `${name}: ${countPoints(points)} points in files, ${restored} before its last life; ${JSON.stringify(balance)}`,
      );
      // Had a second been kept twice, more would have been stored than is there. What comes again is merged.
      expect({ name, guid, stored: restored + balance.stored }).toEqual({ name, guid, stored: countPoints(points) });
    });
  }
}

/** The report of an agent to which nothing comes any more: the one below has ended. */
async function stillReport(agent: Agent): Promise<AgentReport> {
  let before = "";
  return waitFor("an account that stands still", SETTLE_MS, async () => {
    const now = await reportOf(agent);
    const balances = JSON.stringify(now.hosts.map(({ balance }) => balance));
    if (balances === before) return now;
    before = balances;
    await Bun.sleep(STILL_MS);
    return false;
  });
}

function differences(one: StoredPoints, other: StoredPoints, endSec: number) {
  const found = { wrong: [] as string[], missing: new Set<number>(), more: new Set<number>() };
  for (const key of new Set([...one.keys(), ...other.keys()])) {
    const [here, there] = [one.get(key) ?? new Map(), other.get(key) ?? new Map()];
    for (const second of new Set([...here.keys(), ...there.keys()])) {
      if (second > endSec) continue;
      if (!there.has(second)) found.missing.add(second);
      else if (!here.has(second)) found.more.add(second);
      else if (!Object.is(here.get(second), there.get(second))) found.wrong.push(`${key} at ${second}`);
    }
  }
  return found;
}
