import { connect, createServer, type Server, type Socket } from "node:net";
import { freePorts } from "./ports.ts";

/** Bytes kept of one connection: an hour of a busy child has less. */
const KEPT_BYTES_MAX = 64 * 2 ** 20;

/** What went over one relayed connection so far. */
export class RelayedConnection {
  private readonly fromChild: Buffer[] = [];
  private readonly fromParent: Buffer[] = [];
  private bytes = 0;
  /** When the child's bytes came, in ms, and how many had come with them. */
  readonly arrivals: { atMs: number; bytes: number }[] = [];
  isOpen = true;

  /** Bytes of the child: request, empty line, stream. */
  get sent(): Buffer {
    return Buffer.concat(this.fromChild);
  }

  /** Bytes of the parent. */
  get answered(): Buffer {
    return Buffer.concat(this.fromParent);
  }

  keep(chunk: Buffer, isFromChild: boolean): void {
    this.bytes += chunk.length;
    if (this.bytes > KEPT_BYTES_MAX) throw new Error(`a relayed connection has more than ${KEPT_BYTES_MAX} bytes`);
    (isFromChild ? this.fromChild : this.fromParent).push(Buffer.from(chunk));
    if (isFromChild) this.arrivals.push({ atMs: Date.now(), bytes: this.bytes });
  }
}

/** How a link fails. */
export type Failure =
  /** Whoever is beyond does not serve: what stands is reset, and what is new is refused. */
  | "refused"
  /** The line is dead: nothing gets through, ends of connections included; what was sent comes late. */
  | "silent";

/** A TCP relay that keeps what passes through it: stands between two agents and knows what was on the wire. */
export class Relay implements Disposable {
  readonly port: number;
  readonly connections: RelayedConnection[] = [];
  private readonly server: Server;
  private readonly targetPort: number;
  private readonly rewrite: (head: string) => string;
  private readonly sockets = new Set<Socket>();
  private failure: Failure | null = null;
  /** Faults may overlap: whoever heals first opens it again, and nobody twice. */
  private isServing = false;
  /** What happened at one end while the line was dead, and has to come to the other. */
  private readonly late: (() => void)[] = [];

  private constructor(port: number, targetPort: number, rewrite: (head: string) => string) {
    this.port = port;
    this.targetPort = targetPort;
    this.rewrite = rewrite;
    this.server = createServer({ pauseOnConnect: true }, (socket) => this.meet(socket));
  }

  /**
   * Listens on a free port of 127.0.0.1.
   * @param targetPort where each connection is relayed to. @param rewrite what becomes of the first bytes of a child: a
   * request is one piece on loopback.
   */
  static async open(targetPort: number, rewrite = (head: string) => head): Promise<Relay> {
    const relay = new Relay(freePorts(), targetPort, rewrite);
    await relay.listen();
    return relay;
  }

  /** Streams only, in the order of their requests. */
  get streams(): RelayedConnection[] {
    return this.connections.filter((connection) => connection.sent.subarray(0, 7).toString() === "STREAM ");
  }

  /** Breaks all connections that stand. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  /** The link fails, until {@link heal}. */
  fail(failure: Failure): void {
    this.failure = failure;
    if (failure === "silent") {
      for (const socket of this.sockets) socket.pause();
      return;
    }
    this.isServing = false;
    this.server.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  async heal(): Promise<void> {
    this.failure = null;
    if (!this.isServing) await this.listen();
    for (const act of this.late.splice(0)) act();
    for (const socket of this.sockets) socket.resume();
  }

  [Symbol.dispose](): void {
    this.server.close();
    this.cut();
  }

  private async listen(): Promise<void> {
    this.isServing = true;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.server.once("error", reject).listen(this.port, "127.0.0.1", resolve);
    await promise.finally(() => this.server.off("error", reject));
  }

  /** Does it now, or when the line is not dead any more. */
  private pass(act: () => void): void {
    if (this.failure === "silent") this.late.push(act);
    else act();
  }

  private meet(child: Socket): void {
    this.sockets.add(child);
    child.on("error", () => {}).on("close", () => this.sockets.delete(child));
    this.pass(() => {
      // It may have left a dead line, or the relay may be gone.
      if (child.destroyed) return;
      this.accept(child);
      child.resume();
    });
  }

  private accept(child: Socket): void {
    const record = new RelayedConnection();
    this.connections.push(record);
    const parent = connect({ port: this.targetPort, host: "127.0.0.1", noDelay: true });
    child.setNoDelay(true);
    let rewrite: ((head: string) => string) | null = this.rewrite;
    const passOn = (chunk: Buffer, isFromChild: boolean) => {
      record.keep(chunk, isFromChild);
      if (!isFromChild || rewrite === null) return chunk;
      const bytes = Buffer.from(rewrite(chunk.toString("latin1")), "latin1");
      rewrite = null;
      return bytes;
    };
    for (const [from, to, isFromChild] of [
      [child, parent, true],
      [parent, child, false],
    ] as const) {
      this.sockets.add(from);
      from
        .on("data", (chunk: Buffer) => {
          if (!to.write(passOn(chunk, isFromChild))) from.pause();
        })
        .on("drain", () => {
          if (this.failure !== "silent") to.resume();
        })
        .on("error", () => this.pass(() => to.destroy()))
        .on("close", () => {
          this.sockets.delete(from);
          record.isOpen = false;
          this.pass(() => to.end());
        });
    }
  }
}
