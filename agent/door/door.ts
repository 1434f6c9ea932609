import { normalizeAddress, UNIX_PEER } from "../base/address-list.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { BugError, errorText } from "../base/errors.ts";
import type { HttpHandler } from "../base/http-handler.ts";
import { CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX, HEAD_TIMEOUT_MS, HTTP_CONNECTIONS_MAX } from "../base/limits.ts";
import type { ListenAddress } from "../base/listen-address.ts";
import type { Log } from "../base/log.ts";
import { releaseChunk } from "../base/release-chunk.ts";
import type { SocketOwner, TakeStream } from "../base/stream-socket.ts";
import { Admission, createDoorCounters, type DoorCounters, type DoorRefusal } from "./admission.ts";
import { checkWords, FirstWord, type Words } from "./first-word.ts";
import { HttpBridge, type HttpBridgeOptions, type HttpCarrier } from "./http-bridge.ts";
import { Linger } from "./linger.ts";
import { type DoorHandlers, type DoorListener, type DoorSocket, type Listen, openListeners } from "./listener.ts";
import { type ConnectionLimits, fitConnectionLimits, readOpenFileLimit } from "./open-files.ts";

/** Where the door's connections come from, and what carries those that speak HTTP. */
export interface DoorNetwork {
  readonly listen: Listen;
  carryHttp(options: HttpBridgeOptions): HttpCarrier;
}

/** The machine's sockets, and a server on a private port of it. */
const systemNetwork: DoorNetwork = {
  listen: openListeners,
  carryHttp: (options) => new HttpBridge(options),
};

export interface DoorOptions {
  addresses: readonly ListenAddress[];
  /** Who takes connections that start with these words (`STREAM`); all others are HTTP. */
  words: Words;
  http: HttpHandler;
  /** `web.allow_connections_from`; gets a normalized address or `UNIX_PEER`. */
  isAllowed: (address: string) => boolean;
  /** `web.disconnect_idle_clients_after_seconds`, in ms. */
  idleMs: number;
  clock: Clock;
  log: Log;
  /** Default: limits.ts, lowered to what the system's limit of open files allows. */
  limits?: ConnectionLimits;
  /** Default: this process's own limit. */
  openFilesMax?: number;
  /** Default: the machine's. */
  network?: DoorNetwork | undefined;
}

const SWEEP_MS = 1000;
/** A sweep that comes later than this was held up by ourselves. */
const SWEEP_LATE_MS = 1000;
const KEEP_ALIVE_MS = 30_000;
/** Worth a line in the log; the others happen every day and are only counted. */
const WARNED: ReadonlySet<DoorRefusal> = new Set(["denied", "too_many", "too_many_from_address", "too_many_http"]);

/**
 * Opens the agent's port on all its addresses.
 * @throws AgentError `port_in_use` or `listen_failed`; nothing stays open then.
 */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const door = new Door(options);
  try {
    for (const address of options.addresses) await door.listen(address);
  } catch (error) {
    door[Symbol.dispose]();
    throw error;
  }
  return door;
}

/**
 * The listening sockets. A connection is checked against access list and limits, its first word is read, and then the
 * socket belongs to whoever registered that word, or to the HTTP bridge.
 */
export class Door implements Disposable {
  readonly counters: DoorCounters = createDoorCounters();
  private readonly options: DoorOptions;
  private readonly admission: Admission;
  private readonly network: DoorNetwork;
  private readonly bridge: HttpCarrier;
  private readonly linger = new Linger();
  private readonly listeners: DoorListener[] = [];
  /** Everybody inside, with the address that was counted. */
  private readonly connections = new Map<DoorSocket, string>();
  private readonly arrivals = new Set<Arrival>();
  private idleMs: number;
  private timer: Timer | null = null;
  private isStopped = false;

  /** Use {@link openDoor}. */
  constructor(options: DoorOptions) {
    checkWords(options.words);
    this.options = options;
    this.idleMs = options.idleMs;
    const limits = fitLimits(options);
    this.admission = new Admission(limits, options.isAllowed);
    this.network = options.network ?? systemNetwork;
    this.bridge = this.network.carryHttp({
      handler: options.http,
      counters: this.counters,
      connectionsMax: limits.httpConnections,
      log: options.log,
      now: () => options.clock.monotonicMs(),
      refused: (reason, address) => this.refused(reason, address),
      handlerFailed: (socket, error) => this.failed(socket, error),
      linger: (socket) => this.lingerOn(socket),
    });
  }

