import { type Balance, imbalance } from "../rrd/balance.ts";
import type { Host } from "../rrd/host.ts";
import { describeAccount } from "./hop-account.ts";
import { describeCompleteness } from "./host-path.ts";
import { lagSec, statusOf } from "./host-status.ts";
import type { HostRates } from "./rates.ts";
import { type Chunks, jsonReply, type Reply } from "./reply.ts";
import type {
  AgentSources,
  ExporterStatus,
  FilesStatus,
  HttpSources,
  LinkDestination,
  LinkStatus,
  ReceiverStatus,
  RefusalStatus,
} from "./sources.ts";

const KEY_SHOWN_LENGTH = 4;
const encoder = new TextEncoder();

/** `/api/v1/agent`: hosts, links, exporters, and every account (dashboard.md §6, design.md §1.1). */
export function agentReply(sources: HttpSources, rates: HostRates): Reply {
  return jsonReply(describeAgent(sources, rates));
}

function* describeAgent(sources: HttpSources, rates: HostRates): Chunks {
  const { agent, clock, database } = sources;
  const receivers = agent.receivers();
  const via = new Map(receivers.map(({ machineGuid, viaGuid }) => [machineGuid, viaGuid]));
  const head = {
    v: 1,
    now: Math.floor(clock.nowUs() / 1e6),
    self: database.localhost?.machineGuid ?? null,
    version: sources.version,
  };
  yield encoder.encode(`${JSON.stringify(head).slice(0, -1)},"hosts":[`);
  let isFirst = true;
  for (const host of database.hosts) {
    // It may have been forgotten since the answer began.
    if (database.host(host.machineGuid) !== host) continue;
    rates.observe(host, clock.monotonicMs());
    const described = describeHost(host, sources, rates, via.get(host.machineGuid) ?? null);
    yield encoder.encode((isFirst ? "\n" : ",\n") + JSON.stringify(described));
    isFirst = false;
  }
  const tail = {
    links: agent.links().map(describeLink),
    receivers: receivers.map(describeReceiver),
    refusals: agent.refusals().map(describeRefusal),
    exporters: agent.exporters().map(describeExporter),
    mismatches: describeMismatches(agent.mismatches()),
    restart_needed: agent.restartNeeded(),
    db: {
      hosts: database.hostCount,
      refused_hosts: database.refusedHosts,
      displaced_hosts: database.displacedHosts,
      memory_bytes: database.budget.bytes,
      memory_limit_bytes: database.budget.limitBytes,
      ring_bytes: database.store.bytes,
      refused_segments: database.store.refused,
      ...describeFiles(agent.files()),
    },
  };
  yield encoder.encode(`\n],${JSON.stringify(tail).slice(1)}\n`);
}

/** What was found that does not add up since start, by kind of account, and the last of it. */
function describeMismatches({ checkedSec: checked, counts, latest }: ReturnType<AgentSources["mismatches"]>) {
  const told = latest.map(({ whenSec: when, kind, machineGuid: guid, hostname, text }) => {
    return { when, kind, guid, hostname, text };
  });
  return { checked, ...counts, latest: told };
}

/** Of hosts in modes `save` and `map`; zeros when there can be none. */
function describeFiles(files: FilesStatus | null) {
  return {
    disk_bytes: files?.diskBytes ?? 0,
    disk_limit_bytes: files?.diskLimitBytes ?? 0,
    degraded_hosts: files?.degradedHosts ?? 0,
    files_set_aside: files?.filesSetAside ?? 0,
  };
}

function describeHost(host: Host, sources: HttpSources, rates: HostRates, viaGuid: string | null) {
  const { clock } = sources;
  const nowUs = clock.nowUs();
  let charts = 0;
  let dimensions = 0;
  let firstSec = Number.POSITIVE_INFINITY;
  for (const chart of host.charts) {
    if (chart === null) continue;
    if (chart.slotsPassed > 0) firstSec = Math.min(firstSec, chart.firstEntrySec);
    if (!chart.isVisible) continue;
    charts++;
    dimensions += chart.dimensions.count;
  }
  return {
    guid: host.machineGuid,
    hostname: host.hostname,
    status: statusOf(host, nowUs),
    lag: Math.round(lagSec(host, nowUs) * 1000) / 1000,
    last: Math.floor(host.lastCollectedUs / 1e6),
    ...describeCompleteness(host),
    clock_offset: Number.isNaN(host.clockOffsetSec) ? null : host.clockOffsetSec,
    version: host.version || (host.isLocal ? sources.version : ""),
    os: host.os,
    hops: host.hops,
    via: viaGuid,
    charts,
    dims: dimensions,
    rate: Math.round(rates.rateOf(host, clock.monotonicMs()) * 10) / 10,
    mode: host.memoryMode,
    first: firstSec === Number.POSITIVE_INFINITY ? 0 : firstSec,
    labels: sources.agent.labels(host),
    balance: describeBalance(host.balance),
    files_problem: host.files?.problem ?? "",
    corrupt_blocks: host.files?.corruptBlocks ?? 0,
    refused_charts: host.admission.refusedCharts,
    refused_dimensions: host.admission.refusedDimensions,
  };
}

/** Every counter of the database account, and what does not add up: always 0 unless we are wrong. */
function describeBalance(balance: Balance) {
  return { ...balance, dropped: { ...balance.dropped }, imbalance: imbalance(balance) };
}

function describeLink(link: LinkStatus) {
  return {
    from: link.from,
    to: link.to,
    key: keyEnd(link.apiKey),
    state: link.state,
    since: link.sinceSec,
    rate: link.rate,
    bytes: link.bytes,
    error: link.error,
    confirm: link.confirm,
    unconfirmed: link.unconfirmed,
    destinations: link.destinations.map(describeDestination),
    account: describeAccount(link.account),
  };
}

function describeDestination(destination: LinkDestination) {
  const { name, error, reason } = destination;
  return {
    name,
    last_attempt: destination.lastAttemptSec,
    error: error || null,
    reason: reason || null,
    postponed_until: destination.postponedUntilSec,
    in_use_since: destination.inUseSinceSec,
  };
}

function describeRefusal(refusal: RefusalStatus) {
  const { whenSec: when, times, address, hostname, machineGuid: guid, keyEnd: key, reason, text, advice } = refusal;
  return { when, times, address, hostname, guid, key, reason, text, advice };
}

function describeReceiver(receiver: ReceiverStatus) {
  const { machineGuid: guid, viaGuid: via, address, apiKey, sinceSec: since, bytes } = receiver;
  return { guid, via, address, key: keyEnd(apiKey), since, bytes };
}

function describeExporter(exporter: ExporterStatus) {
  return {
    name: exporter.name,
    type: exporter.type,
    destination: exporter.destination,
    data_source: exporter.dataSource,
    state: exporter.state,
    last_ok: exporter.lastOkSec,
    rate: exporter.sentPerSec,
    produced: exporter.produced,
    sent: exporter.sent,
    lost: exporter.lost,
    queued: exporter.queued,
    queue_bytes: exporter.queueBytes,
    queue_bytes_max: exporter.queueBytesMax,
    failures: exporter.failures,
    error: exporter.error,
  };
}

/** API keys never leave in full. */
function keyEnd(apiKey: string): string {
  return apiKey.slice(-KEY_SHOWN_LENGTH);
}
