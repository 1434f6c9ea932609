import { assert } from "./assert.ts";
import type { StreamSocket } from "./stream-socket.ts";

/** Capacity a buffer starts with once it is used: one second of a small host. */
const CAPACITY_FIRST_BYTES = 8192;
/** Room behind the tail for writers that write whole words and correct the tail afterwards. */
const OVERSHOOT_BYTES = 8;
/** Capacity above the limit, so that pending bytes are rarely moved to the front even in a nearly full buffer. */
const CAPACITY_PER_LIMIT = 1.25;

/**
 * Bytes on their way to one socket, in order. Writers {@link reserve} room, write at {@link tail} and move it on;
 * {@link flush} offers everything to the kernel at once. It grows from nothing as far as its limit of pending bytes
 * asks for, and {@link relax} gives memory back.
 */
export class SendBuffer {
  /** Replaced when it grows: read it anew after each {@link reserve}. */
  bytes: Buffer = Buffer.alloc(0);
  /** Over {@link bytes}. */
  view = new DataView(new ArrayBuffer(0));
  /** Where the next byte goes. */
  tail = 0;
  private head = 0;
  /** Bytes of the stream before `bytes[0]`. */
  private passed = 0;
  private limitBytes: number;
  private peakBytes = 0;

  /** @param limitBytes most pending bytes; a single piece above it is taken only by an empty buffer. */
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes the kernel has not taken. */
  get pendingBytes(): number {
    return this.tail - this.head;
  }

  /** Bytes appended since {@link clear}. */
  get appendedBytes(): number {
    return this.passed + this.tail;
  }

  /** Bytes taken by the kernel since {@link clear}. */
  get takenBytes(): number {
    return this.passed + this.head;
  }

  get capacityBytes(): number {
    return this.bytes.length;
  }

  /** Pending bytes already above a lower limit stay. */
  setLimit(limitBytes: number): void {
    this.limitBytes = limitBytes;
  }

  /**
   * Makes room for `count` bytes at {@link tail}, and 8 more that may be overwritten.
   * @returns false, and changes nothing, when that would pass the limit.
   */
  reserve(count: number): boolean {
    const pending = this.tail - this.head;
    if (pending + count > this.limitBytes && pending > 0) return false;
    if (this.tail + count + OVERSHOOT_BYTES > this.bytes.length) this.makeRoom(pending, count + OVERSHOOT_BYTES);
    return true;
  }

  /** Copies `bytes` in. @returns false, and copies nothing, when that would pass the limit. */
  append(bytes: Uint8Array): boolean {
    if (!this.reserve(bytes.length)) return false;
    this.bytes.set(bytes, this.tail);
    this.tail += bytes.length;
    return true;
  }

  /** Offers pending bytes to the kernel once. Call it after a batch and from `drain`; never in a loop. */
  flush(socket: Pick<StreamSocket, "write">): "empty" | "blocked" | "closed" {
    const pending = this.tail - this.head;
    if (pending === 0) return "empty";
    if (pending > this.peakBytes) this.peakBytes = pending;
    const taken = socket.write(this.bytes, this.head, pending);
    if (taken < 0) return "closed";
    assert(taken <= pending, "a socket took more bytes than it was offered");
    this.head += taken;
    if (this.head < this.tail) return "blocked";
    this.passed += this.tail;
    this.head = 0;
    this.tail = 0;
    return "empty";
  }

  /** Throws everything away; counting begins anew. */
  clear(): void {
    this.head = 0;
    this.tail = 0;
    this.passed = 0;
  }

  /** Gives memory back that was not needed since the last call. Call it once a minute or so. */
  relax(): void {
    const wanted = Math.max(CAPACITY_FIRST_BYTES, 2 * this.peakBytes);
    if (this.head === this.tail && this.bytes.length > 2 * wanted) this.replace(wanted);
    this.peakBytes = this.tail - this.head;
  }

  /** Moves pending bytes to the front if that gains enough, else into a larger buffer. */
  private makeRoom(pending: number, count: number): void {
    const capacity = this.bytes.length;
    const isWorthMoving = 4 * this.head >= capacity && pending + count <= capacity;
    const doubled = Math.min(2 * capacity, Math.ceil(this.limitBytes * CAPACITY_PER_LIMIT));
    const wanted = Math.max(CAPACITY_FIRST_BYTES, pending + count, doubled);
    if (!isWorthMoving && wanted > capacity) this.replace(wanted);
    else {
      this.bytes.copyWithin(0, this.head, this.tail);
      this.moveToFront(pending);
    }
  }

  private replace(capacity: number): void {
    const pending = this.tail - this.head;
    const bytes = Buffer.allocUnsafeSlow(capacity);
    this.bytes.copy(bytes, 0, this.head, this.tail);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.moveToFront(pending);
  }

  private moveToFront(pending: number): void {
    this.passed += this.head;
    this.head = 0;
    this.tail = pending;
  }
}
