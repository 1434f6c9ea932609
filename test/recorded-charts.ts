import type {
  Chart,
  ChartMeta,
  Charts,
  ChartType,
  CollectedAlgorithm,
  Dimension,
  DimensionOptions,
} from "../agent/collector/collector.ts";

export class RecordedDimension implements Dimension {
  value: number | bigint | undefined;
  readonly id: string;
  readonly algorithm: CollectedAlgorithm;
  readonly multiplier: number;
  readonly divisor: number;
  readonly options: DimensionOptions;

  constructor(
    id: string,
    algorithm: CollectedAlgorithm,
    multiplier: number,
    divisor: number,
    options: DimensionOptions,
  ) {
    this.id = id;
    this.algorithm = algorithm;
    this.multiplier = multiplier;
    this.divisor = divisor;
    this.options = options;
  }

  set(value: number): void {
    if (!Number.isSafeInteger(value)) throw new Error(`dimension ${this.id}: ${value} is no exact integer`);
    this.value = value;
  }

  setBig(value: bigint): void {
    this.value = value;
  }
}

export class RecordedChart implements Chart {
  type: ChartType;
  meta: ChartMeta;
  updateEverySec: number;
  readonly id: string;
  readonly dimensions = new Map<string, RecordedDimension>();
  readonly variables = new Map<string, number>();
  readonly commitsUs: number[] = [];
  /** Values of the last commit, by dimension id; a dimension that was not set is missing. */
  committed: Record<string, number | bigint> = {};
  isObsolete = false;

  constructor(id: string, type: ChartType, meta: ChartMeta, updateEverySec: number) {
    this.id = id;
    this.type = type;
    this.meta = meta;
    this.updateEverySec = updateEverySec;
  }

  dimension(
    id: string,
    algorithm: CollectedAlgorithm,
    multiplier = 1,
    divisor = 1,
    options: DimensionOptions = {},
  ): Dimension {
    const known = this.dimensions.get(id);
    if (known !== undefined) return known;
    const dimension = new RecordedDimension(id, algorithm, multiplier, divisor, options);
    this.dimensions.set(id, dimension);
    return dimension;
  }

  variable(name: string, value: number): void {
    this.variables.set(name, value);
  }

  commit(nowUs: number): void {
    if (this.isObsolete) throw new Error(`${this.id} was committed after it was retired`);
    this.commitsUs.push(nowUs);
    this.committed = {};
    for (const [id, dimension] of this.dimensions) {
      if (dimension.value !== undefined) this.committed[id] = dimension.value;
      dimension.value = undefined;
    }
  }

  retire(): void {
    this.isObsolete = true;
  }
}

/** Keeps what collectors create and commit. */
export class RecordedCharts implements Charts {
  readonly all = new Map<string, RecordedChart>();
  readonly hostVariables = new Map<string, number>();

  line(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.create(id, "line", meta, updateEverySec);
  }

  area(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.create(id, "area", meta, updateEverySec);
  }

  stacked(id: string, meta: ChartMeta, updateEverySec: number): Chart {
    return this.create(id, "stacked", meta, updateEverySec);
  }

  hostVariable(name: string, value: number): void {
    this.hostVariables.set(name, value);
  }

  goesOn(): boolean {
    return false;
  }

  /** The chart with this id; throws when there is none. */
  get(id: string): RecordedChart {
    const chart = this.all.get(id);
    if (chart === undefined) throw new Error(`no chart ${id} among ${[...this.all.keys()].join(" ")}`);
    return chart;
  }

  private create(id: string, type: ChartType, meta: ChartMeta, updateEverySec: number): Chart {
    const known = this.all.get(id);
    if (known !== undefined) {
      known.isObsolete = false;
      known.type = type;
      known.meta = meta;
      known.updateEverySec = updateEverySec;
      return known;
    }
    const chart = new RecordedChart(id, type, meta, updateEverySec);
    this.all.set(id, chart);
    return chart;
  }
}
