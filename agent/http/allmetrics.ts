import { SimplePattern } from "../base/pattern.ts";
import { cleanLabelName, PROMETHEUS_TYPE } from "../format/prometheus.ts";
import type { Host } from "../rrd/host.ts";
import { AgentMetrics, type MetricsOptions, type MetricsSource } from "./allmetrics-prometheus.ts";
import type { HttpCounters } from "./counters.ts";
import { errorReply, type Reply } from "./reply.ts";
import type { ScrapeMemory } from "./scrape-memory.ts";
import type { HttpSources } from "./sources.ts";
import type { Parameters } from "./url.ts";

const SOURCES: Readonly<Record<string, MetricsSource>> = {
  average: "average",
  sum: "sum",
  volume: "sum",
  "as collected": "as-collected",
  "as-collected": "as-collected",
};
const SOURCE_NAMES = ["source", "data", "data source", "data-source", "data_source", "datasource"];

/** What `/api/v1/allmetrics` needs besides the request. */
export interface ScrapeContext {
  readonly sources: HttpSources;
  readonly memory: ScrapeMemory;
  readonly counters: HttpCounters;
  /** Address of the client: the server's name unless it gives one. */
  readonly address: string;
}

/** `/api/v1/allmetrics` (exporters.md §3.5). */
export function allmetricsReply(host: Host, parameters: Parameters, context: ScrapeContext): Reply {
  const format = parameters.get("format");
  if (format !== "prometheus" && format !== "prometheus_all_hosts") {
    return errorReply(400, "Which format? 'prometheus' and 'prometheus_all_hosts' are currently supported.");
  }
  const { sources, memory, counters, address } = context;
  counters.prometheusUsed++;
  const isAllHosts = format === "prometheus_all_hosts";
  const nowMs = Math.floor(sources.clock.nowUs() / 1000);
  const nowSec = Math.floor(nowMs / 1000);
  const server = parameters.get("server") ?? address;
  const hosts = (isAllHosts ? sources.database.hosts : [host]).map((each) => {
    return { host: each, afterSec: memory.visit(server, each, nowSec), beforeSec: nowSec };
  });
  const metrics = new AgentMetrics(sources, optionsOf(parameters, isAllHosts), nowMs);
  return { status: 200, contentType: PROMETHEUS_TYPE, body: metrics.write(hosts), cache: "none" };
}

function optionsOf(parameters: Parameters, isAllHosts: boolean): MetricsOptions {
  return {
    source: SOURCES[parameters.get(...SOURCE_NAMES) ?? "average"] ?? "average",
    prefix: cleanLabelName(parameters.get("prefix") ?? "netdata"),
    useNames: parameters.flag("names", true),
    withTimestamps: parameters.flag("timestamps", true),
    withHelp: parameters.flag("help", false),
    withTypes: parameters.flag("types", false),
    hideUnits: parameters.flag("hideunits", false),
    oldUnits: parameters.flag("oldunits", false),
    filter: new SimplePattern(parameters.get("filter") ?? "*"),
    withInstance: isAllHosts,
  };
}
