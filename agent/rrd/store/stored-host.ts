import type { Host } from "../host.ts";
import type { StoredHost } from "./catalogue-format.ts";

/** What the next start has to know of a host. */
export function storedHost(host: Host, memoryMode: "save" | "map"): StoredHost {
  const { machineGuid, hostname, os, updateEverySec, historyEntries, hops, program, version, timezone } = host;
  const { abbrevTimezone, utcOffsetSec, tags, registryHostname, systemInfo, missingFromSec } = host;
  const lastSeenSec = Math.floor(host.lastCollectedUs / 1e6);
  const identity = { machineGuid, hostname, os, updateEverySec, historyEntries, memoryMode, hops, program, version };
  const times = { lastSeenSec, missingFromSec };
  return { ...identity, timezone, abbrevTimezone, utcOffsetSec, tags, registryHostname, systemInfo, ...times };
}
