import { AGENT_CHARTS } from "./agent-chart-list.ts";
import type { AgentReadings, AgentSources, ExporterCounters } from "./agent-sources.ts";
import { BALANCE_CHARTS } from "./balance-charts.ts";
import type { Chart, ChartMeta, Collector, CollectorContext, CollectorModule, Dimension } from "./collector.ts";
import type { CollectorState } from "./collector-runner.ts";
import { exporterCharts } from "./exporter-charts.ts";
import { LinkCharts } from "./link-charts.ts";
import { OwnChart } from "./own-chart.ts";
import type { CollectorStatus } from "./scheduler.ts";

const STATE_VALUES: Record<CollectorState, number> = { disabled: 0, ok: 1, retrying: 2 };

/** The agent about itself (collectors.md §7): collector `agent`. */
export function createAgentCollector(sources: AgentSources): CollectorModule {
  return { name: "agent", everySecMin: 1, start: (context) => new AgentCollector(context, sources) };
}

class AgentCollector implements Collector {
  private readonly context: CollectorContext;
  private readonly sources: AgentSources;
  private readonly charts: readonly OwnChart<AgentReadings>[];
  private readonly exporters = new Map<string, ExporterCharts>();
  private readonly links: LinkCharts;
  private readonly durations: CollectorChart;
  private readonly states: CollectorChart;

  constructor(context: CollectorContext, sources: AgentSources) {
    this.context = context;
    this.sources = sources;
    const charts = [...AGENT_CHARTS, ...BALANCE_CHARTS];
    this.charts = charts.map((definition) => new OwnChart(context, definition, context.updateEverySec));
    this.links = new LinkCharts(context);
    this.durations = new CollectorChart(context, "stacked", "netdata.plugin_proc_modules", DURATIONS, 1000);
    this.states = new CollectorChart(context, "line", "tributary.collector_state", STATES, 1);
  }

  collect(nowUs: number): void {
    const { sources } = this;
    const readings: AgentReadings = {
      process: sources.process(),
      http: sources.http(),
      database: sources.database(),
      storage: sources.storage(),
      receiver: sources.receiver(),
      pusher: sources.pusher(),
      balance: sources.balance(),
      streams: sources.streams(),
      scheduler: sources.scheduler,
      log: sources.log,
    };
    for (let i = 0; i < this.charts.length; i++) this.charts[i]!.collect(readings, nowUs);
    this.links.collect(sources.links(this.links.wanted), nowUs);
    this.durations.collect(sources.scheduler.collectors, nowUs, ({ durationUs }) => durationUs);
    this.states.collect(sources.scheduler.collectors, nowUs, ({ state }) => STATE_VALUES[state]);
    this.collectExporters(nowUs);
  }

  [Symbol.dispose](): void {
    // Owns no resources.
  }

  /** Exporters come and go with the configuration. */
  private collectExporters(nowUs: number): void {
    const exporters = this.sources.exporters();
    for (const exporter of exporters) {
      let charts = this.exporters.get(exporter.name);
      if (charts?.updateEverySec !== exporter.updateEverySec) {
        charts = new ExporterCharts(this.context, exporter);
        this.exporters.set(exporter.name, charts);
      }
      charts.collect(exporter, nowUs);
    }
    if (this.exporters.size === exporters.length) return;
    for (const [name, charts] of this.exporters) {
      if (exporters.some((exporter) => exporter.name === name)) continue;
      charts.retire();
      this.exporters.delete(name);
    }
  }
}

/** The charts of one exporter, at its own interval. */
class ExporterCharts {
  /** As configured. */
  readonly updateEverySec: number;
  private readonly charts: readonly OwnChart<ExporterCounters>[];
  private period = Number.NaN;

  constructor(context: CollectorContext, { name, updateEverySec }: ExporterCounters) {
    this.updateEverySec = updateEverySec;
    const everySec = Math.max(updateEverySec, context.updateEverySec);
    this.charts = exporterCharts(name).map((definition) => new OwnChart(context, definition, everySec));
  }

  collect(exporter: ExporterCounters, nowUs: number): void {
    const period = Math.floor(nowUs / (this.updateEverySec * 1e6));
    if (period === this.period) return;
    this.period = period;
    for (const chart of this.charts) chart.collect(exporter, nowUs);
  }

  retire(): void {
    for (const chart of this.charts) chart.retire();
  }
}

/** A chart with a dimension for each collector. */
class CollectorChart {
  private readonly chart: Chart;
  private readonly divisor: number;
  private readonly dimensions = new Map<string, Dimension>();

  constructor(
    { charts, updateEverySec }: CollectorContext,
    type: "line" | "stacked",
    id: string,
    meta: ChartMeta,
    divisor: number,
  ) {
    this.chart = charts[type](id, meta, updateEverySec);
    this.divisor = divisor;
  }

  collect(collectors: readonly CollectorStatus[], nowUs: number, value: (status: CollectorStatus) => number): void {
    for (const status of collectors) {
      let dimension = this.dimensions.get(status.name);
      if (dimension === undefined) {
        dimension = this.chart.dimension(status.name, "absolute", 1, this.divisor);
        this.dimensions.set(status.name, dimension);
      }
      dimension.set(Math.round(value(status)));
    }
    this.chart.commit(nowUs);
  }
}

const DURATIONS: ChartMeta = {
  title: "NetData Proc Plugin Modules Durations",
  units: "milliseconds/run",
  family: "proc",
  priority: 132_001,
  module: "agent",
};

/** 0 disabled, 1 ok, 2 retrying. */
const STATES: ChartMeta = {
  title: "Collector State",
  units: "state",
  family: "agent",
  priority: 130_130,
  module: "agent",
};
