import { connect, type Socket } from "node:net";

/** Prompt of the base protocol, byte for byte (streaming.md §1.3). */
export const PROMPT = "Hit me baby, push them over...";
const ANSWER_MS = 10_000;

/** A child that is no more than a socket: the test says every byte. */
export class RawChild implements Disposable {
  /** Everything the parent said. */
  answer = "";
  isClosed = false;
  private readonly socket: Socket;
  private changed = () => {};

  private constructor(socket: Socket) {
    this.socket = socket.setNoDelay(true);
    socket.on("data", (chunk: Buffer) => {
      this.answer += chunk.toString("latin1");
      this.changed();
    });
    socket
      .on("error", () => {})
      .on("close", () => {
        this.isClosed = true;
        this.changed();
      });
  }

  /** Connects to 127.0.0.1. */
  static connect(port: number): Promise<RawChild> {
    const { promise, resolve, reject } = Promise.withResolvers<RawChild>();
    const socket = connect(port, "127.0.0.1", () => resolve(new RawChild(socket)));
    socket.on("error", reject);
    return promise;
  }

  /**
   * Sends a request and waits.
   * @param prompt the answer that ends the wait. @returns it, or all that came before the parent closed the connection.
   */
  async ask(query: string, prompt = PROMPT): Promise<string> {
    this.socket.write(`STREAM ${query} HTTP/1.1\r\nUser-Agent: raw/1\r\nAccept: */*\r\n\r\n`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const timer = setTimeout(() => reject(new Error(`no answer, only ${JSON.stringify(this.answer)}`)), ANSWER_MS);
    this.changed = () => {
      if (this.isClosed || this.answer === prompt) resolve();
    };
    this.changed();
    await promise.finally(() => clearTimeout(timer));
    return this.answer;
  }

  /** @returns whether the kernel took it at once; the rest waits in this process. */
  send(bytes: string | Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** Bytes that the kernel has not taken. */
  get pendingBytes(): number {
    return this.socket.writableLength;
  }

  /** Sends what is left and closes. */
  end(): void {
    this.socket.end();
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}
