import { ValueSteps } from "./value-steps.ts";

/**
 * Values that the parent has, and the end of the path perhaps not yet. What the end has not got when the rings on the
 * way to it do not hold it any more is never confirmed. Times are monotonic ms.
 */
export class UnconfirmedValues {
  /** Of this connection. */
  private readonly steps = new ValueSteps();
  /** Of earlier ones; their positions go on from one connection to the next. */
  private readonly earlier = new ValueSteps();
  private earlierBytes = 0;

  /** Values were delivered. @param end position behind them. @param sinceMs when the first may have been collected. */
  note(end: number, values: number, sinceMs: number, lastMs: number): void {
    this.steps.push(end, values, sinceMs, lastMs);
  }

  /**
   * The end has what it could still get of this connection.
   * @param endBytes up to this position. @param reachMs how old what it got may be. @returns values that are confirmed.
   */
  confirm(endBytes: number, nowMs: number, reachMs: number): number {
    let count = 0;
    while (count < this.steps.length && this.steps.endOf(count) <= endBytes) count++;
    return take(this.steps, count, nowMs - reachMs);
  }

  /** The same of all earlier connections. */
  confirmEarlier(nowMs: number, reachMs: number): number {
    return take(this.earlier, this.earlier.length, nowMs - reachMs);
  }

  /** The connection is over. */
  end(): void {
    const { steps, earlier } = this;
    const before = this.earlierBytes;
    for (let i = 0; i < steps.length; i++) {
      this.earlierBytes = before + steps.endOf(i);
      earlier.push(this.earlierBytes, steps.valuesOf(i), steps.sinceMsOf(i), steps.lastMsOf(i));
    }
    steps.clear();
  }

  /** Nobody waits for the end any more. @returns values of this connection that waited. */
  forget(): number {
    this.earlier.clear();
    return take(this.steps, this.steps.length, Number.NEGATIVE_INFINITY);
  }
}

/** Removes the oldest steps. @returns values of them that are not older than `oldestMs`, if they came evenly. */
function take(steps: ValueSteps, count: number, oldestMs: number): number {
  let values = 0;
  for (let i = 0; i < count; i++) {
    const sinceMs = steps.sinceMsOf(i);
    const lastMs = steps.lastMsOf(i);
    const share = sinceMs >= oldestMs ? 1 : Math.max(0, (lastMs - oldestMs) / (lastMs - sinceMs));
    values += Math.floor(steps.valuesOf(i) * share);
  }
  if (count > 0) steps.shift(count);
  return values;
}
