import { Agent, type AgentOptions } from "./agent.ts";
import { freePorts } from "./ports.ts";
import { type NetdataOptions, type NetdataPeer, startNetdata } from "./servers.ts";

/** A time in which a program did not run, in ms since 1970. */
export interface Death {
  /** Right before the signal. */
  readonly killedMs: number;
  /** It was gone for certain. */
  readonly goneMs: number;
  /** Right before it was started again; +∞ = not yet. */
  bornMs: number;
}

/** A program of a tree that is killed with -9 and started again where it was, on its port and with its files. */
export abstract class Mortal implements AsyncDisposable {
  readonly name: string;
  readonly port = freePorts();
  readonly folder: string;
  readonly deaths: Death[] = [];

  constructor(name: string, folder: string) {
    this.name = name;
    this.folder = folder;
  }

  /** Whether it runs, as far as we have to do with it. */
  abstract get isAlive(): boolean;

  /** Starts it, and waits until it answers. */
  async start(): Promise<this> {
    const death = this.deaths.at(-1);
    if (death !== undefined) death.bornMs = Date.now();
    await this.launch();
    return this;
  }

  /** Kills it with -9, and waits for its end. */
  async kill(): Promise<void> {
    const killedMs = Date.now();
    await this.end();
    this.deaths.push({ killedMs, goneMs: Date.now(), bornMs: Number.POSITIVE_INFINITY });
  }

  protected abstract launch(): Promise<void>;
  protected abstract end(): Promise<void>;
  abstract [Symbol.asyncDispose](): Promise<void>;
}

/** The compiled agent. */
export class MortalAgent extends Mortal {
  /** The one that runs; null = none does. */
  agent: Agent | null = null;
  private readonly options: AgentOptions;

  /** @param options where it listens is not among them. */
  constructor(name: string, folder: string, options: AgentOptions) {
    super(name, folder);
    this.options = { ...options, listen: `127.0.0.1:${this.port}` };
  }

  override get isAlive(): boolean {
    return this.agent !== null;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.agent?.stop();
  }

  protected override async launch(): Promise<void> {
    this.agent = await Agent.start(this.folder, this.options);
  }

  protected override async end(): Promise<void> {
    const { agent } = this;
    this.agent = null;
    agent?.signal("SIGKILL");
    await agent?.exited;
  }
}

/** A real netdata 1.37.1. */
export class MortalNetdata extends Mortal {
  private peer: NetdataPeer | null = null;
  private readonly options: NetdataOptions;

  /** @param options its port is not among them. */
  constructor(name: string, folder: string, options: NetdataOptions) {
    super(name, folder);
    this.options = { ...options, port: this.port };
  }

  override get isAlive(): boolean {
    return this.peer !== null;
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.peer?.stop();
  }

  protected override async launch(): Promise<void> {
    this.peer = await startNetdata(this.folder, this.options);
  }

  protected override async end(): Promise<void> {
    const { peer } = this;
    this.peer = null;
    if (peer === null) return;
    process.kill(peer.pid, "SIGKILL");
    // The script knows when it is gone.
    await peer.stop();
  }
}
