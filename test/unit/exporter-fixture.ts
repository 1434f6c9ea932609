import * as v from "valibot";
import type { Clock, Timer } from "../../agent/base/clock.ts";
import type { Destination } from "../../agent/base/destination.ts";
import type { Dial } from "../../agent/base/dial.ts";
import { AgentError } from "../../agent/base/errors.ts";
import { silentLog } from "../../agent/base/log.ts";
import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import type { ExporterConfig } from "../../agent/config/schema.ts";
import { ExporterSchema } from "../../agent/config/schema-exporter.ts";
import { Exporters, type ExportersOptions } from "../../agent/exporter/exporters.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal, commitStreamed } from "../../agent/rrd/commit.ts";
import { Database } from "../../agent/rrd/database.ts";
import type { Algorithm } from "../../agent/rrd/dimension.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";

export const START_SEC = 1_700_000_000;
export const GUID = "6f1f3d5e-0000-4000-8000-00000000abcd";

/** A clock that moves only when told; timers fire in order of their time. */
export class SimulatedClock implements Clock {
  /** Wall clock − monotonic clock, ms. */
  wallOffsetMs = START_SEC * 1000;
  private nowMs = 0;
  private readonly timers = new Map<object, { atMs: number; callback: () => void }>();

  nowUs(): number {
    return (this.wallOffsetMs + this.nowMs) * 1000;
  }

  get nowSec(): number {
    return Math.floor(this.nowUs() / 1e6);
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const key = {};
    this.timers.set(key, { atMs: this.nowMs + delayMs, callback });
    return { [Symbol.dispose]: () => this.timers.delete(key) };
  }

  get pending(): number {
    return this.timers.size;
  }

  /** Stands still for the agent: time passes, no timer fires. */
  freeze(ms: number): void {
    this.nowMs += ms;
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    for (;;) {
      await settle();
      let next: object | undefined;
      let nextMs = Number.POSITIVE_INFINITY;
      for (const [key, { atMs }] of this.timers) {
        if (atMs >= nextMs) continue;
        next = key;
        nextMs = atMs;
      }
      if (next === undefined || nextMs > endMs) break;
      this.nowMs = Math.max(this.nowMs, nextMs);
      const { callback } = this.timers.get(next)!;
      this.timers.delete(next);
      callback();
    }
    this.nowMs = endMs;
  }
}

/** Lets everything run that waits for promises only. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** One connection as the server sees it. */
export class FakeSocket implements StreamSocket {
  readonly server: FakeServer;
  text = "";
  /** How it ended: by the client's FIN, or by its reset. */
  finished: "open" | "fin" | "reset" = "open";
  isClosed = false;
  private readonly owner: SocketOwner;

  constructor(server: FakeServer, owner: SocketOwner) {
    this.server = server;
    this.owner = owner;
  }

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.server.takes(length, this));
    if (taken > 0) this.text += Buffer.from(bytes.buffer, bytes.byteOffset + offset, taken).toString("latin1");
    this.server.writes.push(length);
    return taken;
  }

  shutdown(): void {
    this.finished = "fin";
    this.owner.end(this);
  }

  end(): void {
    if (this.finished === "open") this.finished = "fin";
    this.closeNow();
  }

  terminate(): void {
    if (this.finished === "open") this.finished = "reset";
    this.closeNow();
  }

  pause(): void {}
  resume(): void {}

  /** The server reads again. */
  drain(): void {
    if (!this.isClosed) this.owner.drain(this);
  }

  /** The server says something. */
  say(text: string): void {
    this.owner.data(this, Buffer.from(text));
  }

  /** The server sends FIN. */
  hangUp(): void {
    if (!this.isClosed) this.owner.end(this);
  }

  /** The server, or the network, is gone. */
  drop(): void {
    this.closeNow();
  }

  private closeNow(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner.close(this);
  }
}

/** A server of the simulated world. */
export class FakeServer {
  isUp = true;
  readonly sockets: FakeSocket[] = [];
  /** Bytes offered by each write. */
  readonly writes: number[] = [];
  /** Bytes taken of a write, −1 = closed. */
  takes: (length: number, socket: FakeSocket) => number = (length) => length;
  /** Called with each new connection. */
  onConnect: (socket: FakeSocket) => void = () => {};

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("nobody connected");
    return socket;
  }

  /** Whole lines of all connections; a line cut by a reset is dropped, as carbon does. */
  get lines(): string[] {
    return this.sockets.flatMap(({ text }) => text.split("\n").slice(0, -1));
  }

  /** Goes away with everything that is open. */
  kill(): void {
    this.isUp = false;
    for (const socket of this.sockets) socket.drop();
  }
}

/** Servers by `host:port`, a database with one host, and exporters on a simulated clock. */
export class ExporterWorld {
  readonly clock = new SimulatedClock();
  readonly servers = new Map<string, FakeServer>();
  readonly database = new Database(
    { memoryBytes: 2 ** 28, hosts: 10, chartsPerHost: 1000, dimensionsPerChart: 1000, newChartsPerMinute: 1e9 },
    () => {},
  );
  readonly local: Host;
  exporters!: Exporters;
  /** Destinations dialled, in order. */
  readonly dialled: string[] = [];

