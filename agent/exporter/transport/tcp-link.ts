import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import type { SocketOwner, StreamSocket } from "../../base/stream-socket.ts";
import type { Batch } from "../batch.ts";

/** Most bytes of one write; each piece ends at a line end. */
const PIECE_BYTES_MAX = 65_536;
/** Most bytes written in one turn of the event loop: about a millisecond. */
const TURN_BYTES_MAX = 1_048_576;
/** A batch counts as arrived when its connection still stands this long after the last byte was handed over. */
const CONFIRM_MS = 1000;
/** Time a server has to close after we have sent FIN. */
const LINGER_MS = 2000;
const NEWLINE = 0x0a;

/** What a link asks of, and tells to, its sender. */
export interface LinkOwner {
  /** The next batch to write, which is in flight from then on; null = nothing now. */
  take(): Batch | null;
  /** The last batch taken was handed over whole. */
  wrote(): void;
  /** The oldest batch in flight has arrived. */
  confirm(): void;
  moved(bytes: number): void;
  received(bytes: number): void;
  /** The connection is gone; the last call. */
  lost(link: TcpLink, problem: string): void;
}

/** One open TCP connection that carries batches of lines. */
export class TcpLink implements SocketOwner {
  /** Monotonic time at which it was opened. */
  openedMs = 0;
  private readonly clock: Clock;
  private readonly timeoutMs: number;
  private readonly owner: LinkOwner;
  private socket: StreamSocket | null = null;
  /** The batch being written, from `offset` on; the piece on offer ends at `pieceEnd`. */
  private batch: Batch | null = null;
  private offset = 0;
  private pieceEnd = 0;
  /** When each batch that is not confirmed was handed over, oldest first. As many as the queue has in flight. */
  private readonly handedMs: number[] = [];
  private progressMs = 0;
  private isBlocked = false;
  private confirmTimer: Timer | null = null;
  private stallTimer: Timer | null = null;
  private turnTimer: Timer | null = null;
  private lingerTimer: Timer | null = null;

  constructor(clock: Clock, timeoutMs: number, owner: LinkOwner) {
    this.clock = clock;
    this.timeoutMs = timeoutMs;
    this.owner = owner;
  }

  /** Takes the opened socket. */
  attach(socket: StreamSocket): void {
    assert(this.socket === null, "a link has one socket");
    this.socket = socket;
    this.openedMs = this.clock.monotonicMs();
  }

  /** Writes as much as the kernel takes; continues by itself from `drain`. */
  pump(): void {
    if (this.isBlocked || this.turnTimer !== null) return;
    for (let turnBytes = 0; this.socket !== null; ) {
      if (turnBytes >= TURN_BYTES_MAX) {
        this.turnTimer = this.clock.setTimer(0, () => this.nextTurn());
        return;
      }
      if (this.batch === null && !this.begin()) return;
      turnBytes += this.writePiece(this.socket);
      if (this.isBlocked) return;
    }
  }

  /** Gives the connection up at once. The owner hears nothing more. */
  abort(): void {
    this.release()?.terminate();
  }

  /**
   * Closes in order: everything handed over still arrives. A batch half written is cut at a line end if the kernel
   * takes the rest of the line now; else the connection is reset. The owner hears nothing more.
   */
  finish(): void {
    const isWhole = this.finishLine();
    const socket = this.release();
    if (socket === null) return;
    if (!isWhole) {
      socket.terminate();
      return;
    }
    this.lingerTimer = this.clock.setTimer(LINGER_MS, () => socket.end());
    socket.shutdown();
  }

  data(_socket: StreamSocket, chunk: Buffer): void {
    if (this.socket !== null) this.owner.received(chunk.length);
  }

  drain(): void {
    if (this.socket === null) return;
    this.isBlocked = false;
    this.stallTimer?.[Symbol.dispose]();
    this.pump();
  }

  end(socket: StreamSocket): void {
    this.lose("closed by the server");
    socket.end();
  }

