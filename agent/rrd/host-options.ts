import type { ByteBudget } from "./byte-budget.ts";
import type { Dimension, DimensionSets } from "./dimension.ts";
import type { InternedTexts } from "./interned-texts.ts";
import type { LimitReached } from "./limit-reached.ts";
import type { SegmentStore } from "./store/segment-store.ts";

/** Where stored values are: nowhere, in memory, in memory and now and then in files, in mapped files. */
export type MemoryMode = "none" | "ram" | "save" | "map";

/** What is known of the machine behind a host, under the names of the protocol (`NETDATA_SYSTEM_OS_NAME` …). */
export type SystemInfo = ReadonlyMap<string, string>;

/** Identity and settings of a host; those the protocol may change later are fields of {@link Host}. */
export interface HostOptions {
  /** 36 characters, lower case. */
  machineGuid: string;
  hostname: string;
  os: string;
  updateEverySec: number;
  historyEntries: number;
  memoryMode: MemoryMode;
  /** Lost iterations that still are interpolated over, plus 2 (rrd.md §1.2). */
  gapIterations: number;
  /** Own machine: counted as `collected`; others are `received`. */
  isLocal: boolean;
}

/** What all hosts of a database share. */
export interface HostShare {
  readonly chartsPerHostMax: number;
  readonly dimensionsPerChartMax: number;
  readonly store: SegmentStore;
  readonly budget: ByteBudget;
  readonly sets: DimensionSets;
  readonly texts: InternedTexts;
  readonly limitReached: LimitReached;
}

/** A dimension of an earlier run and its column; segment < 0 = it had none. */
export interface RestoredDimension {
  readonly dimension: Dimension;
  readonly segment: number;
  readonly column: number;
}
