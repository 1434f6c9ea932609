import { decimalText, exactInteger, integerText } from "./decimal-text.ts";
import type { DimensionState, ReplayEnd } from "./stream-handler.ts";
import { CHART_ID_BYTES_MAX, cutUtf8, DIMENSION_TEXT_BYTES_MAX, plainText, wireChartId, wireId } from "./wire-text.ts";

/** Words of a TRIBUTARY line, and bytes of each: whoever reads commands takes lines of 1000 bytes. */
const EXTENSION_WORDS_MAX = 19;
const EXTENSION_WORD_BYTES_MAX = 300;

/** The line that ends a definition and offers its history. @param firstSec oldest and newest point, 0 = none. */
export function definitionEndLine(firstSec: number, lastSec: number, nowSec: number): string {
  return `CHART_DEFINITION_END ${integerText(firstSec)} ${integerText(lastSec)} ${integerText(nowSec)}\n`;
}

/** The line with which a parent asks for the history in (after, before]. */
export function replayChartLine(
  chartId: string,
  startsStreaming: boolean,
  afterSec: number,
  beforeSec: number,
): string {
  const id = wireId(chartId, CHART_ID_BYTES_MAX);
  return `REPLAY_CHART "${id}" "${startsStreaming}" ${integerText(afterSec)} ${integerText(beforeSec)}\n`;
}

/** The line that begins an answer. */
export function replayBeginLine(chartId: string): string {
  return `RBEGIN "${wireChartId(chartId)}"\n`;
}

/** The line that begins a row; its RSETs follow. */
export function replayRowLine(startSec: number, endSec: number, nowSec: number): string {
  return `RBEGIN '' ${integerText(startSec)} ${integerText(endSec)} ${integerText(nowSec)}\n`;
}

/** What an RSET of a dimension begins with: made once, as there is a line of it for every second. */
export function replaySetHead(dimensionId: string): string {
  return `RSET "${wireId(dimensionId, DIMENSION_TEXT_BYTES_MAX)}" `;
}

/** @param head from {@link replaySetHead}. @param value final, NaN = empty. */
export function replaySetLine(head: string, value: number, isReset: boolean): string {
  if (!Number.isFinite(value)) return `${head}NAN "E"\n`;
  return `${head}${decimalText(value)} "${isReset ? "R" : ""}"\n`;
}

/**
 * What a dimension is like when values as they are collected follow. NaN of its doubles is written as 0.
 * @param isTributary the parent is an agent of our kind: it is told all of it.
 */
export function dimensionStateLine(dimensionId: string, state: DimensionState, isTributary: boolean): string {
  const id = wireId(dimensionId, DIMENSION_TEXT_BYTES_MAX);
  const { collectedUs, collected, rest, calculated, stored, collections, isWide } = state;
  const doubles = `${decimalText(finite(calculated))} ${decimalText(finite(stored))}`;
  const more = isTributary ? ` ${collections} ${Number(isWide)}` : "";
  return `RDSTATE "${id}" ${integerText(collectedUs)} ${exactInteger(collected, rest)} ${doubles}${more}\n`;
}

/** What the chart is like then. */
export function chartStateLine(collectedUs: number, updatedUs: number): string {
  return `RSSTATE ${integerText(collectedUs)} ${integerText(updatedUs)}\n`;
}

/** The line that ends an answer. */
export function replayEndLine(end: ReplayEnd): string {
  const { updateEverySec, firstSec, lastSec, isStreaming, afterSec, beforeSec, senderNowSec } = end;
  const held = `${integerText(updateEverySec)} ${integerText(firstSec)} ${integerText(lastSec)}`;
  const asked = `${integerText(afterSec)} ${integerText(beforeSec)} ${integerText(senderNowSec)}`;
  return `REND ${held} ${isStreaming} ${asked}\n`;
}

/** A line that only agents of our kind understand; send it to no other. @param words at most 19 are sent. */
export function extensionLine(words: readonly string[]): string {
  let text = "TRIBUTARY";
  for (const word of words.slice(0, EXTENSION_WORDS_MAX)) {
    text += ` "${cutUtf8(plainText(word), EXTENSION_WORD_BYTES_MAX)}"`;
  }
  return `${text}\n`;
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}
