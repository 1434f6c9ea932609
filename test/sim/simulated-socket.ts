import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { Life } from "./life.ts";
import type { KernelBuffers, SimulatedLink } from "./simulated-link.ts";
import type { SimulatedTime } from "./simulated-time.ts";
import { takeFrom } from "./take-from.ts";

/** What a socket has in common with all others of its world. */
export interface SocketWorld {
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  /** Bytes as they reach a reader; may note them. */
  delivered(to: SimulatedSocket, chunk: Buffer): void;
  /** Bytes that a kernel has just taken; returns what it sends. */
  taken(from: SimulatedSocket, bytes: Buffer): Buffer;
}

/** Who gets the events of a socket; a door has one for all of its sockets. */
export interface SocketEvents {
  data(socket: SimulatedSocket, chunk: Buffer): void;
  drain(socket: SimulatedSocket): void;
  end(socket: SimulatedSocket): void;
  close(socket: SimulatedSocket): void;
}

/** A read takes no more than this. */
const READ_BYTES_MAX = 524_288;
/** A slow line carries its bytes in pieces of this time. */
const PIECE_SEC = 0.1;
const READ_STEP_US = 100_000;
/** So much of a buffer a kernel wants to be free before it asks for more. */
const FREE_SHARE = 1 / 3;
/** Less than this a kernel takes whole, as long as it has room. */
const SHORT_BYTES_MIN = 200;
/** First wait of a kernel before it sends once more what was not confirmed. */
const RETRANSMIT_US = 300_000;

/**
 * One end of a simulated connection with what its kernel holds of it. It outlives the agent's interest: a kernel goes
 * on sending after a close, as long as its machine runs.
 */
export class SimulatedSocket implements StreamSocket {
  data: SocketOwner = NOBODY;
  readonly remoteAddress: string;
  readonly localPort: number;
  readonly remotePort: number;
  peer!: SimulatedSocket;
  /** The agent has closed it, or was told that it is closed. */
  isClosed = false;
  /** Its machine knows nothing of it any more. */
  isForgotten = false;
  /** Takes and confirms everything and lets nothing through. */
  isSwallowing = false;
  /** Bytes a second that its agent reads. */
  readBytesPerSec = Number.POSITIVE_INFINITY;
  readonly life: Life;
  private readonly world: SocketWorld;
  private readonly events: SocketEvents;
  private readonly link: SimulatedLink;
  private readonly buffers: KernelBuffers;
  /** Taken by the kernel, not on the line yet. */
  private readonly unsent: Buffer[] = [];
  private unsentBytes = 0;
  /** Taken by the kernel, not confirmed by the peer's. */
  private unconfirmed = 0;
  private readonly confirmations: { atUs: number; bytes: number }[] = [];
  /** On the line: where the peer has kept room for it. */
  private onLineBytes = 0;
  /** Pieces at the front of {@link unsent} that were lost while others were still on the line. */
  private lostPieces = 0;
  private lineFreeUs = 0;
  private lastArrivalUs = 0;
  private isPumping = false;
  private hasFin = false;
  private isFinSent = false;
  private wantsDrain = false;
  /** Arrived, not read. */
  private readonly unread: Buffer[] = [];
  private unreadBytes = 0;
  private isFinRead = false;
  private finArrived = false;
  private isPaused = false;
  private isReading = false;

  constructor(
    world: SocketWorld,
    life: Life,
    events: SocketEvents,
    link: SimulatedLink,
    buffers: KernelBuffers,
    place: { remoteAddress: string; localPort: number; remotePort: number },
  ) {
    this.world = world;
    this.life = life;
    this.events = events;
    this.link = link;
    this.buffers = buffers;
    this.remoteAddress = place.remoteAddress;
    this.localPort = place.localPort;
    this.remotePort = place.remotePort;
  }

  setNoDelay(): void {}

