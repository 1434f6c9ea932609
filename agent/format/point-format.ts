import type { ByteBuffer } from "./byte-buffer.ts";

/** A dimension as a format names it. */
export interface DimensionFacts {
  readonly id: string;
  readonly name: string;
}

/** What a format may write of a chart; texts come from outside and are not clean. */
export interface ChartFacts {
  /** Host name under which the chart is sent. */
  readonly hostname: string;
  /** Tags of every point of the host, in order. The list is the same object for all charts of the host. */
  readonly tags: readonly (readonly [key: string, value: string])[];
  /** Chart id or name, as chosen. */
  readonly chart: string;
  readonly dimensions: readonly DimensionFacts[];
  /** The list of dimensions never changes and other charts use the same one: what is made of it may be kept. */
  readonly hasSharedDimensions: boolean;
}

/** A way to write points as bytes. Pure: the same calls give the same bytes. */
export interface PointFormat {
  /** Prepares the names of a chart; again when one of the facts changed. */
  chart(facts: ChartFacts): ChartWriter;
}

/** Writes the points of one chart. Every point ends whole: a cut of the bytes at a line end is always clean. */
export interface ChartWriter {
  /**
   * Stored values (average, sum) of dimensions `[from, to)`, all at one time.
   * @param values by position of the dimension. NaN and infinity are left out. @returns points written.
   */
  stored(out: ByteBuffer, values: Float64Array, from: number, to: number, timeSec: number): number;
  /** One collected value, exact. @param value an integer. */
  collected(out: ByteBuffer, index: number, value: number | bigint, timeSec: number): void;
}
