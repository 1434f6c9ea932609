import { expect } from "bun:test";
import { closeSync, cpSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { Agent } from "./agent.ts";
import { type AgentReport, reportOf } from "./agent-report.ts";
import { agentBinary } from "./binary.ts";
import { KnownChild, knownCharts, readKnown } from "./known-child.ts";
import { peerTest } from "./peer.ts";
import { storeKnown } from "./stored-state.ts";
import { reasonNotToMount, Tmpfs } from "./tmpfs.ts";
import { waitFor } from "./wait.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
const GUID = "aaaaaaaa-0000-0000-0000-0000000000a4";
const CHILD = { key: KEY, guid: GUID, hostname: "known" };
const HISTORY = 200;
const DISK_BYTES = 12 * 2 ** 20;
/** A host without files tries again every 60 s. */
const RETRY_MS = 75_000;
const SEEN_MS = 10_000;
const HOSTS = 50;
/** Catalogues are closed within 64 s of their last line. */
const CLOSED_MS = 90_000;
const CONFIG =
  `[agent]\nhostname = "own"\n[db]\nmode = "map"\nhistory = ${HISTORY}\ndisk_limit_bytes = 1000000000\n` +
  `[api_key."${KEY}"]\nenabled = true\n`;
const reason = reasonNotToMount();

/** Takes all the space that a disk has left. */
function fill(file: string): void {
  const fd = openSync(file, "w");
  try {
    for (let bytes = 65_536; bytes >= 1; ) {
      try {
        writeSync(fd, new Uint8Array(bytes));
      } catch {
        bytes = Math.floor(bytes / 2);
      }
    }
  } finally {
    closeSync(fd);
  }
}

async function hostOf(agent: Agent, guid: string): Promise<AgentReport["hosts"][number] | undefined> {
  return (await reportOf(agent)).hosts.find((host) => host.guid === guid);
}

async function statusText(agent: Agent): Promise<string> {
  const child = Bun.spawn([await agentBinary(), "status", agent.url], { stdout: "pipe" });
  return await child.stdout.text();
}

/** Lines of the log with an event. */
function linesOf(agent: Agent, event: string): string[] {
  return agent
    .log()
    .split("\n")
    .filter((line) => line.includes(` ${event} `));
}

function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

peerTest(
  "a full disk: everything goes on in memory and is counted; with space again it is in the files",
  { reason, isConcurrent: true },
  async (lab) => {
    const folder = lab.newFolder("full");
    const disk = lab.use(new Tmpfs(join(folder, "state"), DISK_BYTES));
    const early = knownCharts("early", 3, 20, 1);
    const late = knownCharts("late", 30, 20, 100);
    const agent = lab.use(await Agent.start(folder, { config: CONFIG }));
    const child = lab.use(await KnownChild.connect(agent.port, CHILD, early));
    await waitFor("values in files", SEEN_MS, () => child.seconds.length >= 3);
    const ballast = join(disk.folder, "ballast");
    fill(ballast);
    child.add(late);
    const lateSec = child.seconds.at(-1)! + 1;
    const problem = await waitFor(
      "the disk to be full",
      SEEN_MS,
      async () => (await hostOf(agent, GUID))?.files_problem || undefined,
    );
    expect(problem).toContain("ENOSPC");
    expect(await statusText(agent)).toMatch(/^kept in memory only: .*known \(.*ENOSPC/m);
    const before = await hostOf(agent, GUID);
    await waitFor("more values", SEEN_MS, async () => {
      return (await hostOf(agent, GUID))!.balance.stored > before!.balance.stored + 1000;
    });
    const full = (await hostOf(agent, GUID))!.balance;
    expect([full.dropped, full.imbalance]).toEqual([{ ...full.dropped, no_space: 0, limit: 0 }, 0]);
    const own = await reportOf(agent);
    expect(own.hosts.find(({ guid }) => guid === own.self)!.balance.collected).toBeGreaterThan(0);
    rmSync(ballast);
    await waitFor(
      "the files to be used again",
      RETRY_MS,
      async () => (await hostOf(agent, GUID))?.files_problem === "",
    );
    expect(linesOf(agent, "rrd.files_usable").some((line) => line.includes("host=known "))).toBe(true);
    const usableSec = Math.floor(Date.now() / 1000);
    await waitFor("values after that", SEEN_MS, () => child.seconds.at(-1)! > usableSec + 1);
    agent.signal("SIGKILL");
    await agent.exited;
    const again = lab.use(await Agent.start(folder, { config: CONFIG }));
    const window = [child.seconds[0]! - 1, child.seconds.at(-1)!] as const;
    const sent = child.seconds.slice(0, -1);
    const required = sent.filter((second) => second > lateSec + 1);
    for (const charts of [early, late]) {
      const known = await readKnown(again, GUID, charts, charts === early ? sent.slice(1) : required, window);
      expect([known.wrong, known.missing]).toEqual([[], []]);
    }
    expect((await hostOf(again, GUID))!.files_problem).toBe("");
    expect(await again.stop()).toBe(0);
  },
  RETRY_MS + 60_000,
);

peerTest(
  "a read-only disk: the agent runs in memory, shows what was kept, and says so once",
  { reason, isConcurrent: true },
  async (lab) => {
    const folder = lab.newFolder("read-only");
    const disk = lab.use(new Tmpfs(join(folder, "state"), DISK_BYTES));
    const charts = knownCharts("known", 6, 20, 1);
    const first = await Agent.start(folder, { config: CONFIG });
    expect(await first.stop()).toBe(0);
    // Copied: what this process has mapped would keep the disk writable.
    const state = lab.newFolder("state");
    const window = await storeKnown(state, {
      mode: "map",
      history: HISTORY,
      guid: GUID,
      hostname: "known",
      charts,
      seconds: 100,
    });
    cpSync(state, disk.folder, { recursive: true });
    disk.setReadOnly(true);
    const agent = lab.use(await Agent.start(folder, { config: CONFIG }));
    const seconds = Array.from({ length: window[1] - window[0] + 1 }, (_, index) => window[0] + index);
    const archived = await readKnown(agent, GUID, charts, seconds, window);
    expect([archived.wrong, archived.missing]).toEqual([[], []]);
    const child = lab.use(await KnownChild.connect(agent.port, CHILD, charts));
    const isStored = async () => (await reportOf(agent)).hosts.every(({ balance }) => balance.stored > 0);
    await waitFor("values of both hosts in memory", SEEN_MS, isStored);
    const { hosts } = await reportOf(agent);
    expect(hosts.map(({ balance }) => balance.imbalance)).toEqual([0, 0]);
    for (const host of hosts) expect(host.files_problem).toContain("EROFS");
    expect(linesOf(agent, "rrd.files_unusable").length).toBe(hosts.length);
    expect(linesOf(agent, "rrd.file_set_aside")).toEqual([]);
    expect(child.child.isClosed).toBe(false);
    expect(await agent.stop()).toBe(0);
    disk.setReadOnly(false);
    await using again = await Agent.start(folder, { config: CONFIG });
    expect((await readKnown(again, GUID, charts, seconds, window)).missing).toEqual([]);
  },
);

peerTest(
  `${HOSTS} hosts in mode map: no descriptor stays open for their files`,
  { isConcurrent: true },
  async (lab) => {
    const agent = await lab.agent({ config: `${CONFIG}[stream]\naccept_per_second_max = 1000\n` });
    // Collectors open their sources with their first values.
    await waitFor("values of its own", SEEN_MS, async () => (await reportOf(agent)).hosts[0]!.balance.stored > 0);
    const idle = openFiles(agent.pid);
    const children: KnownChild[] = [];
    for (let number = 0; number < HOSTS; number++) {
      const guid = GUID.slice(0, -2) + (0x10 + number).toString(16).padStart(2, "0");
      const charts = knownCharts(`host${number}`, 1, 4, 1 + number);
      children.push(lab.use(await KnownChild.connect(agent.port, { key: KEY, guid, hostname: `h${number}` }, charts)));
    }
    await waitFor("values of all", SEEN_MS, async () => {
      const { hosts } = await reportOf(agent);
      return hosts.filter(({ balance }) => balance.stored > 0).length === HOSTS + 1;
    });
    // A directory each, and the lock.
    expect(readdirSync(join(agent.folder, "state/db"))).toHaveLength(HOSTS + 2);
    // A connection each, and one catalogue each as long as definitions come.
    expect(openFiles(agent.pid)).toBeLessThanOrEqual(idle + 2 * HOSTS + 5);
    await waitFor("the catalogues to be closed", CLOSED_MS, () => openFiles(agent.pid) <= idle + HOSTS + 5);
    for (const child of children) child[Symbol.dispose]();
    await waitFor("the connections to be closed", SEEN_MS, () => openFiles(agent.pid) <= idle + 5);
    expect((await reportOf(agent)).hosts).toHaveLength(HOSTS + 1);
  },
  CLOSED_MS + 30_000,
);
