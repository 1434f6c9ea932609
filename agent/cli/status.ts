import { counted } from "../base/counted.ts";
import {
  type AgentReport,
  fetchReport,
  type HostReport,
  type LinkReport,
  lossTotal,
  type RefusalReport,
} from "./agent-report.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT } from "./exit.ts";
import { print, usageError } from "./output.ts";
import { renderPaths } from "./path-table.ts";
import { ageText, lossText, momentText, secondsText } from "./report-text.ts";
import { renderTable } from "./table.ts";

/** What follows `tributary status`. */
export const STATUS_USAGE = "[URL] [--json]";

/** What `tributary status` shows, for its help. */
export const STATUS_DETAILS = `
Asks a running agent, default http://127.0.0.1:19999; URL may be HOST:PORT. Counts are values since its start:

  hosts      state and lag of every host, and who sends it (the end of the API key tells old keys from new ones).
             online: its newest value is no older than 3 s, or 3 of its intervals; stale: older, or away for less than
             a minute; offline: away for longer; archived: not heard of since this agent started
  values     COLLECTED + RECEIVED + FETCHED = STORED + BASE + MERGED + NOT KEPT + DROPPED. FETCHED: from a child's ring
             after an outage; BASE: a first value, which only starts a rate; MERGED: several fell into one slot; NOT
             KEPT: memory mode none, only passed on
  ways       of every host from elsewhere, a row each agent on its way to here: what that agent said last of what it
             sends on, and when; WAITING: in flight or queued; COMPLETE UP TO: it has all that had been collected by
             then, but for what is counted as lost. Agents of another kind tell nothing, and those of ours before
             they are heard of; the last row is this agent
  streams    OFFERED = DELIVERED + IN FLIGHT + QUEUED + LOST, with the reason and the last error. CONFIRMED: the parent
             says that it has stored them (other agents than this one do not), or with stream.confirm = "end" the last
             agent of the path has, and WHY says what keeps it from that; QUEUED: in the send buffer, or in the ring
             until the parent asks for them; what a parent fetches after an outage is not LOST any more
  parents    of streams that have several: which is in use, when each was tried, what it said, when it is asked again
  exporters  points produced, sent, queued, lost
  refused    the last 20 streams that were not taken, the latest first, and what to do now
  then what a changed configuration leaves to the next restart, and what is wrong
  --json     the answer of /api/v1/agent as it is

Exit code 1 when the agent cannot be asked; losses do not change it.
`;
/** Names in one closing line; the tables above have all of them. */
const NAMES_TOLD_MAX = 5;
const URL_DEFAULT = "http://127.0.0.1:19999";

/** Shows hosts, links, exporters and losses of a running agent. Exit code 1 when it cannot be asked. */
export async function status(args: string[]): Promise<number> {
  const parsed = parseArguments(args, [], ["json"]);
  if (typeof parsed === "string") return usageError(parsed, "status");
  const [address = URL_DEFAULT, ...rest] = parsed.operands;
  if (rest.length > 0) return usageError(`unexpected "${rest[0]}"`, "status");
  const url = address.includes("://") ? address : `http://${address}`;
  if (!URL.canParse(url)) return usageError(`"${address}" is not an address`, "status");
  const { report, text } = await fetchReport(url);
  print(parsed.options.has("json") ? text : renderReport(report));
  return EXIT.ok;
}

/** The report for people. */
export function renderReport(report: AgentReport): string {
  const parts = [`tributary ${report.version}\n`, renderHosts(report), renderValues(report)];
  const paths = renderPaths(report);
  if (paths !== "") parts.push(paths);
  if (report.links.length > 0) parts.push(renderLinks(report));
  if (report.links.some(({ destinations }) => destinations.length > 1)) parts.push(renderParents(report));
  if (report.exporters.length > 0) parts.push(renderExporters(report));
  if (report.refusals.length > 0) parts.push(renderRefusals(report));
  const waiting = report.restart_needed;
  if (waiting.length > 0)
    parts.push(`Changed in the configuration, in effect after a restart: ${waiting.join(", ")}\n`);
  parts.push(`${renderVerdict(report)}\n`);
  return parts.join("\n");
}

