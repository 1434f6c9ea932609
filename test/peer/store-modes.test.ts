import { describe, expect } from "bun:test";
import { existsSync, mkdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { reportOf } from "./agent-report.ts";
import { KnownChild, knownCharts, readKnown } from "./known-child.ts";
import { type Lab, peerTest } from "./peer.ts";
import { storeKnown } from "./stored-state.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const NEW_KEY = "22222222-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-0000000000a5";
const CHILD = { key: KEY, guid: GUID, hostname: "known" };
const SEEN_MS = 10_000;
const CHARTS = knownCharts("known", 12, 20, 1);
const MODES = ["map", "save"] as const;
const NOTHING_WRONG = { wrong: [], missing: [] };

function config(mode: string, db = "history = 200"): string {
  return `[agent]\nhostname = "own"\n[db]\nmode = "${mode}"\n${db}\n[api_key."${KEY}"]\nenabled = true\n`;
}

/** What an agent shows wrong, and what it lacks of some seconds. */
async function problemsOf(agent: Agent, seconds: readonly number[]): Promise<typeof NOTHING_WRONG | object> {
  const nowSec = Math.floor(Date.now() / 1000);
  const { wrong, missing } = await readKnown(agent, GUID, CHARTS, seconds, [seconds[0]! - 1, nowSec]);
  return { wrong: wrong.slice(0, 5), missing: missing.slice(0, 5) };
}

/** Sends until so many seconds must have been stored. @returns these. */
async function stored(child: KnownChild, agent: Agent, count: number): Promise<number[]> {
  await waitFor("values to be sent", SEEN_MS, () => child.seconds.length > count);
  const seconds = child.seconds.slice(1, 1 + count);
  await waitFor("values to be stored", SEEN_MS, async () => {
    return (
      (await readKnown(agent, GUID, CHARTS.slice(-1), seconds, [seconds[0]!, seconds.at(-1)!])).missing.length === 0
    );
  });
  return seconds;
}

async function kill(agent: Agent): Promise<void> {
  agent.signal("SIGKILL");
  await agent.exited;
}

async function startThere(lab: Lab, folder: string, text: string): Promise<Agent> {
  return lab.use(await Agent.start(folder, { config: text }));
}

peerTest(
  "two agents on one directory: the second ends with 1, and starts once the first was killed",
  {},
  async (lab) => {
    const [mine, other] = [lab.newFolder("first"), lab.newFolder("second")];
    mkdirSync(join(mine, "state"));
    symlinkSync(join(mine, "state"), join(other, "state"));
    const first = await startThere(lab, mine, config("map"));
    const refusal = await Agent.start(other, { config: config("map") }).then(
      () => "it started",
      (error: unknown) => String(error),
    );
    expect(refusal).toContain("the agent ended with 1:");
    expect(refusal).toContain(
      `/state/db: in use by the process ${first.pid}; stop it, or give this agent a state directory`,
    );
    expect(existsSync(join(mine, "state/db/.lock"))).toBe(true);
    await kill(first);
    const second = await startThere(lab, other, config("map"));
    expect(second.log()).not.toMatch(/ (?:error|warn) +rrd/);
    expect(await second.stop()).toBe(0);
    expect(existsSync(join(mine, "state/db/.lock"))).toBe(false);
  },
);

describe.each(MODES)("mode %s", (mode) => {
  peerTest("SIGTERM keeps everything, also what came under a configuration that SIGHUP brought", {}, async (lab) => {
    const folder = lab.newFolder("agent");
    const agent = await startThere(lab, folder, config(mode));
    using child = await KnownChild.connect(agent.port, CHILD, CHARTS);
    await stored(child, agent, 1);
    writeFileSync(
      join(folder, "tributary.toml"),
      `${config(mode, "history = 300")}[api_key."${NEW_KEY}"]\nenabled = true\n`,
    );
    agent.signal("SIGHUP");
    await waitFor("the reload", SEEN_MS, () => agent.log().includes(" config.reloaded "));
    expect(agent.log()).toMatch(/ config\.restart_needed .*db\.history/);
    const seconds = await stored(child, agent, 3);
    expect(await agent.stop()).toBe(0);
    const again = await startThere(lab, folder, config(mode, "history = 300"));
    expect(await problemsOf(again, seconds)).toEqual(NOTHING_WRONG);
    // The child comes back to a host that is known, and goes on in the same rings.
    using returned = await KnownChild.connect(again.port, CHILD, CHARTS);
    const later = await stored(returned, again, 2);
    expect(await problemsOf(again, [...seconds, ...later])).toEqual(NOTHING_WRONG);
    const { hosts, self } = await reportOf(again);
    expect(hosts.map(({ balance }) => balance.imbalance)).toEqual([0, 0]);
    expect(hosts[0]!.guid).toBe(self);
    expect(again.log()).not.toMatch(/ (?:error|warn) +rrd/);
  });

  peerTest("another history keeps what both have room for", {}, async (lab) => {
    const folder = lab.newFolder("agent");
    const state = { mode, history: 300, guid: GUID, hostname: "known", charts: CHARTS, seconds: 310 };
    const [, lastSec] = await storeKnown(join(folder, "state"), state);
    const last = (count: number) => Array.from({ length: count }, (_, index) => lastSec - count + 1 + index);
    // A child's own mode and history are kept for it; what it is given anew counts.
    const machine = (history: number) => `${config(mode)}[machine."${GUID}"]\nhistory = ${history}\n`;
    for (const [history, kept] of [
      [120, 120],
      [900, 120],
      [300, 120],
    ] as const) {
      const agent = await startThere(lab, folder, machine(history));
      expect({ history, ...(await problemsOf(agent, last(kept - 10))) }).toEqual({ history, ...NOTHING_WRONG });
      expect(agent.log()).not.toMatch(/ (?:error|warn) +rrd/);
      await kill(agent);
    }
  });
});

describe("mode save", () => {
  peerTest("SIGUSR1 writes the files: kill -9 takes nothing from before", {}, async (lab) => {
    const folder = lab.newFolder("agent");
    const agent = await startThere(lab, folder, config("save"));
    using child = await KnownChild.connect(agent.port, CHILD, CHARTS);
    const seconds = await stored(child, agent, 2);
    expect(existsSync(join(folder, "state/db", GUID, "catalog.jsonl"))).toBe(false);
    agent.signal("SIGUSR1");
    // The catalogue comes last.
    await waitFor("the files", SEEN_MS, () => existsSync(join(folder, "state/db", GUID, "catalog.jsonl")));
    await kill(agent);
    const again = await startThere(lab, folder, config("save"));
    expect(await problemsOf(again, seconds)).toEqual(NOTHING_WRONG);
  });

  peerTest("save_every is obeyed", {}, async (lab) => {
    const folder = lab.newFolder("agent");
    const agent = await startThere(lab, folder, config("save", "history = 200\nsave_every = 2"));
    using child = await KnownChild.connect(agent.port, CHILD, CHARTS);
    // It is written last.
    const file = join(folder, "state/db", GUID, "catalog.jsonl");
    const writtenMs: number[] = [];
    await waitFor("the file to be written four times", 2 * SEEN_MS, () => {
      const { mtimeMs } = statSync(file);
      if (mtimeMs !== writtenMs.at(-1)) writtenMs.push(mtimeMs);
      return writtenMs.length === 4;
    });
    // Not every second: a beat of the agent is never shorter than that.
    for (let index = 1; index < writtenMs.length; index++) {
      expect(writtenMs[index]! - writtenMs[index - 1]!).toBeGreaterThan(1200);
    }
    const safeSec = Math.floor(writtenMs.at(-1)! / 1000 - 1.5);
    await kill(agent);
    const again = await startThere(lab, folder, config("save"));
    expect(
      await problemsOf(
        again,
        child.seconds.slice(1).filter((second) => second <= safeSec),
      ),
    ).toEqual(NOTHING_WRONG);
  });
});
