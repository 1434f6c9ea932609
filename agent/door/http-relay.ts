import type { HttpClient } from "../base/http-handler.ts";
import { HEAD_TIMEOUT_MS, HTTP_REQUEST_TIMEOUT_MS } from "../base/limits.ts";
import type { SocketOwner } from "../base/stream-socket.ts";
import type { DoorCounters, DoorRefusal } from "./admission.ts";
import type { DoorSocket } from "./listener.ts";
import { Pipe } from "./pipe.ts";

/** The door's connection to the private HTTP server. */
export type InnerSocket = Bun.Socket<HttpRelay>;

/** What a relay needs from the bridge. */
export interface RelayHost {
  readonly counters: DoorCounters;
  /** The relay's connection to the server is open, from this local port. */
  opened(relay: HttpRelay, port: number): void;
  /** That connection is closed, and its port no longer speaks for the client. */
  closed(relay: HttpRelay, port: number): void;
  /** The relay is over; `socket` still is to be closed in good order unless it is null. */
  finished(relay: HttpRelay, socket: DoorSocket | null): void;
  refused(reason: DoorRefusal, address: string): void;
}

const BAD_REQUEST = Buffer.from("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
const UNAVAILABLE = Buffer.from("HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");

/**
 * One HTTP client: carries bytes between its socket and a connection to the private server, both ways with
 * back-pressure
 * (the source is paused while the sink has not taken everything), and decides when the client has been idle too long.
 */
export class HttpRelay implements SocketOwner {
  readonly client: HttpClient;
  private readonly host: RelayHost;
  private readonly socket: DoorSocket;
  private readonly openedMs: number;
  private readonly toInner = new Pipe();
  private readonly toClient = new Pipe();
  private inner: InnerSocket | null = null;
  private innerPort = 0;
  private state: "connecting" | "open" | "draining" | "over" = "connecting";
  /** Has the server sent anything? */
  private isAnswered = false;
  /** Has the client sent FIN? It may still wait for its answer. */
  private isHalfClosed = false;
  /** Is the last response an event stream? It may be silent for any time. */
  private isEventStream = false;
  private hasAsked = false;
  private requestsPending = 0;
  private requestSinceMs = 0;
  /** Anything heard from the client, anything achieved for it, since the last sweep. */
  private hasHeard = false;
  private hasMoved = false;
  private movedMs: number;

  /** @param openedMs monotonic time at which the client connected. */
  constructor(host: RelayHost, socket: DoorSocket, client: HttpClient, openedMs: number) {
    this.host = host;
    this.socket = socket;
    this.client = client;
    this.openedMs = openedMs;
    this.movedMs = openedMs;
  }

  /** Takes the bytes read so far; the bridge now connects to the server. */
  start(bytes: Buffer): void {
    this.socket.pause();
    this.data(this.socket, bytes);
  }

  // ---- the client's socket

  data(_socket: DoorSocket, chunk: Buffer): void {
    this.host.counters.httpBytesIn += chunk.length;
    this.hasHeard = true;
    if (this.state !== "connecting" && this.state !== "open") return;
    if (this.toInner.write(this.inner, chunk) < 0) this.fail("http_overflow");
    else if (this.toInner.isWaiting) this.socket.pause();
  }

  drain(): void {
    this.moved(this.toClient.flush(this.socket));
    if (this.toClient.isWaiting) return;
    if (this.state === "draining") this.finish();
    else this.inner?.resume();
  }

  /**
   * FIN is not passed on: the server would give up the response it works on. A client that only half-closes gets its
   * answer; {@link sweep} closes once nothing more comes.
   */
  end(): void {
    this.isHalfClosed = true;
    if (this.isEventStream && this.requestsPending === 0) this.socket.end();
  }

  close(): void {
    if (this.state === "over") return;
    this.state = "over";
    this.toInner.clear();
    this.toClient.clear();
    this.inner?.end();
    this.host.finished(this, null);
  }

  // ---- the connection to the server

  innerOpened(inner: InnerSocket): void {
    if (this.state !== "connecting") {
      inner.end();
      return;
    }
    this.state = "open";
    this.inner = inner;
    this.innerPort = inner.localPort;
    this.host.opened(this, this.innerPort);
    this.innerDrained(inner);
  }

  innerFailed(): void {
    if (this.state !== "connecting") return;
    this.host.refused("http_no_bridge", this.client.address);
    this.lastWords(UNAVAILABLE);
  }

  innerData(inner: InnerSocket, chunk: Buffer): void {
    this.isAnswered = true;
    const taken = this.toClient.write(this.socket, chunk);
    if (taken < 0) {
      this.fail("http_overflow");
      return;
    }
    this.moved(taken);
    if (this.toClient.isWaiting) inner.pause();
  }

  innerDrained(inner: InnerSocket): void {
    this.toInner.flush(inner);
    if (!this.toInner.isWaiting) this.socket.resume();
  }

  innerClosed(): void {
    if (this.inner !== null) this.host.closed(this, this.innerPort);
    this.inner = null;
    // The server closes without a word on a method it does not know. (It also does so, after a request began, when
    // another one is pipelined behind a handler that has not answered yet; the client then asks again.)
    if (this.state === "open") this.lastWords(this.isAnswered || this.hasAsked ? null : BAD_REQUEST);
  }

  // ---- requests, as the server hands them to the handler

  requestBegins(nowMs: number): void {
    this.hasAsked = true;
    this.hasMoved = true;
    this.isEventStream = false;
    if (this.requestsPending === 0) this.requestSinceMs = nowMs;
    this.requestsPending++;
  }

  requestEnds(isEventStream: boolean, nowMs: number): void {
    this.isEventStream = isEventStream;
    this.hasMoved = true;
    this.requestsPending--;
    this.requestSinceMs = nowMs;
    if (isEventStream && this.isHalfClosed && this.state !== "over") this.socket.end();
  }

  /** Closes the connection when one of its times is over. Called once a second. */
  sweep(nowMs: number, idleMs: number): void {
    const isQuiet = !this.hasMoved && !this.hasHeard;
    if (this.hasMoved) this.movedMs = nowMs;
    this.hasMoved = false;
    this.hasHeard = false;
    if (!this.hasAsked && !this.isAnswered) {
      if (nowMs - this.openedMs >= HEAD_TIMEOUT_MS) this.fail("head_timeout");
    } else if (this.toClient.isWaiting) {
      if (nowMs - this.movedMs >= idleMs) this.fail("http_stalled");
    } else if (this.requestsPending > 0) {
      if (nowMs - this.requestSinceMs >= HTTP_REQUEST_TIMEOUT_MS) this.fail("http_request_timeout");
    } else if (this.isHalfClosed) {
      if (isQuiet) this.socket.end();
    } else if (!this.isEventStream && nowMs - this.movedMs >= idleMs) {
      this.fail("http_idle");
    }
  }

  private moved(bytes: number): void {
    if (bytes === 0) return;
    this.hasMoved = true;
    this.host.counters.httpBytesOut += bytes;
  }

  private fail(reason: DoorRefusal): void {
    this.host.refused(reason, this.client.address);
    // Whoever does not read gets a reset: the kernel would keep the unsent bytes for minutes.
    if (reason === "http_stalled") this.socket.terminate();
    else this.socket.end();
  }

  /** Closes towards the client once everything, and `bytes`, is sent. */
  private lastWords(bytes: Buffer | null): void {
    this.state = "draining";
    this.toInner.clear();
    if (bytes !== null) this.moved(Math.max(0, this.toClient.write(this.socket, bytes)));
    if (this.toClient.isWaiting) this.socket.resume();
    else this.finish();
  }

  private finish(): void {
    this.state = "over";
    this.host.finished(this, this.socket);
  }
}
