import type { Chart } from "../rrd/chart.ts";
import type { Host } from "../rrd/host.ts";
import { escapeHtml } from "./escape.ts";
import { type HostStatus, lagSec, statusOf } from "./host-status.ts";
import { PAGE_STYLE } from "./page-style.ts";
import { type Chunks, HTML_TYPE, type Reply } from "./reply.ts";
import type { HttpSources } from "./sources.ts";

/** Nothing is loaded from anywhere, no script runs, nobody else may frame the page. */
const POLICY = [
  "default-src 'none'",
  "style-src 'unsafe-inline'",
  "img-src data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 13 6 7l3 3 5-8' " +
  "fill='none' stroke='%230b6bcb' stroke-width='2'/%3E%3C/svg%3E";

const GLYPHS: Record<HostStatus, string> = { online: "●", stale: "▲", offline: "■", archived: "○" };
/** Worst first. */
const ORDER: readonly HostStatus[] = ["offline", "stale", "online", "archived"];
/** Rows written before others may run, about 1 ms of work. */
const ROWS_PER_PIECE = 128;

const encoder = new TextEncoder();

/** `/`: every host of this agent, its state, and the way to its charts. Needs no script. */
export function hostsPage(sources: HttpSources): Reply {
  return page(writeHosts(sources));
}

/** `/host/X/`: the charts of one host with links to their data. */
export function hostPage(host: Host, sources: HttpSources): Reply {
  return page(writeHost(host, sources));
}

function page(body: Chunks): Reply {
  const headers = { "Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin" };
  return { status: 200, contentType: HTML_TYPE, body, cache: "none", headers };
}

function* writeHosts(sources: HttpSources): Chunks {
  const nowUs = sources.clock.nowUs();
  const hosts = sources.database.hosts.map((host) => ({ host, status: statusOf(host, nowUs) }));
  const local = sources.database.localhost;
  yield head(local === null ? "Tributary" : `${local.hostname} – Tributary`);
  yield text(`<header><h1>${local === null ? "Tributary" : escapeHtml(local.hostname)}</h1>
<p>Tributary ${escapeHtml(sources.version)} · ${utc(nowUs)} · <a href="/">reload</a></p>
<p class="counts">${counts(hosts.map(({ status }) => status))}</p></header>
<main><h2>Hosts</h2>
${tableHead("Hosts", ["State", "Host", "Lag#", "Charts#", "Version", "System", "Last sample"])}
`);
  hosts.sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status));
  for (let from = 0; from < hosts.length; from += ROWS_PER_PIECE) {
    const rows = hosts.slice(from, from + ROWS_PER_PIECE);
    yield text(rows.map(({ host, status }) => hostRow(host, status, nowUs, sources)).join(""));
  }
  yield text(`</tbody></table></div>
<p>For programs: <a href="/api/v1/agent">/api/v1/agent</a> (hosts, links, exporters, losses),
<a href="/api/v1/info">/api/v1/info</a>, <a href="/api/v1/charts">/api/v1/charts</a>,
<a href="/api/v1/allmetrics?format=prometheus_all_hosts">/api/v1/allmetrics?format=prometheus_all_hosts</a></p>
</main></body></html>
`);
}

function hostRow(host: Host, status: HostStatus, nowUs: number, sources: HttpSources): string {
  const name = escapeHtml(host.hostname);
  const version = host.version || (host.isLocal ? sources.version : "");
  return `<tr><td>${statusMark(status)}</td>
<td><a href="/host/${host.machineGuid}/">${name}</a>${host.isLocal ? " (this host)" : ""}</td>
<td class="n">${lagText(host, nowUs)}</td><td class="n">${host.chartCount}</td><td>${escapeHtml(version)}</td>
<td>${escapeHtml(host.os)}</td><td>${host.lastCollectedUs > 0 ? utc(host.lastCollectedUs) : "none yet"}</td></tr>
`;
}

