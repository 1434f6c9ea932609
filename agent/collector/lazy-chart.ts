import { DIGITS_EXACT_MAX, parseBigInteger, parseInteger } from "../base/number.ts";
import type {
  Chart,
  ChartMeta,
  Charts,
  ChartType,
  CollectedAlgorithm,
  CollectorSettings,
  Dimension,
  DimensionOptions,
} from "./collector.ts";

/** When a chart exists if the configuration says nothing (collectors.md §0.1). */
export type ChartRule = "always" | "auto" | "off";

export interface DimensionSpec {
  readonly id: string;
  readonly algorithm: CollectedAlgorithm;
  readonly multiplier: number;
  readonly divisor: number;
  readonly options?: DimensionOptions;
}

export interface ChartSpec {
  readonly id: string;
  readonly type: ChartType;
  readonly meta: ChartMeta;
  readonly rule: ChartRule;
  readonly dimensions: readonly DimensionSpec[];
}

/** What a chart needs of the context it is made in. */
export interface ChartScope {
  readonly charts: Charts;
  readonly settings: Pick<CollectorSettings, "zeroMetrics" | "charts">;
  readonly updateEverySec: number;
}

/** A dimension of algorithm `absolute`. */
export function absolute(id: string, multiplier = 1, divisor = 1, options?: DimensionOptions): DimensionSpec {
  return { id, algorithm: "absolute", multiplier, divisor, ...(options && { options }) };
}

/** A dimension of algorithm `incremental`. */
export function incremental(id: string, multiplier = 1, divisor = 1, options?: DimensionOptions): DimensionSpec {
  return { id, algorithm: "incremental", multiplier, divisor, ...(options && { options }) };
}

/**
 * A chart with fixed dimensions that is created when its rule says so. Set values by dimension index, then commit;
 * a commit without any value does nothing.
 */
export class LazyChart {
  /** Never created: its values need not even be parsed. */
  readonly isOff: boolean;
  private readonly scope: ChartScope;
  private readonly isAuto: boolean;
  private spec: ChartSpec;
  private chart: Chart | undefined;
  private dimensions: Dimension[] = [];
  /** Values set before the chart exists. */
  private pending: (number | bigint | undefined)[] = [];
  private isSet = false;
  private isAwake: boolean;

  constructor(scope: ChartScope, spec: ChartSpec) {
    const rule = effectiveRule(scope.settings, spec);
    this.scope = scope;
    this.spec = spec;
    this.isOff = rule === "off";
    this.isAuto = rule === "auto";
    this.isAwake = scope.charts.goesOn(spec.id);
  }

  /** @param value an integer; anything that is not finite is left out. */
  set(index: number, value: number): void {
    if (!Number.isFinite(value)) return;
    this.isSet = true;
    if (this.chart !== undefined) {
      this.dimensions[index]!.set(value);
      return;
    }
    this.pending[index] = value;
    if (value !== 0) this.isAwake = true;
  }

  /** For values of more than 15 digits. */
  setBig(index: number, value: bigint): void {
    this.isSet = true;
    this.isAwake = true;
    if (this.chart !== undefined) this.dimensions[index]!.setBig(value);
    else this.pending[index] = value;
  }

  /** Sets the decimal integer that fills `[start, end)`, exactly. @returns false when it is none. */
  setText(index: number, bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start <= DIGITS_EXACT_MAX) {
      const value = parseInteger(bytes, start, end);
      if (Number.isNaN(value)) return false;
      this.set(index, value);
      return true;
    }
    const value = parseBigInteger(bytes, start, end);
    if (value === undefined) return false;
    this.setBig(index, value);
    return true;
  }

  /** Lets an `"auto"` chart exist from now on, although its own values may all be 0. */
  wake(): void {
    this.isAwake = true;
  }

  /** Sets a variable of the chart, if it exists. */
  variable(name: string, value: number): void {
    this.chart?.variable(name, value);
  }

  get exists(): boolean {
    return this.chart !== undefined;
  }

  commit(nowUs: number): void {
    if (!this.isSet || this.isOff) return;
    if (this.chart === undefined) {
      if (this.isAuto && !this.isAwake) return;
      this.create();
    }
    this.isSet = false;
    this.chart?.commit(nowUs);
  }

  /** Gives the chart another name, family or labels. */
  redefine(meta: ChartMeta): void {
    this.spec = { ...this.spec, meta };
    if (this.chart !== undefined) this.create();
  }

  /** Makes the chart obsolete; setting values and committing again brings it back. */
  retire(): void {
    this.chart?.retire();
    this.chart = undefined;
    this.isSet = false;
  }

  private create(): void {
    const { id, type, meta, dimensions } = this.spec;
    const chart = this.scope.charts[type](id, meta, this.scope.updateEverySec);
    this.dimensions = dimensions.map(({ id, algorithm, multiplier, divisor, options }) =>
      chart.dimension(id, algorithm, multiplier, divisor, options),
    );
    for (const [index, value] of this.pending.entries()) {
      if (typeof value === "bigint") this.dimensions[index]!.setBig(value);
      else if (value !== undefined) this.dimensions[index]!.set(value);
    }
    this.pending = [];
    this.chart = chart;
  }
}

function effectiveRule(settings: ChartScope["settings"], spec: ChartSpec): ChartRule {
  const choice = settings.charts[spec.meta.context ?? spec.id];
  let { rule } = spec;
  if (choice !== undefined) rule = choice === "auto" ? "auto" : choice ? "always" : "off";
  return rule === "auto" && settings.zeroMetrics ? "always" : rule;
}
