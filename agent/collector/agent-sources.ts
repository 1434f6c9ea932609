import type { LogCounters } from "../base/log.ts";
import type { SchedulerCounters } from "./scheduler.ts";

/** What this process uses. */
export interface ProcessUsage {
  /** CPU time of all its threads since start, µs. */
  readonly userUs: number;
  readonly systemUs: number;
  readonly uptimeSec: number;
  /** Resident memory and JavaScript heap. */
  readonly rssBytes: number;
  readonly heapBytes: number;
}

/** HTTP server, since start unless said otherwise. */
export interface HttpCounters {
  /** Open connections now. */
  readonly clients: number;
  readonly requests: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Time to answer, over the requests since the last call of {@link AgentSources.http}, µs; 0 without requests. */
  readonly responseAverageUs: number;
  readonly responseMaxUs: number;
}

/** The database now, and the points it dropped since start. */
export interface DatabaseCounters {
  readonly hosts: number;
  readonly charts: number;
  readonly dimensions: number;
  readonly mappings: number;
  readonly droppedNonFinite: number;
  readonly droppedClock: number;
  readonly droppedReset: number;
  readonly droppedNoSpace: number;
}

/** What the database's files cost since start, bytes. */
export interface StorageUsage {
  /** Of pages that became dirty: what the disk has to take. */
  readonly dirtiedBytes: number;
  /** Of new segments, catalogues and saves. */
  readonly writtenBytes: number;
}

/** Incoming streams: children now, the rest since start. */
export interface ReceiverCounters {
  readonly connected: number;
  /** SET lines stored. */
  readonly samples: number;
  readonly linesUnknown: number;
  readonly linesMalformed: number;
  readonly linesNoChart: number;
  readonly linesNoDimension: number;
  readonly accepted: number;
  readonly rejected: number;
  readonly duplicate: number;
  readonly timeout: number;
  readonly closed: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** Outgoing streams of this host and of proxied ones: links now, events since start. */
export interface PusherCounters {
  readonly connected: number;
  readonly connecting: number;
  readonly waiting: number;
  /** Fill of the fullest send buffer, 0…1. */
  readonly bufferUsed: number;
  readonly connects: number;
  readonly rejected: number;
  readonly lost: number;
  readonly overflows: number;
  readonly receivedBytes: number;
  readonly sentBytes: number;
}

/** All database accounts together, in values since start (README, "The balance"). */
export interface AccountCounters {
  readonly collected: number;
  readonly received: number;
  readonly backfilled: number;
  readonly stored: number;
  readonly base: number;
  readonly merged: number;
  readonly unkept: number;
  /** For whatever reason. */
  readonly dropped: number;
}

/** What is known of the balance of the whole agent. */
export interface BalanceCounters {
  readonly account: AccountCounters;
  /** Hosts of which something is to be fetched, now. */
  readonly hostsIncomplete: number;
  /** Times that something did not add up, since start. */
  readonly mismatches: { readonly database: number; readonly link: number; readonly stream: number };
}

/** The account of an outgoing stream, or of all: the first four only go up, in values since start. */
export interface StreamCounters {
  readonly offered: number;
  readonly delivered: number;
  /** Whatever became of it later. */
  readonly lost: number;
  /** Of {@link lost}: fetched by the parent after all. */
  readonly recovered: number;
  /** On their way now. */
  readonly inFlight: number;
  readonly queued: number;
  readonly backlog: number;
}

/** One outgoing stream. */
export interface LinkCounters extends StreamCounters {
  /** Of the host that is streamed. */
  readonly machineGuid: string;
  readonly hostname: string;
}

/** One exporter. Metrics, bytes and operations are of its last interval (exporters.md §1.6). */
export interface ExporterCounters {
  /** Its name in the configuration; `backend` keeps the charts of the first generation. */
  readonly name: string;
  readonly updateEverySec: number;
  readonly metricsBuffered: number;
  readonly metricsLost: number;
  readonly metricsSent: number;
  readonly bytesBuffered: number;
  readonly bytesLost: number;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly writes: number;
  readonly discards: number;
  readonly reconnects: number;
  readonly failures: number;
  readonly reads: number;
  /** CPU of its own slices since start, µs. */
  readonly userUs: number;
  readonly systemUs: number;
  /** Points waiting now. */
  readonly queueMemory: number;
  readonly queueDisk: number;
  readonly queueInFlight: number;
  readonly queueMemoryBytes: number;
  readonly queueDiskBytes: number;
  /** Age of the oldest unsent point; 0 when there is none. */
  readonly oldestSec: number;
  /** Points lost since start, by reason. */
  readonly lostOverflow: number;
  readonly lostRejected: number;
  readonly lostExpired: number;
  readonly lostCorrupt: number;
  readonly lostConfig: number;
  readonly lostSkipped: number;
}

/** Everything but the exporters, read once a cycle. */
export interface AgentReadings {
  readonly process: ProcessUsage;
  readonly http: HttpCounters | undefined;
  readonly database: DatabaseCounters;
  readonly storage: StorageUsage | undefined;
  readonly receiver: ReceiverCounters | undefined;
  readonly pusher: PusherCounters | undefined;
  readonly balance: BalanceCounters;
  readonly streams: StreamCounters | undefined;
  readonly scheduler: SchedulerCounters;
  readonly log: LogCounters;
}

/** Where the agent's own charts read; `app` gives it. A part that is switched off is undefined: no charts. */
export interface AgentSources {
  process(): ProcessUsage;
  http(): HttpCounters | undefined;
  database(): DatabaseCounters;
  storage(): StorageUsage | undefined;
  receiver(): ReceiverCounters | undefined;
  pusher(): PusherCounters | undefined;
  balance(): BalanceCounters;
  /** All outgoing streams together; undefined until there is one. */
  streams(): StreamCounters | undefined;
  /** @param most the first so many, in the order in which they were made. */
  links(most: number): readonly LinkCounters[];
  exporters(): readonly ExporterCounters[];
  readonly scheduler: SchedulerCounters;
  readonly log: LogCounters;
}
