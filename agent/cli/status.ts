import { type AgentReport, fetchReport, type HostReport, type LinkReport, lossTotal } from "./agent-report.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT } from "./exit.ts";
import { print, usageError } from "./output.ts";
import { renderTable } from "./table.ts";

export const STATUS_USAGE = "[URL] [--json]";
const URL_DEFAULT = "http://127.0.0.1:19999";

/** Shows hosts, links, exporters and losses of a running agent. Exit code 1 when it cannot be asked. */
export async function status(args: string[]): Promise<number> {
  const parsed = parseArguments(args, [], ["json"]);
  if (typeof parsed === "string") return usageError(parsed);
  const [address = URL_DEFAULT, ...rest] = parsed.operands;
  if (rest.length > 0) return usageError(`unexpected "${rest[0]}"`);
  const url = address.includes("://") ? address : `http://${address}`;
  if (!URL.canParse(url)) return usageError(`"${address}" is not an address`);
  const { report, text } = await fetchReport(url);
  print(parsed.options.has("json") ? text : renderReport(report));
  return EXIT.ok;
}

/** The report for people. */
export function renderReport(report: AgentReport): string {
  const parts = [`tributary ${report.version}\n`, renderHosts(report)];
  if (report.links.length > 0) parts.push(renderLinks(report));
  if (report.exporters.length > 0) parts.push(renderExporters(report));
  parts.push(`${renderVerdict(report)}\n`);
  return parts.join("\n");
}

function renderHosts({ hosts, receivers }: AgentReport): string {
  const head = ["HOST", "STATE", "LAG", "VERSION", "HOPS", "CHARTS", "VALUES/S", "STORED", "DROPPED", "FROM", "KEY"];
  const rows = hosts.map((host) => {
    const from = receivers.find((receiver) => receiver.guid === host.guid);
    const { balance } = host;
    return [
      host.hostname,
      host.status,
      `${host.lag.toFixed(1)} s`,
      host.version,
      host.hops,
      host.charts,
      Math.round(host.rate),
      host.mode === "none" ? "(mode none)" : balance.stored,
      lossTotal(balance.dropped),
      from?.address ?? (host.hops === 0 ? "this machine" : "-"),
      from === undefined ? "-" : `…${from.key}`,
    ];
  });
  return renderTable([head, ...rows]);
}

function renderLinks({ links, hosts }: AgentReport): string {
  const head = ["STREAM OF", "TO", "STATE", "OFFERED", "DELIVERED", "IN FLIGHT", "QUEUED", "LOST", "WHY"];
  const rows = links.map((link) => [
    hosts.find((host) => host.guid === link.from)?.hostname ?? link.from,
    link.to,
    link.state,
    link.account.offered,
    link.account.delivered,
    link.account.in_flight,
    link.account.queued,
    lossTotal(link.account.lost),
    [lossText(link.account.lost), link.error ?? ""].filter((text) => text !== "").join("; ") || "-",
  ]);
  return renderTable([head, ...rows]);
}

function renderExporters({ exporters }: AgentReport): string {
  const head = ["EXPORTER", "TYPE", "DESTINATION", "STATE", "PRODUCED", "SENT", "QUEUED", "LOST", "ERROR"];
  const rows = exporters.map((exporter) => [
    exporter.name,
    exporter.type,
    exporter.destination,
    exporter.state,
    exporter.produced,
    exporter.sent,
    exporter.queued,
    exporter.lost,
    exporter.error ?? "-",
  ]);
  return renderTable([head, ...rows]);
}

/** One line: is everything alive, where is data lost, do the accounts add up. */
function renderVerdict({ hosts, links, exporters }: AgentReport): string {
  const problems: string[] = [];
  const away = hosts.filter((host) => host.status === "stale" || host.status === "offline");
  if (away.length > 0) problems.push(`not up to date: ${away.map((host) => host.hostname).join(", ")}`);
  const dropped = hosts.filter((host) => lossTotal(host.balance.dropped) > 0).map(droppedText);
  problems.push(...dropped);
  const lostLinks = links.filter((link) => lossTotal(link.account.lost) > 0);
  if (lostLinks.length > 0) problems.push(`lost on the way: ${lostLinks.map(linkText).join(", ")}`);
  const lostExports = exporters.filter((exporter) => exporter.lost > 0);
  if (lostExports.length > 0)
    problems.push(`lost exporting: ${lostExports.map((e) => `${e.name} ${e.lost}`).join(", ")}`);
  const wrong = hosts.filter((host) => host.balance.imbalance !== 0);
  if (wrong.length > 0) problems.push(`accounts that do not add up: ${wrong.map((host) => host.hostname).join(", ")}`);
  return problems.length === 0 ? "All hosts up to date, nothing lost, every account adds up." : problems.join("\n");
}

function droppedText(host: HostReport): string {
  return `not stored: ${host.hostname} ${lossText(host.balance.dropped)}`;
}

function linkText({ to, account }: LinkReport): string {
  return `${to} ${lossText(account.lost)}`;
}

function lossText(lost: Readonly<Record<string, number>>): string {
  return Object.entries(lost)
    .filter(([, count]) => count > 0)
    .map(([reason, count]) => `${reason} ${count}`)
    .join(", ");
}
