import * as v from "valibot";
import { bool, choice, int, list, pattern, string, stringMap } from "./fields.ts";
import { NO_LIMIT } from "./schema-host.ts";
import { destinationProblem } from "./schema-stream.ts";

/** Names of exporters, which are part of chart ids and of file names. */
export const EXPORTER_NAME = /^[A-Za-z0-9_-]{1,64}$/;

const TYPES_PLANNED = [
  "graphite:pickle",
  "opentsdb",
  "opentsdb:telnet",
  "opentsdb:http",
  "opentsdb:https",
  "json",
  "json:http",
  "json:https",
  "prometheus_remote_write",
  "influx:http",
  "influx:https",
  "otlp:http",
  "otlp:https",
];

const TIMEOUT_MS_MAX = 600_000;

const ExporterTable = v.strictObject({
  enabled: v.optional(bool({ meaning: "false = nothing is sent.", netdata: "enabled" }), true),
  type: choice(["graphite"], {
    meaning: "What the server speaks.",
    planned: TYPES_PLANNED,
    netdata: "type",
    fallback: "required",
  }),
  destination: list({
    meaning: "Servers, in order of failover: HOST, HOST:PORT or [IPV6]:PORT; the port is the type's if left out.",
    problem: destinationProblem,
    netdata: "destination",
    fallback: "required",
  }),
  data_source: v.optional(
    choice(["as collected", "average", "sum"], {
      meaning: "Raw counters, or the average or sum of the stored values of each interval.",
      netdata: "data source (volume = sum)",
    }),
    "average",
  ),
  update_every: v.optional(
    int({ meaning: "Interval of sending.", min: 1, max: 86_400, unit: "s", netdata: "update every" }),
    10,
  ),
  prefix: v.optional(string({ meaning: "First part of every metric's name.", max: 200, netdata: "prefix" }), "netdata"),
  hostname: v.optional(
    string({
      meaning: "Name of this host at the server; other hosts keep their own.",
      max: 200,
      netdata: "hostname",
      fallback: "the agent's",
    }),
    "",
  ),
  send_charts_matching: v.optional(
    pattern({ meaning: "Charts that are sent, by id or name.", netdata: "send charts matching" }),
    "*",
  ),
  send_hosts_matching: v.optional(
    pattern({ meaning: "Hosts that are sent; this one is called localhost.", netdata: "send hosts matching" }),
    "localhost *",
  ),
  send_names_instead_of_ids: v.optional(
    bool({ meaning: "Names of charts and dimensions instead of their ids.", netdata: "send names instead of ids" }),
    true,
  ),
  send_configured_labels: v.optional(
    bool({ meaning: "Labels of [agent.labels] with every metric.", netdata: "send configured labels" }),
    false,
  ),
  send_automatic_labels: v.optional(
    bool({ meaning: "Labels the agent made itself with every metric.", netdata: "send automatic labels" }),
    false,
  ),
  timeout_ms: v.optional(
    int({
      meaning: "A connection that moves nothing for this long is closed.",
      min: 100,
      max: TIMEOUT_MS_MAX,
      unit: "ms",
      netdata: "timeout ms",
      fallback: "2000 × update_every",
    }),
  ),
  buffer_on_failures: v.optional(
    int({
      meaning: "Intervals kept while the server cannot be reached; then all of them are dropped and counted.",
      min: 0,
      max: NO_LIMIT,
      unit: "iterations",
      netdata: "buffer on failures",
      fallback: "0 = queue_memory_bytes is the only limit",
    }),
    0,
  ),
  queue_memory_bytes: v.optional(
    int({
      meaning: "Most memory of the queue; when it is full the oldest points are dropped and counted.",
      min: 65_536,
      max: NO_LIMIT,
      unit: "bytes",
    }),
    4_194_304,
  ),
  queue_disk_bytes: v.optional(
    int({
      meaning: "Part of the queue on disk. This version keeps it in memory only: 0.",
      min: 0,
      max: 0,
      unit: "bytes",
    }),
    0,
  ),
  queue_max_age_seconds: v.optional(
    int({
      meaning: "Older points are dropped and counted.",
      min: 0,
      max: NO_LIMIT,
      unit: "s",
      fallback: "0 = no limit",
    }),
    0,
  ),
  failback_seconds: v.optional(
    int({ meaning: "Time between two looks whether the first server is back.", min: 1, max: NO_LIMIT, unit: "s" }),
    60,
  ),
  replay_points_per_second: v.optional(
    int({ meaning: "Most points a second sent of a backlog.", min: 1, max: NO_LIMIT }),
    20_000,
  ),
  batch_points: v.optional(
    int({ meaning: "Most points in one piece.", min: 0, max: NO_LIMIT, fallback: "0 = the type's" }),
    0,
  ),
  host_dots: v.optional(
    choice(["keep", "underscore"], { meaning: "Dots in host names: kept, or written as underscores." }),
    "keep",
  ),
  compat_names: v.optional(
    bool({ meaning: "A dash in names of charts and dimensions becomes an underscore, as netdata writes it." }),
    true,
  ),
  tags: v.optional(stringMap({ meaning: "Tags with every metric: name = text.", max: 20, netdata: "host tags" }), {}),
});

/** `[exporter.NAME]` (config.md §2.6); `timeout_ms` is filled in. */
export const ExporterSchema = v.pipe(
  ExporterTable,
  v.transform((table) => {
    return { ...table, timeout_ms: table.timeout_ms ?? Math.min(2000 * table.update_every, TIMEOUT_MS_MAX) };
  }),
);
