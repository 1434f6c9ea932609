import type { Config } from "../config/schema.ts";
import type { HostLabels } from "../exporter/exporters.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import { setLabels } from "../rrd/host-facts.ts";
import { LABEL_AUTOMATIC, LABEL_CONFIGURED, type Label, systemLabels } from "../rrd/label.ts";
import type { Machine } from "./machine.ts";
import { takesStreams } from "./role.ts";

/** Name and version of this program, as parents and clients see it. */
export interface Program {
  readonly name: string;
  readonly version: string;
}

/** Makes the host of this machine, the first one of the database. */
export function createLocalhost(
  database: Database,
  config: Config,
  machineGuid: string,
  program: Program,
  machine: Machine,
  nowUs: number,
): Host {
  const host = database.addHost({
    machineGuid,
    hostname: config.agent.hostname || machine.hostname,
    os: "linux",
    updateEverySec: config.agent.update_every,
    historyEntries: config.db.history,
    memoryMode: config.db.mode,
    gapIterations: config.db.gap_when_lost_iterations_above + 2,
    isLocal: true,
  })!;
  const timezone = machine.timezone(nowUs);
  host.program = program.name;
  host.version = program.version;
  host.timezone = timezone.name;
  host.abbrevTimezone = timezone.abbreviation;
  host.utcOffsetSec = timezone.offsetSec;
  host.systemInfo = machine.systemInfo(config.collector.host_prefix);
  host.firstSeenUs = nowUs;
  labelLocalhost(host, config);
  return host;
}

/** Labels of the host of this machine, for exporters. */
export function exportedLabels(host: Host): HostLabels {
  const from = (source: number) => {
    const labels = host.labels.filter((label) => label.source === source);
    return Object.fromEntries(labels.map(({ name, value }) => [name, value]));
  };
  return { configured: from(LABEL_CONFIGURED), automatic: from(LABEL_AUTOMATIC) };
}

/** Gives the host of this machine its labels, automatic ones first: configured ones may take their place. */
export function labelLocalhost(host: Host, config: Config): void {
  const automatic = (name: string, value: string): Label => ({ name, value, source: LABEL_AUTOMATIC });
  const labels = [
    automatic("_hostname", host.hostname),
    automatic("_os", host.os),
    ...systemLabels(host.systemInfo),
    automatic("_timezone", host.timezone),
    automatic("_is_parent", String(takesStreams(config))),
    ...Object.entries(config.agent.labels).map(([name, value]) => ({ name, value, source: LABEL_CONFIGURED })),
  ].filter(({ value }) => value !== "");
  setLabels(host, [...new Map(labels.map((label) => [label.name, label])).values()]);
}
