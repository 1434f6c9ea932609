import { type AgentReport, type HostReport, lossTotal } from "./agent-report.ts";
import { ageText, lossText, momentText } from "./report-text.ts";
import { renderTable } from "./table.ts";

/**
 * The way of every host that comes from elsewhere, one row each hop: what its sender said of it last, and in the last
 * row how complete the host is here. Empty if there is no such host. Agents of another kind, and those that were not
 * heard since the start, say nothing: they share one row.
 */
export function renderPaths(report: AgentReport): string {
  const { hosts } = report;
  const received = hosts.filter(({ hops }) => hops > 0);
  if (received.length === 0) return "";
  const here = hosts.find(({ hops }) => hops === 0)?.hostname ?? "this agent";
  const head = ["WAY OF", "AGENT", "SENDS TO", "OFFERED", "DELIVERED", "CONFIRMED", "WAITING", "LOST", "WHY", ...TIMES];
  return renderTable([head, ...received.flatMap((host) => rowsOf(host, here, report.now))]);
}

const TIMES = ["COMPLETE UP TO", "SAID"];
/** OFFERED to LOST. */
const NO_NUMBERS = ["", "", "", "", ""];

function rowsOf(host: HostReport, here: string, now: number): (string | number)[][] {
  const { hostname, path } = host;
  const rows = path.map(({ hostname: from, account, told, complete_to: completeTo }, index) => [
    hostname,
    from,
    path[index + 1]?.hostname ?? here,
    account.offered,
    account.delivered,
    account.acknowledged,
    account.in_flight + account.queued + account.backlog,
    lossTotal(account.lost),
    lossText(account.lost) || "-",
    momentText(completeTo),
    ageText(now - told),
  ]);
  const end = [hostname, `${here} (here)`, "", ...NO_NUMBERS, "-", momentText(host.complete_to), "now"];
  return [...untoldRow(host, path[0]?.hostname ?? here), ...rows, end];
}

/** Of the agents that said nothing: they come before all that did. */
function untoldRow({ hostname, hops, path }: HostReport, next: string): (string | number)[][] {
  const others = hops - path.length - 1;
  if (others < 0) return [];
  const agents = others === 0 ? hostname : `${hostname} and ${others} more`;
  return [[hostname, agents, next, ...NO_NUMBERS, "told nothing", "-", "-"]];
}
