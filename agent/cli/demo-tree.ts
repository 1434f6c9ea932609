import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Subprocess } from "bun";
import { AgentError } from "../base/errors.ts";
import { createGuid } from "../base/guid.ts";

const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 6000;

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

/** Child → proxy → parent on loopback, in a temporary directory; disposing ends the processes and removes it. */
export class DemoTree implements AsyncDisposable {
  private readonly directory = mkdtempSync(join(tmpdir(), "tributary-demo-"));
  private readonly processes: Process[] = [];
  readonly agents = new Map<DemoRole, DemoAgent>();

  /** Starts the three, the parent first. @throws AgentError when one does not get ready. */
  static async start(): Promise<DemoTree> {
    const tree = new DemoTree();
    try {
      const parentKey = newGuid();
      const proxyKey = newGuid();
      const parent = await tree.launch("parent", `[api_key."${parentKey}"]\nenabled = true\n`);
      const proxy = await tree.launch(
        "proxy",
        `[api_key."${proxyKey}"]\nenabled = true\n${streamTo(parent, parentKey)}`,
      );
      await tree.launch("child", streamTo(proxy, proxyKey));
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

  private async launch(role: DemoRole, tables: string): Promise<DemoAgent> {
    const guid = newGuid();
    const stateDir = join(this.directory, role);
    mkdirSync(stateDir);
    const file = join(this.directory, `${role}.toml`);
    const text = [
      `[agent]\nhostname = "demo-${role}"\nmachine_guid = "${guid}"\nstate_dir = ${JSON.stringify(stateDir)}\n`,
      `[web]\nlisten = ["127.0.0.1:0"]\n`,
      tables,
    ].join("\n");
    writeFileSync(file, text);
    const process = Bun.spawn([...selfCommand(), "run", "--config", file], {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.processes.push(process);
    const agent = { role, guid, url: await readyUrl(process, role) };
    this.agents.set(role, agent);
    return agent;
  }
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
