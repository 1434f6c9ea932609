import { startsWith } from "../base/fields.ts";
import type { Log } from "../base/log.ts";

/** Cycles an object may be missing before its charts become obsolete (collectors.md §0.1). */
export const VANISHED_CYCLES = 10;

/** A thing that has one line in a file: a disk, an interface, a mount. */
export interface RowObject {
  /** Its line has been missing for {@link VANISHED_CYCLES}: makes its charts obsolete and closes its files. */
  retire(): void;
}

interface Row<T> {
  /** Bytes from the start of the line to the byte behind the name. */
  prefix: Uint8Array;
  readonly object: T;
  seenCycle: number;
}

/**
 * Finds the object of a line by its first bytes. Lines keep their order from one read to the next, so each is compared
 * with the line that stood there last time; only on a miss a string is made and looked up.
 */
export class RowCache<T extends RowObject> {
  private readonly create: (key: string) => T;
  private readonly log: Log;
  private readonly what: string;
  private readonly rowsMax: number;
  private readonly rows = new Map<string, Row<T>>();
  private readonly order: Row<T>[] = [];
  private index = 0;
  private cycle = 0;
  private isFull = false;

  /** @param what plural noun for the log. @param rowsMax objects kept; further ones are left out and logged once. */
  constructor(what: string, rowsMax: number, log: Log, create: (key: string) => T) {
    this.what = what;
    this.rowsMax = rowsMax;
    this.log = log;
    this.create = create;
  }

  /** Objects known, seen in this pass or not. */
  get size(): number {
    return this.rows.size;
  }

  /** Starts a new pass over the lines. */
  begin(): void {
    this.cycle++;
    this.index = 0;
  }

  /** The object whose line stood here last time, if this line begins in the same way. */
  predict(bytes: Uint8Array, start: number): T | undefined {
    const row = this.order[this.index];
    if (row === undefined || !startsWith(bytes, start, row.prefix)) return undefined;
    this.index++;
    row.seenCycle = this.cycle;
    return row.object;
  }

  /**
   * Finds or creates the object by its key.
   * @param prefixEnd the byte behind the name's separator. @returns undefined when there are too many.
   */
  lookup(key: string, bytes: Uint8Array, start: number, prefixEnd: number): T | undefined {
    let row = this.rows.get(key);
    if (row === undefined) {
      if (this.rows.size >= this.rowsMax) return this.refuse();
      row = { prefix: new Uint8Array(0), object: this.create(key), seenCycle: 0 };
      this.rows.set(key, row);
    }
    row.prefix = Uint8Array.prototype.slice.call(bytes, start, prefixEnd);
    row.seenCycle = this.cycle;
    this.order[this.index++] = row;
    return row.object;
  }

  /** Ends the pass: retires what has been missing for long enough. */
  end(): void {
    if (this.order.length > this.index) this.order.length = this.index;
    if (this.rows.size <= this.index) return;
    for (const [key, row] of this.rows) {
      if (this.cycle - row.seenCycle < VANISHED_CYCLES) continue;
      row.object.retire();
      this.rows.delete(key);
    }
  }

  /** Everything known, seen in this pass or not. */
  *objects(): IterableIterator<T> {
    for (const row of this.rows.values()) yield row.object;
  }

  private refuse(): undefined {
    if (!this.isFull) this.log.warn("collector.objects_left_out", { what: this.what, limit: this.rowsMax });
    this.isFull = true;
    return undefined;
  }
}
