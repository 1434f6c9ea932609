import type { Host } from "../rrd/host.ts";
import type { Chart, CollectedAlgorithm, Dimension, DimensionOptions } from "./collector.ts";

/** Time between two looks whether the database has room by now: that is when its limits are renewed too. */
const RETRY_US = 60_000_000;

type Definition = [
  id: string,
  algorithm: CollectedAlgorithm,
  multiplier?: number,
  divisor?: number,
  options?: DimensionOptions,
];

/**
 * A chart for which the database had no room. It asks again once a minute; until then every value is dropped and
 * counted (`limit`).
 */
export class RefusedChart implements Chart {
  private readonly host: Host;
  private readonly create: () => Chart | null;
  private chart: Chart | null = null;
  /** By id, in the order of columns. */
  private readonly dimensions = new Map<string, { definition: Definition; handle: RefusedDimension }>();
  private readonly variables = new Map<string, number>();
  /** When it last asked for room, wall clock; NaN until the first commit, which follows the refusal. */
  private askedUs = Number.NaN;

  /** @param create asks the database for the chart; null = still no room. */
  constructor(host: Host, create: () => Chart | null) {
    this.host = host;
    this.create = create;
  }

  dimension(...definition: Definition): Dimension {
    if (this.chart !== null) return this.chart.dimension(...definition);
    const [id] = definition;
    const handle = this.dimensions.get(id)?.handle ?? new RefusedDimension(this.host);
    this.dimensions.set(id, { definition, handle });
    return handle;
  }

  variable(name: string, value: number): void {
    if (this.chart === null) this.variables.set(name, value);
    else this.chart.variable(name, value);
  }

  commit(nowUs: number): void {
    if (this.chart !== null) this.chart.commit(nowUs);
    else if (Number.isNaN(this.askedUs)) this.askedUs = nowUs;
    // In both directions: the wall clock may step.
    else if (Math.abs(nowUs - this.askedUs) >= RETRY_US) this.ask(nowUs);
  }

  retire(): void {
    this.chart?.retire();
  }

  /** The values of this iteration are counted already: the chart begins with the next one. */
  private ask(nowUs: number): void {
    this.askedUs = nowUs;
    // Asking in vain would be counted as one more refused chart.
    if (!this.host.hasRoomForChart) return;
    const chart = this.create();
    if (chart === null) return;
    this.chart = chart;
    for (const { definition, handle } of this.dimensions.values()) handle.target = chart.dimension(...definition);
    for (const [name, value] of this.variables) chart.variable(name, value);
  }
}

/** A dimension without room: every value is dropped and counted (`limit`), unless its chart got room after all. */
export class RefusedDimension implements Dimension {
  target: Dimension | null = null;
  private readonly host: Host;

  constructor(host: Host) {
    this.host = host;
  }

  set(value: number): void {
    if (this.target === null) this.drop();
    else this.target.set(value);
  }

  setBig(value: bigint): void {
    if (this.target === null) this.drop();
    else this.target.setBig(value);
  }

  private drop(): void {
    this.host.balance.collected++;
    this.host.balance.dropped.limit++;
  }
}
