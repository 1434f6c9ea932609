import * as v from "valibot";
import { bool, int, path, pattern, switchMap } from "./fields.ts";

const DISKS_EXCLUDED = "loop* ram*";
const INTERFACES_EXCLUDED = "lo fireqos* *-ifb fwpr* fwbr* fwln*";
const MOUNTS_EXCLUDED = "/proc/* /sys/* /var/run/user/* /run/user/* /snap/* /var/lib/docker/*";
const FILE_SYSTEMS_EXCLUDED = "*gvfs *gluster* *s3fs *ipfs *davfs2 *httpfs *sshfs *gdfs *moosefs fusectl autofs";

/** Keys that every collector has. @param what what it collects, for the reference. */
function common(what: string) {
  return {
    enabled: v.optional(bool({ meaning: `Collect ${what}.`, netdata: "[plugin:proc]" }), true),
    update_every: v.optional(
      int({
        meaning: "Collection interval, never below the collector's own minimum.",
        min: 0,
        max: 3600,
        unit: "s",
        fallback: "0 = agent.update_every",
      }),
      0,
    ),
    charts: v.optional(
      switchMap({
        meaning: 'Chart context = true (always), false (never) or "auto" (from the first value that is not 0).',
        max: 1000,
      }),
      {},
    ),
  };
}

function excluded(names: string, netdata: string) {
  return pattern({ meaning: `${names} that are left out.`, netdata });
}

/** `[collector]` and the `[collector.NAME]` of this version (config.md §2.7; defaults: collectors.md §1). */
export const CollectorSchema = v.strictObject({
  enabled: v.optional(
    bool({ meaning: "false = no metrics of this host (a pure parent).", netdata: "[plugins] proc" }),
    true,
  ),
  zero_metrics: v.optional(
    bool({ meaning: 'Charts that are "auto" exist from the start.', netdata: "enable zero metrics" }),
    false,
  ),
  host_prefix: v.optional(
    path({
      meaning: "Directory that holds the host's /proc and /sys (in a container).",
      netdata: "host access prefix",
    }),
    "",
  ),
  stat: v.optional(v.strictObject(common("/proc/stat: CPU, interrupts, processes")), {}),
  loadavg: v.optional(v.strictObject(common("the load averages")), {}),
  uptime: v.optional(v.strictObject(common("the uptime")), {}),
  pressure: v.optional(v.strictObject(common("/proc/pressure: stalls")), {}),
  meminfo: v.optional(v.strictObject(common("/proc/meminfo: memory")), {}),
  vmstat: v.optional(v.strictObject(common("/proc/vmstat: paging")), {}),
  diskstats: v.optional(
    v.strictObject({
      ...common("/proc/diskstats: disks"),
      exclude: v.optional(excluded("Disks", "exclude disks"), DISKS_EXCLUDED),
      partitions: v.optional(
        bool({ meaning: "Charts of partitions too.", netdata: "performance metrics for partitions" }),
        false,
      ),
    }),
    {},
  ),
  diskspace: v.optional(
    v.strictObject({
      ...common("space and inodes of each mount point"),
      exclude: v.optional(excluded("Mount points", "exclude space metrics on paths"), MOUNTS_EXCLUDED),
      exclude_filesystems: v.optional(
        excluded("Types of file systems", "exclude space metrics on filesystems"),
        FILE_SYSTEMS_EXCLUDED,
      ),
    }),
    {},
  ),
  netdev: v.optional(
    v.strictObject({
      ...common("/proc/net/dev: network interfaces"),
      exclude: v.optional(excluded("Interfaces", "disable by default interfaces matching"), INTERFACES_EXCLUDED),
    }),
    {},
  ),
  agent: v.optional(v.strictObject(common("the agent's own figures")), {}),
});
