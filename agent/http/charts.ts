import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { escapeEcho } from "./escape.ts";
import { type Chunks, errorReply, jsonReply, type Reply } from "./reply.ts";
import type { HttpSources } from "./sources.ts";
import type { Parameters } from "./url.ts";

/** Charts described before others may run, about 1 ms of work. */
const CHARTS_PER_PIECE = 64;

const encoder = new TextEncoder();

/** `/api/v1/charts` (http-api.md §5). Never kept by clients: a day-old list of charts is of no use. */
export function chartsReply(host: Host, sources: HttpSources): Reply {
  return jsonReply(describeCharts(host, sources));
}

/** `/api/v1/chart`. @param host keeps a database. */
export function chartReply(host: Host, parameters: Parameters): Reply {
  const id = parameters.get("chart");
  if (id === undefined) return errorReply(400, "No chart id is given at the request.");
  const chart = host.findChart(id);
  if (chart === undefined || !chart.isVisible) return errorReply(404, `Chart is not found: ${escapeEcho(id)}`);
  return jsonReply(JSON.stringify(describe(chart), null, "\t"));
}

function* describeCharts(host: Host, sources: HttpSources): Chunks {
  const hosts = sources.database.hosts;
  const charts = host.ring === null ? [] : host.chartList().filter((chart) => chart.isVisible);
  const head = {
    hostname: host.hostname,
    version: host.version || sources.version,
    release_channel: "stable",
    os: host.os,
    timezone: host.timezone || "unknown",
    update_every: host.updateEverySec,
    history: host.historyEntries,
    memory_mode: host.memoryMode,
    custom_info: "",
  };
  yield encoder.encode(`${JSON.stringify(head).slice(0, -1)},"charts":{`);
  let dimensions = 0;
  for (let from = 0; from < charts.length; from += CHARTS_PER_PIECE) {
    const piece: string[] = [];
    for (const chart of charts.slice(from, from + CHARTS_PER_PIECE)) {
      const described = describe(chart);
      dimensions += Object.keys(described.dimensions).length;
      piece.push(`${JSON.stringify(chart.id)}:${JSON.stringify(described)}`);
    }
    yield encoder.encode((from === 0 ? "" : ",") + piece.join(",\n"));
  }
  const tail = {
    charts_count: charts.length,
    dimensions_count: dimensions,
    alarms_count: 0,
    rrd_memory_bytes: (host.ring?.bytes ?? 0) + host.pool.bytes,
    hosts_count: hosts.length,
    hosts: hosts.map(({ hostname }) => ({ hostname })),
  };
  yield encoder.encode(`},${JSON.stringify(tail).slice(1)}`);
}

/** One chart, as clients know it. */
function describe(chart: Chart) {
  const { definition } = chart;
  const { id, name } = definition;
  const dimensions: Record<string, { name: string }> = Object.create(null);
  for (const dimension of chart.dimensions.list) {
    if (!dimension.hidden) dimensions[dimension.id] = { name: dimension.name };
  }
  return {
    id,
    name,
    type: id.slice(0, id.indexOf(".")),
    family: definition.family,
    context: definition.context,
    title: `${definition.title} (${name})`,
    priority: definition.priority,
    plugin: definition.plugin,
    module: definition.module,
    enabled: true,
    units: definition.units,
    // Without the host: clients put their own base URL in front.
    data_url: `/api/v1/data?chart=${encodeURIComponent(name)}`,
    chart_type: definition.chartType,
    duration: chart.lastEntrySec - chart.firstEntrySec,
    first_entry: chart.firstEntrySec,
    last_entry: chart.lastEntrySec,
    update_every: definition.updateEverySec,
    dimensions,
    chart_variables: {},
    green: null,
    red: null,
    alarms: {},
    chart_labels: {
      _collect_plugin: definition.plugin || "[none]",
      _collect_module: definition.module || "[none]",
      ...Object.fromEntries(chart.labels.map((label) => [label.name, label.value])),
    },
    functions: {},
  };
}
