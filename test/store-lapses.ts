import { AHEAD_US_MAX } from "../agent/rrd/interval.ts";
import { phaseOf, ringSlots, TILE_SLOTS } from "../agent/rrd/store/geometry.ts";
import type { ModelChart, ModelSlot } from "./collection-model.ts";
import { GUID } from "./storage-world.ts";
import type { Model, ModelEntry } from "./store-model.ts";

/**
 * What a host's ring need not hold any more, or never took: the history ends, and charts of one update_every share the
 * blocks of a ring (rrd.md §4.3). Slots of the model that this befalls are marked; what is stored there later is not.
 */
export class StoreLapses {
  private history: number;
  private filedSlots: number;
  /** By update_every: the newest second of any chart since the clock was put back last. */
  private readonly newestSec = new Map<number, number>();
  /** Likewise, of all times. */
  private readonly latestSec = new Map<number, number>();
  private readonly phase = phaseOf(GUID);

  constructor(history: number) {
    this.history = history;
    this.filedSlots = ringSlots(history);
  }

  /** Up to this second the charts of the ring may have taken the slots of one that stands still. */
  lapsedSec({ collection }: ModelEntry): number {
    const stepSec = collection.options.updateEverySec;
    return (this.newestSec.get(stepSec) ?? 0) - this.history * stepSec;
  }

  /** A chart passed the boundaries up to its newest one. @param afterSec its newest one before. */
  passed(entry: ModelEntry, afterSec: number, nowUs: number, all: Model): void {
    const { LU, options } = entry.collection;
    const lastSec = LU / 1e6;
    // Whoever begins anew, or goes back with the clock, passes one boundary at most.
    const firstSec = afterSec > 0 && afterSec < lastSec ? afterSec + options.updateEverySec : lastSec;
    this.shareBlocks(entry, firstSec, lastSec, nowUs, all);
    for (const seconds of [this.newestSec, this.latestSec]) {
      seconds.set(options.updateEverySec, Math.max(seconds.get(options.updateEverySec) ?? 0, lastSec));
    }
  }

  /**
   * A block that holds a later lap bars the slots of an earlier time, unless that lap lies in the future: then it makes
   * room (agent/rrd/README.md, "What always holds"). Neither happens before the clock was put back.
   */
  private shareBlocks({ collection }: ModelEntry, firstSec: number, lastSec: number, nowUs: number, all: Model): void {
    const stepSec = collection.options.updateEverySec;
    const latestSec = this.latestSec.get(stepSec) ?? 0;
    const lapSec = ringSlots(this.history) * stepSec;
    for (let second = firstSec; second <= lastSec; second += stepSec) {
      const startSec = second - ((second / stepSec + this.phase) % TILE_SLOTS) * stepSec;
      for (let laterSec = startSec + lapSec; laterSec <= latestSec; laterSec += lapSec) {
        if (laterSec * 1e6 > nowUs + AHEAD_US_MAX) markBlock(all, stepSec, laterSec);
        else mark(collection.ring.get(second));
      }
    }
  }

  /** The clock is put back, or the history changes: what has lapsed by now stays so. */
  keep(entries: Model): void {
    for (const entry of entries.values()) markUpTo(entry, this.lapsedSec(entry));
  }

  /** The clock was put back: what was newest is in the future. */
  setBack(): void {
    this.newestSec.clear();
  }

  /** A ring begins that holds nothing. */
  clear(): void {
    this.newestSec.clear();
    this.latestSec.clear();
  }

  /** From now on the files hold a ring of the length that it has. */
  filed(): void {
    this.filedSlots = ringSlots(this.history);
  }

  /**
   * A run begins on what the files hold: a ring of another length takes over their newest blocks, but for what lies in
   * the future, which need not find a place there.
   */
  start(history: number, entries: Model, nowSec: number): void {
    this.history = history;
    if (ringSlots(history) === this.filedSlots) return;
    for (const entry of entries.values()) {
      const stepSec = entry.collection.options.updateEverySec;
      // Blocks of before the clock was put back, emptied since or not, may take the places of older ones.
      markUpTo(entry, Math.min(this.latestSec.get(stepSec) ?? 0, nowSec) - history * stepSec);
      for (const ring of ringsOf(entry)) for (const [second, slot] of ring) if (second > nowSec) mark(slot);
    }
  }
}

function markUpTo(entry: ModelEntry, upToSec: number): void {
  for (const ring of ringsOf(entry)) for (const [second, slot] of ring) if (second <= upToSec) mark(slot);
}

function markBlock(entries: Model, stepSec: number, startSec: number): void {
  for (const entry of entries.values()) {
    if (entry.collection.options.updateEverySec !== stepSec) continue;
    for (const ring of ringsOf(entry)) {
      for (let slot = 0; slot < TILE_SLOTS; slot++) mark(ring.get(startSec + slot * stepSec));
    }
  }
}

function mark(slot: ModelSlot | undefined): void {
  if (slot !== undefined) slot.mayBeGone = true;
}

/** What is shown of a chart, and what the files may hold of it besides. */
function ringsOf({ collection, held }: ModelEntry): ModelChart["ring"][] {
  return held === null ? [collection.ring] : [collection.ring, held.ring];
}