  setKeepAlive(): void {}

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.isClosed || this.hasFin) return -1;
    this.confirm();
    const { random } = this.world;
    let taken = Math.min(length, Math.max(0, this.buffers.sendBytes - this.unconfirmed));
    if (taken > SHORT_BYTES_MIN && random.chance(this.link.shortPercent)) taken = 1 + random.below(taken - 1);
    if (taken < length) this.wantsDrain = true;
    if (taken > 0) {
      const piece = this.world.taken(this, Buffer.from(bytes.subarray(offset, offset + taken)));
      this.unsent.push(piece);
      this.unsentBytes += piece.length;
      this.unconfirmed += piece.length;
    }
    this.pump();
    this.armDrain();
    return taken;
  }

  shutdown(): void {
    this.hasFin = true;
    this.pump();
  }

  end(): void {
    if (this.isClosed) return;
    if (this.unreadBytes > 0) this.terminate();
    else {
      this.hasFin = true;
      this.close();
      this.pump();
    }
  }

  terminate(): void {
    if (this.isClosed) return;
    this.close();
    this.dropUnsent();
    this.sendReset();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
    this.read();
  }

  /** Nothing can come of it any more. */
  get isOver(): boolean {
    const isSending = this.unsentBytes + this.onLineBytes > 0 || (this.hasFin && !this.isFinSent);
    return this.isForgotten || (this.isClosed && !isSending);
  }

  /** Bytes of this connection that the peer's kernel has not confirmed. */
  get queueBytes(): number {
    this.confirm();
    return this.unconfirmed;
  }

  /** The process is gone: its kernel closes the connection, with a reset if something was not read. */
  abandon(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.unreadBytes > 0) {
      this.dropUnsent();
      this.sendReset();
    } else {
      this.hasFin = true;
      this.pump();
    }
  }

  /** The machine is gone, or something between the two has forgotten the connection. */
  forget(): void {
    this.isClosed = true;
    this.isForgotten = true;
    this.dropUnsent();
  }

  /** The connection breaks at this end, at any byte: of what has arrived a part may still be read. */
  reset(): void {
    if (this.isForgotten) return;
    this.isForgotten = true;
    this.dropUnsent();
    if (this.isClosed) return;
    const { random } = this.world;
    this.life.run(() => {
      if (this.isClosed) return;
      const rest = this.takeUnread(READ_BYTES_MAX);
      const length = random.below(rest.length + 1);
      if (length > 0 && !this.isPaused) this.hand(rest.subarray(0, length));
      if (!this.isClosed) this.close();
    });
  }

  /** The path is whole again, or the reader has made room. */
  pump(): void {
    if (this.isPumping || this.isForgotten || this.lostPieces > 0 || !this.link.isUp) return;
    if (this.peer.isForgotten || (this.peer.isClosed && this.unsentBytes > 0)) {
      if (this.unsentBytes + this.onLineBytes > 0 || this.hasFin) this.meetNobody();
      return;
    }
    const { world, link, peer } = this;
    const { time } = world;
    if (this.unsentBytes === 0) {
      if (this.hasFin && !this.isFinSent && this.onLineBytes === 0) this.sendFin();
      return;
    }
    const room = peer.buffers.receiveBytes - peer.unreadBytes - this.onLineBytes;
    if (room <= 0 || room < Math.min(this.unsentBytes, peer.buffers.receiveBytes * FREE_SHARE)) return;
    let bytes = Math.min(this.unsentBytes, room, Math.max(1, Math.ceil(link.bytesPerSec * PIECE_SEC)));
    if (bytes > 1 && world.random.chance(link.cutPercent)) bytes = 1 + world.random.below(bytes - 1);
    const piece = this.takeUnsent(bytes);
    this.onLineBytes += bytes;
    this.lineFreeUs = time.nowUs + (bytes / link.bytesPerSec) * 1e6;
    this.lastArrivalUs = Math.max(this.lastArrivalUs, this.lineFreeUs + this.delayUs());
    time.at(this.lastArrivalUs, () => this.arrive(piece));
    if (this.unsentBytes > 0 || this.hasFin) {
      this.isPumping = true;
      time.at(this.lineFreeUs, () => {
        this.isPumping = false;
        this.pump();
      });
    }
  }

  /** The path is whole again: after its next retransmission a kernel notices. */
  healed(): void {
    this.world.time.after(this.world.random.below(RETRANSMIT_US), () => {
      this.pump();
      this.armDrain();
    });
  }

  private arrive(piece: Buffer): void {
    if (this.isForgotten) return;
    const { world, link, peer } = this;
    this.onLineBytes -= piece.length;
    if (!link.isUp || this.lostPieces > 0) {
      // Lost, or of no use to the reader as long as one before it is: the kernel sends them all once more, in order.
      this.unsent.splice(this.lostPieces++, 0, piece);
      this.unsentBytes += piece.length;
      if (this.onLineBytes > 0) return;
      this.lostPieces = 0;
      if (link.isUp) this.pump();
      return;
    }
    if (peer.isForgotten || peer.isClosed) {
      this.meetNobody();
      return;
    }
    this.confirmations.push({ atUs: world.time.nowUs + link.latencyUs, bytes: piece.length });
    this.armDrain();
    if (!this.isSwallowing) {
      peer.unread.push(piece);
      peer.unreadBytes += piece.length;
      peer.read();
    }
    if (this.hasFin) this.pump();
  }

  /** There is no such connection at the other end: its machine says so, if it runs. */
  private meetNobody(): void {
    const { peer, world } = this;
    if (peer.isForgotten && !peer.hasMachine) return;
    world.time.after(this.delayUs(), () => {
      if (this.link.isUp) this.reset();
    });
  }

  /** Its machine runs, so it answers for connections that it does not know. */
  hasMachine = true;

  private sendFin(): void {
    this.isFinSent = true;
    const { time } = this.world;
    this.lastArrivalUs = Math.max(this.lastArrivalUs, time.nowUs + this.delayUs());
    time.at(this.lastArrivalUs, () => {
      if (this.isForgotten) return;
      if (!this.link.isUp) this.isFinSent = false;
      else if (!this.isSwallowing) {
        this.peer.finArrived = true;
        this.peer.read();
      }
    });
  }

  private sendReset(): void {
    this.isForgotten = true;
    const { peer } = this;
    if (!this.link.isUp || this.isSwallowing) return;
    this.world.time.after(this.delayUs(), () => {
      if (this.link.isUp) peer.reset();
    });
  }

  private delayUs(): number {
    return this.link.latencyUs + (this.link.jitterUs > 0 ? this.world.random.below(this.link.jitterUs) : 0);
  }

  /** Lets the agent read, in its turn. */
  read(): void {
    if (this.isReading || this.isPaused || this.isClosed) return;
    if (this.unreadBytes === 0 && (!this.finArrived || this.isFinRead)) return;
    this.isReading = true;
    this.life.run(() => {
      this.isReading = false;
      if (this.isPaused || this.isClosed) return;
      if (this.unreadBytes > 0) this.readChunk();
      else if (this.finArrived && !this.isFinRead) {
        this.isFinRead = true;
        this.events.end(this);
      }
    });
  }

  private readChunk(): void {
    const { world, peer } = this;
    const isSlow = Number.isFinite(this.readBytesPerSec);
    const chunk = this.takeUnread(isSlow ? Math.max(1, Math.floor(this.readBytesPerSec / 10)) : READ_BYTES_MAX);
    this.hand(chunk);
    world.time.after(0, () => peer.pump());
    if (this.unreadBytes === 0 && !this.finArrived) return;
    this.isReading = true;
    world.time.after(isSlow ? READ_STEP_US : 0, () => {
      this.isReading = false;
      this.read();
    });
  }

  private hand(chunk: Buffer): void {
    this.world.delivered(this, chunk);
    this.events.data(this, chunk);
  }

  /** Settles what has been confirmed by now. */
  private confirm(): void {
    const { confirmations } = this;
    const { nowUs } = this.world.time;
    let count = 0;
    for (; count < confirmations.length && confirmations[count]!.atUs <= nowUs; count++) {
      this.unconfirmed -= confirmations[count]!.bytes;
    }
    if (count > 0) confirmations.splice(0, count);
  }

  /** The agent is told when there is room again, and not for each byte: small pieces would beget small ones for ever. */
  private armDrain(): void {
    const next = this.confirmations[0];
    if (!this.wantsDrain || next === undefined) return;
    this.wantsDrain = false;
    this.world.time.at(next.atUs, () => {
      if (this.isClosed) return;
      this.confirm();
      if (this.buffers.sendBytes - this.unconfirmed < this.buffers.sendBytes * FREE_SHARE) {
        this.wantsDrain = true;
        this.armDrain();
        return;
      }
      this.life.run(() => {
        if (!this.isClosed) this.events.drain(this);
      });
    });
  }

  private close(): void {
    this.isClosed = true;
    this.unread.length = 0;
    this.unreadBytes = 0;
    this.events.close(this);
  }

  private dropUnsent(): void {
    this.unsent.length = 0;
    this.unsentBytes = 0;
  }

  private takeUnsent(bytes: number): Buffer {
    this.unsentBytes -= bytes;
    return takeFrom(this.unsent, bytes);
  }

  private takeUnread(bytesMax: number): Buffer {
    const bytes = Math.min(this.unreadBytes, bytesMax);
    this.unreadBytes -= bytes;
    return takeFrom(this.unread, bytes);
  }
}

/** Before anybody owns it. */
const NOBODY: SocketOwner = { data() {}, drain() {}, end() {}, close() {} };
