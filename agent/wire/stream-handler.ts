import type { DecodedRow } from "./decoded-row.ts";

/** A CHART line; empty strings are absent fields, numbers absent or unreadable are 0. */
export interface ChartLine {
  id: string;
  name: string;
  title: string;
  units: string;
  family: string;
  context: string;
  chartType: string;
  priority: number;
  updateEverySec: number;
  options: string;
  plugin: string;
  module: string;
}

/** A DIMENSION line. */
export interface DimensionLine {
  id: string;
  name: string;
  algorithm: string;
  multiplier: number;
  divisor: number;
  options: string;
}

/** Most labels of one host or one chart; further ones count as malformed. */
export const LABELS_MAX = 100;

/** A label of a host or a chart; name and value are of bounded length. */
export interface Label {
  readonly name: string;
  readonly value: string;
  /** Where it comes from, as bits: 1 the agent, 2 configuration, 4 Kubernetes, 8 cloud. */
  readonly source: number;
}

/** One replayed time of a chart, RBEGIN and its RSETs; reused: valid during the call. */
export interface ReplayRow {
  /** The values are those of this interval, shown at its end; start < end. */
  readonly startSec: number;
  readonly endSec: number;
  /** The sender's clock; 0 = not said. */
  readonly senderNowSec: number;
  /** Final values by dimension position, NaN = empty. The arrays may be longer than the chart is wide. */
  readonly values: Float64Array;
  /** How often each dimension was named by an RSET, empty ones included; at most 255. */
  readonly sets: Uint8Array;
  /** RSETs of the row. */
  readonly setCount: number;
  /** Some counter of the row was reset. */
  readonly isReset: boolean;
}

/** What a dimension was like when its sender had written the last replayed row (RDSTATE). */
export interface DimensionState {
  /** When it was collected last, µs; 0 = never. */
  readonly collectedUs: number;
  /** Last collected value, and what a double lacks of it above 2⁵³. */
  readonly collected: number;
  readonly rest: number;
  /** Last value after the algorithm, and last value stored; NaN = none. */
  readonly calculated: number;
  readonly stored: number;
  /** Times it was collected, as far as that matters: 0, 1, 2 = more. Only agents of our kind say it. */
  readonly collections: number;
  /** The counter was seen to need more than 32 bits; likewise. */
  readonly isWide: boolean;
}

/** The end of an answer to REPLAY_CHART (REND). */
export interface ReplayEnd {
  readonly updateEverySec: number;
  /** Oldest and newest point that the sender has; 0 = none. */
  readonly firstSec: number;
  readonly lastSec: number;
  /** Values as they are collected follow from now on. */
  readonly isStreaming: boolean;
  /** The range that was answered. */
  readonly afterSec: number;
  readonly beforeSec: number;
  /** The sender's clock; 0 = not said. */
  readonly senderNowSec: number;
}

/** One final point of a chart, BEGIN2 to END2; reused: valid during the call. */
export interface FinalRow {
  readonly endSec: number;
  readonly updateEverySec: number;
  readonly senderNowSec: number;
  /** Final values by dimension position, NaN = none. The arrays may be longer than the chart is wide. */
  readonly values: Float64Array;
  /** Collected values, for information: what a double does not hold is rounded. */
  readonly collected: Float64Array;
  /** How often each dimension was named by a SET2; at most 255. */
  readonly sets: Uint8Array;
  /** SET2s of the row. */
  readonly setCount: number;
  /** Some counter of the row was reset. */
  readonly isReset: boolean;
}

/** Why a line, or a value, could not be used. */
export type LineProblem = "unknown" | "malformed" | "no_chart" | "no_dimension";

/**
 * What a stream of lines means to whoever receives it. `Chart` is the receiver's own handle of a chart.
 * Called from inside {@link StreamDecoder.feed}; must not throw.
 */
export interface StreamHandler<Chart> {
  /** @returns the chart, or null to ignore it and all up to the next CHART or BEGIN. */
  defineChart(line: ChartLine): Chart | null;
  /** @returns its position in the chart, or −1 to ignore it. */
  defineDimension(chart: Chart, line: DimensionLine): number;
  /** The chart of a BEGIN that is not known on this connection yet. */
  findChart(id: string): Chart | null;
  dimensionCount(chart: Chart): number;
  /** An object that charts with equal dimensions share, as far as is known. Called when its first values come. */
  shape(chart: Chart): object;
  /** Position of a dimension in its chart, or −1. */
  dimensionIndex(chart: Chart, id: string): number;
  /**
   * One whole iteration, in the order of the wire.
   * @param row valid during the call. @param givenUs what BEGIN said, 0 if nothing usable. @param nowUs as given to
   * feed.
   */
  commit(chart: Chart, row: DecodedRow, givenUs: number, nowUs: number): void;
  /** @param chart the open or last defined chart for a chart variable, null for a host variable. */
  setVariable(chart: Chart | null, name: string, value: number): void;
  /** OVERWRITE labels: the whole set of the host, in place of the one before; at most {@link LABELS_MAX}. */
  setLabels(labels: readonly Label[]): void;
  /** CLABEL_COMMIT: the whole set of a chart. */
  setChartLabels(chart: Chart, labels: readonly Label[]): void;
  /**
   * CHART_DEFINITION_END: the definition is whole, and its sender waits to be asked for its history.
   * @param firstSec its oldest point, and `lastSec` its newest; 0 = none. @param senderNowSec its clock.
   */
  definitionEnd(chart: Chart, firstSec: number, lastSec: number, senderNowSec: number, nowUs: number): void;
  /** A replayed row is whole: once per RBEGIN with times, at the next RBEGIN, RDSTATE, RSSTATE or REND. */
  replay(chart: Chart, row: ReplayRow, nowUs: number): void;
  /** RDSTATE, when values as they are collected are about to follow. @param state valid during the call. */
  dimensionState(chart: Chart, dimension: number, state: DimensionState): void;
  /** RSSTATE: when the chart was collected last, and the newest boundary it has passed. */
  chartState(chart: Chart, collectedUs: number, updatedUs: number, nowUs: number): void;
  /** REND. */
  replayEnd(chart: Chart, end: ReplayEnd, nowUs: number): void;
  /** END2. */
  commitFinal(chart: Chart, row: FinalRow, nowUs: number): void;
  /** A line that only agents of our kind write. @param words behind `TRIBUTARY`, at most 19. */
  extension(words: readonly string[], nowUs: number): void;
  /** The chart left the database: what is known of its lines may be forgotten. */
  isGone(chart: Chart): boolean;
  /** @param line the whole line, borrowed. @param isValue a SET, RSET or SET2 whose value is lost by this. */
  problem(kind: LineProblem, line: Uint8Array, isValue: boolean): void;
  /** SETs of an iteration that was not ended properly. */
  abandoned(setCount: number): void;
  /** The peer asks to end the stream (DISABLE). */
  disable(): void;
}
