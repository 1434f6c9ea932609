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

  /**
   * Appends one value of each column, each behind its separator: the hot loop of every table.
   * @param separators UTF-8, one a column. @param isRaw as for {@link value}.
   * @param nullToZero what is not finite is 0, not `null`. @param isAbsolute values are shown without their sign.
   */
  values(
    columns: readonly { readonly values: Float64Array }[],
    row: number,
    separators: readonly Uint8Array[],
    isRaw: boolean,
    nullToZero: boolean,
    isAbsolute: boolean,
  ): void {
    const { buffer } = this;
    for (let i = 0; i < columns.length; i++) {
      const separator = separators[i]!;
      buffer.reserve(separator.length + DECIMAL_BYTES_MAX);
      const { bytes } = buffer;
      let at = buffer.length;
      for (let k = 0; k < separator.length; k++) bytes[at++] = separator[k]!;
      let value = columns[i]!.values[row]!;
      if (isAbsolute) value = Math.abs(value);
      // Infinity less itself is not 0 either.
      if (value - value !== 0) at = nullToZero ? writeDecimal(bytes, at, 0) : writeNull(bytes, at);
      else at = isRaw ? writeFloat(bytes, at, value) : writeDecimal(bytes, at, value);
      buffer.length = at;
    }
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

function writeNull(bytes: Uint8Array, at: number): number {
  bytes[at] = 0x6e;
  bytes[at + 1] = 0x75;
  bytes[at + 2] = 0x6c;
  bytes[at + 3] = 0x6c;
  return at + 4;
}

/** UTF-8 of each text, for {@link AnswerWriter.values}. */
export function encodeEach(texts: readonly string[]): Uint8Array[] {
  return texts.map((text) => encoder.encode(text));
}
