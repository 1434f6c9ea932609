import { isLoopback } from "../base/address-list.ts";
import type { Host } from "../rrd/host.ts";
import type { StreamFields } from "../wire/handshake.ts";
import type { PusherWorld } from "./pusher-world.ts";

/** Agents a host may have passed through; more is a loop. */
const HOPS_MAX = 10;

/**
 * What we say of a host when we stream it: a proxied one keeps its own identity and agent, one hop further on.
 * @param ver capability bits that are offered; 0 = none.
 */
export function streamFields(host: Host, apiKey: string, ver: number, world: PusherWorld): StreamFields {
  return {
    key: apiKey,
    hostname: host.hostname,
    machineGuid: host.machineGuid,
    os: host.os,
    updateEverySec: host.updateEverySec,
    registryHostname: host.registryHostname,
    tags: host.tags,
    timezone: host.timezone,
    abbrevTimezone: host.abbrevTimezone,
    utcOffsetSec: host.utcOffsetSec,
    hops: host.hops + 1,
    systemInfo: host.systemInfo,
    program: host.program || world.program,
    version: host.program === "" ? world.version : host.version,
    ver,
    isTributary: true,
  };
}

/** The host is received from this peer; every agent of a machine has its loopback address, which tells nothing. */
export function isSource(host: Host, address: string): boolean {
  return host.receivedFrom === address && !isLoopback(address);
}

/** Why a host goes no further, or empty. */
export function hopsProblem({ hops }: Host): string {
  if (hops + 1 <= HOPS_MAX) return "";
  return `${hops} agents have passed this host on, at most ${HOPS_MAX} may: look for a loop of proxies`;
}