  constructor() {
    this.local = this.addHost({ hostname: "edge1", isLocal: true });
  }

  addHost(given: Partial<Parameters<Database["addHost"]>[0]> = {}): Host {
    return this.database.addHost({
      machineGuid: `${GUID.slice(0, -2)}${10 + this.database.hostCount}`,
      hostname: "child",
      os: "linux",
      updateEverySec: 1,
      historyEntries: 600,
      memoryMode: "ram",
      gapIterations: 3,
      isLocal: false,
      ...given,
    })!;
  }

  server(name: string): FakeServer {
    const server = new FakeServer();
    this.servers.set(name, server);
    return server;
  }

  readonly dial: Dial = async (destination: Destination, owner: SocketOwner) => {
    this.dialled.push(destination.name);
    const server = this.servers.get(destination.name);
    if (server?.isUp !== true) throw new AgentError("connect_failed", `${destination.name}: connection refused`);
    const socket = new FakeSocket(server, owner);
    server.sockets.push(socket);
    // After the agent has taken the socket, as with real ones.
    void settle().then(() => server.onConnect(socket));
    return socket;
  };

  start(configs: Record<string, Partial<ExporterConfig>>, more: Partial<ExportersOptions> = {}): Exporters {
    this.exporters = new Exporters({
      database: this.database,
      machineGuid: GUID,
      configs: exporterConfigs(configs),
      labels: { configured: {}, automatic: {} },
      clock: this.clock,
      random: () => 0.999,
      dial: this.dial,
      log: silentLog,
      ...more,
    });
    this.exporters.start();
    return this.exporters;
  }
}

/** Lets `seconds` pass; every chart is collected 100 ms after each second. @param values of a chart, at a second. */
export async function feed(
  world: ExporterWorld,
  seconds: number,
  values: (nowSec: number) => readonly (readonly [FedChart, readonly (number | bigint | null)[]])[],
): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    await world.clock.advance(100);
    for (const [chart, row] of values(world.clock.nowSec)) chart.commit(world.clock.nowUs(), row);
    await world.clock.advance(900);
  }
}

/** A line of `graphite` in parts. */
export interface Point {
  path: string;
  value: string;
  timeSec: number;
}

export function parseLine(line: string): Point {
  const match = /^(\S+) (-?\d+(?:\.\d{7})?) (\d+)$/.exec(line);
  if (match === null) throw new Error(`no line of graphite: ${JSON.stringify(line)}`);
  return { path: match[1]!, value: match[2]!, timeSec: Number(match[3]) };
}

/** Throws unless `produced = sent + lost + queued` for every exporter, in points and in bytes. */
export function checkBalance(exporters: Exporters): void {
  for (const { points, bytes } of exporters.counters()) {
    for (const { produced, sent, queued, lost } of [points, bytes]) {
      const all = sent + queued + Object.values(lost).reduce((sum, count) => sum + count, 0);
      if (all !== produced || queued < 0) throw new Error(`produced ${produced}, accounted for ${all}`);
    }
  }
}

/** Tables as the configuration gives them, defaults filled in. */
export function exporterConfigs(tables: Record<string, Partial<ExporterConfig>>): Record<string, ExporterConfig> {
  return Object.fromEntries(
    Object.entries(tables).map(([name, table]) => {
      const full = { type: "graphite", destination: ["carbon:2003"], ...table };
      return [name, v.parse(ExporterSchema, full)];
    }),
  );
}

/** A chart that is fed by hand. */
export class FedChart {
  readonly chart: Chart;
  private readonly row = new ValueRow();

  constructor(host: Host, id: string, dimensions: Record<string, Algorithm>, updateEverySec = 1, name?: string) {
    this.chart = host.defineChart({ id, updateEverySec, ...(name === undefined ? {} : { name }) })!;
    for (const [dimension, algorithm] of Object.entries(dimensions)) this.addDimension(host, dimension, algorithm);
  }

  addDimension(host: Host, id: string, algorithm: Algorithm, name = id): void {
    const rest = { multiplier: 1, divisor: 1, hidden: false, noReset: false, obsolete: false };
    host.defineDimension(this.chart, { id, name, algorithm, ...rest });
    this.row.reserve(this.chart.dimensions.count);
  }

  /** One iteration; null = not collected. */
  commit(nowUs: number, values: readonly (number | bigint | null)[]): void {
    values.forEach((value, index) => {
      if (value !== null) this.row.setExact(index, BigInt(value));
    });
    commitLocal(this.chart, this.row, nowUs);
    this.row.clear();
  }

  /** The same as {@link commit} for a child's chart: it says itself how long the iteration was. */
  stream(nowUs: number, elapsedUs: number, values: readonly (number | bigint | null)[]): void {
    values.forEach((value, index) => {
      if (value !== null) this.row.setExact(index, BigInt(value));
    });
    commitStreamed(this.chart, this.row, elapsedUs, nowUs);
    this.row.clear();
  }
}
