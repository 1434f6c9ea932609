import type { Destination } from "../../agent/base/destination.ts";
import type { Dial } from "../../agent/base/dial.ts";
import { AgentError } from "../../agent/base/errors.ts";
import type { Log, LogFields } from "../../agent/base/log.ts";
import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import { type TcpQueue, type TcpQueues, tcpQueueKey } from "../../agent/base/tcp-queues.ts";
import { Connection } from "../../agent/pusher/connection.ts";
import type { LinkStatus, PusherSettings } from "../../agent/pusher/pusher-world.ts";
import { Pushers } from "../../agent/pusher/pushers.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal } from "../../agent/rrd/commit.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { HostOptions } from "../../agent/rrd/host-options.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { PROMPT_V1 } from "../../agent/wire/answers.ts";
import { parseStreamRequest, type ReceivedRequest } from "../../agent/wire/handshake.ts";
import { dimension, newHost } from "../simulated-host.ts";
import { StrictV16Reader } from "../strict-v16-reader.ts";
import { SimulatedClock, settle } from "./exporter-fixture.ts";

export const KEY = "11111111-2222-3333-4444-555555555555";

/** The end of a connection that the agent holds, and what a test does to it. */
export class FakeSocket implements StreamSocket {
  readonly remoteAddress: string;
  readonly localPort = 40_000;
  readonly remotePort = 19_999;
  /** Bytes the kernel still takes. */
  room = Number.POSITIVE_INFINITY;
  isClosed = false;
  /** Bytes of the stream that the peer's kernel has confirmed; NaN = the kernel does not list this socket. */
  confirmedBytes = Number.NaN;
  /** Unconfirmed bytes of another connection with the same ports. */
  twinBytes = Number.NaN;
  /** How the agent closed it. */
  closedBy = "";
  private readonly parts: Buffer[] = [];
  private readonly owner: SocketOwner;

  constructor(owner: SocketOwner, remoteAddress: string) {
    this.owner = owner;
    this.remoteAddress = remoteAddress;
  }

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.room);
    this.room -= taken;
    if (taken > 0) this.parts.push(Buffer.from(bytes.subarray(offset, offset + taken)));
    return taken;
  }

  /** Everything the agent wrote. */
  get bytes(): Buffer {
    return Buffer.concat(this.parts);
  }

  /** What came after the request head. */
  get stream(): Buffer {
    const { bytes } = this;
    return bytes.subarray(bytes.indexOf("\r\n\r\n") + 4);
  }

  /** What the kernel's table says of it, and of a twin. */
  get queue(): TcpQueue | null {
    if (this.isClosed || Number.isNaN(this.confirmedBytes)) return null;
    const bytes = this.stream.length - this.confirmedBytes;
    if (Number.isNaN(this.twinBytes)) return { leastBytes: bytes, mostBytes: bytes };
    return { leastBytes: Math.min(bytes, this.twinBytes), mostBytes: Math.max(bytes, this.twinBytes) };
  }

  get request(): ReceivedRequest {
    return parseStreamRequest(this.bytes);
  }

  shutdown(): void {
    this.closedBy ||= "shutdown";
  }

  end(): void {
    this.close(this.closedBy || "end");
  }

  terminate(): void {
    this.close("terminate");
  }

  pause(): void {}

  resume(): void {}

  /** The peer sends bytes. */
  send(bytes: string | Buffer): void {
    if (!this.isClosed) this.owner.data(this, Buffer.from(bytes as Buffer));
  }

  /** The peer closes in order. */
  finish(): void {
    if (!this.isClosed) this.owner.end(this);
  }

  /** The connection breaks. */
  reset(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner.close(this);
  }

  /** The kernel takes `bytes` more. */
  drain(bytes = Number.POSITIVE_INFINITY): void {
    this.room = bytes;
    if (!this.isClosed) this.owner.drain(this);
  }

  private close(how: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closedBy = how;
    this.owner.close(this);
  }
}

/** One call of dial, waiting for its fate. */
export interface Attempt {
  readonly destination: Destination;
  readonly timeoutMs: number;
  readonly isAborted: () => boolean;
  /** @param room bytes the kernel takes at first. */
  open(remoteAddress?: string, room?: number): Promise<FakeSocket>;
  refuse(problem?: string): Promise<void>;
}

export interface LogLine {
  level: string;
  event: string;
  fields: LogFields;
}

/** One host, its pusher, and a world without a network that only moves when told. */
export class PusherScene {
  readonly clock = new SimulatedClock();
  readonly attempts: Attempt[] = [];
  readonly lines: LogLine[] = [];
  readonly pushers: Pushers;
  readonly host: Host;
  settings: PusherSettings;
  readonly sockets: FakeSocket[] = [];
  /** What parents say when they are asked before a connect, by host name; those that are not here do not answer. */
  readonly infos = new Map<string, string>();
  /** Whom they were asked, by host name. */
  readonly probed: string[] = [];
  /** How often the kernel was asked for its queues. */
  looks = 0;
  /** What {@link PusherWorld.random} gives. */
  chance = 0;

