import type { IdOrder } from "./id-order.ts";

/** Longest predicted line head: a longer id takes the slow way. */
const HEAD_BYTES_MAX = 256;
/** `SET`, blanks, quotes and ` = ` around an id, with one byte to spare. */
const HEAD_OVERHEAD_BYTES = 10;
/** Bytes for ids of dimensions that were not defined on this connection. */
const UNSEEN_ID_BYTES = 22;
/** Tables looked through for dead ones at the earliest. */
const SWEEP_AT = 1024;

/**
 * Heads of lines, learned from the peer's own: everything in front of a value, `SET dim3 = ` or `BEGIN "system.cpu" `,
 * kept as 8-byte words, the last one overlapping. Comparing words checks keyword, quoting, id and spacing at once, and
 * exactly: text can never form two different bit patterns that are equal as doubles, because bytes 0 and 127 are not
 * learned (hot-path.md §2.6).
 */
export class HeadTable {
  /** Words of each head. */
  readonly width: number;
  readonly words: Float64Array;
  /** Bytes of each head; 0 = not learned. */
  readonly lengths: Uint16Array;
  /** Used by several charts: nobody changes it any more. */
  isShared = false;
  /** All learned heads are of a form that every receiver takes: the lines may be passed on as they are. */
  isForwardable = true;

  /** @param bytes of the longest head. */
  constructor(count: number, bytes: number) {
    this.width = Math.ceil(Math.min(HEAD_BYTES_MAX, bytes) / 8);
    this.words = new Float64Array(count * this.width);
    this.lengths = new Uint16Array(count);
  }

  /** Remembers `[start, end)` as head `index`. Too short, too long or odd heads are not learned. @returns success. */
  learn(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    const length = end - start;
    if (length > this.width * 8 || index >= this.lengths.length || !isLearnable(bytes, start, end)) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let word = index * this.width;
    for (let at = start; at < end - 8; at += 8) this.words[word++] = view.getFloat64(at, true);
    this.words[word] = view.getFloat64(end - 8, true);
    this.lengths[index] = length;
    return true;
  }

  /** True if head `index` stands at `at`. @param safe last position from which 8 bytes can be read. */
  matches(index: number, view: DataView, at: number, safe: number): boolean {
    const length = this.lengths[index]!;
    const last = at + length - 8;
    if (length === 0 || last > safe) return false;
    let word = index * this.width;
    for (let p = at; p < last; p += 8) if (view.getFloat64(p, true) !== this.words[word++]) return false;
    return view.getFloat64(last, true) === this.words[word];
  }

  /** @returns a table of its own with the same heads, or with room for more. */
  copy(count: number, bytes: number): HeadTable {
    const table = new HeadTable(count, Math.max(bytes, this.width * 8));
    table.isForwardable = this.isForwardable;
    const kept = Math.min(count, this.lengths.length);
    table.lengths.set(this.lengths.subarray(0, kept));
    if (table.width === this.width) {
      table.words.set(this.words.subarray(0, kept * this.width));
      return table;
    }
    for (let index = 0; index < kept; index++) {
      const from = index * this.width;
      table.words.set(this.words.subarray(from, from + this.width), index * table.width);
    }
    return table;
  }
}

/**
 * Equal tables of all connections as one: children of a kind write the same lines, and one table stays in the cache
 * where a thousand would not. Tables that no chart uses any more are forgotten.
 */
class SharedTables {
  /** By what charts with equal dimensions have in common: the table that was learned for one of them last. */
  readonly byShape = new WeakMap<object, HeadTable>();
  private readonly byHash = new Map<number, WeakRef<HeadTable>>();
  private sweepAt = SWEEP_AT;

  share(table: HeadTable): HeadTable {
    if (table.isShared) return table;
    const hash = Number(BigInt.asUintN(52, BigInt(Bun.hash(table.words, BigInt(Bun.hash(table.lengths))))));
    const known = this.byHash.get(hash)?.deref();
    if (known !== undefined && isEqual(known, table)) return known;
    table.isShared = true;
    if (known === undefined) this.byHash.set(hash, new WeakRef(table));
    if (this.byHash.size >= this.sweepAt) this.sweep();
    return table;
  }

  private sweep(): void {
    for (const [hash, reference] of this.byHash) if (reference.deref() === undefined) this.byHash.delete(hash);
    this.sweepAt = Math.max(SWEEP_AT, 2 * this.byHash.size);
  }
}

