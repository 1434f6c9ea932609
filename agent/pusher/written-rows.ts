/**
 * What was written on one connection so far: a row is an iteration (BEGIN to END), a point (BEGIN2 to END2) or one time
 * of a replay (an RBEGIN with times), its values are its SET, SET2 or RSET lines. The parent counts the same.
 */
export class WrittenRows {
  rows = 0;
  values = 0;

  /** Whole rows were appended. */
  add(rows: number, values: number): void {
    this.rows += rows;
    this.values += values;
  }

  /** Another connection, or what was appended has been thrown away. */
  reset(): void {
    this.rows = 0;
    this.values = 0;
  }
}