  /** Where the door listens, in the order of the configuration, with real port numbers. */
  get addresses(): ListenAddress[] {
    return this.listeners.map((listener) => listener.address);
  }

  /** The private port of the HTTP server behind the bridge. */
  get innerPort(): number {
    return this.bridge.port;
  }

  /** Adds a listening address. @throws AgentError `port_in_use` or `listen_failed`. */
  async listen(address: ListenAddress): Promise<void> {
    this.listeners.push(...(await this.network.listen(address, this.handlers(address.kind === "unix"))));
  }

  /** New access list and idle limit (configuration reload). Connections already inside stay. */
  updateAccess(isAllowed: (address: string) => boolean, idleMs = this.idleMs): void {
    this.admission.setAccess(isAllowed);
    this.idleMs = idleMs;
  }

  /** Stops accepting, then closes all connections; their owners get `close` before this returns. */
  [Symbol.dispose](): void {
    this.isStopped = true;
    for (const listener of this.listeners) listener.stop();
    for (const socket of [...this.connections.keys()]) socket.end();
    this.bridge[Symbol.dispose]();
    this.timer?.[Symbol.dispose]();
    this.timer = null;
  }

  /** The runtime's handlers: one property load and one call between the event loop and the owner. */
  private handlers(isUnix: boolean): DoorHandlers {
    return {
      open: (socket: DoorSocket) => this.enter(socket, isUnix),
      data: (socket: DoorSocket, chunk: Buffer) => {
        socket.data.data(socket, chunk);
        releaseChunk(chunk);
      },
      drain: (socket: DoorSocket) => socket.data.drain(socket),
      end: (socket: DoorSocket) => socket.data.end(socket),
      close: (socket: DoorSocket) => this.leave(socket),
      error: (socket: DoorSocket, error: Error) => this.failed(socket, error),
    };
  }

  private enter(socket: DoorSocket, isUnix: boolean): void {
    socket.data = NOBODY;
    // A TCP peer that is gone already has no address; it must not pass for a local one.
    const address = isUnix ? UNIX_PEER : normalizeAddress(socket.remoteAddress ?? "");
    if (address === "" || this.isStopped) {
      socket.end();
      return;
    }
    const verdict = this.admission.enter(address);
    if (verdict !== "ok") {
      this.refused(verdict, address);
      socket.end();
      return;
    }
    this.counters.accepted++;
    this.connections.set(socket, address);
    this.counters.open = this.connections.size;
    if (!isUnix) {
      socket.setNoDelay(true);
      socket.setKeepAlive(true, KEEP_ALIVE_MS);
    }
    const arrival = new Arrival(this.options.words, socket, this.options.clock.monotonicMs(), (event) =>
      this.decide(arrival, address, event),
    );
    socket.data = arrival;
    this.arrivals.add(arrival);
    this.arm();
  }

  private leave(socket: DoorSocket): void {
    const address = this.connections.get(socket);
    if (address !== undefined) {
      this.connections.delete(socket);
      this.counters.open = this.connections.size;
      this.admission.leave(address);
    }
    socket.data.close(socket);
  }

  /** Gives an arrival to its owner, or closes it. */
  private decide(arrival: Arrival, address: string, event: ArrivalEvent): void {
    this.arrivals.delete(arrival);
    const { socket } = arrival;
    if (event.kind === "gone") return;
    if (event.kind === "too_big") {
      this.refused("head_too_big", address);
      this.lingerOn(socket);
    } else if (event.kind === "other") {
      if (this.bridge.take(socket, event.bytes, { address }, arrival.openedMs)) return;
      this.refused("too_many_http", address);
      socket.end();
    } else {
      this.hand(event.take, socket, event.head, event.rest, address);
    }
  }

