import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cpus, machine, release, totalmem } from "node:os";
import { join } from "node:path";
import type { SystemInfo } from "../rrd/host-options.ts";

const UNKNOWN = "unknown";
const SECTOR_BYTES = 512;

/** Facts about the machine that a stream's request carries, under the names of the protocol (streaming.md §1.2). */
export function readSystemInfo(root: string): SystemInfo {
  const os = osRelease(root);
  const container = containerName(root);
  const inside = container === UNKNOWN ? "NETDATA_SYSTEM_OS_" : "NETDATA_CONTAINER_OS_";
  const outside = container === UNKNOWN ? "NETDATA_CONTAINER_OS_" : "NETDATA_SYSTEM_OS_";
  const info = new Map<string, string>();
  const osFields: [string, string][] = [
    ["NAME", "NAME"],
    ["ID", "ID"],
    ["ID_LIKE", "ID_LIKE"],
    ["VERSION", "VERSION"],
    ["VERSION_ID", "VERSION_ID"],
  ];
  for (const [field, key] of osFields) {
    info.set(inside + field, os.get(key) ?? UNKNOWN);
    info.set(outside + field, UNKNOWN);
  }
  info.set(`${inside}DETECTION`, os.size > 0 ? "/etc/os-release" : UNKNOWN);
  info.set(`${outside}DETECTION`, UNKNOWN);
  info.set("NETDATA_SYSTEM_KERNEL_NAME", "Linux");
  info.set("NETDATA_SYSTEM_KERNEL_VERSION", release());
  info.set("NETDATA_SYSTEM_ARCHITECTURE", machine());
  info.set("NETDATA_SYSTEM_VIRTUALIZATION", virtualization(root));
  info.set("NETDATA_SYSTEM_VIRT_DETECTION", "/proc/cpuinfo");
  info.set("NETDATA_SYSTEM_CONTAINER", container);
  info.set("NETDATA_SYSTEM_CONTAINER_DETECTION", container === UNKNOWN ? UNKNOWN : "files");
  info.set("NETDATA_SYSTEM_CPU_LOGICAL_CPU_COUNT", String(cpus().length));
  info.set("NETDATA_SYSTEM_CPU_FREQ", String((cpus()[0]?.speed ?? 0) * 1_000_000));
  info.set("NETDATA_SYSTEM_TOTAL_RAM", String(totalmem()));
  info.set("NETDATA_SYSTEM_TOTAL_DISK_SIZE", String(diskBytes(root)));
  info.set("NETDATA_HOST_IS_K8S_NODE", "false");
  return info;
}

/** Name of a time zone, its short form and the offset from UTC at one moment. */
export interface Timezone {
  readonly name: string;
  readonly abbreviation: string;
  readonly offsetSec: number;
}

/** The machine's time zone. */
export function readTimezone(now: Date): Timezone {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(now);
  const abbreviation = parts.find((part) => part.type === "timeZoneName")?.value ?? "UTC";
  return { name, abbreviation, offsetSec: -60 * now.getTimezoneOffset() };
}

function osRelease(root: string): Map<string, string> {
  const text = readText(join(root, "/etc/os-release")) || readText(join(root, "/usr/lib/os-release"));
  const fields = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals <= 0) continue;
    const value = line.slice(equals + 1).replace(/^(["'])(.*)\1$/, "$2");
    if (value !== "") fields.set(line.slice(0, equals), value);
  }
  return fields;
}

function containerName(root: string): string {
  const named = readText(join(root, "/run/systemd/container")).trim();
  if (named !== "") return named;
  if (existsSync(join(root, "/.dockerenv"))) return "docker";
  return existsSync(join(root, "/run/.containerenv")) ? "podman" : UNKNOWN;
}

function virtualization(root: string): string {
  const vendor = readText(join(root, "/sys/class/dmi/id/sys_vendor")).trim().toLowerCase();
  if (vendor.includes("qemu")) return "kvm";
  if (vendor.includes("vmware")) return "vmware";
  if (vendor.includes("microsoft")) return "microsoft";
  return /^flags\s*:.*\bhypervisor\b/m.test(readText(join(root, "/proc/cpuinfo"))) ? "vm-other" : "none";
}

/** Sum of the physical disks. */
function diskBytes(root: string): number {
  const folder = join(root, "/sys/block");
  let sectors = 0;
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (!existsSync(join(folder, name, "device"))) continue;
    sectors += Number(readText(join(folder, name, "size"))) || 0;
  }
  return sectors * SECTOR_BYTES;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // A machine without this file has nothing to say there.
    return "";
  }
}
