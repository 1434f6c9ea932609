/** How a collected value becomes a stored one (rrd.md §2.4). */
export type Algorithm = "absolute" | "incremental" | "percentage-of-absolute-row" | "percentage-of-incremental-row";

/** {@link Algorithm} as in {@link DimensionSet.algorithms}. */
export const ABSOLUTE = 0;
export const INCREMENTAL = 1;
export const PERCENTAGE_OF_ABSOLUTE_ROW = 2;
export const PERCENTAGE_OF_INCREMENTAL_ROW = 3;

const CODES: Record<Algorithm, number> = {
  absolute: ABSOLUTE,
  incremental: INCREMENTAL,
  "percentage-of-absolute-row": PERCENTAGE_OF_ABSOLUTE_ROW,
  "percentage-of-incremental-row": PERCENTAGE_OF_INCREMENTAL_ROW,
};

const ALGORITHMS = new Map(Object.keys(CODES).map((word) => [word, word as Algorithm]));

/**
 * The algorithm a word from outside names; unknown words mean `absolute`. Returns our own constant, never the word:
 * half
 * a million dimensions would each keep their copy alive.
 */
export function parseAlgorithm(word: string): Algorithm {
  return ALGORITHMS.get(word) ?? "absolute";
}

/** The definition of one dimension. Immutable: a changed definition is a new object. */
export interface Dimension {
  readonly id: string;
  readonly name: string;
  readonly algorithm: Algorithm;
  /** Never 0. */
  readonly multiplier: number;
  /** Never 0. */
  readonly divisor: number;
  /** Stored and streamed, but not listed or returned unless asked for by name. */
  readonly hidden: boolean;
  /** A falling counter is not marked as a reset. */
  readonly noReset: boolean;
  readonly obsolete: boolean;
}

/** A ratio beyond this could pass the range of a stored value: such dimensions always take the general commit. */
const RATIO_MAX = 1e15;
/** Above this many dimensions a set keeps a map for lookups; below, comparing strings in turn is faster. */
const SCAN_MAX = 64;

/**
 * The ordered dimensions of a chart: the column order of every answer. While a chart is being defined the set is its
 * own and grows; before values are committed it is sealed and, as a rule, shared, and immutable, with all charts of the
 * process whose dimensions are alike, because children of one kind are alike (hot-path.md §6).
 */
export class DimensionSet {
  /** By position, once sealed: {@link ABSOLUTE} … and multiplier ÷ divisor. One copy in the cache serves all charts. */
  algorithms = new Uint8Array(0);
  ratios = new Float64Array(0);
  /** Once sealed: only absolute and incremental dimensions, none with an extreme ratio. */
  isPlain = false;
  /** Nobody changes the set any more. */
  isShared = false;
  private readonly items: Dimension[];
  private indexById: Map<string, number> | null = null;

  constructor(items: Dimension[]) {
    this.items = items;
  }

  get list(): readonly Dimension[] {
    return this.items;
  }

  get count(): number {
    return this.items.length;
  }

  /** @returns position of the dimension, or −1. */
  indexOf(id: string): number {
    if (this.items.length <= SCAN_MAX) return this.items.findIndex((dimension) => dimension.id === id);
    this.indexById ??= new Map(this.items.map((dimension, index) => [dimension.id, index]));
    return this.indexById.get(id) ?? -1;
  }

  /** Brings {@link algorithms}, {@link ratios} and {@link isPlain} up to date. */
  seal(): void {
    const { items } = this;
    this.algorithms = new Uint8Array(items.length);
    this.ratios = new Float64Array(items.length);
    this.isPlain = true;
    for (let i = 0; i < items.length; i++) {
      const { algorithm, multiplier, divisor } = items[i]!;
      this.algorithms[i] = CODES[algorithm];
      this.ratios[i] = multiplier / divisor;
      if (this.algorithms[i]! > INCREMENTAL || !(Math.abs(this.ratios[i]!) <= RATIO_MAX)) this.isPlain = false;
    }
  }

  /** @returns this set, or a copy if it is shared, with the dimension at `index` replaced or, at the end, added. */
  put(index: number, dimension: Dimension): DimensionSet {
    if (this.isShared) return new DimensionSet([...this.items]).put(index, dimension);
    this.items[index] = dimension;
    this.indexById?.set(dimension.id, index);
    return this;
  }
}

/** Shares equal {@link DimensionSet}s; a set that no chart uses any more is forgotten. */
export class DimensionSets {
  private readonly byHash = new Map<number, WeakRef<DimensionSet>>();
  /** Size at which dead references are swept; doubles with the live ones. */
  private sweepAt = 1024;

  /** @returns the one shared set equal to `set`. A rare hash collision only means that a set has no partner. */
  share(set: DimensionSet): DimensionSet {
    if (set.isShared) return set;
    const hash = hashOf(set.list);
    const known = this.byHash.get(hash)?.deref();
    if (known !== undefined && isEqual(known.list, set.list)) return known;
    set.seal();
    set.isShared = true;
    if (known !== undefined) return set;
    this.byHash.set(hash, new WeakRef(set));
    if (this.byHash.size >= this.sweepAt) this.sweep();
    return set;
  }

  private sweep(): void {
    for (const [hash, reference] of this.byHash) if (reference.deref() === undefined) this.byHash.delete(hash);
    this.sweepAt = Math.max(1024, 2 * this.byHash.size);
  }
}

function hashOf(list: readonly Dimension[]): number {
  let hash = 0n;
  for (const d of list) {
    const flags = `${d.hidden}${d.noReset}${d.obsolete}`;
    const text = `${d.id}\n${d.name}\n${d.algorithm}\n${d.multiplier}\n${d.divisor}\n${flags}`;
    hash = BigInt(Bun.hash(text, hash));
  }
  return Number(hash & 0x1fffffffffffffn);
}

function isEqual(a: readonly Dimension[], b: readonly Dimension[]): boolean {
  return a.length === b.length && a.every((dimension, index) => isSameDimension(dimension, b[index]!));
}

/** True if values stored under one definition mean the same under the other. */
export function hasSameMeaning(a: Dimension, b: Dimension): boolean {
  return a.algorithm === b.algorithm && a.multiplier === b.multiplier && a.divisor === b.divisor;
}

/** True if both definitions agree in every field. */
export function isSameDimension(a: Dimension, b: Dimension): boolean {
  return (
    a.id === b.id &&
    a.name === b.name &&
    a.algorithm === b.algorithm &&
    a.multiplier === b.multiplier &&
    a.divisor === b.divisor &&
    a.hidden === b.hidden &&
    a.noReset === b.noReset &&
    a.obsolete === b.obsolete
  );
}
