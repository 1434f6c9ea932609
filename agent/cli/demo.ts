import { AgentError, errorText } from "../base/errors.ts";
import { type AgentReport, fetchReport, type HostReport, type LinkReport, lossTotal } from "./agent-report.ts";
import { parseArguments } from "./arguments.ts";
import { compareData } from "./demo-data.ts";
import { DEMO_ROLES, type DemoAgent, DemoTree } from "./demo-tree.ts";
import { EXIT } from "./exit.ts";
import { print, printError, usageError } from "./output.ts";
import { renderTable } from "./table.ts";

/** What follows `tributary demo`. */
export const DEMO_USAGE = "[--seconds N]";

/** What `tributary demo` shows, for its help. */
export const DEMO_DETAILS = `
Starts a child, a proxy and a parent on free ports of 127.0.0.1, shows their accounts as they grow, and at the end
compares them, and every stored value of the child with what the proxy and the parent have of it. Exit code 0 = every
value collected is accounted for at every hop, none lost, none changed. Leaves nothing behind.

OFFERED less REPLAYED is what the next agent has RECEIVED. A chart streams once the next agent has asked for its past:
what it collected until then is REPLAYED from the ring, and FETCHED there, but for first values, the BASE of rates.

  --seconds N         how long; 10 to 86400, default 30
`;
const SECONDS_DEFAULT = 30;
/** Less and there is hardly a second to compare. */
const SECONDS_MIN = 10;
const SECONDS_MAX = 86_400;
/** Time the last values have to arrive everywhere before the accounts are compared. */
const SETTLE_MS = 5000;
const SETTLE_EVERY_MS = 50;
const CLEAR_LINES = (count: number) => `\u001b[${count}A\u001b[J`;

/** Shows child → proxy → parent at work. Exit code 0 when at the end every account adds up with nothing lost. */
export async function demo(args: string[]): Promise<number> {
  const parsed = parseArguments(args, ["seconds"]);
  if (typeof parsed === "string") return usageError(parsed, "demo");
  if (parsed.operands.length > 0) return usageError(`unexpected "${parsed.operands[0]}"`, "demo");
  const seconds = Number(parsed.options.get("seconds") ?? SECONDS_DEFAULT);
  if (!Number.isInteger(seconds) || seconds < SECONDS_MIN || seconds > SECONDS_MAX) {
    return usageError(`--seconds takes a whole number from ${SECONDS_MIN} to ${SECONDS_MAX}`, "demo");
  }
  const interrupted = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => interrupted.resolve());
  await using tree = await DemoTree.start();
  print(`${DEMO_ROLES.map((role) => `${role} ${tree.agent(role).url}`).join(" → ")}\n\n`);
  return await closing(tree, await watch(tree, seconds, interrupted.promise));
}

/** Redraws the table once a second. @returns seconds shown, fewer than `seconds` when interrupted. */
async function watch(tree: DemoTree, seconds: number, interrupted: Promise<void>): Promise<number> {
  const isTerminal = process.stdout.isTTY;
  let shown = "";
  for (let second = 1; second <= seconds; second++) {
    const wait = Bun.sleep(1000).then(() => true);
    if (!(await Promise.race([wait, interrupted.then(() => false)]))) return second - 1;
    const all = await reports(tree).catch(keepWatching);
    if (all === null) continue;
    const table = renderAccounts(all);
    if (isTerminal) print(`${shown === "" ? "" : CLEAR_LINES(shown.split("\n").length - 1)}${table}`);
    else if (second % 10 === 0 || second === seconds) print(`after ${second} s\n${table}\n`);
    shown = table;
  }
  return seconds;
}

/** An agent that is too busy to answer once is asked again a second later. */
function keepWatching(error: unknown): null {
  if (!(error instanceof AgentError)) throw error;
  return null;
}

/** One report an agent, from the edge to the parent. */
interface Reports {
  readonly child: AgentReport;
  readonly proxy: AgentReport;
  readonly parent: AgentReport;
}

async function reports(tree: DemoTree): Promise<Reports> {
  const ask = (agent: DemoAgent) => fetchReport(agent.url).then(({ report }) => report);
  const [child, proxy, parent] = await Promise.all(DEMO_ROLES.map((role) => ask(tree.agent(role))));
  return { child: child!, proxy: proxy!, parent: parent! };
}

