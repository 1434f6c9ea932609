const LETTER_E = 0x45;
const LETTER_R = 0x52;

/** Flags of RSET and SET2: the point has no value; its counter was reset. */
export const FLAG_EMPTY = LETTER_E;
export const FLAG_RESET = LETTER_R;

/** Final values of one time of one chart, by dimension position; reused for every row. */
export class FinalValues {
  values = new Float64Array(16);
  collected = new Float64Array(16);
  sets = new Uint8Array(16);
  setCount = 0;
  isReset = false;
  /** Dimensions there is room for. */
  count = 0;

  /** Nothing was SET yet. @param count dimensions of the chart. */
  clear(count: number): void {
    this.count = 0;
    this.widen(count);
    this.setCount = 0;
    this.isReset = false;
  }

  /** Makes room for dimensions that were defined since, none of them SET. */
  widen(count: number): void {
    const from = this.count;
    if (count <= from) return;
    if (count > this.values.length) this.grow(Math.max(count, 2 * this.values.length));
    this.values.fill(Number.NaN, from, count);
    this.collected.fill(0, from, count);
    this.sets.fill(0, from, count);
    this.count = count;
  }

  /** @param dimension there is room for. */
  set(dimension: number, value: number, collected: number): void {
    this.values[dimension] = value;
    this.collected[dimension] = collected;
    if (this.sets[dimension]! < 255) this.sets[dimension] = this.sets[dimension]! + 1;
    this.setCount++;
  }

  private grow(size: number): void {
    const { values, collected, sets } = this;
    this.values = new Float64Array(size);
    this.collected = new Float64Array(size);
    this.sets = new Uint8Array(size);
    this.values.set(values);
    this.collected.set(collected);
    this.sets.set(sets);
  }
}
