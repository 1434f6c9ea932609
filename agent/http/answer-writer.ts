import { ByteBuffer } from "../format/byte-buffer.ts";
import { DECIMAL_BYTES_MAX, writeDecimal, writeFloat } from "../format/decimal.ts";
import { NUMBER_BYTES_MAX, writeInteger } from "../format/number-text.ts";

/** A piece is handed on when it has this size: some thousand numbers, well under a millisecond. */
const PIECE_BYTES = 65_536;
const encoder = new TextEncoder();
const NULL = "null";

/** Writes text and numbers into pieces of bytes. */
export class AnswerWriter {
  private readonly buffer = new ByteBuffer(4096);

  /** Appends text as UTF-8. */
  text(text: string): void {
    const { buffer } = this;
    buffer.reserve(3 * text.length);
    if (text.length < 16) {
      // Short texts are nearly always plain ASCII: separators, `null`.
      let end = buffer.length;
      let i = 0;
      for (; i < text.length; i++) {
        const code = text.charCodeAt(i);
        if (code > 0x7f) break;
        buffer.bytes[end++] = code;
      }
      if (i === text.length) {
        buffer.length = end;
        return;
      }
    }
    buffer.length += encoder.encodeInto(text, buffer.bytes.subarray(buffer.length)).written;
  }

  integer(value: number): void {
    this.buffer.reserve(NUMBER_BYTES_MAX);
    this.buffer.length = writeInteger(this.buffer.bytes, this.buffer.length, value);
  }

  /** @param isRaw a 32-bit float as it was stored; else a calculated double. What is not finite is `null`. */
  value(value: number, isRaw: boolean): void {
    if (!Number.isFinite(value)) {
      this.text(NULL);
      return;
    }
    const { buffer } = this;
    buffer.reserve(DECIMAL_BYTES_MAX);
    buffer.length = isRaw
      ? writeFloat(buffer.bytes, buffer.length, value)
      : writeDecimal(buffer.bytes, buffer.length, value);
  }

  /** True when there is enough for a piece. */
  get isFull(): boolean {
    return this.buffer.length >= PIECE_BYTES;
  }

  /** Everything written so far, given away. */
  take(): Uint8Array {
    return this.buffer.take();
  }
}
