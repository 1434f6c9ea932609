import type { Amounts } from "./account.ts";
import type { TransportState } from "./transport/transport.ts";

/** `off`: disabled; `config error`: the configuration cannot work, the rest is what the transport is doing. */
export type ExporterState = TransportState | "off" | "config error";

/** One entry of `exporters` in `/api/v1/agent` (dashboard.md §6). Amounts are points since the exporter was made. */
export interface ExporterStatus {
  readonly name: string;
  readonly type: string;
  /** The server in use, or tried last. */
  readonly destination: string;
  readonly dataSource: string;
  readonly state: ExporterState;
  /** When a batch was confirmed last; 0 = never. */
  readonly lastOkSec: number;
  /** Points confirmed per second, over the latest interval. */
  readonly sentPerSec: number;
  readonly produced: number;
  readonly sent: number;
  readonly lost: number;
  readonly queued: number;
  readonly queueBytes: number;
  readonly queueBytesMax: number;
  /** Connections that could not be made or were lost with points on them. */
  readonly failures: number;
  /** What went wrong last; null once a batch is confirmed. */
  readonly error: string | null;
}

/** For the charts of the agent itself (collectors.md §7). Counters since the exporter was made. */
export interface ExporterCounters {
  readonly name: string;
  readonly updateEverySec: number;
  /** Intervals exported: the charts have new values when this moves. */
  readonly intervals: number;
  /** Batches handed over whole. */
  readonly write: number;
  /** Times `buffer_on_failures` gave up the whole queue. */
  readonly discard: number;
  /** Tries to connect. */
  readonly reconnect: number;
  readonly failure: number;
  /** Reads from the server. */
  readonly read: number;
  readonly receivedBytes: number;
  readonly points: Readonly<Amounts>;
  readonly bytes: Readonly<Amounts>;
  /** Values that never became points. */
  readonly skipped: number;
  readonly cpuUserUs: number;
  readonly cpuSystemUs: number;
  /** Points waiting in memory and on disk, and on their way. */
  readonly memoryPoints: number;
  readonly diskPoints: number;
  readonly inFlightPoints: number;
  readonly memoryBytes: number;
  readonly diskBytes: number;
  /** Age of the oldest point that is not confirmed; 0 = none. */
  readonly oldestAgeSec: number;
}
