import type { CapturedLine } from "./capture-stream.ts";
import { naiveWords } from "./naive-words.ts";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** A value that a recording names with its second. */
export interface RecordedPoint {
  chart: string;
  dimension: string;
  endSec: number;
  value: number;
  /** Null where only the final value is told. */
  collected: bigint | null;
}

/** Every value of a row that has an end, of charts and dimensions that are defined: recordings are cut in places. */
export function recordedPoints(lines: readonly CapturedLine[]): RecordedPoint[] {
  const points: RecordedPoint[] = [];
  const defined = new Set<string>();
  let row: RecordedPoint[] = [];
  let chart = "";
  let endSec = 0;
  for (const { bytes } of lines) {
    const [keyword = "", ...words] = naiveWords(bytes.toString("latin1")).filter((word) => !word.startsWith("SLOT:"));
    const [first = "", , third = ""] = words;
    if (["RBEGIN", "RDSTATE", "REND", "END2"].includes(keyword)) points.push(...row);
    if (!["RSET", "SET2"].includes(keyword)) row = [];
    if (["CHART", "BEGIN2", "RBEGIN"].includes(keyword)) chart = first || chart;
    if (keyword === "DIMENSION") defined.add(`${chart} ${first}`);
    if (["BEGIN2", "RBEGIN"].includes(keyword)) endSec = numberOf(third || "0");
    row.push(...valuesOf(keyword, words).map((value) => ({ chart, dimension: first, endSec, ...value })));
  }
  return points.filter((point) => point.endSec > 0 && defined.has(`${point.chart} ${point.dimension}`));
}

function valuesOf(keyword: string, words: string[]): Pick<RecordedPoint, "value" | "collected">[] {
  const [, second = "", third = ""] = words;
  if (words.includes("E")) return [];
  if (keyword === "RSET") return [{ value: numberOf(second), collected: null }];
  if (keyword !== "SET2") return [];
  const collected = integerOf(second);
  return [{ value: third === "#" ? Number(collected) : numberOf(third), collected }];
}

/** A number as netdata 2.x writes it (streaming.md §6), read in the plainest way. */
function numberOf(word: string): number {
  if (word.startsWith("#")) return Number(integerOf(word));
  if (!word.startsWith("@")) return Number(word);
  const bits = new DataView(new ArrayBuffer(8));
  bits.setBigUint64(0, integerOf(`#${word.slice(1)}`));
  return bits.getFloat64(0);
}

function integerOf(word: string): bigint {
  if (word.startsWith("-")) return -integerOf(word.slice(1));
  if (!word.startsWith("#")) return BigInt(word);
  return [...word.slice(1)].reduce((sum, digit) => 64n * sum + BigInt(DIGITS.indexOf(digit)), 0n);
}
