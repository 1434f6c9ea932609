import { type AgentReport, type HostReport, lossTotal } from "./agent-report.ts";
import { ageText, lossText, momentText } from "./report-text.ts";
import { renderTable } from "./table.ts";

/** Told of hosts whose sender is an agent of another kind, or was not heard since the start. */
const UNTOLD = "its sender does not tell";

/**
 * The way of every host that comes from elsewhere, one row each hop: what its sender said of it last, and in the last
 * row how complete the host is here. Empty if there is no such host.
 */
export function renderPaths(report: AgentReport): string {
  const { hosts } = report;
  const received = hosts.filter(({ hops }) => hops > 0);
  if (received.length === 0) return "";
  const here = hosts.find(({ hops }) => hops === 0)?.hostname ?? "this agent";
  const head = ["WAY OF", "FROM", "TO", "OFFERED", "DELIVERED", "CONFIRMED", "WAITING", "LOST", "WHY", ...TIMES];
  return renderTable([head, ...received.flatMap((host) => rowsOf(host, here, report.now))]);
}

const TIMES = ["FROM COMPLETE UP TO", "SAID"];

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
  const why = path.length === 0 ? UNTOLD : "-";
  return [...rows, [hostname, `${here} (here)`, "", "", "", "", "", "", why, momentText(host.complete_to), "now"]];
}
