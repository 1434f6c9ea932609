import type { CollectorModule } from "./collector.ts";
import { diskspace } from "./proc/diskspace.ts";
import { diskstats } from "./proc/diskstats.ts";
import { loadavg } from "./proc/loadavg.ts";
import { meminfo } from "./proc/meminfo.ts";
import { netdev } from "./proc/netdev.ts";
import { pressure } from "./proc/pressure.ts";
import { stat } from "./proc/stat.ts";
import { uptime } from "./proc/uptime.ts";
import { vmstat } from "./proc/vmstat.ts";

/** Every collector of the machine, in the order they run in. The agent's own charts: `agent-charts.ts`. */
export const COLLECTORS: readonly CollectorModule[] = [
  stat,
  loadavg,
  uptime,
  pressure,
  meminfo,
  vmstat,
  diskstats,
  netdev,
  diskspace,
];
