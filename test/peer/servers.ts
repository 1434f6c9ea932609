import { join } from "node:path";
import { freePorts } from "./ports.ts";

const SCRIPTS = join(import.meta.dir, "../peers");

/** The key of {@link startNetdata} unless another is given. */
export const NETDATA_KEY = "11111111-2222-3333-4444-555555555555";

/** How to start a real netdata 1.37.1; see `test/peers/netdata.sh`. */
export interface NetdataOptions {
  role: "parent" | "child" | "proxy";
  /** Where a child or proxy streams to, `HOST:PORT`. */
  parent?: string;
  key?: string;
  /** Lines for `netdata.conf` (`db/retention=600`) and `stream.conf` (`stream:SECTION/NAME=VALUE`). */
  options?: string[];
  /** `v1`: no compression, replication answered empty. */
  caps?: "v1" | "default";
  mode?: "ram" | "none" | "save" | "map" | "dbengine";
  historySlots?: number;
  hostname?: string;
  machineGuid?: string;
  /** By default a free one. */
  port?: number;
}

/** One server that a script of `test/peers` started. */
class Server implements AsyncDisposable {
  readonly folder: string;
  readonly port: number;
  readonly pid: number;
  private readonly script: string;

  constructor(script: string, folder: string, port: number, pid: number) {
    this.script = script;
    this.folder = folder;
    this.port = port;
    this.pid = pid;
  }

  /** What the script prints for one of its words, such as `read`. @throws Error with its complaint. */
  ask(word: string, ...args: string[]): Promise<string> {
    return runScript(this.script, [word, this.folder, ...args]);
  }

  /** Ends it and waits; the folder keeps what it wrote. Does nothing when it has ended. */
  async stop(): Promise<void> {
    await this.ask("stop");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A running netdata 1.37.1. */
export class NetdataPeer extends Server {
  /** The answer to `GET path`. */
  text(path: string): Promise<string> {
    return this.ask("read", path);
  }

  /** The answer to `GET path` as JSON; its shape is the test's business. */
  async json<T = unknown>(path: string): Promise<T> {
    return JSON.parse(await this.text(path)) as T;
  }

  /** Its error log. */
  log(): Promise<string> {
    return this.ask("log");
  }
}

/** A point that carbon keeps. */
export interface CarbonPoint {
  timeSec: number;
  value: number;
}

/** A running carbon: {@link port} takes plain text lines, +1 pickles, +2 cache queries. */
export class CarbonPeer extends Server {
  /** Points on disk, oldest first. @param seconds how far back, at most 3500. */
  async points(metric: string, seconds = 3500): Promise<CarbonPoint[]> {
    return parsePoints(await this.ask("read", metric, String(seconds)));
  }

  /** Points not yet on disk, oldest first. */
  async cachedPoints(metric: string): Promise<CarbonPoint[]> {
    return parsePoints(await this.ask("cache", metric));
  }

  /** Names of all metrics on disk. */
  async metrics(): Promise<string[]> {
    return (await this.ask("list")).split("\n").filter((line) => line !== "");
  }

  /** Starts it again in the same folder, on the same ports, after {@link stop}. */
  restart(): Promise<CarbonPeer> {
    return startCarbon(this.folder, this.port);
  }
}

/** Starts netdata in a folder and waits until it answers. */
export async function startNetdata(folder: string, options: NetdataOptions): Promise<NetdataPeer> {
  const port = options.port ?? freePorts();
  const args = ["start", folder, String(port), options.role];
  if (options.parent !== undefined) args.push(options.parent);
  if (options.parent !== undefined || options.key !== undefined) {
    // The script takes the first word without "=" as the parent: a parent role has a key without one.
    if (options.parent === undefined) args.push("-");
    args.push(options.key ?? NETDATA_KEY);
  }
  args.push(...(options.options ?? []));
  const pid = await runScript("netdata.sh", args, netdataEnvironment(options));
  return new NetdataPeer("netdata.sh", folder, port, Number(pid));
}

/** Starts carbon in a folder and waits until it listens. @param port of the first of its three listeners. */
export async function startCarbon(folder: string, port: number = freePorts(3)): Promise<CarbonPeer> {
  const pid = await runScript("carbon.sh", ["start", folder, String(port)]);
  return new CarbonPeer("carbon.sh", folder, port, Number(pid));
}

function netdataEnvironment(options: NetdataOptions): Record<string, string> {
  const { caps, mode, historySlots, hostname, machineGuid } = options;
  return {
    ...(caps === undefined ? {} : { CAPS: caps }),
    ...(mode === undefined ? {} : { MODE: mode }),
    ...(historySlots === undefined ? {} : { HISTORY: String(historySlots) }),
    ...(hostname === undefined ? {} : { ND_HOSTNAME: hostname }),
    ...(machineGuid === undefined ? {} : { ND_GUID: machineGuid }),
  };
}

async function runScript(script: string, args: string[], env: Record<string, string> = {}): Promise<string> {
  const child = Bun.spawn(["bash", join(SCRIPTS, script), ...args], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${script} ${args.join(" ")}: exit ${code}\n${stderr.trim()}`);
  return stdout.trim();
}

function parsePoints(text: string): CarbonPoint[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [time, value] = line.trim().split(/\s+/);
      return { timeSec: Number(time), value: Number(value) };
    });
}
