import * as v from "valibot";
import { parseDestination } from "../base/destination.ts";
import { InputError } from "../base/input-error.ts";
import { PORT_DEFAULT } from "../base/listen-address.ts";
import { addresses, bool, boolOrAuto, choice, type FieldAbout, guid, int, list, pattern, problemOf } from "./fields.ts";
import {
  enableReplication,
  MEMORY_MODES,
  NO_LIMIT,
  secondsPerReplicationStep,
  secondsToReplicate,
} from "./schema-host.ts";

const HEALTH = "Kept for configurations of netdata; has no effect, there is no alarm engine.";

/** `[stream]`: this agent as a child, and what is common to all children it receives (config.md §2.4). */
export const StreamSchema = v.strictObject({
  enabled: v.optional(
    bool({ meaning: "Stream this host to a parent; needs destination and api_key.", netdata: "enabled" }),
    false,
  ),
  destination: v.optional(
    destinations({
      meaning: "Parents, in order of failover: HOST, HOST:PORT or [IPV6]:PORT.",
      netdata: "destination",
    }),
    [],
  ),
  api_key: v.optional(guid({ meaning: "The key the parent knows us by.", netdata: "api key", secret: "tail" }), ""),
  timeout_seconds: v.optional(
    int({
      meaning:
        "Longest wait for a connection, for the parent's answer, and for output to move; for a word of a parent that " +
        "confirms what it stores, at most 30 s.",
      min: 5,
      max: 3600,
      unit: "s",
      netdata: "timeout seconds",
    }),
    60,
  ),
  default_port: v.optional(
    int({ meaning: "Port of destinations that name none.", min: 1, max: 65_535, netdata: "default port" }),
    PORT_DEFAULT,
  ),
  buffer_size_bytes: v.optional(
    int({
      meaning: "Send buffer of each outgoing link; when it is full the link is closed and starts anew.",
      min: 65_536,
      max: 268_435_456,
      unit: "bytes",
      netdata: "buffer size bytes",
    }),
    4_194_304,
  ),
  reconnect_delay_seconds: v.optional(
    int({
      meaning: "Wait before a new attempt; doubles up to 60 s while attempts fail.",
      min: 1,
      max: 3600,
      unit: "s",
      netdata: "reconnect delay seconds",
    }),
    5,
  ),
  return_to_preferred_after_seconds: v.optional(
    int({
      meaning: "A preferred parent that is there again for so long gets the stream back; 0 = never.",
      min: 0,
      max: 86_400,
      unit: "s",
    }),
    300,
  ),
  initial_clock_resync_iterations: v.optional(
    int({
      meaning: "Iterations after a connect that let the parent take its own time.",
      min: 0,
      max: 3600,
      unit: "iterations",
      netdata: "initial clock resync iterations",
    }),
    60,
  ),
  send_charts_matching: v.optional(
    pattern({ meaning: "Charts that are sent, by id or name.", netdata: "send charts matching" }),
    "*",
  ),
  confirm: v.optional(
    choice(["hop", "end"], {
      meaning:
        "What counts as confirmed: hop = the next agent has stored it; end = the last one on the way has, through " +
        "proxies of this kind. What is delivered stays the same.",
    }),
    "hop",
  ),
  accept_per_second_max: v.optional(
    int({
      meaning: "Most children accepted in a second; more are asked to come back later.",
      min: 1,
      max: 10_000,
      netdata: "accept a streaming request every",
    }),
    50,
  ),
  receive_timeout_seconds: v.optional(
    int({
      meaning: "A child silent for this long, or for 10 of its intervals if that is longer, is closed.",
      min: 10,
      max: 86_400,
      unit: "s",
    }),
    120,
  ),
});