/** The way of the child's values, and of the proxy's own, hop by hop. */
function renderAccounts(all: Reports): string {
  const head = [
    "VALUES OF",
    "AT",
    "COLLECTED",
    "RECEIVED",
    "FETCHED",
    "STORED",
    "BASE",
    "MERGED",
    "DROPPED",
    "OFFERED",
    "REPLAYED",
    "LOST",
  ];
  const rows = DEMO_ROLES.flatMap((role) => {
    return all[role].hosts.map((host) => {
      const { balance } = host;
      const link = all[role].links.find((candidate) => candidate.from === host.guid);
      return [
        host.hostname,
        role,
        balance.collected,
        balance.received,
        balance.backfilled,
        balance.stored,
        balance.base,
        balance.merged,
        lossTotal(balance.dropped),
        link?.account.offered ?? 0,
        link?.account.replayed ?? 0,
        link === undefined ? 0 : lossTotal(link.account.lost),
      ];
    });
  });
  rows.sort((a, b) => String(a[0]).localeCompare(String(b[0])));
  return renderTable([head, ...rows]);
}

/** The last word: every account, compared across the processes and with the stored data. */
async function closing(tree: DemoTree, seconds: number): Promise<number> {
  const deadlineMs = performance.now() + SETTLE_MS;
  let problems: string[] = [];
  let all: Reports | null = null;
  do {
    try {
      all = await reports(tree);
      problems = findProblems(all);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      problems = [errorText(error)];
    }
    if (problems.length > 0) await Bun.sleep(SETTLE_EVERY_MS);
  } while (problems.length > 0 && performance.now() < deadlineMs);
  if (all !== null) print(`\nbalance at the end\n${renderAccounts(all)}\n`);
  const data = await compareData(tree, seconds, all !== null && isMerged(all, tree.agent("child").guid));
  print(`${data.text}\n`);
  for (const problem of [...problems, ...data.problems]) printError(`tributary: ${problem}`);
  if (problems.length + data.problems.length > 0) return EXIT.runtime;
  print("Every value collected is accounted for at every hop: 0 lost.\n");
  return EXIT.ok;
}

function isMerged(all: Reports, guid: string): boolean {
  return DEMO_ROLES.some((role) => all[role].hosts.some((host) => host.guid === guid && host.balance.merged > 0));
}

/** What does not add up; may be no more than a value on its way at the moment of asking. */
function findProblems(all: Reports): string[] {
  const problems: string[] = [];
  for (const role of DEMO_ROLES) {
    for (const host of all[role].hosts) problems.push(...databaseProblems(role, host));
    for (const link of all[role].links) problems.push(...linkProblems(role, link));
    problems.push(...all[role].mismatches.latest.map(({ hostname, text }) => `${role}: ${hostname}: ${text}`));
  }
  problems.push(...hopProblems("child", all.child, "proxy", all.proxy));
  problems.push(...hopProblems("proxy", all.proxy, "parent", all.parent));
  return problems;
}

function databaseProblems(role: string, { hostname, balance }: HostReport): string[] {
  const dropped = lossTotal(balance.dropped);
  const problems: string[] = [];
  if (balance.imbalance !== 0) problems.push(`${role}: ${hostname}: ${balance.imbalance} values not accounted for`);
  if (dropped > 0) problems.push(`${role}: ${hostname}: ${dropped} values dropped`);
  return problems;
}

function linkProblems(role: string, { account }: LinkReport): string[] {
  const lost = lossTotal(account.lost);
  const waiting = account.in_flight + account.queued + account.backlog;
  const open = account.offered - account.delivered - waiting - lost;
  const problems: string[] = [];
  if (open !== 0) problems.push(`${role}: ${open} values of its stream not accounted for`);
  if (lost > 0) problems.push(`${role}: ${lost} values lost on the way`);
  return problems;
}

/** What one agent offered as it was collected must be what the next one received. */
function hopProblems(from: string, sender: AgentReport, to: string, receiver: AgentReport): string[] {
  return sender.hosts.flatMap(({ guid, hostname }) => {
    const account = sender.links.find((link) => link.from === guid)?.account;
    const sent = account === undefined ? Number.NaN : account.offered - account.replayed;
    const received = receiver.hosts.find((host) => host.guid === guid)?.balance.received ?? 0;
    return sent === received ? [] : [`${hostname}: the ${from} sent ${sent}, the ${to} received ${received}`];
  });
}
