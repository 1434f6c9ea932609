import type { MemoryBudget } from "../memory-budget.ts";
import { type Geometry, segmentBytes } from "./geometry.ts";
import { Segment } from "./segment.ts";

/** Where the segments of a host come from. */
export interface SegmentStore {
  /** @param number position among the host's segments. @returns an empty one; null = no room, which was counted. */
  create(number: number, geometry: Geometry): Segment | null;
  /** Gives back what {@link create} took; the memory itself is garbage-collected. */
  release(number: number, segment: Segment): void;
}

/**
 * Mode `ram`: zeroed memory, admitted by arithmetic before it is allocated. The kernel gives pages only when they are
 * first written, so an untouched ring costs nothing but counts in full. One for all hosts.
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

  create(_number: number, geometry: Geometry): Segment | null {
    const bytes = segmentBytes(geometry);
    const buffer = this.budget.take(bytes) ? allocateZeroed(bytes) : undefined;
    if (buffer === null) this.budget.give(bytes);
    if (buffer == null) {
      this.refused++;
      return null;
    }
    this.bytes += bytes;
    return new Segment(buffer, geometry);
  }

  release(_number: number, segment: Segment): void {
    const bytes = segmentBytes(segment);
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
