import { isLoopback } from "../base/address-list.ts";
import { parseListen } from "../base/listen-address.ts";
import { shownPath } from "./mask.ts";
import type { Config } from "./schema.ts";

/** Something that is allowed and still worth a line in the log. */
export interface ConfigNotice {
  readonly level: "warn" | "info";
  /** Event name for the log. */
  readonly event: string;
  /** What, and what to do. */
  readonly text: string;
}

const HEALTH_KEYS = [
  "health_enabled_by_default",
  "default_postpone_alarms_on_connect_seconds",
  "health_enabled",
  "postpone_alarms_on_connect_seconds",
];

/** Everything worth a line, in the order of the file's tables. */
export function findNotices(config: Config): ConfigNotice[] {
  const notices: ConfigNotice[] = [];
  const { web, api_key: apiKeys, machine: machines } = config;
  const hasKey = Object.values(apiKeys).some((table) => table.enabled);
  if (hasKey && !web.enabled) {
    const text = "an [api_key] is enabled, but web.enabled = false: no child can connect";
    notices.push({ level: "warn", event: "config.listener_missing", text });
  } else if (hasKey && web.listen.every(isLocal)) {
    const text = 'an [api_key] is enabled, but only this host can connect; for remote children: [web] listen = ["*"]';
    notices.push({ level: "warn", event: "config.listen_local_only", text });
  }
  for (const [key, table] of Object.entries(apiKeys)) {
    if (table.enabled) continue;
    const text = `${shownPath(["api_key", key])} is not enabled: children with this key are refused`;
    notices.push({ level: "info", event: "config.api_key_disabled", text });
  }
  const tables = [...Object.values(apiKeys), ...Object.values(machines)];
  const used = HEALTH_KEYS.filter((key) => tables.some((table) => Object.hasOwn(table, key)));
  if (used.length > 0) {
    const text = `${used.join(", ")}: accepted without effect, there is no alarm engine`;
    notices.push({ level: "info", event: "config.health_ignored", text });
  }
  return notices;
}

function isLocal(entry: string): boolean {
  const address = parseListen(entry);
  return address.kind === "unix" || address.host === "localhost" || isLoopback(address.host);
}
