import { type AgentChart, agentSpec, counters, gauges } from "./agent-chart-list.ts";
import type { ExporterCounters } from "./agent-sources.ts";
import { absolute, type DimensionSpec, incremental } from "./lazy-chart.ts";

/** The name that keeps the chart ids of netdata's first exporter, so that old dashboards and alarms find them. */
const CLASSIC_NAME = "backend";
const CPU = [incremental("user", 1, 1000), incremental("system", 1, 1000)];

type ExporterChart = AgentChart<ExporterCounters>;

/** Charts of one exporter (exporters.md §1.6, collectors.md §7). */
export function exporterCharts(name: string): readonly ExporterChart[] {
  const family = `exporting_${name}`;
  const own = `tributary.exporting_${name}`;
  return [
    ...(name === CLASSIC_NAME ? classicCharts() : netdataCharts(`netdata.exporting_${name}`, family)),
    {
      spec: agentSpec(
        `${own}_queue`,
        "Exporter Queue",
        "points",
        family,
        "stacked",
        130_650,
        gauges("memory", "disk", "inflight"),
        "tributary.exporting_queue",
      ),
      read: ({ queueMemory, queueDisk, queueInFlight }) => [queueMemory, queueDisk, queueInFlight],
    },
    {
      spec: agentSpec(
        `${own}_queue_bytes`,
        "Exporter Queue Size",
        "KiB",
        family,
        "stacked",
        130_651,
        kib("memory", "disk"),
        "tributary.exporting_queue_bytes",
      ),
      read: ({ queueMemoryBytes, queueDiskBytes }) => [queueMemoryBytes, queueDiskBytes],
    },
    {
      spec: agentSpec(
        `${own}_delay`,
        "Age of the Oldest Unsent Point",
        "seconds",
        family,
        "line",
        130_652,
        gauges("oldest"),
        "tributary.exporting_delay",
      ),
      read: ({ oldestSec }) => [oldestSec],
    },
    {
      spec: agentSpec(
        `${own}_lost`,
        "Exporter Losses",
        "points/s",
        family,
        "line",
        130_653,
        counters("overflow", "rejected", "expired", "corrupt", "config", "skipped"),
        "tributary.exporting_lost",
      ),
      read: (exporter) => [
        exporter.lostOverflow,
        exporter.lostRejected,
        exporter.lostExpired,
        exporter.lostCorrupt,
        exporter.lostConfig,
        exporter.lostSkipped,
      ],
    },
  ];
}

/** `netdata.exporting_NAME_*`. @param id their ids without the last part. */
function netdataCharts(id: string, family: string): ExporterChart[] {
  const metrics = gauges("buffered", "lost", "sent");
  return [
    {
      spec: agentSpec(
        `${id}_metrics`,
        "Netdata Buffered Metrics",
        "metrics",
        family,
        "line",
        130_610,
        metrics,
        "exporting_buffer",
      ),
      read: readMetrics,
    },
    {
      spec: agentSpec(
        `${id}_bytes`,
        "Netdata Exporting Data Size",
        "KiB",
        family,
        "area",
        130_620,
        kib("buffered", "lost", "sent", "received"),
        "exporting_data_size",
      ),
      read: readBytes,
    },
    {
      spec: agentSpec(
        `${id}_ops`,
        "Netdata Exporting Operations",
        "operations",
        family,
        "line",
        130_630,
        gauges("write", "discard", "reconnect", "failure", "read"),
        "exporting_operations",
      ),
      read: readOperations,
    },
    {
      spec: agentSpec(
        `${id}_thread_cpu`,
        "NetData Exporting Thread CPU usage",
        "milliseconds/s",
        family,
        "stacked",
        130_640,
        CPU,
        "exporting_instance",
      ),
      read: ({ userUs, systemUs }) => [userUs, systemUs],
    },
  ];
}

/** `netdata.backend_*`, as netdata 1.6 had them. */
function classicCharts(): ExporterChart[] {
  const family = CLASSIC_NAME;
  const metrics = gauges("buffered", "lost", "sent");
  const operations = gauges("write", "discard", "reconnect", "failure", "read");
  const bytes = kib("buffered", "lost", "sent", "received");
  return [
    {
      spec: agentSpec(
        "netdata.backend_metrics",
        "Netdata Buffered Metrics",
        "metrics",
        family,
        "line",
        130_600,
        metrics,
      ),
      read: readMetrics,
    },
    {
      spec: agentSpec("netdata.backend_bytes", "Netdata Backend Data Size", "KB", family, "area", 130_610, bytes),
      read: readBytes,
    },
    {
      spec: agentSpec(
        "netdata.backend_ops",
        "Netdata Backend Operations",
        "operations",
        family,
        "line",
        130_630,
        operations,
      ),
      read: readOperations,
    },
    {
      spec: agentSpec(
        "netdata.backend_thread_cpu",
        "NetData Backend Thread CPU usage",
        "milliseconds/s",
        family,
        "stacked",
        130_630,
        CPU,
      ),
      read: ({ userUs, systemUs }) => [userUs, systemUs],
    },
  ];
}

function readMetrics({ metricsBuffered, metricsLost, metricsSent }: ExporterCounters): number[] {
  return [metricsBuffered, metricsLost, metricsSent];
}

function readBytes({ bytesBuffered, bytesLost, bytesSent, bytesReceived }: ExporterCounters): number[] {
  return [bytesBuffered, bytesLost, bytesSent, bytesReceived];
}

function readOperations({ writes, discards, reconnects, failures, reads }: ExporterCounters): number[] {
  return [writes, discards, reconnects, failures, reads];
}

function kib(...ids: string[]): DimensionSpec[] {
  return ids.map((id) => absolute(id, 1, 1024));
}
