import type { Config } from "../config/schema.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import type { Machine } from "./machine.ts";

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
  return host;
}
