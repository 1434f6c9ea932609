/** Bytes that grow at the end: where formats write. Owned by one writer, emptied and reused, never given away. */
export class ByteBuffer {
  /** Replaced when it grows: read it anew after {@link reserve}. Only `[0, length)` has a meaning. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes. */
  view: DataView;
  length = 0;

  /** @param bytes room at the start. */
  constructor(bytes: number) {
    this.bytes = new Uint8Array(bytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `extra` more bytes behind {@link length}. */
  reserve(extra: number): void {
    const need = this.length + extra;
    if (need <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(need, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  /** @returns a copy of everything written; the buffer is empty then. */
  take(): Uint8Array<ArrayBuffer> {
    const copy = this.bytes.slice(0, this.length);
    this.length = 0;
    return copy;
  }
}
