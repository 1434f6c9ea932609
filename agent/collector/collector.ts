import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { HostFiles } from "../base/proc-file.ts";

/** How a collected value becomes a stored one; spelled as on the wire. */
export type CollectedAlgorithm =
  | "absolute"
  | "incremental"
  | "percentage-of-absolute-row"
  | "percentage-of-incremental-row";

/** How a chart is drawn. */
export type ChartType = "line" | "area" | "stacked";

/** What a chart is, beside its id, type and interval. */
export interface ChartMeta {
  /** Name without its type part, when it differs from the id (`vg0-root` of `disk.dm-0-…`). */
  readonly name?: string;
  readonly title: string;
  readonly units: string;
  readonly family: string;
  /** Left out: the chart id. */
  readonly context?: string;
  readonly priority: number;
  /** The source, such as `/proc/stat`; `""` where the classic definition names none. */
  readonly module: string;
  /** Chart option `detail`: shown only on demand. */
  readonly detail?: boolean;
  /** Chart labels (`device`, `mount_point` …). */
  readonly labels?: Readonly<Record<string, string>>;
}

export interface DimensionOptions {
  /** Left out: the id. */
  readonly name?: string;
  /** Stored and streamed, but not listed. */
  readonly hidden?: boolean;
}

/** One dimension of a chart. A value that is not set between two commits is a gap in that iteration. */
export interface Dimension {
  /** @param value collected integer, exact up to 2^53 in size. */
  set(value: number): void;
  /** For values of more than 15 digits, which a number cannot hold exactly. */
  setBig(value: bigint): void;
}

/** A chart of this host. The handle is dead after {@link Chart.retire}. */
export interface Chart {
  /**
   * Adds a dimension; the order of the first calls is the order of columns. The same id again returns the same
   * dimension with the new multiplier, divisor and options.
   * @param multiplier default 1. @param divisor default 1.
   */
  dimension(
    id: string,
    algorithm: CollectedAlgorithm,
    multiplier?: number,
    divisor?: number,
    options?: DimensionOptions,
  ): Dimension;
  /** Sets a chart variable, such as `nic_speed_max`. */
  variable(name: string, value: number): void;
  /** Ends the iteration: everything set since the last commit belongs to it. @param nowUs wall clock. */
  commit(nowUs: number): void;
  /** Declares the chart obsolete: its object vanished. Creating the same id again brings it back. */
  retire(): void;
}

/** Creates the charts of this host. The same id again returns that chart, redefined, and no longer obsolete. */
export interface Charts {
  /** @param id `type.id`. @param updateEverySec ≥ 1. */
  line(id: string, meta: ChartMeta, updateEverySec: number): Chart;
  area(id: string, meta: ChartMeta, updateEverySec: number): Chart;
  stacked(id: string, meta: ChartMeta, updateEverySec: number): Chart;
  /** Sets a variable of the whole host, such as `active_processors`. */
  hostVariable(name: string, value: number): void;
  /**
   * The collector is being started anew and had this chart before, by the same rules: an `"auto"` chart goes on without
   * waiting for a value other than 0.
   */
  goesOn(id: string): boolean;
}

/** `true` from the first cycle, `false` never, `"auto"` from the first cycle with a value other than 0. */
export type ChartSwitch = boolean | "auto";

/** What the configuration says about one collector; `app` fills it from `[collector]` and `[collector.NAME]`. */
export interface CollectorSettings {
  /** `"auto"` charts exist from the start. */
  readonly zeroMetrics: boolean;
  /** By chart context; a context that is missing follows the collector's own rule. */
  readonly charts: Readonly<Record<string, ChartSwitch>>;
  /** Names left out: disks, interfaces, mount points. */
  readonly isExcluded: (name: string) => boolean;
  /** `diskspace` only: file system types left out. */
  readonly isFilesystemExcluded: (type: string) => boolean;
  /** `diskstats` only: charts for partitions too. */
  readonly partitions: boolean;
}

/** Everything a collector may touch. */
export interface CollectorContext {
  readonly charts: Charts;
  /** This collector's own interval: ≥ its `everySecMin`, a multiple of the agent's. */
  readonly updateEverySec: number;
  /** `/proc` and `/sys` of the host under observation. */
  readonly files: HostFiles;
  readonly settings: CollectorSettings;
  readonly log: Log;
  readonly clock: Clock;
}

/** One running collector. Owns its open files; disposing closes them and leaves the charts as they are. */
export interface Collector extends Disposable {
  /**
   * Reads the sources once and commits the charts. Synchronous, never waits.
   * @param nowUs wall clock of the tick. @throws SourceError when a source is missing or not understood
   */
  collect(nowUs: number): void;
}

/** A kind of collector: one constant a file, listed in `registry.ts`. */
export interface CollectorModule {
  /** Key of `[collector.NAME]`. */
  readonly name: string;
  /** Shortest sensible interval in s. */
  readonly everySecMin: number;
  /** Simple patterns of the names left out when the configuration says nothing. */
  readonly excludeDefault?: string;
  /** Opens the sources. @throws SourceError when the kernel does not offer them */
  start(context: CollectorContext): Collector;
}