/** `[api_key."GUID"]`: what holds for every child that shows this key (config.md §2.5). */
export const ApiKeySchema = v.strictObject({
  enabled: v.optional(bool({ meaning: "Children with this key may stream to us.", netdata: "enabled" }), false),
  allow_from: v.optional(
    addresses({ meaning: "Peers that may use this key, by address.", netdata: "allow from" }),
    "*",
  ),
  default_history: v.optional(history("default history", "db.history")),
  default_memory_mode: v.optional(memoryMode("default memory mode", "db.mode")),
  health_enabled_by_default: v.optional(health("health enabled by default", "false")),
  default_postpone_alarms_on_connect_seconds: v.optional(postpone("default postpone alarms on connect seconds", "60")),
  default_proxy_enabled: v.optional(proxyEnabled("default proxy enabled", "stream.enabled")),
  default_proxy_destination: v.optional(proxyDestination("default proxy destination", "stream.destination")),
  default_proxy_api_key: v.optional(proxyApiKey("default proxy api key", "stream.api_key")),
  default_proxy_send_charts_matching: v.optional(
    proxyCharts("default proxy send charts matching", "stream.send_charts_matching"),
  ),
  enable_replication: v.optional(enableReplication("db.enable_replication")),
  seconds_to_replicate: v.optional(secondsToReplicate("db.seconds_to_replicate")),
  seconds_per_replication_step: v.optional(secondsPerReplicationStep("db.seconds_per_replication_step")),
});

/** `[machine."GUID"]`: what holds for one child; beats its API key's table (config.md §2.5). */
export const MachineSchema = v.strictObject({
  enabled: v.optional(bool({ meaning: "This child may stream to us.", netdata: "enabled" }), true),
  allow_from: v.optional(
    addresses({ meaning: "Peers that may stream as this child, by address.", netdata: "allow from" }),
    "*",
  ),
  update_every: v.optional(
    int({
      meaning: "Interval of this child's charts.",
      min: 1,
      max: 3600,
      unit: "s",
      netdata: "update every",
      fallback: "what the child says",
    }),
  ),
  history: v.optional(history("history", "the API key's default_history")),
  memory_mode: v.optional(memoryMode("memory mode", "the API key's default_memory_mode")),
  health_enabled: v.optional(health("health enabled", "the API key's")),
  postpone_alarms_on_connect_seconds: v.optional(postpone("postpone alarms on connect seconds", "the API key's")),
  proxy_enabled: v.optional(proxyEnabled("proxy enabled", "the API key's default_proxy_enabled")),
  proxy_destination: v.optional(proxyDestination("proxy destination", "the API key's default_proxy_destination")),
  proxy_api_key: v.optional(proxyApiKey("proxy api key", "the API key's default_proxy_api_key")),
  proxy_send_charts_matching: v.optional(
    proxyCharts("proxy send charts matching", "the API key's default_proxy_send_charts_matching"),
  ),
  enable_replication: v.optional(enableReplication("the API key's")),
  seconds_to_replicate: v.optional(secondsToReplicate("the API key's")),
  seconds_per_replication_step: v.optional(secondsPerReplicationStep("the API key's")),
});

function history(netdata: string, fallback: string) {
  const meaning = "Length of the ring of every dimension received.";
  return int({ meaning, min: 5, max: 864_000, unit: "entries", netdata, fallback });
}

function memoryMode(netdata: string, fallback: string) {
  const meaning = "Memory mode of what is received.";
  return choice(MEMORY_MODES, { meaning, netdata, fallback });
}

function health(netdata: string, fallback: string) {
  return boolOrAuto({ meaning: HEALTH, netdata, fallback });
}

function postpone(netdata: string, fallback: string) {
  return int({ meaning: HEALTH, min: 0, max: NO_LIMIT, unit: "s", netdata, fallback });
}

function proxyEnabled(netdata: string, fallback: string) {
  return bool({ meaning: "Pass on what is received; needs a destination and a key.", netdata, fallback });
}

function proxyDestination(netdata: string, fallback: string) {
  return destinations({ meaning: "Parents to pass it on to, in order of failover.", netdata, fallback });
}

function proxyApiKey(netdata: string, fallback: string) {
  return guid({ meaning: "The key to show to those parents.", netdata, fallback, secret: "tail" });
}

function proxyCharts(netdata: string, fallback: string) {
  return pattern({ meaning: "Charts that are passed on, by id or name.", netdata, fallback });
}

function destinations(about: FieldAbout) {
  return list({ ...about, problem: (entry) => destinationProblem(entry) });
}

/** Why this version cannot connect to a destination, or undefined. */
export function destinationProblem(entry: string): string | undefined {
  return problemOf(() => {
    if (!parseDestination(entry, PORT_DEFAULT).tls) return;
    const hint = "take :SSL away, and use a private network or a tunnel";
    throw new InputError("tls_missing", `destination "${entry}": TLS is not supported by this version`, hint);
  });
}
