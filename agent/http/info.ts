import type { Host } from "../rrd/host.ts";
import { systemLabels } from "../rrd/label.ts";
import type { HttpCounters } from "./counters.ts";
import { jsonReply, type Reply } from "./reply.ts";
import type { HttpSources } from "./sources.ts";

const UNKNOWN = "unknown";

/** Field of `/info`, parameter of the protocol. */
const SYSTEM_FIELDS: readonly (readonly [field: string, parameter: string])[] = [
  ["os_name", "NETDATA_SYSTEM_OS_NAME"],
  ["os_id", "NETDATA_SYSTEM_OS_ID"],
  ["os_id_like", "NETDATA_SYSTEM_OS_ID_LIKE"],
  ["os_version", "NETDATA_SYSTEM_OS_VERSION"],
  ["os_version_id", "NETDATA_SYSTEM_OS_VERSION_ID"],
  ["os_detection", "NETDATA_SYSTEM_OS_DETECTION"],
  ["cores_total", "NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT"],
  ["total_disk_space", "NETDATA_SYSTEM_TOTAL_DISK_SIZE"],
  ["cpu_freq", "NETDATA_SYSTEM_CPU_FREQ"],
  ["ram_total", "NETDATA_SYSTEM_TOTAL_RAM"],
  ["container_os_name", "NETDATA_CONTAINER_OS_NAME"],
  ["container_os_id", "NETDATA_CONTAINER_OS_ID"],
  ["container_os_id_like", "NETDATA_CONTAINER_OS_ID_LIKE"],
  ["container_os_version", "NETDATA_CONTAINER_OS_VERSION"],
  ["container_os_version_id", "NETDATA_CONTAINER_OS_VERSION_ID"],
  ["container_os_detection", "NETDATA_CONTAINER_OS_DETECTION"],
  ["is_k8s_node", "NETDATA_HOST_IS_K8S_NODE"],
  ["kernel_name", "NETDATA_SYSTEM_KERNEL_NAME"],
  ["kernel_version", "NETDATA_SYSTEM_KERNEL_VERSION"],
  ["architecture", "NETDATA_SYSTEM_ARCHITECTURE"],
  ["virtualization", "NETDATA_SYSTEM_VIRTUALIZATION"],
  ["virt_detection", "NETDATA_SYSTEM_VIRT_DETECTION"],
  ["container", "NETDATA_SYSTEM_CONTAINER"],
  ["container_detection", "NETDATA_SYSTEM_CONTAINER_DETECTION"],
  ["cloud_provider_type", "NETDATA_INSTANCE_CLOUD_TYPE"],
  ["cloud_instance_type", "NETDATA_INSTANCE_CLOUD_INSTANCE_TYPE"],
  ["cloud_instance_region", "NETDATA_INSTANCE_CLOUD_INSTANCE_REGION"],
];

/** Numbers as text: what clients parse must stay a number. */
const NUMERIC = new Set(["cores_total", "total_disk_space", "cpu_freq", "ram_total"]);

/** `/api/v1/info` (http-api.md §4). */
export function infoReply(host: Host, sources: HttpSources, counters: HttpCounters): Reply {
  const hosts = sources.database.hosts;
  const charts = host.ring === null ? [] : host.chartList().filter((chart) => chart.isVisible);
  const collectors = new Map<string, { plugin: string; module: string }>();
  let metrics = 0;
  for (const { definition, dimensions } of charts) {
    const { plugin, module } = definition;
    collectors.set(`${plugin}\n${module}`, { plugin, module });
    for (const dimension of dimensions.list) if (!dimension.hidden) metrics++;
  }
  const exporters = sources.agent.exporters();
  const isStreaming = sources.agent.isStreaming();
  const info = {
    version: host.version || sources.version,
    uid: host.machineGuid,
    mirrored_hosts: hosts.map((mirrored) => mirrored.hostname),
    mirrored_hosts_status: hosts.map(mirrorStatus),
    alarms: { normal: 0, warning: 0, critical: 0 },
    ...systemFields(host),
    host_labels: labelsOf(host, hosts.length > 1),
    functions: {},
    collectors: [...collectors.values()],
    "cloud-enabled": false,
    "cloud-available": false,
    "agent-claimed": false,
    "aclk-available": false,
    "memory-mode": host.memoryMode,
    "multidb-disk-quota": 0,
    "page-cache-size": 0,
    "stream-enabled": isStreaming,
    "stream-compression": isStreaming ? false : null,
    "hosts-available": hosts.length,
    "https-enabled": false,
    buildinfo: "",
    "release-channel": "stable",
    "web-enabled": true,
    "notification-methods": "",
    "exporting-enabled": exporters.length > 0,
    "exporting-connectors": [...new Set(exporters.map((exporter) => exporter.type))].join("|"),
    "allmetrics-prometheus-used": counters.prometheusUsed,
    "allmetrics-shell-used": 0,
    "allmetrics-json-used": 0,
    "dashboard-used": counters.pageUsed,
    "charts-count": charts.length,
    "metrics-count": metrics,
  };
  return jsonReply(JSON.stringify(info, null, "\t"));
}

/** Labels of a host: what is known of its machine, and above that what it says itself. */
function labelsOf(host: Host, isParent: boolean): Record<string, string> {
  const labels = [...systemLabels(host.systemInfo), ...host.labels].map(({ name, value }) => [name, value] as const);
  const known: Record<string, string> = Object.fromEntries(labels);
  if (host.isLocal) return { ...known, _is_parent: String(isParent) };
  return { _is_parent: "false", ...known };
}

function systemFields(host: Host): Record<string, string> {
  return Object.fromEntries(
    SYSTEM_FIELDS.map(([field, parameter]) => {
      const value = host.systemInfo.get(parameter) || UNKNOWN;
      if (NUMERIC.has(field)) return [field, /^\d+$/.test(value) ? value : "0"];
      if (field === "is_k8s_node") return [field, value === "true" ? "true" : "false"];
      return [field, value];
    }),
  );
}

function mirrorStatus(host: Host) {
  const reachable = host.isLocal || host.isConnected;
  const { machineGuid: guid, hostname, hops } = host;
  return { guid, hostname, reachable, hops, claim_id: null, node_id: null };
}
