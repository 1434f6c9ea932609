import { assert } from "../base/assert.ts";
import type { Batch, BatchQueue } from "./batch.ts";

/** A queue of batches in memory. */
export class MemoryQueue implements BatchQueue {
  points = 0;
  bytes = 0;
  inFlight = 0;
  readonly bytesMax: number;
  readonly diskPoints = 0;
  readonly diskBytes = 0;
  private readonly batches: Batch[] = [];

  /** @param bytesMax most bytes of payload held. */
  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  get count(): number {
    return this.batches.length;
  }

  get memoryPoints(): number {
    return this.points;
  }

  get memoryBytes(): number {
    return this.bytes;
  }

  push(batch: Batch): Batch[] {
    const lost: Batch[] = [];
    while (this.bytes + batch.bytes.length > this.bytesMax && this.batches.length > this.inFlight) {
      const [oldest] = this.batches.splice(this.inFlight, 1);
      lost.push(this.forget(oldest!));
    }
    if (this.bytes + batch.bytes.length > this.bytesMax) return [...lost, batch];
    this.batches.push(batch);
    this.points += batch.points;
    this.bytes += batch.bytes.length;
    return lost;
  }

  at(index: number): Batch | undefined {
    return this.batches[index];
  }

  shift(): Batch | undefined {
    const oldest = this.batches.shift();
    if (oldest === undefined) return undefined;
    if (this.inFlight > 0) this.inFlight--;
    return this.forget(oldest);
  }

  private forget(batch: Batch): Batch {
    this.points -= batch.points;
    this.bytes -= batch.bytes.length;
    assert(this.points >= 0 && this.bytes >= 0, "a queue of batches holds less than nothing");
    return batch;
  }
}
