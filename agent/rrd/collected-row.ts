/**
 * The collected values of one iteration (BEGIN…END) of one chart, by dimension position. Owned by whoever collects
 * (a decoder, a local chart) and reused for the next iteration: a reader must not keep it.
 */
export interface CollectedRow {
  /** Collected integers as doubles; valid where the dimension was SET. */
  readonly values: Float64Array;
  /** Exact integer − `values[i]`; counts only where |values[i]| ≥ 2⁵³. Null until a value needed it. */
  readonly residuals: Float64Array | null;
  /** SETs of each dimension in this iteration, saturating at 255; not filled in when {@link complete}. */
  readonly sets: Uint8Array;
  /** Every dimension of the chart was SET exactly once. */
  readonly complete: boolean;
  /** SETs in all, repeated ones included. */
  readonly setCount: number;
  /** At least one value needed more than 53 bits: see {@link residuals}. */
  readonly wide: boolean;
  /**
   * The bytes of this iteration as they came, from the first SET to the newline of END, in a form that every
   * receiver takes; null when they may not be passed on as they are. Borrowed from the socket: copy within the call.
   */
  readonly raw: Uint8Array | null;
  readonly rawStart: number;
  readonly rawEnd: number;
}

/** Doubles count integers exactly below this. */
export const WIDE_FROM = 2 ** 53;

/** The exact 64-bit value of dimension `index`. */
export function exactValue(row: Pick<CollectedRow, "values" | "residuals">, index: number): bigint {
  const value = row.values[index]!;
  if (row.residuals === null || Math.abs(value) < WIDE_FROM) return BigInt(value);
  return BigInt(value) + BigInt(row.residuals[index]!);
}
