import type { Chart } from "./chart.ts";

/** Keeps the definitions of one host for the next start. Called inside commits: it never throws or waits. */
export interface DefinitionJournal {
  /** A chart is new, or something of it changed: {@link Chart.journaled} says from where on. */
  chartSettled(chart: Chart): void;
  /** A chart left the database. */
  chartRemoved(chart: Chart): void;
  /** Name, system or settings of the host changed. */
  hostChanged(): void;
}
