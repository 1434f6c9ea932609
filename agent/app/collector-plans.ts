import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { SimplePattern } from "../base/pattern.ts";
import type { HostFiles } from "../base/proc-file.ts";
import { createAgentCollector } from "../collector/agent-charts.ts";
import type { AgentSources } from "../collector/agent-sources.ts";
import type { CollectorModule, CollectorSettings } from "../collector/collector.ts";
import type { CollectorPlan } from "../collector/collector-runner.ts";
import { HostCharts } from "../collector/host-charts.ts";
import { COLLECTORS } from "../collector/registry.ts";
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
}

/** Which collectors run, and with what settings. Lives as long as the agent: a collector's charts outlive reloads. */
export class CollectorPlans {
  private readonly surroundings: CollectorSurroundings;
  private readonly modules: readonly CollectorModule[];
  /** By collector. */
  private readonly charts = new Map<string, HostCharts>();

  constructor(surroundings: CollectorSurroundings) {
    this.surroundings = surroundings;
    this.modules = [...COLLECTORS, createAgentCollector(surroundings.sources)];
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

function tableOf(config: CollectorConfig, module: CollectorModule): CollectorConfig[CollectorName] {
  return config[module.name as CollectorName];
}
