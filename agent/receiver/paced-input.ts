import type { Clock, Timer } from "../base/clock.ts";
import type { StreamSocket } from "../base/stream-socket.ts";
import type { Chart } from "../rrd/chart.ts";
import { StreamDecoder } from "../wire/decode.ts";
import type { StreamHandler } from "../wire/stream-handler.ts";

/** Time that the bytes of one child may take before all others come to their turn. */
const TURN_MS = 20;
/** The same for all children that wait together, and for one of them at least. */
const ROUND_MS = 100;
const TURN_MS_MIN = 1;
/** Time for what is left when the connection ends: nobody will ask for it again. */
const LAST_TURN_MS = 200;

/** What the inputs of all connections share: the more of them wait, the shorter are their turns. */
export class InputTurns {
  /** Inputs that have bytes left. */
  waiting = 0;

  get turnMs(): number {
    return Math.max(TURN_MS_MIN, Math.min(TURN_MS, ROUND_MS / Math.max(1, this.waiting)));
  }
}

/** Bytes that wait for a turn, and the wall clock of the read that brought them. */
interface WaitingBytes {
  readonly bytes: Buffer;
  readonly nowUs: number;
}

/** What the input of a connection tells its owner. */
export interface PacedInputEvents {
  /** A later turn begins, or is over: as around a read. */
  turn(take: () => boolean): void;
}

/**
 * The bytes of one connection on their way into its decoder. As a rule all of a read is decoded at once; what takes
 * longer than a turn waits, and the socket is not read, until all others have had theirs (streaming.md §11.15).
 */
export class PacedInput {
  private readonly clock: Clock;
  private readonly turns: InputTurns;
  private readonly events: PacedInputEvents;
  private readonly decoder: StreamDecoder<Chart>;
  private readonly waiting: WaitingBytes[] = [];
  /** {@link InputTurns.waiting} counts it. */
  private isWaiting = false;
  private timer: Timer | null = null;
  private endMs = Number.POSITIVE_INFINITY;
  private isOver = false;

  constructor(clock: Clock, turns: InputTurns, handler: StreamHandler<Chart>, events: PacedInputEvents) {
    this.clock = clock;
    this.turns = turns;
    this.events = events;
    this.decoder = new StreamDecoder(handler, () => clock.monotonicMs() >= this.endMs);
  }

  /** Bytes that were taken and are not decoded. */
  get pendingBytes(): number {
    return this.waitingBytes + this.decoder.partialBytes;
  }

  /** Of these: they wait for a turn. */
  get waitingBytes(): number {
    return this.waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
  }

  /**
   * Takes what a socket has read.
   * @param chunk borrowed. @returns false when the stream cannot be followed any more.
   */
  take(socket: StreamSocket, chunk: Buffer, nowUs: number): boolean {
    // A socket may still hand over what it had read when it was paused.
    if (this.waiting.length > 0) {
      this.waiting.push({ bytes: Buffer.from(chunk), nowUs });
      return true;
    }
    this.endMs = this.clock.monotonicMs() + this.turns.turnMs;
    if (!this.decoder.feed(chunk, nowUs)) return false;
    const { readBytes } = this.decoder;
    if (this.isOver || readBytes === chunk.length) return true;
    this.waiting.push({ bytes: Buffer.from(chunk.subarray(readBytes)), nowUs });
    socket.pause();
    this.count(true);
    this.wait(socket);
    return true;
  }

  /** No more will come: decodes what waits, for a last time. @returns bytes that were left. */
  finish(): number {
    this.timer?.[Symbol.dispose]();
    this.endMs = this.clock.monotonicMs() + LAST_TURN_MS;
    this.decodeWaiting();
    return this.waitingBytes;
  }

  /** The connection is over; nothing more is decoded, what waits is forgotten. */
  end(): void {
    this.isOver = true;
    this.timer?.[Symbol.dispose]();
    this.timer = null;
    this.waiting.length = 0;
    this.count(false);
    this.decoder.end();
  }

  private count(isWaiting: boolean): void {
    if (this.isWaiting !== isWaiting) this.turns.waiting += isWaiting ? 1 : -1;
    this.isWaiting = isWaiting;
  }

  private wait(socket: StreamSocket): void {
    this.timer = this.clock.setTimer(0, () => {
      this.timer = null;
      this.events.turn(() => {
        this.endMs = this.clock.monotonicMs() + this.turns.turnMs;
        return this.decodeWaiting();
      });
      if (this.isOver) return;
      if (this.waiting.length > 0) this.wait(socket);
      else {
        this.count(false);
        socket.resume();
      }
    });
  }

  /** @returns false when the stream cannot be followed any more. */
  private decodeWaiting(): boolean {
    for (let next = this.waiting[0]; next !== undefined; next = this.waiting[0]) {
      const { bytes, nowUs } = next;
      if (!this.decoder.feed(bytes, nowUs)) return false;
      const { readBytes } = this.decoder;
      // The connection ended meanwhile.
      if (this.waiting[0] !== next) return true;
      if (readBytes < bytes.length) {
        this.waiting[0] = { bytes: bytes.subarray(readBytes), nowUs };
        return true;
      }
      this.waiting.shift();
    }
    return true;
  }
}
