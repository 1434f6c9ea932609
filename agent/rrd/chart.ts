import { DimensionSet } from "./dimension.ts";
import type { Host } from "./host.ts";
import { type Label, NO_LABELS } from "./label.ts";
import type { Segment } from "./store/segment.ts";

export type ChartType = "line" | "area" | "stacked";

/** What a chart's definition says of it; strings are shared between charts. */
export interface ChartDefinition {
  /** `type.id`, unique in its host. */
  readonly id: string;
  /** `type.name`; the id when the chart has no name of its own. */
  readonly name: string;
  readonly title: string;
  readonly units: string;
  readonly family: string;
  readonly context: string;
  readonly chartType: ChartType;
  readonly priority: number;
  readonly updateEverySec: number;
  readonly plugin: string;
  readonly module: string;
  readonly detail: boolean;
  readonly hidden: boolean;
  /** The first collected value is stored too (rrd.md §2.8). */
  readonly storeFirst: boolean;
}

/**
 * One chart: its definition and the state of its collection (rrd.md §2.1). Dimensions are not objects of their own
 * here: their state is the range `[start, start + dimensions.count)` of the host's {@link DimensionPool}.
 * Times are µs since 1970 as doubles. Written by `commit*.ts` and `host.ts` only.
 */
export class Chart {
  readonly host: Host;
  definition: ChartDefinition;
  dimensions = new DimensionSet([]);
  /** Position in {@link Host.charts}; given to another chart when this one is removed. */
  index = -1;
  /** Goes up with every change of the definition or the dimensions, so that senders see what they have to repeat. */
  version = 1;
  /** It left the database; whoever still has it may collect it, which brings it back. */
  isRemoved = false;
  /** Retired by its collector or child: not listed any more. Collecting it again brings it back. */
  isObsolete = false;
  /** When it was first seen to be retired, µs; 0 = it is not. */
  retiredUs = 0;
  /** Chart variables (`VARIABLE CHART`); null until there is one. */
  variables: Map<string, number> | null = null;
  /** Without those that say what collects it: the definition does. Replaced as a whole. */
  labels: readonly Label[] = NO_LABELS;

  /** Update every, in µs. */
  updateEveryUs: number;
  /** Time of the last collection; 0 before the first. */
  lastCollectedUs = 0.5;
  /** {@link lastCollectedUs} is right to its interval only: the one that follows it says nothing to others. */
  isDatedByGuess = false;
  /** Others were not told of the iteration of {@link lastCollectedUs}: the next one's interval says nothing to them. */
  isMoved = false;
  /** Last boundary that was stored; the newest value has this time. 0 before the first. */
  lastUpdatedUs = 0.5;
  /** Slots ever passed, empty ones included: `min(this, history)` of them are held. */
  slotsPassed = 0;
  /** Iterations since creation or reset. */
  iterations = 0;
  /** Times its clock did not just go on: who follows it by intervals has to be told where it is. */
  restarts = 0;
  /** Start of the range in the pool. */
  start = 0;
  /** Slot of the next boundary: `(lastUpdated / updateEvery + 1 + phase) mod slots`. */
  nextSlot = 0;
  /** Next time the interval is taken from the wall clock, whatever the sender says (rrd.md §2.2). */
  syncClock = true;

  /** Dimensions that the files of its host know of; −1 = they must be told of the whole chart. */
  journaled = -1;

  /** Its dimensions have columns and their set is sealed: nothing was defined since. */
  isSettled = false;
  /** How often it was settled. */
  settlings = 0;
  /**
   * The short loops of commit.ts may serve it; else (start, reset, percentages, several segments …) the general one.
   */
  isSteady = false;
  /** Its definition allows {@link isSteady}: tiles side by side, no percentages, no extreme ratios. */
  canBeSteady = false;
  /** Some dimension is new or was absent: rows must be looked at dimension by dimension. */
  isIrregular = true;
  /** The one segment that holds all its columns; null: none, or several. */
  segment: Segment | null = null;
  /** Position of its record in {@link segment}. */
  record = 0;
  /** Tile offset of dimension 0 when all tiles lie side by side in {@link segment}, 64 apart; else −1. */
  firstTile = -1;

  constructor(host: Host, definition: ChartDefinition) {
    this.host = host;
    this.definition = definition;
    this.updateEveryUs = definition.updateEverySec * 1e6;
    // Doubles from birth: a field that starts as a small integer would be re-shaped in the hot path later.
    this.lastCollectedUs = 0;
    this.lastUpdatedUs = 0;
  }

  get id(): string {
    return this.definition.id;
  }

  /** Its collection begins anew. */
  forget(): void {
    this.lastCollectedUs = 0;
    this.lastUpdatedUs = 0;
    this.slotsPassed = 0;
    this.iterations = 0;
    this.restarts++;
  }

  /** Second of the newest stored slot; 0 = none. */
  get lastEntrySec(): number {
    return Math.floor(this.lastUpdatedUs / 1e6);
  }

  /** Slots that are held: what a query may reach back. */
  get entriesHeld(): number {
    return Math.min(this.slotsPassed, this.host.historyEntries);
  }

  /** One step before the oldest held slot (rrd.md §2.9). */
  get firstEntrySec(): number {
    return this.lastEntrySec - this.entriesHeld * this.definition.updateEverySec;
  }

  /** Listed and returned by queries: not retired, with at least one dimension. */
  get isVisible(): boolean {
    return !this.isObsolete && !this.definition.hidden && this.dimensions.count > 0;
  }
}
