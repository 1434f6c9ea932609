import { ByteBuffer } from "../format/byte-buffer.ts";
import { DECIMAL_BYTES_MAX, writeDecimal, writeFloat, writeWhole } from "../format/decimal.ts";
import type { QueryResult } from "../rrd/query.ts";
import type { DataStyle } from "./data-request.ts";

/** A piece is handed on when it has this size: some thousand numbers, well under a millisecond. */
const PIECE_BYTES = 65_536;
const encoder = new TextEncoder();
const NULL = "null";

/** Columns written between two looks at the room in the buffer. */
const COLUMNS_AT_ONCE = 16;

/** Columns of values, ready to be written row by row. */
export interface ValueTable {
  /** One array a column; NaN = no value. */
  readonly values: readonly Float64Array[];
  readonly separators: { readonly list: readonly Uint8Array[]; readonly bytesMax: number };
  /** As for {@link AnswerWriter.value}. */
  readonly isRaw: boolean;
  /** No value is shown as 0, not as `null`. */
  readonly nullToZero: boolean;
  /** Values are shown without their sign. */
  readonly isAbsolute: boolean;
}

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

  /** @param value a whole number. */
  integer(value: number): void {
    const { buffer } = this;
    buffer.reserve(DECIMAL_BYTES_MAX);
    buffer.length = writeDecimal(buffer.bytes, buffer.length, value);
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

  /** Appends row `row` of a table: one value of each column, each behind its separator. The hot loop of answers. */
  row(table: ValueTable, row: number): void {
    const { values, separators } = table;
    for (let from = 0; from < values.length; from += COLUMNS_AT_ONCE) {
      const to = Math.min(values.length, from + COLUMNS_AT_ONCE);
      this.buffer.reserve(COLUMNS_AT_ONCE * (DECIMAL_BYTES_MAX + separators.bytesMax));
      const { bytes } = this.buffer;
      let at = this.buffer.length;
      for (let i = from; i < to; i++) {
        const separator = separators.list[i]!;
        for (let k = 0; k < separator.length; k++) bytes[at++] = separator[k]!;
        at = writeCell(bytes, at, values[i]![row]!, table);
      }
      this.buffer.length = at;
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

function writeCell(bytes: Uint8Array, at: number, value: number, table: ValueTable): number {
  // Infinity less itself is not 0 either.
  if (value - value !== 0) return table.nullToZero ? writeWhole(bytes, at, 0) : writeNull(bytes, at);
  const shown = table.isAbsolute ? Math.abs(value) : value;
  return table.isRaw ? writeFloat(bytes, at, shown) : writeDecimal(bytes, at, shown);
}

function writeNull(bytes: Uint8Array, at: number): number {
  bytes[at] = 0x6e;
  bytes[at + 1] = 0x75;
  bytes[at + 2] = 0x6c;
  bytes[at + 3] = 0x6c;
  return at + 4;
}

/** @param separators what stands before the value of each column. */
export function createTable(result: QueryResult, style: DataStyle, separators: readonly string[]): ValueTable {
  const list = separators.map((text) => encoder.encode(text));
  return {
    values: result.columns.map((column) => column.values),
    separators: { list, bytesMax: list.reduce((most, bytes) => Math.max(most, bytes.length), 0) },
    isRaw: result.isRaw,
    nullToZero: style.nullToZero,
    isAbsolute: style.displayAbsolute,
  };
}
