import type { Clock, Timer } from "../base/clock.ts";
import type { Destination } from "../base/destination.ts";
import type { Dial } from "../base/dial.ts";
import { errorText } from "../base/errors.ts";
import type { SocketOwner, StreamSocket } from "../base/stream-socket.ts";
import { type TcpQueues, tcpQueueKey } from "../base/tcp-queues.ts";
import { ANSWER_BYTES_MAX, type Rejection, readAnswer, VERSION_COMPRESSED } from "../wire/answers.ts";
import { agreedBy, type Capabilities } from "../wire/capabilities.ts";

/** How far a connection came. */
export type Stage = "connecting" | "replying" | "streaming" | "closed";

/** What a connection tells its link; nothing more after {@link ConnectionEvents.failed} or a close of ours. */
export interface ConnectionEvents {
  /** TCP stands. @param address numeric, of the peer. @returns the request to send, or why it has to be closed. */
  opened(address: string): Buffer | string;
  /** The parent takes our stream. @param agreed what may be written. */
  accepted(agreed: Capabilities): void;
  /** Bytes of the parent, whatever they say. */
  received(bytes: number): void;
  /** What follows the parent's answer; borrowed. */
  commands(chunk: Buffer): void;
  /** The kernel takes bytes again. */
  drained(): void;
  /** The parent closes an accepted connection in order; the socket is there until this returns. */
  ending(): void;
  /** It is over. @param rejection how the parent refused us; null: the connection failed or broke. */
  failed(stage: Stage, rejection: Rejection | null, problem: string): void;
}

/** A socket of the runtime can do this, one of a simulation need not. */
type KeptAlive = StreamSocket & {
  readonly remoteAddress?: string;
  readonly localPort?: number;
  readonly remotePort?: number;
  setKeepAlive?(enable: boolean, initialDelayMs: number): unknown;
};

/** Wait for further digits of a version (streaming.md §1.3). */
const VERSION_SILENCE_MS = 100;
const KEEPALIVE_MS = 30_000;
const QUOTE_BYTES_MAX = 100;

/** What holds for one attempt. */
export interface AttemptLimits {
  /** For each address, and for the answer. */
  readonly timeoutMs: number;
  /** Capability bits of the request; 0 = none. */
  readonly offered: number;
}

