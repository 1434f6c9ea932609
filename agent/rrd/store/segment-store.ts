import type { MemoryBudget } from "../memory-budget.ts";

/** Where the buffers of segments come from: plain memory now, files for the modes that survive a restart. */
export interface SegmentStore {
  /** @returns a zeroed buffer, or null when there is no room for it; the store has counted that. */
  allocate(bytes: number): ArrayBuffer | null;
  /** Gives back what {@link allocate} counted; the buffer itself is garbage-collected. */
  release(bytes: number): void;
}

/**
 * Mode `ram`: zeroed memory, admitted by arithmetic before it is allocated. The kernel gives pages only when they are
 * first written, so an untouched ring costs nothing but counts in full.
 */
export class MemoryStore implements SegmentStore {
  /** Bytes of all segments. */
  bytes = 0;
  /** Segments refused so far. */
  refused = 0;
  private readonly budget: MemoryBudget;

  constructor(budget: MemoryBudget) {
    this.budget = budget;
  }

  allocate(bytes: number): ArrayBuffer | null {
    const buffer = this.budget.take(bytes) ? allocateZeroed(bytes) : undefined;
    if (buffer === null) this.budget.give(bytes);
    if (buffer == null) {
      this.refused++;
      return null;
    }
    this.bytes += bytes;
    return buffer;
  }

  release(bytes: number): void {
    this.bytes -= bytes;
    this.budget.give(bytes);
  }
}

/** @returns null when the system has no such piece of memory: a limit that is set too high must not end the agent. */
function allocateZeroed(bytes: number): ArrayBuffer | null {
  try {
    return new ArrayBuffer(bytes);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}
