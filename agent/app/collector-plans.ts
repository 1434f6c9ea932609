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

/** Which collectors run, and with what settings. */
export function collectorPlans(config: CollectorConfig, surroundings: CollectorSurroundings): CollectorPlan[] {
  if (!config.enabled) return [];
  const modules = [...COLLECTORS, createAgentCollector(surroundings.sources)];
  return modules
    .filter((module) => tableOf(config, module).enabled)
    .map((module) => plan(config, module, surroundings));
}

function plan(config: CollectorConfig, module: CollectorModule, surroundings: CollectorSurroundings): CollectorPlan {
  const table = tableOf(config, module);
  const charts = new HostCharts(surroundings.host);
  return {
    module,
    updateEverySec: table.update_every,
    revision: JSON.stringify([config.zero_metrics, table]),
    createContext(updateEverySec) {
      const { files, clock, log } = surroundings;
      return { charts, files, clock, log, updateEverySec, settings: settings(config, module) };
    },
    onRemoved: () => charts.retireAll(),
  };
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