function* writeHost(host: Host, sources: HttpSources): Chunks {
  const nowUs = sources.clock.nowUs();
  const name = escapeHtml(host.hostname);
  const charts = host.ring === null ? [] : host.chartList().filter((chart) => chart.isVisible);
  charts.sort((a, b) => a.definition.priority - b.definition.priority);
  yield head(`${host.hostname} – Tributary`);
  yield text(`<header><h1>${name}</h1>
<p><a href="/">All hosts</a> · <a href="/host/${host.machineGuid}/">reload</a> · ${utc(nowUs)}</p>
<p class="counts">${statusMark(statusOf(host, nowUs))} · lag ${lagText(host, nowUs)} · ${charts.length} charts ·
every ${host.updateEverySec} s · memory mode ${host.memoryMode} · ${escapeHtml(host.os)}</p></header>
<main>
`);
  if (host.ring === null) {
    yield text(
      "<p>This agent keeps no data of this host (memory mode none): it only passes values on. Look at its parent.</p>",
    );
  } else if (charts.length === 0) yield text("<p>No charts yet: the first values come within seconds.</p>");
  for (const [type, members] of byType(charts)) {
    yield text(`<h2>${escapeHtml(type)}</h2>
${tableHead(type, ["Chart", "Title", "Units", "Dimensions#", "Data, last 10 minutes"])}
`);
    for (let from = 0; from < members.length; from += ROWS_PER_PIECE) {
      const rows = members.slice(from, from + ROWS_PER_PIECE);
      yield text(rows.map((chart) => chartRow(host, chart)).join(""));
    }
    yield text("</tbody></table></div>\n");
  }
  yield text("</main></body></html>\n");
}

function chartRow(host: Host, chart: Chart): string {
  const { definition } = chart;
  const base = `/host/${host.machineGuid}/api/v1`;
  const id = encodeURIComponent(chart.id);
  const name = escapeHtml(definition.name);
  const data = (format: string) => {
    const label = `${format.toUpperCase()}<span class="hidden"> of ${name}</span>`;
    return `<a href="${base}/data?chart=${id}&amp;after=-600&amp;format=${format}">${label}</a>`;
  };
  return `<tr><td><a href="${base}/chart?chart=${id}">${name}</a></td><td>${escapeHtml(definition.title)}</td>
<td>${escapeHtml(definition.units)}</td><td class="n">${chart.dimensions.count}</td>
<td>${data("csv")} ${data("json")}</td></tr>
`;
}

/** Wide tables scroll by themselves, also by keyboard. @param columns with `#` at the end for numbers. */
function tableHead(label: string, columns: readonly string[]): string {
  const cells = columns.map((column) => {
    const name = column.replace("#", "");
    return `<th scope="col"${name === column ? "" : ' class="n"'}>${name}</th>`;
  });
  const region = `<div class="scroll" role="region" tabindex="0" aria-label="${escapeHtml(label)}">`;
  return `${region}<table><thead><tr>${cells.join("")}</tr></thead><tbody>`;
}

function byType(charts: readonly Chart[]): Map<string, Chart[]> {
  const types = new Map<string, Chart[]>();
  for (const chart of charts) {
    const type = chart.id.slice(0, chart.id.indexOf("."));
    const known = types.get(type);
    if (known === undefined) types.set(type, [chart]);
    else known.push(chart);
  }
  return types;
}

function counts(statuses: readonly HostStatus[]): string {
  const present = ORDER.map((status) => [status, statuses.filter((each) => each === status).length] as const);
  const shown = present.filter(([, count]) => count > 0);
  return shown.map(([status, count]) => statusMark(status, `${count} `)).join(" · ");
}

/** A state is never told by colour alone: glyph and word. */
function statusMark(status: HostStatus, before = ""): string {
  return `<span class="${status}"><span aria-hidden="true">${GLYPHS[status]}</span> ${before}${status}</span>`;
}

function lagText(host: Host, nowUs: number): string {
  if (host.lastCollectedUs === 0) return "–";
  const seconds = lagSec(host, nowUs);
  if (seconds < 100) return `${seconds.toFixed(1)} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`;
}

function utc(timeUs: number): string {
  const iso = new Date(timeUs / 1000).toISOString();
  return `<time datetime="${iso}">${iso.slice(0, 19).replace("T", " ")} UTC</time>`;
}

function head(title: string): Uint8Array<ArrayBuffer> {
  return text(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${escapeHtml(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<link rel="icon" href="${ICON}"><style>${PAGE_STYLE}</style></head><body>
`);
}

function text(html: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(html);
}