function renderHosts({ hosts, receivers }: AgentReport): string {
  const head = ["HOST", "STATE", "LAG", "VERSION", "HOPS", "CHARTS", "VALUES/S", "MODE", "FROM", "KEY"];
  const rows = hosts.map((host) => {
    const from = receivers.find((receiver) => receiver.guid === host.guid);
    return [
      host.hostname,
      host.status,
      host.last > 0 ? `${host.lag.toFixed(1)} s` : "-",
      host.version,
      host.hops,
      host.charts,
      Math.round(host.rate),
      host.mode,
      from?.address ?? (host.hops === 0 ? "this machine" : "-"),
      from === undefined ? "-" : `…${from.key}`,
    ];
  });
  return renderTable([head, ...rows]);
}

/** The database account of each host: what came in and what became of it. */
function renderValues({ hosts }: AgentReport): string {
  const head = [
    "VALUES OF",
    "COLLECTED",
    "RECEIVED",
    "FETCHED",
    "STORED",
    "BASE",
    "MERGED",
    "NOT KEPT",
    "DROPPED",
    "WHY",
  ];
  const rows = hosts.map(({ hostname, balance }) => [
    hostname,
    balance.collected,
    balance.received,
    balance.backfilled,
    balance.stored,
    balance.base,
    balance.merged,
    balance.unkept,
    lossTotal(balance.dropped),
    lossText(balance.dropped) || "-",
  ]);
  return renderTable([head, ...rows]);
}

function renderLinks({ links, hosts }: AgentReport): string {
  const head = ["STREAM OF", "TO", "STATE", "OFFERED", "DELIVERED", "CONFIRMED", "IN FLIGHT", "QUEUED", "LOST", "WHY"];
  const rows = links.map((link) => [
    hostnameOf(hosts, link),
    link.to,
    link.state,
    link.account.offered,
    link.account.delivered,
    link.account.acknowledged,
    link.account.in_flight,
    link.account.queued + link.account.backlog,
    lossTotal(link.account.lost),
    [lossText(link.account.lost), link.error ?? "", endText(link)].filter((text) => text !== "").join("; ") || "-",
  ]);
  return renderTable([head, ...rows]);
}

/** Why the end of the path confirms nothing, where it is asked. */
function endText({ unconfirmed }: LinkReport): string {
  return unconfirmed === null ? "" : `not confirmed by the end: ${unconfirmed}`;
}

/** Every parent of the links that have a choice. */
function renderParents({ links, hosts, now }: AgentReport): string {
  const head = ["PARENTS OF", "PARENT", "IN USE", "TRIED", "NOT AGAIN", "WHY"];
  const rows = links
    .filter(({ destinations }) => destinations.length > 1)
    .flatMap((link) =>
      link.destinations.map((parent) => [
        hostnameOf(hosts, link),
        parent.name,
        parent.in_use_since > 0 ? `for ${secondsText(now - parent.in_use_since)}` : "-",
        parent.last_attempt > 0 ? `${secondsText(now - parent.last_attempt)} ago` : "never",
        parent.postponed_until > now ? `for ${secondsText(parent.postponed_until - now)}` : "-",
        [parent.reason, parent.error].filter((text) => text !== null).join(": ") || "-",
      ]),
    );
  return renderTable([head, ...rows]);
}

function renderRefusals({ refusals, now }: AgentReport): string {
  const lines = refusals.map((refusal) => refusalText(refusal, now));
  return `Streams that were not taken, the latest first:\n${lines.join("")}`;
}

