import { ByteBuffer } from "../format/byte-buffer.ts";
import { DECIMAL_BYTES_MAX, writeDecimal, writeWhole } from "../format/decimal.ts";
import { type FloatStyle, writeFloat, writeFloatRow } from "../format/float-row.ts";
import type { QueryResult } from "../rrd/query.ts";
import type { DataStyle } from "./data-request.ts";

/** Bytes between two places to stop: some thousand numbers, well under a millisecond. */
const STOP_BYTES = 65_536;
/** A piece is handed on when it has this size: nearly every answer is one piece, and is never put together. */
const PIECE_BYTES = 524_288;
/** A buffer up to this size is kept for the next answer. */
const SPARE_BYTES_MAX = 1_048_576;
let spare: ByteBuffer | null = null;

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
  /** How floats are written, without separators. */
  readonly floats: FloatStyle;
  /** The same with the separator, if all of them are the same byte; else null. */
  readonly floatRow: FloatStyle | null;
}

/** What stands around the time and the values of each row. */
export interface RowFrame {
  readonly begin: Uint8Array;
  readonly afterTime: Uint8Array;
  readonly end: Uint8Array;
}

/** Writes text and numbers into pieces of bytes. Dispose it in the end: its buffer goes to the next one. */
export class AnswerWriter implements Disposable {
  private readonly buffer: ByteBuffer;
  /** Length of the buffer at which to stop next. */
  private stopBytes = STOP_BYTES;

  constructor() {
    this.buffer = spare ?? new ByteBuffer(4096);
    spare = null;
  }

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

  /** @param value a whole number, not negative. */
  integer(value: number): void {
    const { buffer } = this;
    buffer.reserve(DECIMAL_BYTES_MAX);
    buffer.length = writeWhole(buffer.view, buffer.length, value);
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
      ? writeFloat(buffer.view, buffer.length, value)
      : writeDecimal(buffer.view, buffer.length, value);
  }

  /**
   * Appends rows of a table, each in its frame and with its time in seconds: one, and more until it {@link isFull}.
   * @param from first row. @param to row behind the last one; lower than `from`: towards the older ones.
   * @returns the row to go on with; `to` when all are written.
   */
  timedRows(table: ValueTable, frame: RowFrame, timeOf: (row: number) => number, from: number, to: number): number {
    const step = from < to ? 1 : -1;
    let row = from;
    while (row !== to) {
      const { buffer } = this;
      buffer.reserve(DECIMAL_BYTES_MAX + frame.begin.length + frame.afterTime.length);
      const at = writeBytes(buffer.view, buffer.length, frame.begin);
      buffer.length = writeBytes(buffer.view, writeWhole(buffer.view, at, timeOf(row)), frame.afterTime);
      this.row(table, row);
      buffer.reserve(frame.end.length);
      buffer.length = writeBytes(buffer.view, buffer.length, frame.end);
      row += step;
      if (this.isFull) break;
    }
    return row;
  }

  /** Appends row `row` of a table: one value of each column, each behind its separator. The hot loop of answers. */
  row(table: ValueTable, row: number): void {
    const { buffer } = this;
    const count = table.values.length;
    for (let from = 0; from < count; from += COLUMNS_AT_ONCE) {
      buffer.reserve(COLUMNS_AT_ONCE * (DECIMAL_BYTES_MAX + table.separators.bytesMax));
      const to = Math.min(count, from + COLUMNS_AT_ONCE);
      buffer.length = writeCells(buffer.view, buffer.length, table, row, from, to);
    }
  }

  /** True at a place to stop. */
  get isFull(): boolean {
    return this.buffer.length >= this.stopBytes;
  }

  /** What to hand on at a place to stop: everything written so far, given away, or null while that is little. */
  piece(): Uint8Array<ArrayBuffer> | null {
    if (this.buffer.length >= PIECE_BYTES) return this.take();
    this.stopBytes = this.buffer.length + STOP_BYTES;
    return null;
  }

  /** Everything written so far, given away. */
  take(): Uint8Array<ArrayBuffer> {
    this.stopBytes = STOP_BYTES;
    return this.buffer.take();
  }

  [Symbol.dispose](): void {
    this.buffer.length = 0;
    if (this.buffer.bytes.length <= SPARE_BYTES_MAX) spare = this.buffer;
  }
}

/** Writes row `row` of the columns `[from, to)`. @returns end of the text. */
function writeCells(
  view: DataView,
  start: number,
  { values, separators, floats, floatRow, isRaw }: ValueTable,
  row: number,
  from: number,
  to: number,
): number {
  if (isRaw && floatRow !== null) return writeFloatRow(view, start, values, row, from, to, floatRow);
  let at = start;
  for (let i = from; i < to; i++) {
    at = writeBytes(view, at, separators.list[i]!);
    const value = values[i]![row]!;
    // Infinity less itself is not 0 either.
    if (isRaw || value - value !== 0) at = writeFloatRow(view, at, values, row, i, i + 1, floats);
    else at = writeDecimal(view, at, floats.isAbsolute ? Math.abs(value) : value);
  }
  return at;
}

function writeBytes(view: DataView, at: number, bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) view.setUint8(at + i, bytes[i]!);
  return at + bytes.length;
}

/** @param separators what stands before the value of each column. */
export function createTable(result: QueryResult, style: DataStyle, separators: readonly string[]): ValueTable {
  const list = separators.map((text) => encoder.encode(text));
  const floats = { separator: -1, nullToZero: style.nullToZero, isAbsolute: style.displayAbsolute };
  return {
    values: result.columns.map((column) => column.values),
    separators: { list, bytesMax: list.reduce((most, bytes) => Math.max(most, bytes.length), 0) },
    isRaw: result.isRaw,
    floats,
    floatRow: isOneByte(separators) ? { ...floats, separator: list[0]![0]! } : null,
  };
}

function isOneByte(separators: readonly string[]): boolean {
  const [first = ""] = separators;
  return first.length === 1 && first <= "\x7f" && separators.every((text) => text === first);
}

/** @param begin stands before the time. @param end behind the values. */
export function createFrame(begin: string, afterTime: string, end: string): RowFrame {
  return { begin: encoder.encode(begin), afterTime: encoder.encode(afterTime), end: encoder.encode(end) };
}
