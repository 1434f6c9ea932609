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
  /** @param line the whole line, borrowed. @param isValue a SET whose value is lost by this. */
  problem(kind: LineProblem, line: Uint8Array, isValue: boolean): void;
  /** SETs of an iteration that was not ended properly. */
  abandoned(setCount: number): void;
  /** The peer asks to end the stream (DISABLE). */
  disable(): void;
}
