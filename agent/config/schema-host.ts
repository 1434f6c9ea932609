import * as v from "valibot";
import { choice, guid, int, path, string, stringMap } from "./fields.ts";

/** Upper end of a number that has none of its own. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

export const MEMORY_MODES = ["none", "ram"] as const;
/** Memory modes of later versions, refused with a message of their own. */
export const MEMORY_MODES_PLANNED = ["save", "map"];

/** `[agent]` and `[agent.labels]` (config.md §2.1). */
export const AgentSchema = v.strictObject({
  hostname: v.optional(
    string({
      meaning: "Name of this host as shown and streamed.",
      max: 200,
      netdata: "[global] hostname",
      fallback: "the system's host name",
    }),
    "",
  ),
  machine_guid: v.optional(
    guid({
      meaning: "Identity of this host. Two hosts with one GUID are taken for one.",
      netdata: "file registry/netdata.public.unique.id",
      fallback: "the file machine.guid in state_dir, made at the first start",
    }),
    "",
  ),
  update_every: v.optional(
    int({
      meaning: "Collection interval.",
      min: 1,
      max: 3600,
      unit: "s",
      netdata: "[global], later [db] update every",
    }),
    1,
  ),
  state_dir: v.optional(
    path({
      meaning: "Directory that holds machine.guid.",
      netdata: "[directories] cache, lib",
      fallback: "/var/lib/tributary as root, else $XDG_STATE_HOME/tributary (~/.local/state/tributary)",
    }),
    "",
  ),
  labels: v.optional(
    stringMap({
      meaning: "Labels of this host: name = text of at most 200 bytes.",
      max: 50,
      netdata: "[host labels]; host tags",
    }),
    {},
  ),
});

/** `[db]` (config.md §2.2). */
export const DbSchema = v.strictObject({
  mode: v.optional(
    choice(MEMORY_MODES, {
      meaning: "Memory mode: none keeps only what is needed to pass values on, ram keeps the ring in memory.",
      planned: MEMORY_MODES_PLANNED,
      netdata: "memory mode, [db] mode",
    }),
    "ram",
  ),
  history: v.optional(
    int({
      meaning: "Length of the ring: points kept of every dimension.",
      min: 5,
      max: 864_000,
      unit: "entries",
      netdata: "history, retention",
    }),
    3600,
  ),
  gap_when_lost_iterations_above: v.optional(
    int({
      meaning: "A chart that missed more iterations than this shows a gap instead of a line across it.",
      min: 1,
      max: 3600,
      unit: "iterations",
      netdata: "gap when lost iterations above",
    }),
    1,
  ),
  cleanup_obsolete_charts_after_seconds: v.optional(
    int({
      meaning: "A chart declared obsolete leaves memory after this time.",
      min: 10,
      max: NO_LIMIT,
      unit: "s",
      netdata: "cleanup obsolete charts after secs",
    }),
    3600,
  ),
  cleanup_orphan_hosts_after_seconds: v.optional(
    int({
      meaning: "A child that has not been connected for this long leaves memory.",
      min: 0,
      max: NO_LIMIT,
      unit: "s",
      netdata: "cleanup orphan hosts after secs",
      fallback: "0 = never",
    }),
    3600,
  ),
  memory_limit_bytes: v.optional(
    int({
      meaning: "Memory that all rings and definitions may take. What does not fit is refused, counted and named.",
      min: 0,
      max: NO_LIMIT,
      unit: "bytes",
      fallback: "0 = half of the machine's memory",
    }),
    0,
  ),
  charts_per_host_max: v.optional(
    int({ meaning: "Most charts of one host; more are refused, counted and named.", min: 1, max: NO_LIMIT }),
    20_000,
  ),
  dimensions_per_chart_max: v.optional(
    int({ meaning: "Most dimensions of one chart; more are refused, counted and named.", min: 1, max: NO_LIMIT }),
    5000,
  ),
  hosts_max: v.optional(
    int({ meaning: "Most hosts, this one included; more are refused, counted and named.", min: 1, max: NO_LIMIT }),
    10_000,
  ),
  new_charts_per_minute_max: v.optional(
    int({
      meaning: "Most new charts of one host in a minute; the first definitions after a connect are not counted.",
      min: 1,
      max: NO_LIMIT,
    }),
    2000,
  ),
});

/** `[log]` (config.md §2.7). */
export const LogSchema = v.strictObject({
  level: v.optional(
    choice(["error", "warn", "info", "debug"], {
      meaning: "Least important lines that are written.",
      netdata: "[logs] level",
    }),
    "info",
  ),
  format: v.optional(choice(["text", "json"], { meaning: "One line an event: words for people or JSON." }), "text"),
});
