import type { Clock, Random } from "../../base/clock.ts";
import type { Destination } from "../../base/destination.ts";
import type { Dial } from "../../base/dial.ts";
import type { Log } from "../../base/log.ts";
import type { Batch, BatchQueue } from "../batch.ts";

/** What a transport is doing. */
export type TransportState = "idle" | "connecting" | "sending" | "backoff";

/** What a transport tells its exporter. */
export interface TransportEvents {
  /** The oldest batch is safe at the server; it has been taken out of the queue. */
  confirmed(batch: Batch): void;
  /** A batch was handed over whole; it is not confirmed yet. */
  wrote(): void;
  /** One try to connect to one server. */
  attempted(): void;
  /** A connection could not be made, or was lost with batches on it. */
  failed(problem: string): void;
  /** Bytes the server sent; they have been thrown away. */
  received(bytes: number): void;
  /** True for batches of the newest interval: they are not held back by the replay limit. */
  isLive(batch: Batch): boolean;
  /** Points a second of a backlog, > 0. */
  replayRate(): number;
}

/** Settings and means of a transport. */
export interface TransportContext {
  readonly name: string;
  /** In order of preference, at least one. */
  readonly destinations: readonly Destination[];
  readonly queue: BatchQueue;
  readonly events: TransportEvents;
  /** A connection that moves nothing for this long is given up. */
  readonly timeoutMs: number;
  /** Longest delay before another try to connect. */
  readonly backoffMaxMs: number;
  /** Time between two looks whether a preferred server is back. */
  readonly failbackMs: number;
  readonly dial: Dial;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** Brings the batches of a queue to a server, oldest first; owns {@link BatchQueue.inFlight}. */
export interface Transport {
  readonly state: TransportState;
  readonly isConnected: boolean;
  /** The server in use, or tried last. */
  readonly destination: Destination;
  /** Bytes of payload the server's side has taken so far, repeated ones included. */
  readonly bytesMoved: number;
  /** The queue has batches. Cheap; never blocks. */
  wake(): void;
  /** Gives up what is on the way, so that nothing in the queue is in flight any more. */
  abandon(): void;
  /**
   * Sends what it can and closes at a line end; the queue keeps the rest.
   * @param deadlineMs from now; less when nothing can be sent. @returns when closed.
   */
  stop(deadlineMs: number): Promise<void>;
}
