import { drainMicrotasks } from "bun:jsc";
import type { Trace } from "./trace.ts";

/** Something that is to happen; {@link SimulatedTime.cancel} takes it back. */
export interface Occasion {
  readonly atUs: number;
  readonly order: number;
  /** Null: it has happened, or never will. */
  run: (() => void) | null;
}

/**
 * The one time of a simulated world, and all that is to happen in it. Occasions of the same moment happen in the order
 * they were made in; after each, whatever promises it has settled is carried out before the next.
 */
export class SimulatedTime {
  /** True time, µs since 1970: no agent sees it, each has a wall clock of its own. */
  nowUs: number;
  private readonly trace: Trace;
  /** A heap, the next one first. */
  private readonly heap: Occasion[] = [];
  private made = 0;

  constructor(startUs: number, trace: Trace) {
    this.nowUs = startUs;
    this.trace = trace;
  }

  /** @param run called at that moment, or as soon as possible when it is over. */
  at(atUs: number, run: () => void): Occasion {
    const occasion: Occasion = { atUs: Math.max(atUs, this.nowUs), order: this.made++, run };
    const { heap } = this;
    let place = heap.length;
    heap.push(occasion);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!isBefore(occasion, heap[above]!)) break;
      heap[place] = heap[above]!;
      place = above;
    }
    heap[place] = occasion;
    return occasion;
  }

  after(us: number, run: () => void): Occasion {
    return this.at(this.nowUs + us, run);
  }

  cancel(occasion: Occasion): void {
    occasion.run = null;
  }

  /** Lets everything happen up to a moment, that one included. */
  runUntil(untilUs: number): void {
    for (let next = this.heap[0]; next !== undefined && next.atUs <= untilUs; next = this.heap[0]) {
      this.takeFirst();
      const { run } = next;
      if (run === null) continue;
      next.run = null;
      this.nowUs = next.atUs;
      this.trace.number(next.atUs);
      run();
      drainMicrotasks();
    }
    this.nowUs = untilUs;
  }

  private takeFirst(): void {
    const { heap } = this;
    const last = heap.pop()!;
    const { length } = heap;
    if (length === 0) return;
    let place = 0;
    for (let below = 1; below < length; below = 2 * place + 1) {
      if (below + 1 < length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[place] = heap[below]!;
      place = below;
    }
    heap[place] = last;
  }
}

function isBefore(a: Occasion, b: Occasion): boolean {
  return a.atUs < b.atUs || (a.atUs === b.atUs && a.order < b.order);
}
