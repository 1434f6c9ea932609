import type { Config } from "../config/schema.ts";
import type { Exporters } from "../exporter/exporters.ts";
import type { AgentSources, FilesStatus, LinkStatus, ReceiverStatus } from "../http/sources.ts";
import type { LinkStatus as PusherStatus } from "../pusher/pusher-world.ts";
import type { Pushers } from "../pusher/pushers.ts";
import type { Receiver } from "../receiver/receiver.ts";
import type { Host } from "../rrd/host.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import type { Storage } from "../rrd/store/storage.ts";

/** The parts whose state `/api/v1/agent` and the pages show. */
export interface ShownParts {
  readonly receiver: Receiver;
  readonly pushers: Pushers;
  readonly exporters: Exporters;
  readonly mismatches: Mismatches;
  /** Null when every host lives in memory only. */
  readonly storage: () => Storage | null;
  /** In effect. */
  readonly config: () => Config;
  /** Names of keys whose new value in the file waits for a restart. */
  readonly restartNeeded: () => readonly string[];
  /** API key a host is streamed with. */
  readonly linkKey: (machineGuid: string) => string;
  /** Values per second of a link. */
  readonly linkRate: (status: PusherStatus) => number;
}

const STATES = { connected: "connected", connecting: "connecting", waiting: "error", off: "off" } as const;

/** What the HTTP room may know of the other rooms. */
export function httpSources(parts: ShownParts): AgentSources {
  const { receiver, pushers, exporters, config } = parts;
  return {
    links: () => pushers.status().map((status) => describeLink(status, parts)),
    exporters: () => exporters.status(),
    receivers: () => describeReceivers(receiver),
    refusals: () => receiver.refusals.latest,
    mismatches: () => parts.mismatches,
    files: () => describeFiles(parts.storage()),
    labels: givenLabels,
    isStreaming: () => config().stream.enabled,
    restartNeeded: parts.restartNeeded,
  };
}

/** Labels of a host but for those that agents make themselves. */
function givenLabels(host: Host): Record<string, string> {
  const given = host.labels.filter(({ name }) => !name.startsWith("_"));
  return Object.fromEntries(given.map(({ name, value }) => [name, value]));
}

function describeLink(status: PusherStatus, { linkKey, linkRate }: ShownParts): LinkStatus {
  return {
    from: status.from,
    to: status.to || (status.destinations[0]?.name ?? ""),
    apiKey: linkKey(status.from),
    state: STATES[status.state],
    sinceSec: status.sinceSec,
    rate: linkRate(status),
    bytes: status.bytesSent,
    error: status.error === "" ? null : status.error,
    confirm: status.confirm,
    unconfirmed: status.unconfirmed === "" ? null : status.unconfirmed,
    destinations: status.destinations,
    account: status.values,
  };
}

function describeFiles(storage: Storage | null): FilesStatus | null {
  if (storage === null) return null;
  const { disk, counters } = storage;
  const { degradedHosts, filesSetAside } = counters;
  return { diskBytes: disk.bytes, diskLimitBytes: disk.limitBytes, degradedHosts, filesSetAside };
}

function describeReceivers(receiver: Receiver): ReceiverStatus[] {
  return receiver.connections.map((connection) => ({
    machineGuid: connection.host.machineGuid,
    // A V1 stream does not name the proxies it came through.
    viaGuid: null,
    address: connection.address,
    apiKey: connection.key,
    sinceSec: Math.floor(connection.sinceUs / 1e6),
    bytes: connection.bytesIn,
  }));
}
