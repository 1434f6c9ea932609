import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { agentBinary } from "./binary.ts";
import { waitFor } from "./wait.ts";

/** Start to ready line, on a machine that is busy with other tests. */
const READY_MS = 15_000;
/** The agent promises an orderly stop within 5 s. */
const STOP_MS = 8_000;

/** How to start the compiled agent. */
export interface AgentOptions {
  /** The configuration file's text; `[agent] state_dir` is set by a flag. Without one the agent has its defaults. */
  config?: string;
  /** Where to listen, by default a free port on loopback; `null` leaves it to the file and to `args`. */
  listen?: string | null;
  /** More words after `run`. */
  args?: string[];
  env?: Record<string, string>;
}

/** A running compiled agent. */
export class Agent {
  /** `http://ADDR:PORT` of the ready line; empty when it does not listen. */
  readonly url: string;
  readonly port: number;
  readonly role: string;
  /** The whole ready line. */
  readonly ready: string;
  /** Holds its configuration, state and logs. */
  readonly folder: string;
  private readonly child: Bun.Subprocess;

  private constructor(folder: string, child: Bun.Subprocess, ready: string) {
    const [, url = "", port = "0"] = / ready on (http:\/\/\S+?:(\d+)) /.exec(ready) ?? [];
    this.folder = folder;
    this.child = child;
    this.ready = ready;
    this.url = url;
    this.port = Number(port);
    this.role = /\((\w+)\)$/.exec(ready)?.[1] ?? "";
  }

  /** Starts the agent in an empty folder and waits for its ready line. @throws Error with its log when it ends first. */
  static async start(folder: string, options: AgentOptions = {}): Promise<Agent> {
    const binary = await agentBinary();
    mkdirSync(folder, { recursive: true });
    const args = ["run", "--state", join(folder, "state"), ...(options.args ?? [])];
    if (options.config !== undefined) {
      writeFileSync(join(folder, "tributary.toml"), options.config);
      args.push("--config", join(folder, "tributary.toml"));
    }
    if (options.listen !== null) args.push("--listen", options.listen ?? "127.0.0.1:0");
    const env = { PATH: process.env["PATH"] ?? "", HOME: folder, ...options.env };
    // Of an agent that ran here before.
    for (const name of ["agent.out", "agent.log"]) rmSync(join(folder, name), { force: true });
    const [stdout, stderr] = [Bun.file(join(folder, "agent.out")), Bun.file(join(folder, "agent.log"))];
    const child = Bun.spawn([binary, ...args], { cwd: folder, env, stdin: "ignore", stdout, stderr });
    try {
      return new Agent(folder, child, await readyLine(folder, child));
    } catch (error) {
      child.kill("SIGKILL");
      await child.exited;
      throw error;
    }
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Its exit code, once it has ended. */
  get exited(): Promise<number> {
    return this.child.exited;
  }

  /** Everything it wrote to stderr so far. */
  log(): string {
    return readText(join(this.folder, "agent.log"));
  }

  /** Everything it wrote to stdout so far. */
  output(): string {
    return readText(join(this.folder, "agent.out"));
  }

  /** @param path from `/`. @throws Error unless the answer is 200. */
  async text(path: string): Promise<string> {
    const response = await fetch(this.url + path, { signal: AbortSignal.timeout(STOP_MS) });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text.slice(0, 200)}`);
    return text;
  }

  /** The answer's JSON; its shape is the test's business. */
  async json<T = unknown>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** Asks it to end and waits. @returns its exit code; 137 when it had to be killed. */
  async stop(): Promise<number> {
    this.child.kill("SIGTERM");
    const killer = setTimeout(() => this.child.kill("SIGKILL"), STOP_MS);
    await this.child.exited;
    clearTimeout(killer);
    return this.child.exitCode ?? 137;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

async function readyLine(folder: string, child: Bun.Subprocess): Promise<string> {
  const found = await waitFor("the agent's ready line", READY_MS, () => {
    const lines = readText(join(folder, "agent.out")).split("\n").slice(0, -1);
    const line = lines.find((text) => /^tributary \S+ ready\b/.test(text));
    return line === undefined && child.exitCode === null ? undefined : { line };
  });
  if (found.line !== undefined) return found.line;
  throw new Error(`the agent ended with ${child.exitCode}:\n${readText(join(folder, "agent.log"))}`);
}

function readText(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}
