import type { Chart } from "./chart.ts";
import type { Host } from "./host.ts";
import type { HostOptions } from "./host-options.ts";
import type { SegmentStore } from "./store/segment-store.ts";

/**
 * The files of one host, as the database sees them: they keep its definitions and its segments for the next start.
 * Called inside commits: nothing here throws or waits.
 */
export interface HostStore extends SegmentStore {
  /** Why the files cannot be used now, and everything is kept in memory; empty = they can. */
  readonly problem: string;
  /** Damaged blocks that were found since the files were opened: what they held reads as empty. */
  readonly corruptBlocks: number;
  /** Tells whose files they are, before anything else: what they hold is put into the host. */
  attach(host: Host): void;
  /** A chart is new, or something of it changed: {@link Chart.journaled} says from where on. */
  chartSettled(chart: Chart): void;
  /** Columns of a chart were emptied: what their dimensions stored so far is given up. */
  columnsEmptied(chart: Chart, first: number, count: number): void;
  /** Columns of a chart hold older values of its own than they did when it got them, and nothing of anybody else. */
  chartReached(chart: Chart): void;
  /** A chart left the database. */
  chartRemoved(chart: Chart): void;
  /** Name or system of the host changed. */
  hostChanged(): void;
}

/** Gives hosts in modes `save` and `map` their files. */
export interface HostDirectories {
  /** @returns null for a host that has none. Never throws: a host without its files goes on in memory. */
  open(options: HostOptions): HostStore | null;
}
