import { test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Agent, type AgentOptions } from "./agent.ts";
import { type CarbonPeer, type NetdataOptions, type NetdataPeer, startCarbon, startNetdata } from "./servers.ts";

export type PeerName = "netdata" | "carbon" | "musl" | "cc";

interface Program {
  /** On the path, or a place; its presence says that the package is installed. */
  readonly program: string;
  readonly debianPackage: string;
}

/** What a test may need beyond the repository. */
export const PROGRAMS: Readonly<Record<PeerName, readonly Program[]>> = {
  netdata: [
    { program: "netdata", debianPackage: "netdata-core" },
    // Without it a child of 1.37.1 aborts: it runs this script to learn about its machine.
    { program: "/usr/lib/netdata/plugins.d/system-info.sh", debianPackage: "netdata-plugins-bash" },
  ],
  carbon: [{ program: "carbon-cache", debianPackage: "graphite-carbon" }],
  musl: [{ program: "/lib/ld-musl-x86_64.so.1", debianPackage: "musl" }],
  cc: [{ program: "cc", debianPackage: "gcc" }],
};

/** Starts, deadlines and stops of several real programs take a while on a busy machine. */
const TIMEOUT_MS = 60_000;
/** For ending what a test started: an agent has 8 s, a peer 10 s. */
const CLEAN_UP_MS = 40_000;

/** What one test with real programs works with. All of it ends with the test, whichever way the test ends. */
export class Lab implements AsyncDisposable {
  /** An empty folder, removed at the end. */
  readonly folder: string = mkdtempSync(join(tmpdir(), "tributary-lab-"));
  private readonly stack = new AsyncDisposableStack();
  private count = 0;

  /** A new empty folder in {@link folder}. */
  newFolder(name: string): string {
    const folder = join(this.folder, `${++this.count}-${name}`);
    mkdirSync(folder);
    return folder;
  }

  /** Starts the compiled agent and waits until it is ready. */
  async agent(options: AgentOptions = {}): Promise<Agent> {
    return this.stack.use(await Agent.start(this.newFolder("agent"), options));
  }

  /** Starts a real netdata 1.37.1 and waits until it answers. */
  async netdata(options: NetdataOptions): Promise<NetdataPeer> {
    return this.stack.use(await startNetdata(this.newFolder(`netdata-${options.role}`), options));
  }

  /** Starts a real carbon and waits until it listens. @param port of its first listener, to start it again there. */
  async carbon(port?: number): Promise<CarbonPeer> {
    return this.stack.use(await startCarbon(this.newFolder("carbon"), port));
  }

  /** Disposes something else of the test together with the rest, newest first. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    return this.stack.use(resource);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stack.disposeAsync();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** What a test needs beyond the compiled agent. */
export interface PeerNeeds {
  readonly needs?: readonly PeerName[];
  /** Why this machine cannot run it; asked for when the tests are collected. */
  readonly reason?: string | undefined;
  /** It waits more than it works: it runs side by side with others of its file. */
  readonly isConcurrent?: boolean;
}

/**
 * A test with the compiled agent and, where `needs` names any, real servers. Without them it is skipped, and its name
 * says how to install them; with `TRIBUTARY_REQUIRE_PEERS=1` it fails instead.
 * @param timeoutMs of the test itself; clean-up has its own deadlines.
 */
export function peerTest(
  name: string,
  { needs = [], reason = reasonToSkip(needs), isConcurrent = false }: PeerNeeds,
  run: (lab: Lab) => void | Promise<void>,
  timeoutMs: number = TIMEOUT_MS,
): void {
  if (reason === undefined) {
    const add = isConcurrent ? test.concurrent : test;
    add(name, () => runInLab(run, timeoutMs), timeoutMs + CLEAN_UP_MS);
    return;
  }
  if (process.env["TRIBUTARY_REQUIRE_PEERS"] !== "1") {
    test.skip(`${name} (${reason})`, () => {});
    return;
  }
  test(name, () => {
    throw new Error(reason);
  });
}

/** @param which tells where a program is. @returns what is missing and the command that installs it. */
export function reasonToSkip(
  needs: readonly PeerName[],
  which: (program: string) => string | null = (program) => Bun.which(program),
): string | undefined {
  const missing = needs.flatMap((peer) => PROGRAMS[peer]).filter(({ program }) => which(program) === null);
  if (missing.length === 0) return undefined;
  return `not installed: ${missing.map(({ debianPackage }) => debianPackage).join(", ")}; run scripts/install-peers`;
}

/**
 * Runs something with a lab and ends all that it started, also when it never comes to its end by itself.
 * @throws Error at the deadline, or what `run` threw.
 */
export async function runInLab(run: (lab: Lab) => void | Promise<void>, timeoutMs: number): Promise<void> {
  await using lab = new Lab();
  const { promise: deadline, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
  try {
    await Promise.race([run(lab), deadline]);
  } finally {
    clearTimeout(timer);
  }
}
