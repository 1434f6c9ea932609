import type { AgentChart } from "./agent-chart-list.ts";
import type { CollectorContext } from "./collector.ts";
import { LazyChart } from "./lazy-chart.ts";

/** A chart of the lists, made in this context. */
export class OwnChart<Source> {
  private readonly definition: AgentChart<Source>;
  private readonly chart: LazyChart;

  constructor({ charts, settings }: CollectorContext, definition: AgentChart<Source>, updateEverySec: number) {
    this.definition = definition;
    this.chart = new LazyChart({ charts, settings, updateEverySec }, definition.spec);
  }

  collect(source: Source, nowUs: number): void {
    const values = this.definition.read(source);
    if (values === undefined) return;
    // Collected values are integers: a parent gets no fractions, so nobody may store them here.
    for (let i = 0; i < values.length; i++) this.chart.set(i, Math.round(values[i]!));
    this.chart.commit(nowUs);
  }

  retire(): void {
    this.chart.retire();
  }
}
