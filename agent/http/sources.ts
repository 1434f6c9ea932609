import type { Clock, Random } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Database } from "../rrd/database.ts";
import type { Host } from "../rrd/host.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import type { HopValues } from "../rrd/path.ts";

/** Everything the HTTP room asks others for; `app` supplies it. */
export interface HttpSources {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Version of this program. */
  readonly version: string;
  readonly agent: AgentSources;
  /** `[web] allow_dashboard_from`; asked for every request, so a reloaded list counts at once. */
  allowsDashboard(address: string): boolean;
  /** `[web] allow_streaming_from`: those may ask what this agent has of a host, before they stream it here. */
  allowsStreaming(address: string): boolean;
  /** `[web] gzip_level`: 0 = off. */
  gzipLevel(): number;
}

/** State of the rooms that this one must not know. Asked for at every request; answers must be cheap. */
export interface AgentSources {
  /** Outgoing streams: of this host, and of every host that is passed on. */
  links(): readonly LinkStatus[];
  exporters(): readonly ExporterStatus[];
  /** Incoming streams that are open now. */
  receivers(): readonly ReceiverStatus[];
  /** The last streams that were refused, the latest first. */
  refusals(): readonly RefusalStatus[];
  /** What ought to have added up and did not. */
  mismatches(): Pick<Mismatches, "checkedSec" | "counts" | "latest">;
  /** The database's files; null = no host of this configuration has any. */
  files(): FilesStatus | null;
  /** Labels of a host, automatic ones (names that start with `_`) left out. */
  labels(host: Host): Readonly<Record<string, string>>;
  /** This host is streamed to a parent (`[stream] enabled`). */
  isStreaming(): boolean;
  /** Names of configuration keys whose new value waits for a restart; the old one is in effect. */
  restartNeeded(): readonly string[];
}

/** The files of all hosts in modes `save` and `map`. */
export interface FilesStatus {
  /** Bytes of segment files, and how many there may be. */
  readonly diskBytes: number;
  readonly diskLimitBytes: number;
  /** Hosts that run in memory now because their files cannot be used. */
  readonly degradedHosts: number;
  /** Damaged, foreign or newer files that were renamed since the start. */
  readonly filesSetAside: number;
}

/** One parent of an outgoing stream, in use or not; seconds are Unix seconds, 0 = none. */
export interface LinkDestination {
  /** `HOST:PORT`. */
  readonly name: string;
  readonly lastAttemptSec: number;
  /** What went wrong there last; empty since it took the stream. */
  readonly error: string;
  /** Why it is, or was last, left alone for a while; empty if there was no such reason. */
  readonly reason: string;
  readonly postponedUntilSec: number;
  readonly inUseSinceSec: number;
}

/** One outgoing stream. */
export interface LinkStatus {
  /** Machine GUID of the host that is streamed. */
  readonly from: string;
  /** `HOST:PORT`, or the peer's machine GUID where it is known. */
  readonly to: string;
  /** API key in full; only its last four characters leave the agent. */
  readonly apiKey: string;
  readonly state: "connected" | "connecting" | "error" | "off";
  /** Unix seconds of the last change of {@link state}. */
  readonly sinceSec: number;
  /** Values per second. */
  readonly rate: number;
  /** Bytes sent since start. */
  readonly bytes: number;
  readonly error: string | null;
  /** What counts as acknowledged: what the parent has, or the last agent of the path. */
  readonly confirm: "hop" | "end";
  /** Why the end of the path confirms nothing now; null = it does, or is not asked. */
  readonly unconfirmed: string | null;
  /** In the configured order. */
  readonly destinations: readonly LinkDestination[];
  readonly account: HopValues;
}

/** A stream that this agent would not take, or whose values it does not store. */
export interface RefusalStatus {
  /** Unix second of the last time, and how often it was refused for this reason since it is in the list. */
  readonly whenSec: number;
  readonly times: number;
  readonly address: string;
  readonly hostname: string;
  readonly machineGuid: string;
  /** Last characters of the API key. */
  readonly keyEnd: string;
  readonly reason: string;
  /** Why, and what to do about it. */
  readonly text: string;
  readonly advice: string;
}

/** One incoming stream that is open. */
export interface ReceiverStatus {
  readonly machineGuid: string;
  /** Machine GUID of the proxy it comes through; null = direct, or unknown. */
  readonly viaGuid: string | null;
  readonly address: string;
  /** API key in full; only its last four characters leave the agent. */
  readonly apiKey: string;
  readonly sinceSec: number;
  /** Bytes received on this connection. */
  readonly bytes: number;
}

/** One exporter; amounts are points since it was made: produced = sent + lost + queued (exporters.md §4.4). */
export interface ExporterStatus {
  readonly name: string;
  readonly type: string;
  /** The server in use, or tried last. */
  readonly destination: string;
  readonly dataSource: string;
  readonly state: "off" | "idle" | "connecting" | "sending" | "backoff" | "config error";
  /** Unix seconds of the last confirmed batch; 0 = never. */
  readonly lastOkSec: number;
  /** Points confirmed per second. */
  readonly sentPerSec: number;
  readonly produced: number;
  readonly sent: number;
  readonly lost: number;
  readonly queued: number;
  readonly queueBytes: number;
  readonly queueBytesMax: number;
  readonly failures: number;
  readonly error: string | null;
}
