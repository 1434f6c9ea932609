import { SendBuffer } from "../base/send-buffer.ts";
import type { StreamSocket } from "../base/stream-socket.ts";

/** A child that leaves so much unread does not read at all. */
const LIMIT_BYTES = 1_048_576;

/** Lines on their way from this parent to one child. */
export class CommandOutput {
  private readonly socket: StreamSocket;
  private readonly buffer = new SendBuffer(LIMIT_BYTES);
  /** The kernel is full and will say when it takes bytes again. */
  private isBlocked = false;
  private isOverfull = false;

  constructor(socket: StreamSocket) {
    this.socket = socket;
  }

  /** Lines were refused: the child does not read what it is asked. */
  get hasOverflown(): boolean {
    return this.isOverfull;
  }

  /** Takes one line; {@link flush} sends it. */
  add(line: string): void {
    if (!this.buffer.append(Buffer.from(line))) this.isOverfull = true;
  }

  /** Call after a batch of lines. */
  flush(): void {
    if (!this.isBlocked) this.isBlocked = this.buffer.flush(this.socket) === "blocked";
  }

  /** The kernel takes bytes again. */
  drained(): void {
    this.isBlocked = false;
    this.flush();
  }
}