  close(): void {
    this.lingerTimer?.[Symbol.dispose]();
    this.lose("connection lost");
  }

  private nextTurn(): void {
    this.turnTimer = null;
    this.pump();
  }

  private begin(): boolean {
    this.batch = this.owner.take();
    this.offset = 0;
    this.pieceEnd = 0;
    return this.batch !== null;
  }

  /** Offers one piece once. @returns bytes taken. */
  private writePiece(socket: StreamSocket): number {
    const { bytes } = this.batch!;
    if (this.offset === this.pieceEnd) this.pieceEnd = endOfPiece(bytes, this.offset);
    const taken = socket.write(bytes, this.offset, this.pieceEnd - this.offset);
    if (taken < 0) {
      this.lose("connection lost");
      return 0;
    }
    assert(taken <= this.pieceEnd - this.offset, "socket took more bytes than offered");
    this.offset += taken;
    if (taken > 0) {
      this.progressMs = this.clock.monotonicMs();
      this.owner.moved(taken);
    }
    if (this.offset < this.pieceEnd) this.block();
    else if (this.offset === bytes.length) this.handedOver();
    return taken;
  }

  private handedOver(): void {
    this.batch = null;
    this.handedMs.push(this.clock.monotonicMs());
    this.owner.wrote();
    if (this.handedMs.length === 1) this.awaitConfirmation();
  }

  private awaitConfirmation(): void {
    const [handedMs] = this.handedMs;
    if (handedMs === undefined) return;
    const waitMs = handedMs + CONFIRM_MS - this.clock.monotonicMs();
    this.confirmTimer = this.clock.setTimer(Math.max(1, waitMs), () => this.confirmDue());
  }

  private confirmDue(): void {
    const nowMs = this.clock.monotonicMs();
    while (this.handedMs.length > 0 && this.handedMs[0]! + CONFIRM_MS <= nowMs) {
      this.handedMs.shift();
      this.owner.confirm();
    }
    if (this.socket !== null) this.awaitConfirmation();
  }

  /** The kernel is full: `drain` will call again, or the time without progress runs out. */
  private block(): void {
    this.isBlocked = true;
    if (this.progressMs < this.openedMs) this.progressMs = this.openedMs;
    const waitMs = this.progressMs + this.timeoutMs - this.clock.monotonicMs();
    this.stallTimer = this.clock.setTimer(Math.max(1, waitMs), () => {
      const { socket } = this;
      this.lose(`nothing moved for ${this.timeoutMs} ms`);
      socket?.terminate();
    });
  }

  /** @returns false when the server may have got half a line. */
  private finishLine(): boolean {
    const { batch, socket, offset } = this;
    if (batch === null || socket === null || offset === 0 || batch.bytes[offset - 1] === NEWLINE) return true;
    const lineBytes = batch.bytes.indexOf(NEWLINE, offset) + 1 - offset;
    return socket.write(batch.bytes, offset, lineBytes) === lineBytes;
  }

  private lose(problem: string): void {
    if (this.release() !== null) this.owner.lost(this, problem);
  }

  /** Takes the socket out of use. @returns null when it was already. */
  private release(): StreamSocket | null {
    const { socket } = this;
    this.socket = null;
    this.batch = null;
    this.handedMs.length = 0;
    this.confirmTimer?.[Symbol.dispose]();
    this.stallTimer?.[Symbol.dispose]();
    this.turnTimer?.[Symbol.dispose]();
    return socket;
  }
}

/** End of the piece of at most {@link PIECE_BYTES_MAX} bytes that begins at `from`: the end of its last whole line. */
function endOfPiece(bytes: Uint8Array, from: number): number {
  if (bytes.length - from <= PIECE_BYTES_MAX) return bytes.length;
  const last = bytes.lastIndexOf(NEWLINE, from + PIECE_BYTES_MAX - 1);
  return last >= from ? last + 1 : bytes.indexOf(NEWLINE, from) + 1;
}
