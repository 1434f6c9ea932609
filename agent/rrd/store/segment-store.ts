import type { ByteBudget } from "../byte-budget.ts";
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
  private readonly budget: ByteBudget;

  constructor(budget: ByteBudget) {
    this.budget = budget;
  }

  create(_number: number, geometry: Geometry): Segment | null {
    if (!this.admit(geometry)) return null;
    const buffer = allocateZeroed(segmentBytes(geometry));
    if (buffer !== null) return new Segment(buffer, geometry);
    this.giveBack(geometry);
    this.refused++;
    return null;
  }

  /** Counts a segment that is made or read elsewhere. @returns false = no room. */
  admit(geometry: Geometry): boolean {
    const bytes = segmentBytes(geometry);
    if (!this.budget.take(bytes)) {
      this.refused++;
      return false;
    }
    this.bytes += bytes;
    return true;
  }

  release(_number: number, segment: Segment): void {
    this.giveBack(segment);
  }

  private giveBack(geometry: Geometry): void {
    const bytes = segmentBytes(geometry);
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
