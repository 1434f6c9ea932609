import { BugError, errorText } from "../base/errors.ts";
import type { HttpClient, HttpHandler } from "../base/http-handler.ts";
import { HTTP_BODY_BYTES_MAX } from "../base/limits.ts";
import type { Log } from "../base/log.ts";
import type { DoorCounters, DoorRefusal } from "./admission.ts";
import { HttpRelay, type InnerSocket, type RelayHost } from "./http-relay.ts";
import type { DoorSocket } from "./listener.ts";

export interface HttpBridgeOptions {
  handler: HttpHandler;
  counters: DoorCounters;
  connectionsMax: number;
  log: Log;
  /** Monotonic ms. */
  now: () => number;
  refused: (reason: DoorRefusal, address: string) => void;
  /** A handler of ours threw: closes the socket, and the process if it was a bug. */
  handlerFailed: (socket: { terminate(): void }, error: Error) => void;
  /** Closes a client's socket in good order. */
  linger: (socket: DoorSocket) => void;
}

/** Takes the door's HTTP clients over: {@link HttpBridge}, or a stand-in without a server. */
export interface HttpCarrier extends Disposable {
  /** Of a private server on loopback; 0 = there is none. */
  readonly port: number;
  /** Connections carried now. */
  readonly size: number;
  /**
   * Takes a client over, with the bytes it sent so far.
   * @param bytes borrowed. @param openedMs monotonic time at which it connected. @returns false when all places are
   * taken.
   */
  take(socket: DoorSocket, bytes: Buffer, client: HttpClient, openedMs: number): boolean;
  /** Applies the time limits. Called once a second. */
  sweep(nowMs: number, idleMs: number): void;
}

const LOOPBACK = "127.0.0.1";
const NOT_ALLOWED = "You are not allowed to access this resource.";

/**
 * Gives HTTP clients of the door to a maintained server on a private loopback port. The server learns the real client
 * because the port the door connects from is the key into the bridge's table; whoever is not in it gets 403.
 */
export class HttpBridge implements RelayHost, HttpCarrier {
  readonly counters: DoorCounters;
  private readonly options: HttpBridgeOptions;
  private readonly server: Bun.Server<undefined>;
  private readonly relays = new Set<HttpRelay>();
  private readonly byPort = new Map<number, HttpRelay>();
  private readonly innerHandlers: Bun.SocketHandler<HttpRelay> = {
    open: (socket: InnerSocket) => socket.data.innerOpened(socket),
    data: (socket: InnerSocket, chunk: Buffer) => socket.data.innerData(socket, chunk),
    drain: (socket: InnerSocket) => socket.data.innerDrained(socket),
    close: (socket: InnerSocket) => socket.data.innerClosed(),
    connectError: (socket: InnerSocket) => socket.data.innerFailed(),
    error: (socket: InnerSocket, error: Error) => this.options.handlerFailed(socket, error),
  };

  constructor(options: HttpBridgeOptions) {
    this.options = options;
    this.counters = options.counters;
    this.server = Bun.serve({
      hostname: LOOPBACK,
      port: 0,
      development: false,
      // Idle limits are the relay's, which alone knows what the client really took.
      idleTimeout: 0,
      maxRequestBodySize: HTTP_BODY_BYTES_MAX,
      fetch: (request, server) => this.serve(request, server.requestIP(request)),
      error: (error) => this.failed(error),
    });
  }

  get port(): number {
    return this.server.port ?? 0;
  }

  get size(): number {
    return this.relays.size;
  }

  take(socket: DoorSocket, bytes: Buffer, client: HttpClient, openedMs: number): boolean {
    if (this.relays.size >= this.options.connectionsMax) return false;
    const relay = new HttpRelay(this, socket, client, openedMs);
    socket.data = relay;
    this.relays.add(relay);
    this.counters.httpOpen = this.relays.size;
    relay.start(bytes);
    const opening = { hostname: LOOPBACK, port: this.port, data: relay, socket: this.innerHandlers };
    // `connectError` has already told the relay.
    Bun.connect<HttpRelay>(opening).catch(() => {});
    return true;
  }

  sweep(nowMs: number, idleMs: number): void {
    for (const relay of this.relays) relay.sweep(nowMs, idleMs);
  }

  opened(relay: HttpRelay, port: number): void {
    this.byPort.set(port, relay);
  }

  closed(relay: HttpRelay, port: number): void {
    if (this.byPort.get(port) === relay) this.byPort.delete(port);
  }

  finished(relay: HttpRelay, socket: DoorSocket | null): void {
    this.relays.delete(relay);
    this.counters.httpOpen = this.relays.size;
    if (socket !== null) this.options.linger(socket);
  }

  refused(reason: DoorRefusal, address: string): void {
    this.options.refused(reason, address);
  }

  /** Stops the server and cuts all its connections. */
  [Symbol.dispose](): void {
    // The promise only tells when the last connection is gone; the sockets are closed at once.
    void this.server.stop(true);
  }

  private serve(request: Request, peer: Bun.SocketAddress | null): Response | Promise<Response> {
    const relay = peer?.address === LOOPBACK ? this.byPort.get(peer.port) : undefined;
    if (relay === undefined) {
      this.counters.httpStrangers++;
      return new Response(NOT_ALLOWED, { status: 403, headers: { Connection: "close" } });
    }
    this.counters.httpRequests++;
    relay.requestBegins(this.options.now());
    let answer: Response | Promise<Response>;
    try {
      answer = this.options.handler(request, relay.client);
    } catch (error) {
      answer = this.failed(error);
    }
    if (answer instanceof Promise) return this.settle(relay, answer);
    relay.requestEnds(isEventStream(answer), this.options.now());
    return answer;
  }

  private async settle(relay: HttpRelay, pending: Promise<Response>): Promise<Response> {
    let answer: Response;
    try {
      answer = await pending;
    } catch (error) {
      answer = this.failed(error);
    }
    relay.requestEnds(isEventStream(answer), this.options.now());
    return answer;
  }

  private failed(error: unknown): Response {
    this.options.log.error("door.request_failed", { problem: errorText(error) });
    if (error instanceof BugError) {
      // A bug ends the process, not only this request.
      queueMicrotask(() => {
        throw error;
      });
    }
    return new Response("Internal error, see the agent's log.\n", { status: 500 });
  }
}

function isEventStream(response: Response): boolean {
  return response.headers.get("content-type")?.startsWith("text/event-stream") === true;
}
