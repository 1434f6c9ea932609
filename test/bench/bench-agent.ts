import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Lets benchmarks in, and everything that they stream on. */
export const BENCH_KEY = "11111111-2222-3333-4444-555555555555";
const BINARY = join(import.meta.dir, "../../dist/tributary");

/** What benchmarks read of `/api/v1/agent`. */
export interface BenchReport {
  readonly hosts: readonly {
    readonly missing_from: number;
    readonly balance: { readonly received: number; readonly backfilled: number; readonly stored: number };
  }[];
  readonly links: readonly {
    readonly account: { readonly lost: Readonly<Record<string, number>>; readonly acknowledged: number };
  }[];
}

/** The compiled agent without collectors. */
export class BenchAgent {
  readonly port: number;
  private readonly process: Bun.Subprocess<"ignore", "pipe", "ignore">;

  private constructor(process: Bun.Subprocess<"ignore", "pipe", "ignore">, port: number) {
    this.process = process;
    this.port = port;
  }

  /**
   * Starts one and waits until it is ready. @param folder of its state; made if need be.
   * @param parentPort of the agent on this machine that it streams to; 0 = to none. @param port to listen on; 0 = any.
   */
  static async start(folder: string, parentPort = 0, port = 0): Promise<BenchAgent> {
    mkdirSync(folder, { recursive: true });
    const config = join(folder, "bench.toml");
    const stream = `[stream]\nenabled = true\ndestination = "127.0.0.1:${parentPort}"\napi_key = "${BENCH_KEY}"\n`;
    writeFileSync(
      config,
      `[agent]\nstate_dir = ${JSON.stringify(folder)}\n[web]\nlisten = "127.0.0.1:${port}"\n[collector]\n` +
        `enabled = false\n[db]\nmemory_limit_bytes = ${64 * 2 ** 30}\n[api_key."${BENCH_KEY}"]\nenabled = true\n` +
        (parentPort > 0 ? stream : ""),
    );
    const command = [BINARY, "run", "--config", config];
    const process = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    const url = / ready on (\S+) /.exec(await firstLine(process.stdout))?.[1] ?? "";
    return new BenchAgent(process, Number(new URL(url).port));
  }

  get pid(): number {
    return this.process.pid;
  }

  async report(): Promise<BenchReport> {
    return (await (await fetch(`http://127.0.0.1:${this.port}/api/v1/agent`)).json()) as BenchReport;
  }

  /** Asks until a report is as wanted: half a million definitions keep an agent from answering for a while. */
  async until(isWanted: (report: BenchReport) => boolean, everyMs = 1000): Promise<void> {
    for (;;) {
      try {
        if (isWanted(await this.report())) return;
      } catch {
        // Busy beyond the limits of an HTTP client.
      }
      await Bun.sleep(everyMs);
    }
  }

  async stop(): Promise<void> {
    this.process.kill();
    await this.process.exited;
  }
}

/** A process that plays children of an agent, connected when this returns; it ends after `seconds`. */
export async function startChildren(
  { port }: BenchAgent,
  [children, charts, dimensions, holes, seconds]: readonly [number, number, number, number, number],
): Promise<Bun.Subprocess> {
  const numbers = [children, charts, dimensions, holes, seconds].map(String);
  const script = join(import.meta.dir, "sender.ts");
  const sender = Bun.spawn([process.execPath, script, `${port}`, BENCH_KEY, ...numbers], { stdout: "pipe" });
  await firstLine(sender.stdout);
  return sender;
}

/** Reads up to the first line end. */
export async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += new TextDecoder().decode(chunk);
    if (text.includes("\n")) return text.slice(0, text.indexOf("\n"));
  }
  return text;
}