  private hand(take: TakeStream, socket: DoorSocket, head: Buffer, rest: Buffer, address: string): void {
    // Events during `take` go nowhere: it may close the socket, and nobody owns it yet.
    socket.data = NOBODY;
    const owner = take({ socket, head, address });
    if (typeof owner === "string") {
      if (owner !== "") socket.write(Buffer.from(owner));
      this.lingerOn(socket);
      return;
    }
    socket.data = owner;
    if (!this.connections.has(socket)) owner.close(socket);
    else if (rest.length > 0) owner.data(socket, rest);
  }

  private lingerOn(socket: DoorSocket): void {
    if (!this.connections.has(socket)) return;
    socket.data = this.linger;
    this.linger.begin(socket, this.options.clock.monotonicMs());
  }

  private failed(socket: { terminate(): void }, error: Error): void {
    this.counters.refused.handler_failed++;
    this.options.log.error("door.handler_failed", { problem: errorText(error) });
    socket.terminate();
    // A bug ends the process; anything else costs only this connection.
    if (error instanceof BugError) throw error;
  }

  private refused(reason: DoorRefusal, address: string): void {
    this.counters.refused[reason]++;
    const level = WARNED.has(reason) ? "warn" : "debug";
    this.options.log[level]("door.connection_refused", { reason, address });
  }

  /** One timer for all connections, running only while there is something to watch. */
  private arm(): void {
    if (this.timer !== null || this.isStopped) return;
    const { clock } = this.options;
    const aimMs = clock.monotonicMs() + SWEEP_MS;
    this.timer = clock.setTimer(SWEEP_MS, () => {
      this.timer = null;
      const nowMs = clock.monotonicMs();
      // After a busy time of ours, what the peers sent in it is still unread: nobody is late yet.
      if (nowMs - aimMs <= SWEEP_LATE_MS) this.sweep(nowMs);
      if (this.arrivals.size + this.bridge.size + this.linger.size > 0) this.arm();
    });
  }

  private sweep(nowMs: number): void {
    for (const arrival of this.arrivals) {
      if (nowMs - arrival.openedMs < HEAD_TIMEOUT_MS) continue;
      this.refused("head_timeout", this.connections.get(arrival.socket) ?? "");
      arrival.socket.end();
    }
    this.bridge.sweep(nowMs, this.idleMs);
    this.linger.sweep(nowMs);
  }
}

function fitLimits({ limits, openFilesMax, log }: DoorOptions): ConnectionLimits {
  const wanted = limits ?? {
    connections: CONNECTIONS_MAX,
    connectionsPerAddress: CONNECTIONS_PER_ADDRESS_MAX,
    httpConnections: HTTP_CONNECTIONS_MAX,
  };
  const openFiles = openFilesMax ?? readOpenFileLimit();
  const fitted = fitConnectionLimits(wanted, openFiles);
  if (fitted !== wanted) {
    const { connections, httpConnections } = fitted;
    const hint = "raise the limit of open files (LimitNOFILE= of the service, ulimit -n)";
    log.warn("door.limit_lowered", { connections, http_connections: httpConnections, open_files: openFiles, hint });
  }
  return fitted;
}

type ArrivalEvent = Exclude<ReturnType<FirstWord["push"]>, { kind: "more" }> | { kind: "gone" };

/** A connection whose first word or head is not complete yet. */
class Arrival implements SocketOwner {
  readonly socket: DoorSocket;
  readonly openedMs: number;
  private readonly reader: FirstWord;
  private readonly decided: (event: ArrivalEvent) => void;

  constructor(words: Words, socket: DoorSocket, openedMs: number, decided: (event: ArrivalEvent) => void) {
    this.reader = new FirstWord(words);
    this.socket = socket;
    this.openedMs = openedMs;
    this.decided = decided;
  }

  data(_socket: DoorSocket, chunk: Buffer): void {
    const event = this.reader.push(chunk);
    if (event.kind !== "more") this.decided(event);
  }

  drain(): void {}

  /** Nothing more can come: an unfinished head stays unfinished. */
  end(): void {
    this.socket.end();
  }

  close(): void {
    this.decided({ kind: "gone" });
  }
}

/** Owner of a socket that is refused or between two owners. */
const NOBODY: SocketOwner = {
  data() {},
  drain() {},
  end() {},
  close() {},
};
