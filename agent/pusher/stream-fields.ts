import type { Host } from "../rrd/host.ts";
import type { StreamFields } from "../wire/handshake.ts";
import type { PusherWorld } from "./pusher-world.ts";

/** What we say of a host when we stream it: a proxied one keeps its own identity and agent, one hop further on. */
export function streamFields(host: Host, apiKey: string, world: PusherWorld): StreamFields {
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
  };
}
