import { type CollectedRow, WIDE_FROM } from "./collected-row.ts";

/** A {@link CollectedRow} that this agent fills itself, dimension by dimension: local collectors, tests. */
export class ValueRow implements CollectedRow {
  values = new Float64Array(4);
  residuals: Float64Array | null = null;
  sets = new Uint8Array(4);
  setCount = 0;
  wide = false;
  readonly complete = false;
  readonly raw = null;
  readonly rawStart = 0;
  readonly rawEnd = 0;

  /** Makes room for `count` dimensions. */
  reserve(count: number): void {
    if (count <= this.values.length) return;
    const values = new Float64Array(2 * count);
    values.set(this.values);
    this.values = values;
    const sets = new Uint8Array(2 * count);
    sets.set(this.sets);
    this.sets = sets;
    if (this.residuals !== null) this.residuals = new Float64Array(2 * count);
  }

  /** @param value an integer of at most 53 bits. */
  set(index: number, value: number): void {
    this.values[index] = value;
    if (this.sets[index]! < 255) this.sets[index] = this.sets[index]! + 1;
    this.setCount++;
  }

  /** @param value any 64-bit integer, exact. */
  setExact(index: number, value: bigint): void {
    const signed = BigInt.asIntN(64, value);
    const rounded = Number(signed);
    this.set(index, rounded);
    if (Math.abs(rounded) < WIDE_FROM) return;
    this.residuals ??= new Float64Array(this.values.length);
    this.residuals[index] = Number(signed - BigInt(rounded));
    this.wide = true;
  }

  /** Ready for the next iteration. */
  clear(): void {
    this.sets.fill(0);
    this.setCount = 0;
    this.wide = false;
  }
}
