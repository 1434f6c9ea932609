import type { Config } from "../config/schema.ts";
import type { DatabaseLimits } from "../rrd/database.ts";

/** The bounds of the database; without a configured one, rings may take half of the machine's memory. */
export function databaseLimits({ db }: Config, machineBytes: number): DatabaseLimits {
  return {
    memoryBytes: db.memory_limit_bytes || Math.floor(machineBytes / 2),
    hosts: db.hosts_max,
    chartsPerHost: db.charts_per_host_max,
    dimensionsPerChart: db.dimensions_per_chart_max,
    newChartsPerMinute: db.new_charts_per_minute_max,
  };
}
