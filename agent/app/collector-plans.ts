import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { SimplePattern } from "../base/pattern.ts";
import type { HostFiles } from "../base/proc-file.ts";
import { createAgentCollector } from "../collector/agent-charts.ts";
import type { AgentSources } from "../collector/agent-sources.ts";
import type { CollectorModule, CollectorSettings } from "../collector/collector.ts";
import type { CollectorPlan } from "../collector/collector-runner.ts";
import { HostCharts } from "../collector/host-charts.ts";
import type { CollectorConfig, CollectorName } from "../config/schema.ts";
import type { Host } from "../rrd/host.ts";

/** What every collector is given. */
export interface CollectorSurroundings {
  /** The agent's own host. */
  readonly host: Host;
  readonly files: HostFiles;
  readonly clock: Clock;
  readonly log: Log;
  readonly sources: AgentSources;
  /** All but that of the agent's own charts; each follows its table of the configuration, if it has one. */
  readonly collectors: readonly CollectorModule[];
}

/** Which collectors run, and with what settings. Lives as long as the agent: a collector's charts outlive reloads. */
export class CollectorPlans {
  private readonly surroundings: CollectorSurroundings;
  private readonly modules: readonly CollectorModule[];
  /** By collector. */
  private readonly charts = new Map<string, HostCharts>();

  constructor(surroundings: CollectorSurroundings) {
    this.surroundings = surroundings;
    this.modules = [...surroundings.collectors, createAgentCollector(surroundings.sources)];
  }

  /** The plans of this configuration, for {@link Scheduler.configure}. */
  of(config: CollectorConfig): CollectorPlan[] {
    if (!config.enabled) return [];
    return this.modules
      .filter((module) => tableOf(config, module).enabled)
      .map((module) => this.plan(config, module, this.chartsOf(module)));
  }

  private plan(config: CollectorConfig, module: CollectorModule, charts: HostCharts): CollectorPlan {
    const table = tableOf(config, module);
    const rules = JSON.stringify([config.zero_metrics, table.charts]);
    return {
      module,
      updateEverySec: table.update_every,
      revision: JSON.stringify([config.zero_metrics, table]),
      createContext: (updateEverySec) => {
        const { files, clock, log } = this.surroundings;
        charts.beginAnew(rules);
        return { charts, files, clock, log, updateEverySec, settings: settings(config, module) };
      },
      retireLeftovers: () => charts.retireLeftovers(),
      onRemoved: () => charts.retireAll(),
    };
  }

  private chartsOf(module: CollectorModule): HostCharts {
    let charts = this.charts.get(module.name);
    if (charts === undefined) {
      charts = new HostCharts(this.surroundings.host);
      this.charts.set(module.name, charts);
    }
    return charts;
  }
}

function settings(config: CollectorConfig, module: CollectorModule): CollectorSettings {
  const table = tableOf(config, module);
  const excluded = new SimplePattern("exclude" in table ? table.exclude : (module.excludeDefault ?? ""));
  const filesystems = new SimplePattern(config.diskspace.exclude_filesystems);
  return {
    zeroMetrics: config.zero_metrics,
    charts: table.charts,
    isExcluded: (name) => excluded.matches(name),
    isFilesystemExcluded: (type) => filesystems.matches(type),
    partitions: config.diskstats.partitions,
  };
}

/** Of collectors that the configuration does not know. */
const NO_TABLE: CollectorConfig["uptime"] = { enabled: true, update_every: 0, charts: {} };

function tableOf(config: CollectorConfig, { name }: CollectorModule): CollectorConfig[CollectorName] {
  return Object.hasOwn(config, name) ? config[name as CollectorName] : NO_TABLE;
}
