import { hostname } from "node:os";
import type { Clock } from "../base/clock.ts";
import type { Config } from "../config/schema.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import { readSystemInfo, readTimezone } from "./system-info.ts";

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
  clock: Clock,
): Host {
  const host = database.addHost({
    machineGuid,
    hostname: config.agent.hostname || hostname(),
    os: "linux",
    updateEverySec: config.agent.update_every,
    historyEntries: config.db.history,
    memoryMode: config.db.mode,
    gapIterations: config.db.gap_when_lost_iterations_above + 2,
    isLocal: true,
  })!;
  const nowUs = clock.nowUs();
  const timezone = readTimezone(new Date(nowUs / 1000));
  host.program = program.name;
  host.version = program.version;
  host.timezone = timezone.name;
  host.abbrevTimezone = timezone.abbreviation;
  host.utcOffsetSec = timezone.offsetSec;
  host.systemInfo = readSystemInfo(config.collector.host_prefix);
  host.firstSeenUs = nowUs;
  return host;
}
