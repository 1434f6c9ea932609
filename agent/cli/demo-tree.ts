import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { AgentError } from "../base/errors.ts";
import { createGuid } from "../base/guid.ts";
import { ConfigErrors } from "../config/config-error.ts";
import { parseConfig } from "../config/load.ts";
import { fetchReport } from "./agent-report.ts";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 6000;
const LOOK_EVERY_MS = 50;

/** Names of the three agents, from the edge to the parent. */
export const DEMO_ROLES = ["child", "proxy", "parent"] as const;
export type DemoRole = (typeof DEMO_ROLES)[number];

/** One agent of the demonstration: a process of its own, from this same file. */
export interface DemoAgent {
  readonly role: DemoRole;
  readonly guid: string;
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
}

type Process = Subprocess<"ignore", "pipe", "pipe">;

/** An agent whose collectors are still off, and the configuration that has them on. */
interface QuietAgent {
  readonly file: string;
  readonly text: string;
  readonly process: Process;
}

/** Child → proxy → parent on loopback, in a temporary directory; disposing ends the processes and removes it. */
export class DemoTree implements AsyncDisposable {
  private readonly directory = mkdtempSync(join(tmpdir(), "tributary-demo-"));
  private readonly processes: Process[] = [];
  private readonly quiet: QuietAgent[] = [];
  readonly agents = new Map<DemoRole, DemoAgent>();

  /**
   * Starts the three, the parent first. Child and proxy begin to collect when all links stand, however long that takes
   * on a busy machine: so no value can be too early for its link. @throws AgentError when one does not get ready.
   */
  static async start(): Promise<DemoTree> {
    const tree = new DemoTree();
    try {
      const parentKey = newGuid();
      const proxyKey = newGuid();
      const parent = await tree.launch("parent", `[api_key."${parentKey}"]\nenabled = true\n`, "");
      const accept = `[api_key."${proxyKey}"]\nenabled = true\n`;
      const proxy = await tree.launch("proxy", accept + streamTo(parent, parentKey), noCollectors());
      await tree.launch("child", streamTo(proxy, proxyKey), noCollectors());
      await tree.waitForLinks();
      tree.startCollectors();
      return tree;
    } catch (error) {
      await tree[Symbol.asyncDispose]();
      throw error;
    }
  }

  agent(role: DemoRole): DemoAgent {
    return this.agents.get(role)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The child first: whoever receives is still there to take its last values.
    for (const process of this.processes.toReversed()) {
      process.kill("SIGTERM");
      const timer = setTimeout(() => process.kill("SIGKILL"), STOP_TIMEOUT_MS);
      await process.exited;
      clearTimeout(timer);
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** @param atFirst tables that {@link startCollectors} takes away again. */
  private async launch(role: DemoRole, tables: string, atFirst: string): Promise<DemoAgent> {
    const guid = newGuid();
    const stateDir = join(this.directory, role);
    mkdirSync(stateDir);
    const file = join(this.directory, `${role}.toml`);
    const text = [
      `[agent]\nhostname = "demo-${role}"\nmachine_guid = "${guid}"\nstate_dir = ${JSON.stringify(stateDir)}\n`,
      `[web]\nlisten = ["127.0.0.1:0"]\n`,
      tables,
    ].join("\n");
    writeFileSync(file, text + atFirst);
    const process = Bun.spawn([...selfCommand(), "run", "--config", file], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.processes.push(process);
    const agent = { role, guid, url: await readyUrl(process, role) };
    this.agents.set(role, agent);
    if (atFirst !== "") this.quiet.push({ file, text, process });
    return agent;
  }

  /** The child's own link, and of the proxy its own and the one that passes the child on. */
  private async waitForLinks(): Promise<void> {
    const deadlineMs = performance.now() + START_TIMEOUT_MS;
    const wanted = { child: 1, proxy: 2 } as const;
    for (const role of ["child", "proxy"] as const) {
      while ((await this.connectedLinks(role)) < wanted[role]) {
        if (performance.now() > deadlineMs) {
          throw new AgentError("demo_failed", `the links of the ${role} of the demonstration do not come about`);
        }
        await Bun.sleep(LOOK_EVERY_MS);
      }
    }
  }

  private async connectedLinks(role: DemoRole): Promise<number> {
    // One that is too busy to answer is asked again.
    const answer = await fetchReport(this.agent(role).url).catch(() => null);
    return answer?.report.links.filter(({ state }) => state === "connected").length ?? 0;
  }

  private startCollectors(): void {
    for (const { file, text, process } of this.quiet) {
      writeFileSync(file, text);
      process.kill("SIGHUP");
    }
  }
}

/** Tables that switch every collector off, while the agent goes on to expect values of this host. */
export function noCollectors(): string {
  const defaults = parseConfig("", "defaults");
  if (defaults instanceof ConfigErrors) throw defaults;
  const tables = Object.entries(defaults.config.collector).filter(([, settings]) => typeof settings === "object");
  return tables.map(([name]) => `[collector.${name}]\nenabled = false\n`).join("");
}

function streamTo(agent: DemoAgent, key: string): string {
  return `[stream]\nenabled = true\ndestination = "${new URL(agent.url).host}"\napi_key = "${key}"\n`;
}

function newGuid(): string {
  return createGuid(crypto.getRandomValues(new Uint8Array(16)));
}

/** The command line of this very program. */
function selfCommand(): string[] {
  const isCompiled = Bun.main.startsWith("/$bunfs/");
  return isCompiled ? [process.execPath] : [process.execPath, Bun.main];
}

/** Waits for the line `… ready on URL (ROLE)`. */
async function readyUrl(process: Process, role: DemoRole): Promise<string> {
  const timer = setTimeout(() => process.kill("SIGKILL"), START_TIMEOUT_MS);
  let text = "";
  try {
    const decoder = new TextDecoder();
    for await (const chunk of process.stdout) {
      text += decoder.decode(chunk, { stream: true });
      const url = / ready on (\S+) /.exec(text)?.[1];
      if (url !== undefined) {
        // Nothing more is said on stdout; the log must be read on, or its pipe would fill and stall the agent.
        void drain(process.stderr);
        return url;
      }
    }
  } finally {
    clearTimeout(timer);
  }
  const log = await new Response(process.stderr).text();
  throw new AgentError("demo_failed", `the ${role} of the demonstration did not start:\n${log.trim().slice(-2000)}`);
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<void> {
  for await (const _ of stream);
}
