/** Points of one interval, written in the format of the destination. Never changed; exporters may share one. */
export interface Batch {
  /** Whole lines. */
  readonly bytes: Uint8Array;
  /** ≥ 1. */
  readonly points: number;
  /** Times of its oldest and newest point, s. */
  readonly firstSec: number;
  readonly lastSec: number;
  /** Number of the interval; an interval of many points has several batches. */
  readonly round: number;
}

/** Batches to be sent, oldest first. Bounded: what does not fit is given back to be counted. */
export interface BatchQueue {
  /** Batches, points and bytes held. */
  readonly count: number;
  readonly points: number;
  readonly bytes: number;
  /** Parts of {@link points} and {@link bytes} that are in memory and on disk. */
  readonly memoryPoints: number;
  readonly memoryBytes: number;
  readonly diskPoints: number;
  readonly diskBytes: number;
  /** Most bytes it holds. */
  readonly bytesMax: number;
  /**
   * The oldest batches that are on their way: they stay, whatever comes. The sender moves this, 0 when a connection
   * was lost.
   */
  inFlight: number;
  /** Adds the newest batch. @returns the batches given up for it: the oldest that are not in flight, or itself. */
  push(batch: Batch): Batch[];
  /** The batch behind the `index` oldest ones. */
  at(index: number): Batch | undefined;
  /** Takes the oldest batch away, in flight or not. */
  shift(): Batch | undefined;
}