const sharedTables = new SharedTables();

const NO_HEADS = new HeadTable(0, 0);
NO_HEADS.isShared = true;

/** A chart as one connection knows it; `handle` is the receiver's. */
export class WireChart<Chart> {
  readonly handle: Chart;
  /** Heads of its SET lines, by dimension. */
  heads = NO_HEADS;
  /** Dimensions of the chart. */
  count = 0;
  /**
   * Head of its BEGIN line in {@link BeginHeads}: place, −1 = none yet; room in words; length in bytes, 0 = not
   * learned.
   */
  beginAt = -1;
  readonly beginWords: number;
  beginLength = 0;
  /** The chart whose BEGIN followed the END of this one last time. */
  next: WireChart<Chart> | null = null;
  /** Longest dimension id defined on this connection, in bytes. */
  idBytesMax = 0;
  /** Ids in the order of its SET2 lines; null as long as none came. */
  ids: IdOrder | null = null;
  /** By dimension + 1, 0 = before the first: the dimension that followed last time. Null: always the next one. */
  private successors: Uint16Array | null = null;

  /** @param id its id on the wire. */
  constructor(handle: Chart, id: string) {
    this.handle = handle;
    this.beginWords = Math.ceil(Math.min(HEAD_BYTES_MAX, Buffer.byteLength(id) + HEAD_OVERHEAD_BYTES) / 8);
  }

  /** Makes room for `count` dimensions; what was learned stays. */
  reserve(count: number): void {
    this.count = count;
    const idBytes = this.idBytesMax === 0 ? UNSEEN_ID_BYTES : this.idBytesMax;
    const bytes = idBytes + HEAD_OVERHEAD_BYTES;
    const fits = bytes <= this.heads.width * 8 || this.heads.width * 8 >= HEAD_BYTES_MAX;
    if (count > this.heads.lengths.length || !fits) this.heads = this.heads.copy(count, bytes);
  }

  /** The next BEGIN takes the slow way, which makes room for the dimensions that there are by then. */
  forgetBegin(): void {
    this.beginLength = 0;
  }

  /** @returns false if this head is known already. */
  learn(dimension: number, bytes: Buffer, start: number, end: number): boolean {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const isKnown = this.heads.lengths[dimension] === end - start;
    if (isKnown && this.heads.matches(dimension, view, start, end - 8)) return false;
    if (this.heads.isShared) this.heads = this.heads.copy(this.count, 0);
    this.heads.learn(dimension, bytes, start, end);
    return true;
  }

  /**
   * A chart that is new to its connection takes what a chart of the same shape taught us, here or on any connection:
   * children of a kind write the same lines. Where it does not fit, the lines are learned as ever.
   */
  adopt(shape: object, count: number): void {
    const table = sharedTables.byShape.get(shape);
    if (table !== undefined && table.lengths.length === count) this.heads = table;
  }

  /** Shares the table if every head is learned. Worth a call when an iteration was learned from. */
  settle(shape: object): void {
    if (this.heads.lengths.includes(0)) return;
    this.heads = sharedTables.share(this.heads);
    sharedTables.byShape.set(shape, this.heads);
  }

  /** Nothing was learned or adopted yet. */
  get isNew(): boolean {
    return this.heads === NO_HEADS;
  }

  /** The dimension to try first when the one after `dimension − 1` did not come. */
  successor(dimension: number): number {
    return this.successors?.[dimension] ?? dimension;
  }

  setSuccessor(dimension: number, next: number): void {
    if (this.successors === null || this.successors.length <= this.count) {
      if (dimension === next) return;
      const old = this.successors;
      this.successors = Uint16Array.from({ length: this.count + 1 }, (_, index) => old?.[index] ?? index);
    }
    this.successors[dimension] = next;
  }
}

/** Long enough to compare as words, and without the bytes that could form patterns equal as doubles. */
export function isLearnable(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < 8) return false;
  for (let at = start; at < end; at++) if (bytes[at] === 0 || bytes[at] === 127) return false;
  return true;
}

function isEqual(a: HeadTable, b: HeadTable): boolean {
  if (a.isForwardable !== b.isForwardable || a.width !== b.width || a.lengths.length !== b.lengths.length) return false;
  return (
    a.words.every((word, index) => word === b.words[index]) && a.lengths.every((n, index) => n === b.lengths[index])
  );
}
