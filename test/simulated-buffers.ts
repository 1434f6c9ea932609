/** Buffers of one size that are kept for the next file: more than a disk gives up at a time are not worth it. */
const KEPT_MAX = 8;
/** Smaller ones cost nothing to make. */
const BYTES_MIN = 65_536;

/**
 * Large buffers that nobody uses any more. Memory that is given back and taken anew is brought in by the kernel page by
 * page, which costs a simulated disk, whose files are written whole every 20 seconds, more than all that it does else.
 */
export class BufferPool {
  private readonly free = new Map<number, Uint8Array<ArrayBuffer>[]>();

  /** A buffer of so many bytes; what is in it is anything. */
  take(bytes: number): Uint8Array<ArrayBuffer> {
    return this.free.get(bytes)?.pop() ?? new Uint8Array(bytes);
  }

  /** @param buffer whole; nobody may look at it again. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.length < BYTES_MIN || buffer.length !== buffer.buffer.byteLength) return;
    const same = this.free.get(buffer.length) ?? [];
    if (same.length >= KEPT_MAX) return;
    same.push(buffer);
    this.free.set(buffer.length, same);
  }
}
