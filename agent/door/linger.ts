import { LINGER_TIMEOUT_MS } from "../base/limits.ts";
import type { SocketOwner, StreamSocket } from "../base/stream-socket.ts";

/**
 * The last owner of a socket after FIN was sent: it reads and throws away what the peer still sends, so that unread
 * bytes do not turn the close into a reset that would destroy our last words on their way.
 */
export class Linger implements SocketOwner {
  private readonly waiting = new Map<StreamSocket, number>();

  /** Sockets that wait for their peer's FIN. */
  get size(): number {
    return this.waiting.size;
  }

  /** Sends FIN. The caller has already made this object the owner of the socket. */
  begin(socket: StreamSocket, nowMs: number): void {
    this.waiting.set(socket, nowMs + LINGER_TIMEOUT_MS);
    socket.shutdown();
    socket.resume();
  }

  data(): void {}

  drain(): void {}

  end(socket: StreamSocket): void {
    socket.end();
  }

  close(socket: StreamSocket): void {
    this.waiting.delete(socket);
  }

  /** Closes those whose time is over. */
  sweep(nowMs: number): void {
    for (const [socket, untilMs] of this.waiting) if (nowMs >= untilMs) socket.end();
  }
}
