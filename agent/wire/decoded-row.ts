/**
 * The values of the open iteration of one connection, by dimension position; its shape is what the database takes.
 * Reused for every iteration.
 */
export class DecodedRow {
  values = new Float64Array(16);
  residuals: Float64Array | null = null;
  sets = new Uint8Array(16);
  complete = false;
  setCount = 0;
  wide = false;
  raw: Uint8Array | null = null;
  rawStart = 0;
  rawEnd = 0;

  /** Makes room for `count` dimensions; what was SET stays. */
  reserve(count: number): void {
    const size = this.values.length;
    if (count <= size) return;
    const next = Math.max(count, 2 * size);
    this.values = grown(this.values, new Float64Array(next));
    this.sets = grown(this.sets, new Uint8Array(next));
    if (this.residuals !== null) this.residuals = grown(this.residuals, new Float64Array(next));
  }

  /** Keeps a value that a double cannot hold exactly. */
  setWide(index: number, value: number, rest: number): void {
    this.residuals ??= new Float64Array(this.values.length);
    this.values[index] = value;
    this.residuals[index] = rest;
    this.wide = true;
  }
}

function grown<T extends Float64Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