function refusalText({ when, times, address, hostname, guid, key, text, advice }: RefusalReport, now: number): string {
  const keyText = key === "" ? "none" : `…${key}`;
  const who = `${hostname || "no name"}, GUID ${guid || "none"}, key ${keyText}, from ${address}`;
  return `  ${secondsText(now - when)} ago, ${counted(times, "time")}: ${who}\n    ${text}\n    what now: ${advice}\n`;
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

/** The last word: is everything alive, where is data lost, do the accounts add up. */
function renderVerdict({ hosts, links, exporters, db, mismatches, now }: AgentReport): string {
  const problems: string[] = [];
  const tell = (what: string, names: readonly string[]) => {
    if (names.length === 0) return;
    const rest = names.length > NAMES_TOLD_MAX ? [`and ${names.length - NAMES_TOLD_MAX} more`] : [];
    problems.push(`${what}: ${[...names.slice(0, NAMES_TOLD_MAX), ...rest].join("; ")}`);
  };
  const away = hosts.filter((host) => host.status === "stale" || host.status === "offline");
  const cut = links.filter((link) => link.state !== "connected");
  const lossy = links.filter((link) => lossTotal(link.account.lost) > 0);
  tell(
    "not up to date",
    away.map((host) => `${host.hostname} is ${host.status}`),
  );
  tell(
    "not heard of since the start",
    hosts.filter((host) => host.status === "archived").map(({ hostname }) => hostname),
  );
  tell(
    "no connection now",
    cut.map((link) => `${hostnameOf(hosts, link)} → ${link.to}`),
  );
  tell(
    "not confirmed by the last agent of the path",
    links.filter((link) => link.unconfirmed !== null).map((link) => `${hostnameOf(hosts, link)} (${link.unconfirmed})`),
  );
  tell("being fetched from the sender", hosts.filter((host) => host.missing_from > 0).map(missingText));
  tell(
    "clocks that differ by more than 2 s",
    hosts.filter(({ clock_offset: offset }) => Math.abs(offset ?? 0) > 2).map(offsetText),
  );
  tell("not stored since the start", hosts.filter((host) => lossTotal(host.balance.dropped) > 0).map(droppedText));
  tell(
    "lost on the way since the start",
    lossy.map((link) => `${hostnameOf(hosts, link)} → ${link.to} ${lossText(link.account.lost)}`),
  );
  tell("lost below this agent, as told", hosts.flatMap(lostBelowTexts));
  tell(
    "lost exporting since the start",
    exporters.filter(({ lost }) => lost > 0).map(({ name, lost }) => `${name} ${lost}`),
  );
  tell(
    "kept in memory only",
    hosts.filter((host) => host.files_problem !== "").map((host) => `${host.hostname} (${host.files_problem})`),
  );
  tell(
    'damaged on the disk and read as empty, "tributary db verify" says more',
    hosts
      .filter((host) => host.corrupt_blocks > 0)
      .map((host) => `${host.hostname} ${counted(host.corrupt_blocks, "block")}`),
  );
  tell(
    'files that could not be used since the start, "tributary db stat" names them',
    db.files_set_aside > 0 ? [`${db.files_set_aside} set aside`] : [],
  );
  tell("refused by a limit since the start", [
    ...(db.refused_hosts > 0 ? [counted(db.refused_hosts, "host")] : []),
    ...hosts.filter((host) => host.refused_charts + host.refused_dimensions > 0).map(refusedText),
  ]);
  tell("accounts that do not add up, please report this", unbalanced(hosts, links));
  const found = mismatches.database + mismatches.link + mismatches.stream;
  tell(
    `did not add up ${counted(found, "time")} since the start, please report this`,
    mismatches.latest.map((each) => `${each.hostname} ${ageText(now - each.when)}: ${each.text}`),
  );
  return problems.length === 0 ? "All hosts up to date, nothing lost, every account adds up." : problems.join("\n");
}

/** Hosts and streams whose account is off now, those of agents below included. */
function unbalanced(hosts: readonly HostReport[], links: readonly LinkReport[]): string[] {
  const paths = hosts.flatMap(({ hostname, path }) =>
    path
      .filter(({ account }) => account.imbalance !== 0)
      .map(({ hostname: from }) => `the stream of ${hostname} from ${from}`),
  );
  return [
    ...hosts.filter(({ balance }) => balance.imbalance !== 0).map(({ hostname }) => hostname),
    ...links
      .filter(({ account }) => account.imbalance !== 0)
      .map((link) => `the stream of ${hostnameOf(hosts, link)} to ${link.to}`),
    ...paths,
  ];
}

function droppedText(host: HostReport): string {
  return `${host.hostname} ${lossText(host.balance.dropped)}`;
}

function lostBelowTexts({ hostname, path }: HostReport): string[] {
  const lossy = path.filter(({ account }) => lossTotal(account.lost) > 0);
  return lossy.map(({ hostname: from, account }) => `${hostname} from ${from} ${lossText(account.lost)}`);
}

function missingText({ hostname, complete_to: completeTo }: HostReport): string {
  return `${hostname} is complete up to ${momentText(completeTo)}`;
}

function offsetText({ hostname, clock_offset: offset }: HostReport): string {
  return `${hostname} is ${Math.abs(offset ?? 0)} s ${(offset ?? 0) > 0 ? "ahead of" : "behind"} this machine`;
}

function refusedText({ hostname, refused_charts: charts, refused_dimensions: dimensions }: HostReport): string {
  return `${hostname} ${charts} charts, ${dimensions} dimensions`;
}

function hostnameOf(hosts: readonly HostReport[], link: LinkReport): string {
  return hosts.find((host) => host.guid === link.from)?.hostname ?? link.from;
}
