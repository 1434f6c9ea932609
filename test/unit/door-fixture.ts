import { AddressList } from "../../agent/base/address-list.ts";
import type { Clock, Timer } from "../../agent/base/clock.ts";
import type { ListenAddress } from "../../agent/base/listen-address.ts";
import type { Log, LogFields } from "../../agent/base/log.ts";
import type { SocketOwner, StreamSocket, TakeStream } from "../../agent/base/stream-socket.ts";
import { type Door, type DoorOptions, openDoor } from "../../agent/door/door.ts";

/** A clock that moves only when told. */
export class FakeClock implements Clock {
  private nowMs = 1000;
  private stepMs = 0;
  private readonly timers = new Map<object, { atMs: number; callback: () => void }>();

  nowUs(): number {
    return 1_700_000_000_000_000 + (this.nowMs + this.stepMs) * 1000;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const key = {};
    this.timers.set(key, { atMs: this.nowMs + delayMs, callback });
    return { [Symbol.dispose]: () => this.timers.delete(key) };
  }

  /** The wall clock is put forward, or back. */
  step(ms: number): void {
    this.stepMs += ms;
  }

  /** Timers that wait. */
  get pending(): number {
    return this.timers.size;
  }

  /** Moves on by `ms` at once, as when the event loop was held up: what is due fires late. */
  stall(ms: number): void {
    this.nowMs += ms - 1;
    this.advance(1);
  }

  /** Moves on by `ms`, one ms at a time, and fires what is due. */
  advance(ms: number): void {
    for (const end = this.nowMs + ms; this.nowMs < end; ) {
      this.nowMs++;
      for (const [key, timer] of this.timers) {
        if (timer.atMs > this.nowMs) continue;
        this.timers.delete(key);
        timer.callback();
      }
    }
  }
}

/** Lets the event loop run until `isDone`; the runner's own limit ends a wait that never does. */
export async function until(isDone: () => boolean): Promise<void> {
  while (!isDone()) await turn();
}

/** One turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A raw TCP client that keeps everything it reads. */
export class Client {
  text = "";
  bytesRead = 0;
  keepText = true;
  isEnded = false;
  isClosed = false;
  socket!: Bun.Socket<undefined>;
  private unsent = Buffer.alloc(0);

  static async connect(address: ListenAddress | number): Promise<Client> {
    const client = new Client();
    const socket = {
      data: (_socket: unknown, chunk: Buffer) => {
        client.bytesRead += chunk.length;
        if (client.keepText) client.text += chunk.toString("latin1");
      },
      drain: () => client.flush(),
      end: () => {
        client.isEnded = true;
      },
      close: () => {
        client.isClosed = true;
      },
      error() {},
    };
    const where =
      typeof address === "number" || address.kind === "tcp"
        ? { hostname: hostOf(address), port: typeof address === "number" ? address : address.port }
        : { unix: address.path };
    // The types do not know it, the runtime does: without it the runtime closes on the peer's FIN.
    const options = { ...where, allowHalfOpen: true, socket } as unknown as Bun.TCPSocketConnectOptions;
    client.socket = await Bun.connect(options);
    client.socket.setNoDelay(true);
    return client;
  }

  /** Sends all of it, in order, as fast as the peer reads. */
  send(bytes: string | Buffer): void {
    this.unsent = Buffer.concat([this.unsent, Buffer.from(bytes)]);
    this.flush();
  }

  get isSent(): boolean {
    return this.unsent.length === 0;
  }

  private flush(): void {
    if (this.unsent.length === 0) return;
    const taken = this.socket.write(this.unsent);
    if (taken > 0) this.unsent = this.unsent.subarray(taken);
  }

  /** Waits until the peer has closed, then closes too. */
  async untilClosed(): Promise<string> {
    await until(() => this.isEnded || this.isClosed);
    this.socket.end();
    return this.text;
  }
}

function hostOf(address: ListenAddress | number): string {
  if (typeof address === "number" || address.kind !== "tcp" || address.host === "*") return "127.0.0.1";
  return address.host;
}

/** An owner that records its socket's events. */
export class Recorder implements SocketOwner {
  readonly head: string;
  readonly address: string;
  readonly socket: StreamSocket;
  readonly chunks: Buffer[] = [];
  ends = 0;
  closes = 0;

  constructor(socket: StreamSocket, head: string, address: string) {
    this.socket = socket;
    this.head = head;
    this.address = address;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString("latin1");
  }

  data(_socket: StreamSocket, chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
  }

  drain(): void {}

  end(socket: StreamSocket): void {
    this.ends++;
    socket.end();
  }

  close(): void {
    this.closes++;
  }
}

/** Log lines as `event key=value`. */
export class LogLines implements Log {
  readonly lines: string[] = [];
  error = (event: string, fields: LogFields = {}) => this.add("error", event, fields);
  warn = (event: string, fields: LogFields = {}) => this.add("warn", event, fields);
  info = (event: string, fields: LogFields = {}) => this.add("info", event, fields);
  debug = (event: string, fields: LogFields = {}) => this.add("debug", event, fields);

  private add(level: string, event: string, fields: LogFields): void {
    const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${value}`);
    this.lines.push(`${level} ${event}${pairs.join("")}`);
  }
}

/** A door on a free loopback port with a fake clock, everything allowed, and what went through it. */
export class DoorWorld implements Disposable {
  readonly clock = new FakeClock();
  readonly log = new LogLines();
  readonly streams: Recorder[] = [];
  door!: Door;

  static async open(options: Partial<DoorOptions> = {}): Promise<DoorWorld> {
    const world = new DoorWorld();
    const everyone = new AddressList("*");
    world.door = await openDoor({
      addresses: [{ kind: "tcp", host: "127.0.0.1", port: 0 }],
      words: new Map([["STREAM", world.take]]),
      http: (request) => new Response(`${request.method} ${new URL(request.url, "http://door").pathname}`),
      isAllowed: (address) => everyone.allows(address),
      idleMs: 60_000,
      clock: world.clock,
      log: world.log,
      ...options,
    });
    return world;
  }

  get address(): ListenAddress {
    return this.door.addresses[0]!;
  }

  get port(): number {
    const { address } = this;
    if (address.kind !== "tcp") throw new Error("the door's first address is no port");
    return address.port;
  }

  connect(): Promise<Client> {
    return Client.connect(this.address);
  }

  readonly take: TakeStream = ({ socket, head, address }) => {
    const recorder = new Recorder(socket, head.toString("latin1"), address);
    this.streams.push(recorder);
    return recorder;
  };

  [Symbol.dispose](): void {
    this.door[Symbol.dispose]();
  }
}