  /** @param net other connections than {@link FakeSocket}s. */
  constructor(
    settings: Partial<PusherSettings> = {},
    host: Partial<HostOptions> = {},
    net?: { readonly dial: Dial; readonly tcpQueues: TcpQueues },
  ) {
    const note =
      (level: string) =>
      (event: string, fields: LogFields = {}) =>
        this.lines.push({ level, event, fields });
    const log: Log = { error: note("error"), warn: note("warn"), info: note("info"), debug: note("debug") };
    const dial: Dial = (destination, owner, limits) => this.dial(destination, owner, limits);
    const random = () => this.chance;
    this.pushers = new Pushers({
      clock: this.clock,
      random,
      dial: net?.dial ?? dial,
      log,
      tcpQueues: net?.tcpQueues ?? (() => this.queues()),
      program: "tributary",
      version: "0.1.0",
      self: { machineGuid: "00000000-0000-0000-0000-000000000099", hostname: () => "edge-7" },
    });
    this.host = newHost({ isLocal: true, hostname: "edge-7", ...host });
    this.settings = {
      destinations: ["parent-1"],
      defaultPort: 19_999,
      apiKey: KEY,
      timeoutSec: 60,
      bufferSizeBytes: 65_536,
      reconnectDelaySec: 5,
      initialClockResyncIterations: 1,
      returnAfterSec: 300,
      isReplicating: false,
      confirmsEnd: false,
      expectsValues: false,
      sendChartsMatching: "*",
      ...settings,
    };
    this.pushers.attach(this.host, this.settings);
  }

  chart(id: string, ...dimensions: string[]): Chart {
    const chart = this.host.defineChart({ id })!;
    for (const each of dimensions) this.host.defineDimension(chart, dimension(each));
    return chart;
  }

  /** Commits one iteration; nothing leaves the agent before {@link flush}. */
  commit(chart: Chart, ...values: (number | undefined)[]): void {
    const row = new ValueRow();
    row.reserve(chart.dimensions.count);
    values.forEach((value, index) => {
      if (value !== undefined) row.set(index, value);
    });
    commitLocal(chart, row, this.clock.nowUs());
  }

  /** The end of a batch. */
  async flush(): Promise<void> {
    this.pushers.flushAll();
    await settle();
  }

  /** Commits one value for each dimension and ends the batch. */
  async send(chart: Chart): Promise<void> {
    const second = this.clock.nowSec % 100_000;
    this.commit(chart, ...chart.dimensions.list.map((_, index) => second + index));
    await this.flush();
  }

  /** Seconds pass, each with a tick. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      await this.clock.advance(1000);
      this.pushers.tick(this.clock.monotonicMs());
      await settle();
    }
  }

  /** The attempt that is waiting for its fate. */
  get attempt(): Attempt {
    const last = this.attempts.at(-1);
    if (last === undefined) throw new Error("nobody has tried to connect");
    return last;
  }

  /** Lets the waiting attempt succeed up to the prompt. */
  async accept(prompt = PROMPT_V1, remoteAddress?: string): Promise<FakeSocket> {
    const socket = await this.attempt.open(remoteAddress);
    socket.send(prompt);
    await settle();
    return socket;
  }

  get status(): LinkStatus {
    return this.pushers.status()[0]!;
  }

  get imbalance(): number {
    return hopImbalance(this.status.values);
  }

  events(prefix = "pusher."): string[] {
    return this.lines.map(({ event }) => event).filter((event) => event.startsWith(prefix));
  }

  private queues(): ReadonlyMap<number, TcpQueue> {
    this.looks++;
    const queues = new Map<number, TcpQueue>();
    for (const { queue, localPort, remotePort } of this.sockets) {
      if (queue !== null) queues.set(tcpQueueKey(localPort, remotePort), queue);
    }
    return queues;
  }

  private dial(destination: Destination, owner: SocketOwner, limits: { timeoutMs: number; signal: AbortSignal }) {
    if (!(owner instanceof Connection)) return this.answerProbe(destination, owner);
    const { promise, resolve, reject } = Promise.withResolvers<StreamSocket>();
    limits.signal.addEventListener("abort", () => reject(new AgentError("connect_aborted", "given up")));
    const { sockets } = this;
    this.attempts.push({
      destination,
      timeoutMs: limits.timeoutMs,
      isAborted: () => limits.signal.aborted,
      async open(remoteAddress = "192.0.2.1", room = Number.POSITIVE_INFINITY) {
        const socket = new FakeSocket(owner, remoteAddress);
        socket.room = room;
        sockets.push(socket);
        resolve(socket);
        await settle();
        return socket;
      },
      async refuse(problem = "connection refused") {
        reject(new AgentError("connect_failed", `${destination.name}: ${problem}`));
        await settle();
      },
    });
    return promise;
  }

  private async answerProbe({ host, name }: Destination, owner: SocketOwner): Promise<StreamSocket> {
    this.probed.push(host);
    const info = this.infos.get(host);
    if (info === undefined) throw new AgentError("connect_failed", `${name}: connection refused`);
    const socket = new FakeSocket(owner, "192.0.2.1");
    queueMicrotask(() => socket.send(info));
    return socket;
  }
}

/** The answer of a parent to the question what it has of a host. */
export function infoAnswer(fields: Record<string, unknown>): string {
  const body = JSON.stringify({ version: 1, ...fields });
  return `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`;
}

/** Reads a stream as the strictest parent; throws at the first fault. An end inside a line is one only if told so. */
export function readStrictly(bytes: Buffer, isWhole = true): StrictV16Reader {
  const reader = new StrictV16Reader();
  reader.feed(bytes);
  if (isWhole) reader.finish();
  return reader;
}
