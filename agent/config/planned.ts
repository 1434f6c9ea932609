import type { ConfigPath } from "./shape.ts";

const PROXY_EXTRAS = ["enable_compression"];

/** Keys and tables that later versions have; `*` = any name. A file that has one is told so, not "unknown key". */
const PLANNED: Readonly<Record<string, readonly string[]>> = {
  "": ["plugin"],
  web: [
    "tls",
    "tls_certificate",
    "tls_key",
    "tls_client_ca",
    "allow_badges_from",
    "allow_netdata_conf_from",
    "trusted_proxies",
    "allow_origins",
    "auth",
    "users",
    "tokens",
    "badges_without_auth",
    "live_streams_max",
    "grafana",
  ],
  stream: [
    "tls_skip_certificate_verification",
    "tls_ca_file",
    "tls_ca_path",
    "enable_compression",
    "tls_pin_sha256",
    "tls_client_certificate",
    "tls_client_key",
  ],
  "api_key.*": PROXY_EXTRAS,
  "machine.*": PROXY_EXTRAS,
  "exporter.*": [
    "layout",
    "barrier",
    "headers",
    "username",
    "password",
    "token",
    "path",
    "database",
    "retention_policy",
    "org",
    "bucket",
    "gzip",
    "tls_skip_certificate_verification",
    "tls_ca_file",
  ],
  collector: (
    "entropy file_nr netstat snmp snmp6 sockstat softnet interrupts softirqs cgroups services ipc numa ksm zram ecc " +
    "conntrack synproxy mdstat wireless power_supply hwmon zfs btrfs nfs nfsd ipvs sctp infiniband idlejitter timex " +
    "statsd"
  ).split(" "),
};

/** True when a later version has the key or table at this path. */
export function isPlanned(path: ConfigPath): boolean {
  const table = path.slice(0, -1).map(String);
  const isNamed = table.length === 2 && ["api_key", "machine", "exporter"].includes(table[0] ?? "");
  const name = isNamed ? `${table[0]}.*` : table.join(".");
  return Object.hasOwn(PLANNED, name) && (PLANNED[name]?.includes(String(path[path.length - 1])) ?? false);
}
