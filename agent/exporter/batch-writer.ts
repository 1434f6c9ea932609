import { ByteBuffer } from "../format/byte-buffer.ts";
import type { Batch } from "./batch.ts";

/** Room at the start; it grows to the largest batch and stays. */
const START_BYTES = 16_384;

/** Takes the lines of an interval and cuts them into batches at line ends. */
export class BatchWriter {
  /** Where formats write; report it with {@link wrote}. */
  readonly out = new ByteBuffer(START_BYTES);
  /** Cut when this is reached; a batch is larger by the last piece written at most. */
  bytesMax: number;
  /** Cut when this is reached; 0 = no limit. */
  pointsMax: number;
  /** Points of the current interval. */
  roundPoints = 0;
  private readonly emit: (batch: Batch) => void;
  private round = 0;
  private points = 0;
  private firstSec = 0;
  private lastSec = 0;

  constructor(bytesMax: number, pointsMax: number, emit: (batch: Batch) => void) {
    this.bytesMax = bytesMax;
    this.pointsMax = pointsMax;
    this.emit = emit;
  }

  begin(round: number): void {
    this.round = round;
    this.roundPoints = 0;
  }

  /** Whole lines were added to {@link out}. @param points how many. @param timeSec of all of them. */
  wrote(points: number, timeSec: number): void {
    if (points === 0) return;
    if (this.points === 0 || timeSec < this.firstSec) this.firstSec = timeSec;
    if (this.points === 0 || timeSec > this.lastSec) this.lastSec = timeSec;
    this.points += points;
    this.roundPoints += points;
    const isFull = this.pointsMax > 0 && this.points >= this.pointsMax;
    if (isFull || this.out.length >= this.bytesMax) this.end();
  }

  /** Gives away what was written since the last cut. */
  end(): void {
    if (this.points === 0) return;
    const { points, firstSec, lastSec, round } = this;
    this.points = 0;
    this.emit({ bytes: this.out.take(), points, firstSec, lastSec, round });
  }
}
