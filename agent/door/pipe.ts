import { HTTP_PIPE_BYTES_MAX } from "../base/limits.ts";
import type { StreamSocket } from "../base/stream-socket.ts";

/**
 * One direction of a relay: hands bytes to a socket and keeps what the kernel did not take, at most
 * {@link HTTP_PIPE_BYTES_MAX}. Nothing is copied while the socket takes everything.
 */
export class Pipe {
  private rest: Buffer | null = null;

  /** Are bytes waiting? Then the other side should be paused. */
  get isWaiting(): boolean {
    return this.rest !== null;
  }

  /**
   * Sends `chunk` after everything that waits.
   * @param socket where to, or `null` to keep it for later. @returns bytes the kernel took now, −1 when too much waits.
   */
  write(socket: StreamSocket | null, chunk: Buffer): number {
    if (this.rest !== null) return this.keep(Buffer.concat([this.rest, chunk])) ? 0 : -1;
    const taken = socket === null ? 0 : Math.max(0, socket.write(chunk));
    if (taken === chunk.length) return taken;
    // A copy: the chunk is borrowed from the event loop.
    return this.keep(Buffer.from(chunk.subarray(taken))) ? taken : -1;
  }

  /** Offers what waits to the kernel once. @returns bytes taken. */
  flush(socket: StreamSocket): number {
    const { rest } = this;
    if (rest === null) return 0;
    const taken = Math.max(0, socket.write(rest));
    this.rest = taken === rest.length ? null : rest.subarray(taken);
    return taken;
  }

  /** Throws away what waits. */
  clear(): void {
    this.rest = null;
  }

  private keep(bytes: Buffer): boolean {
    if (bytes.length > HTTP_PIPE_BYTES_MAX) return false;
    this.rest = bytes;
    return true;
  }
}
