import type { Clock, Random } from "../base/clock.ts";
import type { Dial } from "../base/dial.ts";
import type { Log } from "../base/log.ts";
import type { TcpQueues } from "../base/tcp-queues.ts";
import type { HopValues } from "../rrd/path.ts";
import type { PostponeReason } from "./retry-delay.ts";

/** Where and how one host is streamed; from `[stream]`, or the proxy settings of the child. */
export interface PusherSettings {
  /** Parents in order of failover, as configured; never empty. */
  readonly destinations: readonly string[];
  readonly defaultPort: number;
  /** A lower-case GUID. */
  readonly apiKey: string;
  /** For connecting to each address, for the answer, and for output to move. */
  readonly timeoutSec: number;
  /** Most bytes the kernel has not taken. */
  readonly bufferSizeBytes: number;
  readonly reconnectDelaySec: number;
  /** Iterations of each chart that go out with 0 µs after a connect; the first always does. */
  readonly initialClockResyncIterations: number;
  /** A preferred parent has to be there for so long before the link goes back to it; 0 = it never does. */
  readonly returnAfterSec: number;
  /** Parents may fetch what they lack from our ring. */
  readonly isReplicating: boolean;
  /** Confirmed is what the last agent of the path has stored; else what the parent has. */
  readonly confirmsEnd: boolean;
  /** Values are sure to come soon: the link is made before the first of them. */
  readonly expectsValues: boolean;
  /** Simple pattern on chart id or name. */
  readonly sendChartsMatching: string;
}

/** What pushers need of the outside. */
export interface PusherWorld {
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: Dial;
  readonly log: Log;
  /** Without it, a parent that vanished is noticed only when the kernel's own buffers are full. */
  readonly tcpQueues?: TcpQueues;
  /** Shown as the collecting agent of hosts that name none. */
  readonly program: string;
  readonly version: string;
  /** This agent, for parents of our kind. */
  readonly self: { readonly machineGuid: string; readonly hostname: () => string };
}

/** Events of all links since start, for the agent's own charts. */
export interface PusherCounters {
  /** Connections that a parent accepted. */
  connects: number;
  /** Answers of a parent that were not a prompt. */
  rejected: number;
  /** Connections that ended after they had been accepted, overflows excluded. */
  lost: number;
  overflows: number;
  /** Bytes the kernel took, and bytes of answers. */
  bytesOut: number;
  bytesIn: number;
}

/** `waiting`: for the first values, or for the next attempt after one that failed; `off`: for good. */
export type LinkState = "connected" | "connecting" | "waiting" | "off";

/** One parent of a link, in use or not; seconds are of the wall clock, 0 = none. */
export interface DestinationStatus {
  /** `HOST:PORT`. */
  readonly name: string;
  readonly lastAttemptSec: number;
  /** What went wrong there last; empty since it took the stream. */
  readonly error: string;
  /** Why it is, or was last, left alone for a while; empty if there was no such reason. */
  readonly reason: PostponeReason | "";
  /** It is not tried before. */
  readonly postponedUntilSec: number;
  readonly inUseSinceSec: number;
}

/** One outgoing link as `tributary status` and `/api/v1/agent` show it. */
export interface LinkStatus {
  /** Machine GUID of the host that is streamed. */
  readonly from: string;
  readonly hostname: string;
  /** `HOST:PORT` of the parent in use, or tried last; empty before the first attempt. */
  readonly to: string;
  /** All parents in the configured order. */
  readonly destinations: readonly DestinationStatus[];
  readonly state: LinkState;
  /** Unix second at which this state began. */
  readonly sinceSec: number;
  /** What went wrong last; while connected empty, unless the clocks of both ends differ too much. */
  readonly error: string;
  /** What counts as confirmed. */
  readonly confirm: "hop" | "end";
  /** Why the end of the path confirms nothing now; empty = it does, or is not asked. */
  readonly unconfirmed: string;
  /** Why the parent did not take the stream; empty if it did, or did not get so far. */
  readonly reason: PostponeReason | "";
  /** Bytes the kernel took, over all connections. */
  readonly bytesSent: number;
  readonly bufferUsedBytes: number;
  readonly bufferLimitBytes: number;
  readonly values: HopValues;
}
