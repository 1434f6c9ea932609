/** Which of a segment's columns, or chart records, are in use. */
export class ColumnPool {
  private readonly size: number;
  private readonly freed: number[] = [];
  private next = 0;

  constructor(size: number) {
    this.size = size;
  }

  get inUse(): number {
    return this.next - this.freed.length;
  }

  get free(): number {
    return this.size - this.inUse;
  }

  /** All that were ever in use are below this. */
  get end(): number {
    return this.next;
  }

  /** @returns up to `count`, side by side where that is possible. */
  take(count: number): number[] {
    const fresh = this.size - this.next;
    const taken = fresh >= count ? [] : this.takeFreedRun(count);
    while (taken.length < count && this.next < this.size) taken.push(this.next++);
    while (taken.length < count && this.freed.length > 0) taken.push(this.freed.pop()!);
    return taken;
  }

  give(index: number): void {
    this.freed.push(index);
  }

  /** Takes the ones that a catalogue names into use, all at once, in an unused pool. */
  occupy(indexes: ReadonlySet<number>): void {
    this.next = Math.max(0, ...[...indexes].map((index) => index + 1));
    this.freed.length = 0;
    for (let index = 0; index < this.next; index++) if (!indexes.has(index)) this.freed.push(index);
  }

  /** @returns a run of `count` freed ones, or none. */
  private takeFreedRun(count: number): number[] {
    this.freed.sort((a, b) => a - b);
    const at = this.freed.findIndex((index, position) => this.freed[position + count - 1] === index + count - 1);
    return at < 0 ? [] : this.freed.splice(at, count);
  }
}