/** One attempt to stream to one destination: connect, ask, read the answer, then carry bytes until it ends. */
export class Connection implements SocketOwner {
  readonly destination: Destination;
  private stageNow: Stage = "connecting";
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  /** `ver` of the request; 0 = none. */
  readonly offered: number;
  private readonly events: ConnectionEvents;
  private readonly giveUp = new AbortController();
  private stream: StreamSocket | null = null;
  private request: Buffer | null = null;
  private requestSent = 0;
  private answer: Buffer = Buffer.alloc(0);
  private version = 0;
  private silence: Timer | null = null;
  private deadlineMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, destination: Destination, { timeoutMs, offered }: AttemptLimits, events: ConnectionEvents) {
    this.clock = clock;
    this.destination = destination;
    this.timeoutMs = timeoutMs;
    this.offered = offered;
    this.events = events;
  }

  get stage(): Stage {
    return this.stageNow;
  }

  /** Where the stream's bytes go; null unless {@link stage} is `streaming`. */
  get socket(): StreamSocket | null {
    return this.stageNow === "streaming" ? this.stream : null;
  }

  /** Where {@link TcpQueues} tell of the socket; NaN = nowhere. */
  get queueKey(): number {
    const socket: KeptAlive | null = this.socket;
    return tcpQueueKey(socket?.localPort ?? Number.NaN, socket?.remotePort ?? Number.NaN);
  }

  /** Connects; the rest follows by itself. */
  start(dial: Dial): void {
    dial(this.destination, this, { timeoutMs: this.timeoutMs, signal: this.giveUp.signal }).then(
      (socket) => this.open(socket),
      (error: unknown) => this.fail(null, errorText(error)),
    );
  }

  /** Call once a second. @param nowMs monotonic. */
  tick(nowMs: number): void {
    if (this.stageNow === "replying" && nowMs >= this.deadlineMs) {
      this.fail("no_reply", `no answer within ${this.timeoutMs / 1000} s`);
    }
  }

  /** Closes in order: the kernel goes on sending what it has. No event follows. */
  finish(): void {
    const socket = this.leave();
    socket?.shutdown();
    socket?.end();
  }

  /** Gives up at once. No event follows. */
  abort(): void {
    this.leave()?.terminate();
  }

  data(_socket: StreamSocket, chunk: Buffer): void {
    this.events.received(chunk.length);
    if (this.stageNow === "streaming") this.events.commands(chunk);
    if (this.stageNow !== "replying") return;
    this.silence?.[Symbol.dispose]();
    const before = this.answer.length;
    this.answer = Buffer.concat([this.answer, chunk.subarray(0, ANSWER_BYTES_MAX - before)]);
    const answer = readAnswer(this.answer);
    if (answer.kind === "accepted") {
      this.accept(answer.version);
      // A parent says nothing more before our first data; one that does all the same is heard.
      if (this.socket !== null) this.events.commands(chunk.subarray(Math.max(0, answer.length - before)));
    } else if (answer.kind === "rejected") this.fail(answer.rejection, `answered ${this.quotedAnswer()}`);
    else if (answer.kind === "version_open") {
      this.version = answer.version;
      this.silence = this.clock.setTimer(VERSION_SILENCE_MS, () => this.accept(this.version));
    }
  }

  drain(): void {
    if (this.stageNow === "replying") this.sendRequest();
    else if (this.stageNow === "streaming") this.events.drained();
  }

  end(): void {
    if (this.stageNow === "streaming") this.events.ending();
    if (this.stageNow !== "replying") this.fail(null, "closed by the parent");
    // Netdata 1.6 refuses with no word at all.
    else if (this.answer.length === 0) this.fail("closed", "closed by the parent without an answer");
    else this.fail("not_understood", `closed by the parent after ${this.quotedAnswer()}`);
  }

  close(): void {
    this.fail(null, "connection reset");
  }

  private open(socket: StreamSocket): void {
    if (this.stageNow === "closed") {
      socket.terminate();
      return;
    }
    const kept: KeptAlive = socket;
    kept.setKeepAlive?.(true, KEEPALIVE_MS);
    this.stream = socket;
    const request = this.events.opened(kept.remoteAddress ?? "");
    if (typeof request === "string") {
      this.fail(null, request);
      return;
    }
    this.request = request;
    this.stageNow = "replying";
    this.deadlineMs = this.clock.monotonicMs() + this.timeoutMs;
    this.sendRequest();
  }

  private sendRequest(): void {
    const { request, stream } = this;
    if (request === null || stream === null) return;
    const taken = stream.write(request, this.requestSent, request.length - this.requestSent);
    if (taken < 0) {
      this.fail(null, "closed while the request was written");
      return;
    }
    this.requestSent += taken;
    if (this.requestSent >= request.length) this.request = null;
  }

  private accept(version: number): void {
    if (this.stageNow !== "replying") return;
    const agreed = agreedBy(version, this.offered);
    if (agreed === null || this.request !== null) {
      const isCompressed = version === VERSION_COMPRESSED && this.offered !== 0;
      const rejection = isCompressed ? "compressed" : "not_understood";
      this.fail(rejection, `answered ${this.quotedAnswer()}, which was not offered`);
      return;
    }
    this.silence?.[Symbol.dispose]();
    this.answer = Buffer.alloc(0);
    this.stageNow = "streaming";
    this.events.accepted(agreed);
  }

  private quotedAnswer(): string {
    return JSON.stringify(this.answer.toString("latin1", 0, QUOTE_BYTES_MAX));
  }

  private fail(rejection: Rejection | null, problem: string): void {
    const stage = this.stageNow;
    if (stage === "closed") return;
    this.leave()?.terminate();
    this.events.failed(stage, rejection, problem);
  }

  /** From here on nothing that happens to the socket matters. @returns the socket, to be closed. */
  private leave(): StreamSocket | null {
    const { stream } = this;
    this.stageNow = "closed";
    this.silence?.[Symbol.dispose]();
    this.stream = null;
    this.request = null;
    this.giveUp.abort();
    return stream;
  }
}
