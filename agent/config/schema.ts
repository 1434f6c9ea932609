import * as v from "valibot";
import { tableGuid } from "./fields.ts";
import { CollectorSchema } from "./schema-collector.ts";
import { WebSchema } from "./schema-door.ts";
import { EXPORTER_NAME, ExporterSchema } from "./schema-exporter.ts";
import { AgentSchema, DbSchema, LogSchema } from "./schema-host.ts";
import { ApiKeySchema, MachineSchema, StreamSchema } from "./schema-stream.ts";

const exporterName = v.pipe(
  v.string(),
  v.regex(EXPORTER_NAME, "Expected a name of letters, digits, _ and - (at most 64)"),
);

/** The whole file: the only source of names, types, defaults, limits and help texts (config.md §2). */
export const ConfigSchema = v.strictObject({
  agent: v.optional(AgentSchema, {}),
  db: v.optional(DbSchema, {}),
  web: v.optional(WebSchema, {}),
  stream: v.optional(StreamSchema, {}),
  api_key: v.optional(v.pipe(v.record(tableGuid(), ApiKeySchema), v.metadata({ named: "GUID" })), {}),
  machine: v.optional(v.pipe(v.record(tableGuid(), MachineSchema), v.metadata({ named: "GUID" })), {}),
  exporter: v.optional(v.pipe(v.record(exporterName, ExporterSchema), v.metadata({ named: "NAME" })), {}),
  collector: v.optional(CollectorSchema, {}),
  log: v.optional(LogSchema, {}),
});

/**
 * The configuration in effect. Keys are those of the file; every default is filled in, except where a key of a child's
 * table is left out to inherit (`childSettings` resolves those). `agent.state_dir` is always set by `loadConfig`.
 */
export type Config = v.InferOutput<typeof ConfigSchema>;
export type DbConfig = Config["db"];
export type MemoryMode = DbConfig["mode"];
export type ExporterConfig = Config["exporter"][string];
export type CollectorConfig = Config["collector"];
/** Tables of single collectors: `CollectorConfig[CollectorName]`. */
export type CollectorName = Exclude<keyof CollectorConfig, "enabled" | "zero_metrics" | "host_prefix">;

/** All defaults, as an empty file gives them. */
export function defaultConfig(): Config {
  return v.parse(ConfigSchema, {});
}
