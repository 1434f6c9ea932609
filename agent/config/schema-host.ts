import * as v from "valibot";
import { bool, choice, guid, int, path, string, stringMap } from "./fields.ts";

/** Upper end of a number that has none of its own. */
export const NO_LIMIT = Number.MAX_SAFE_INTEGER;

export const MEMORY_MODES = ["none", "ram", "save", "map"] as const;

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
      meaning: "Directory that holds machine.guid and the database's files (db/).",
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
      meaning:
        "Memory mode: none keeps only what is needed to pass values on, ram keeps the ring in memory, save keeps it " +
        "in memory and in files at the end, map keeps it in mapped files that survive a kill.",
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
  save_every: v.optional(
    int({
      meaning: "Mode save: the files are written this often.",
      min: 0,
      max: 86_400,
      unit: "s",
      fallback: "0 = at the end and on SIGUSR1 only",
    }),
    0,
  ),
  flush_every: v.optional(
    int({
      meaning:
        "Mode map: all that was stored is on the disk this often, so that a power cut takes no more. " +
        "Needs a history above 257.",
      min: 0,
      max: 3600,
      unit: "s",
      fallback: "0 = when the kernel writes it",
    }),
    0,
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
  delete_obsolete_charts_files: v.optional(
    bool({
      meaning: "An obsolete chart leaves memory, and its place in the files is given to others; false = it stays.",
      netdata: "delete obsolete charts files",
    }),
    true,
  ),
  delete_orphan_hosts_files: v.optional(
    bool({
      meaning: "A child that leaves memory loses its files too; netdata's default is yes.",
      netdata: "delete orphan hosts files",
    }),
    false,
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
  disk_limit_bytes: v.optional(
    int({
      meaning: "Disk space that the files of all hosts may take. A host without room for more goes on in memory.",
      min: 0,
      max: NO_LIMIT,
      unit: "bytes",
      fallback: "0 = what they have at the start, and the space that is free then, less 10 %",
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
  enable_replication: v.optional(enableReplication(), true),
  seconds_to_replicate: v.optional(secondsToReplicate(), 86_400),
  seconds_per_replication_step: v.optional(secondsPerReplicationStep(), 600),
});

/** Replication (streaming.md §9): for all children here, for some in the tables of API keys and machines. */
export function enableReplication(fallback?: string) {
  return bool({
    meaning:
      "What a child collected while it was not connected is fetched from it; and ours may be fetched by parents.",
    netdata: "enable replication",
    fallback,
  });
}

export function secondsToReplicate(fallback?: string) {
  const meaning = "How far back a child is asked for what is missing.";
  return int({ meaning, min: 10, max: NO_LIMIT, unit: "s", netdata: "seconds to replicate", fallback });
}

export function secondsPerReplicationStep(fallback?: string) {
  const meaning = "Longest range that a child is asked for at once.";
  return int({ meaning, min: 10, max: NO_LIMIT, unit: "s", netdata: "seconds per replication step", fallback });
}

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
