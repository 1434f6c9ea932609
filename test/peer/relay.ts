import { connect, createServer, type Server, type Socket } from "node:net";
import { Transform } from "node:stream";

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

/** A TCP relay that keeps what passes through it: stands between two agents and knows what was on the wire. */
export class Relay implements Disposable {
  readonly port: number;
  readonly connections: RelayedConnection[] = [];
  private readonly server: Server;
  private readonly rewrite: (head: string) => string;
  private readonly sockets = new Set<Socket>();

  private constructor(server: Server, rewrite: (head: string) => string) {
    this.server = server;
    this.rewrite = rewrite;
    const address = server.address();
    this.port = typeof address === "object" && address !== null ? address.port : 0;
  }

  /**
   * Listens on a free port of 127.0.0.1.
   * @param targetPort where each connection is relayed to. @param rewrite what becomes of the first bytes of a child: a
   * request is one piece on loopback.
   */
  static async open(targetPort: number, rewrite = (head: string) => head): Promise<Relay> {
    const server = createServer();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.on("error", reject).listen(0, "127.0.0.1", resolve);
    await promise;
    const relay = new Relay(server, rewrite);
    server.on("connection", (socket) => relay.accept(socket, targetPort));
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

  [Symbol.dispose](): void {
    this.server.close();
    this.cut();
  }

  private accept(child: Socket, targetPort: number): void {
    const record = new RelayedConnection();
    this.connections.push(record);
    const parent = connect({ port: targetPort, host: "127.0.0.1", noDelay: true });
    child.setNoDelay(true);
    for (const [from, to, isFromChild] of [
      [child, parent, true],
      [parent, child, false],
    ] as const) {
      this.sockets.add(from);
      from.on("data", (chunk: Buffer) => record.keep(chunk, isFromChild));
      from
        .on("error", () => to.destroy())
        .on("close", () => {
          this.sockets.delete(from);
          record.isOpen = false;
          to.end();
        });
      if (isFromChild) from.pipe(this.rewriter()).pipe(to);
      else from.pipe(to);
    }
  }

  /** Rewrites the first chunk, and passes on the others. */
  private rewriter(): Transform {
    let rewrite: ((head: string) => string) | null = this.rewrite;
    return new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const bytes = rewrite === null ? chunk : Buffer.from(rewrite(chunk.toString("latin1")), "latin1");
        rewrite = null;
        done(null, bytes);
      },
    });
  }
}
