import { decimalText, exactInteger, integerText } from "./decimal-text.ts";
import { DIMENSION_TEXT_BYTES_MAX, wireChartId, wireId } from "./wire-text.ts";

/** The line that ends a final point. */
export const FINAL_END_LINE = "END2\n";

/** The line that begins a final point of a chart (streaming.md §6). */
export function finalBeginLine(chartId: string, updateEverySec: number, endSec: number, nowSec: number): string {
  const now = nowSec === endSec ? "#" : hexadecimal(nowSec, 0);
  return `BEGIN2 "${wireChartId(chartId)}" ${hexadecimal(updateEverySec, 0)} ${hexadecimal(endSec, 0)} ${now}\n`;
}

/** What a SET2 of a dimension begins with. */
export function finalSetHead(dimensionId: string): string {
  return `SET2 "${wireId(dimensionId, DIMENSION_TEXT_BYTES_MAX)}" `;
}

/**
 * One dimension of a final point; one without a value is not sent.
 * @param head from {@link finalSetHead}. @param collected for information, with what it lacks above 2⁵³.
 */
export function finalSetLine(head: string, collected: number, rest: number, value: number, isReset: boolean): string {
  const isSame = value === collected && rest === 0 && integerText(value) === decimalText(value);
  return `${head}${hexadecimal(collected, rest)} ${isSame ? "#" : decimalText(value)} ${isReset ? "R" : "A"}\n`;
}

/** As netdata 2.x writes integers where the base-64 form was not agreed. */
function hexadecimal(value: number, rest: number): string {
  if (rest === 0 && Number.isSafeInteger(value)) {
    return `${value < 0 ? "-" : ""}0x${Math.abs(value).toString(16).toUpperCase()}`;
  }
  const exact = exactInteger(value, rest);
  const magnitude = exact < 0n ? -exact : exact;
  return `${exact < 0n ? "-" : ""}0x${magnitude.toString(16).toUpperCase()}`;
}
