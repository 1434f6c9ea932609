import type { Chart } from "./chart.ts";

/** Charts that may share a name before the next one goes by its id: the search for a free name must stay short. */
const NAME_SUFFIX_MAX = 100;

/** The charts of one host by place, by id and by name; all are unique. */
export class ChartIndex {
  /** By {@link Chart.index}; a freed place is null. */
  readonly places: (Chart | null)[] = [];
  private readonly freed: number[] = [];
  private readonly byId = new Map<string, Chart>();
  private readonly byName = new Map<string, Chart>();

  get size(): number {
    return this.byId.size;
  }

  get all(): Iterable<Chart> {
    return this.byId.values();
  }

  /** Chart with this exact id. */
  get(id: string): Chart | undefined {
    return this.byId.get(id);
  }

  /** Chart by id, else by name (rrd.md §1.2). */
  find(idOrName: string): Chart | undefined {
    return this.byId.get(idOrName) ?? this.byName.get(idOrName);
  }

  /** Takes a chart in, at a place that another one left if there is one. */
  add(chart: Chart): void {
    chart.index = this.freed.pop() ?? this.places.length;
    this.places[chart.index] = chart;
    this.byId.set(chart.id, chart);
    this.byName.set(chart.definition.name, chart);
  }

  remove(chart: Chart): void {
    this.places[chart.index] = null;
    this.freed.push(chart.index);
    this.byId.delete(chart.id);
    if (this.byName.get(chart.definition.name) === chart) this.byName.delete(chart.definition.name);
  }

  /** A chart has got another name. */
  rename(chart: Chart, before: string, after: string): void {
    if (before === after) return;
    if (this.byName.get(before) === chart) this.byName.delete(before);
    this.byName.set(after, chart);
  }

  /** A name already in use gets a suffix when the chart is new; a known chart keeps its name instead. */
  uniqueName(id: string, wanted: string, known: Chart | undefined): string {
    const owner = this.byName.get(wanted);
    if (owner === undefined || owner === known) return wanted;
    if (known !== undefined) return known.definition.name;
    for (let suffix = 1; suffix < NAME_SUFFIX_MAX; suffix++) {
      if (!this.byName.has(`${wanted}_${suffix}`)) return `${wanted}_${suffix}`;
    }
    return id;
  }
}
