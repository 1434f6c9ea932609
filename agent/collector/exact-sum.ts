import { DIGITS_EXACT_MAX, parseBigInteger, parseInteger } from "../base/number.ts";
import type { LazyChart } from "./lazy-chart.ts";

/** Adds counters exactly: in a number as long as that holds them, in a BigInt from then on. */
export class ExactSum {
  private small = 0;
  private big = 0n;

  reset(): void {
    this.small = 0;
    this.big = 0n;
  }

  /** Adds the decimal integer that fills `[start, end)`; anything else adds nothing. */
  addText(bytes: Uint8Array, start: number, end: number): void {
    if (end - start > DIGITS_EXACT_MAX) {
      this.big += parseBigInteger(bytes, start, end) ?? 0n;
      return;
    }
    const value = parseInteger(bytes, start, end);
    if (Number.isNaN(value)) return;
    this.small += value;
    if (Number.isSafeInteger(this.small)) return;
    this.big += BigInt(this.small - value) + BigInt(value);
    this.small = 0;
  }

  /** Sets the sum as a value of `chart`. */
  setOn(chart: LazyChart, index: number): void {
    if (this.big === 0n) chart.set(index, this.small);
    else chart.setBig(index, this.big + BigInt(this.small));
  }
}
