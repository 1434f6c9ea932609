import type { Chart } from "../agent/rrd/chart.ts";
import type { Dimension } from "../agent/rrd/dimension.ts";
import { ModelChart } from "./collection-model.ts";

/** What must be read of one chart. */
export interface ModelEntry {
  collection: ModelChart;
  /** Dimension ids by position in {@link collection}. */
  ids: string[];
  isObsolete: boolean;
  name: string;
  /** The files know of it. */
  isFiled: boolean;
  /** They need not know its newest definition: nothing was committed since. */
  isUnsettled: boolean;
  /** What the files hold of it while the clock forbids to show all: true again when the clock is. */
  held: ModelChart | null;
  /** Slots that {@link collection} had passed then. */
  heldCounter: number;
}

export type Model = Map<string, ModelEntry>;

/** @param history entries that its ring must keep. */
export function newEntry(chart: Chart, history: number): ModelEntry {
  const { updateEverySec, storeFirst, name } = chart.definition;
  return {
    collection: new ModelChart({ updateEverySec, history, gap: 3, storeFirst }),
    ids: [],
    isObsolete: chart.isObsolete,
    name,
    isFiled: false,
    isUnsettled: true,
    held: null,
    heldCounter: 0,
  };
}

/** What the files hold of a chart that is to be shown: while nothing was stored since a start, all they had then. */
export function heldOf({ collection, held, heldCounter }: ModelEntry): ModelChart {
  if (held === null || collection.counter !== heldCounter) return collection;
  held.dimensions.length = Math.min(held.dimensions.length, collection.dimensions.length);
  collection.dimensions.forEach((d, index) => {
    const { algorithm, multiplier, divisor } = d;
    held.dimensions[index] = { ...(held.dimensions[index] ?? d), algorithm, multiplier, divisor };
  });
  return held;
}

/** The files may know the definition from before the last one, for which nothing was committed yet. */
export function adoptDefinition(entry: ModelEntry, chart: Chart): void {
  entry.name = chart.definition.name;
  entry.isObsolete = chart.isObsolete;
  const { list } = chart.dimensions;
  entry.ids.length = Math.min(entry.ids.length, list.length);
  entry.collection.dimensions.length = entry.ids.length;
  list.forEach((definition, index) => {
    const d = entry.collection.dimensions[index]!;
    entry.collection.dimensions[index] = { ...d, ...pick(definition) };
  });
}

function pick({ algorithm, multiplier, divisor, noReset }: Dimension): Partial<Dimension> {
  return { algorithm, multiplier, divisor, noReset };
}

export function isSameMeaning(a: Dimension, b: Dimension): boolean {
  return a.algorithm === b.algorithm && a.multiplier === b.multiplier && a.divisor === b.divisor;
}

export function alignSec(us: number, stepSec: number): number {
  return Math.floor(us / 1e6 / stepSec) * stepSec;
}

export function copyOf(model: Model): Model {
  const copy: Model = new Map();
  for (const [id, entry] of model) {
    copy.set(id, {
      ...entry,
      ids: [...entry.ids],
      collection: entry.collection.copy(),
      held: entry.held?.copy() ?? null,
    });
  }
  return copy;
}
