import type { SystemInfo } from "./host-options.ts";

/** A label of a host or a chart. */
export interface Label {
  readonly name: string;
  readonly value: string;
  /** Where it comes from, as bits: 1 the agent, 2 configuration, 4 Kubernetes, 8 cloud. */
  readonly source: number;
}

export const NO_LABELS: readonly Label[] = [];

/** Sources of labels that an agent makes itself, and of those that people configure. */
export const LABEL_AUTOMATIC = 1;
export const LABEL_CONFIGURED = 2;

/** Parameter of the protocol and the label it becomes, spelled as agents of this family do. */
const SYSTEM_LABELS: readonly (readonly [parameter: string, label: string])[] = [
  ["NETDATA_SYSTEM_OS_NAME", "_os_name"],
  ["NETDATA_SYSTEM_OS_VERSION", "_os_version"],
  ["NETDATA_SYSTEM_KERNEL_VERSION", "_kernel_version"],
  ["NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT", "_system_cores"],
  ["NETDATA_SYSTEM_CPU_FREQ", "_system_cpu_freq"],
  ["NETDATA_SYSTEM_TOTAL_RAM", "_system_ram_total"],
  ["NETDATA_SYSTEM_TOTAL_DISK_SIZE", "_system_disk_space"],
  ["NETDATA_SYSTEM_ARCHITECTURE", "_architecture"],
  ["NETDATA_SYSTEM_VIRTUALIZATION", "_virtualization"],
  ["NETDATA_SYSTEM_CONTAINER", "_container"],
  ["NETDATA_SYSTEM_CONTAINER_DETECTION", "_container_detection"],
  ["NETDATA_SYSTEM_VIRT_DETECTION", "_virt_detection"],
  ["NETDATA_HOST_IS_K8S_NODE", "_is_k8s_node"],
  ["NETDATA_INSTANCE_CLOUD_TYPE", "_cloud_provider_type"],
  ["NETDATA_INSTANCE_CLOUD_INSTANCE_TYPE", "_cloud_instance_type"],
  ["NETDATA_INSTANCE_CLOUD_INSTANCE_REGION", "_cloud_instance_region"],
];

/** What is known of a machine, as automatic labels. */
export function systemLabels(info: SystemInfo): Label[] {
  const labels: Label[] = [];
  for (const [parameter, name] of SYSTEM_LABELS) {
    const value = info.get(parameter) ?? "";
    if (value !== "") labels.push({ name, value, source: LABEL_AUTOMATIC });
  }
  return labels;
}

/** True if both sets are the same, in the same order. */
export function isSameLabels(a: readonly Label[], b: readonly Label[]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ name, value, source }, index) => {
    const other = b[index]!;
    return name === other.name && value === other.value && source === other.source;
  });
}
