import type { Clock } from "../base/clock.ts";
import type { LogCounters } from "../base/log.ts";
import type {
  AgentSources,
  BalanceCounters,
  DatabaseCounters,
  HttpCounters,
  PusherCounters,
  ReceiverCounters,
} from "../collector/agent-sources.ts";
import type { Scheduler } from "../collector/scheduler.ts";
import type { Door } from "../door/door.ts";
import type { Exporters } from "../exporter/exporters.ts";
import type { HttpApi } from "../http/http.ts";
import type { Pushers } from "../pusher/pushers.ts";
import type { Receiver } from "../receiver/receiver.ts";
import type { Database } from "../rrd/database.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import type { Storage } from "../rrd/store/storage.ts";
import { AccountTotals } from "./account-totals.ts";
import { ExporterIntervals } from "./exporter-intervals.ts";
import type { Machine } from "./machine.ts";
import { createStorageUsage } from "./storage-usage.ts";

/** The parts of an agent whose figures become charts of its own. */
export interface MeasuredParts {
  readonly machine: Machine;
  readonly clock: Clock;
  readonly database: Database;
  /** Null when every host lives in memory only. */
  readonly storage: () => Storage | null;
  readonly receiver: Receiver;
  readonly pushers: Pushers;
  readonly mismatches: Mismatches;
  readonly exporters: Exporters;
  readonly api: HttpApi;
  /** Null while there is no listener. */
  readonly door: () => Door | null;
  readonly scheduler: Scheduler;
  readonly log: LogCounters;
}

/** What the collector of the agent's own charts reads. */
export function collectorSources(parts: MeasuredParts): AgentSources {
  const intervals = new ExporterIntervals();
  const accounts = new AccountTotals(parts.database);
  return {
    process: parts.machine.processUsage(parts.clock),
    http: () => httpCounters(parts),
    database: () => databaseCounters(parts),
    receiver: () => receiverCounters(parts),
    pusher: () => pusherCounters(parts),
    balance: () => balanceCounters(parts, accounts),
    streams: () => parts.pushers.totals,
    links: (most) => parts.pushers.accounts(most),
    exporters: () => intervals.read(parts.exporters.counters()),
    storage: createStorageUsage(parts.storage, parts.machine.hostFiles("")),
    scheduler: parts.scheduler,
    log: parts.log,
  };
}

function httpCounters({ api, door }: MeasuredParts): HttpCounters | undefined {
  const counters = door()?.counters;
  if (counters === undefined) return undefined;
  const { averageUs, maxUs } = api.counters.takeResponseTime();
  return {
    clients: counters.httpOpen,
    requests: counters.httpRequests,
    receivedBytes: counters.httpBytesIn,
    sentBytes: counters.httpBytesOut,
    responseAverageUs: averageUs,
    responseMaxUs: maxUs,
  };
}

function databaseCounters({ database, storage }: MeasuredParts): DatabaseCounters {
  const totals = { charts: 0, dimensions: 0, nonFinite: 0, clock: 0, reset: 0, noSpace: 0 };
  for (const host of database.hosts) {
    const { dropped } = host.balance;
    totals.charts += host.chartCount;
    totals.dimensions += host.dimensionCount;
    totals.nonFinite += dropped.non_finite;
    totals.clock += dropped.clock;
    totals.reset += dropped.reset + dropped.gap_too_long;
    totals.noSpace += dropped.no_space + dropped.limit;
  }
  return {
    hosts: database.hostCount,
    charts: totals.charts,
    dimensions: totals.dimensions,
    mappings: storage()?.counters.mappings ?? 0,
    droppedNonFinite: totals.nonFinite,
    droppedClock: totals.clock,
    droppedReset: totals.reset,
    droppedNoSpace: totals.noSpace,
  };
}

function balanceCounters({ database, mismatches }: MeasuredParts, accounts: AccountTotals): BalanceCounters {
  let hostsIncomplete = 0;
  for (const { missingFromSec } of database.hosts) if (missingFromSec > 0) hostsIncomplete++;
  return { account: accounts.read(), hostsIncomplete, mismatches: mismatches.counts };
}

function receiverCounters({ receiver, pushers, door }: MeasuredParts): ReceiverCounters | undefined {
  if (door() === null) return undefined;
  const { counters } = receiver;
  return {
    connected: receiver.connectionCount,
    samples: counters.samples,
    linesUnknown: counters.lines.unknown,
    linesMalformed: counters.lines.malformed,
    linesNoChart: counters.lines.no_chart,
    linesNoDimension: counters.lines.no_dimension,
    accepted: counters.accepted,
    rejected: counters.rejected,
    duplicate: counters.duplicate,
    timeout: counters.timeout,
    closed: counters.closed,
    receivedBytes: counters.bytesIn,
    sentBytes: pushers.counters.bytesOut,
  };
}

function pusherCounters({ pushers }: MeasuredParts): PusherCounters | undefined {
  const { counters, stateCounts } = pushers;
  const links = stateCounts.connected + stateCounts.connecting + stateCounts.waiting + stateCounts.off;
  if (links === 0) return undefined;
  return {
    connected: stateCounts.connected,
    connecting: stateCounts.connecting,
    waiting: stateCounts.waiting,
    bufferUsed: pushers.bufferPercentMax / 100,
    connects: counters.connects,
    rejected: counters.rejected,
    lost: counters.lost,
    overflows: counters.overflows,
    receivedBytes: counters.bytesIn,
    sentBytes: counters.bytesOut,
  };
}
