import { type AgentReport, linkImbalance, lossOf, reportOf } from "./agent-report.ts";
import type { MortalAgent } from "./mortal.ts";

const LOOK_MS = 250;
/** A host that is further behind than this is not up to date. */
const BEHIND_SEC_MAX = 3;

/** Reads the accounts of agents all the time they live. */
export class TreeAccounts implements AsyncDisposable {
  /** Accounts that did not add up, and agents that did not answer although they lived. */
  readonly problems: string[] = [];
  looks = 0;
  private readonly agents: readonly MortalAgent[];
  private isOver = false;
  private readonly done: Promise<unknown>;

  constructor(agents: readonly MortalAgent[]) {
    this.agents = agents;
    this.done = Promise.all(agents.map((agent) => this.watch(agent)));
  }

  /**
   * Whether everything is where it belongs: every link stands, has nothing lost and nothing left to tell, and every
   * host that an agent receives is complete to the present.
   * @param guids of hosts that all agents must know. @returns what is not yet so.
   */
  async unfinished(guids: readonly string[]): Promise<string[]> {
    const reports = await Promise.all(this.agents.map(({ agent }) => reportOf(agent!)));
    return reports.flatMap((report, index) => {
      const { name } = this.agents[index]!;
      return unfinishedOf(report, guids).map((text) => `${name}: ${text}`);
    });
  }

  /** Whether all agents have a second of these hosts, and all before it. */
  async haveReached(second: number, guids: readonly string[]): Promise<boolean> {
    const reports = await Promise.all(this.agents.map(({ agent }) => reportOf(agent!)));
    return reports.every(({ hosts }) => {
      return guids.every((guid) => hosts.some((host) => host.guid === guid && host.complete_to > second));
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.done;
  }

  private async watch(mortal: MortalAgent): Promise<void> {
    while (!this.isOver) {
      const { agent } = mortal;
      if (agent !== null) {
        const report = await reportOf(agent).catch((error: unknown) => String(error));
        if (typeof report !== "string") this.look(mortal.name, report);
        else if (mortal.agent === agent) this.problems.push(`${mortal.name}: ${report}`);
      }
      await Bun.sleep(LOOK_MS);
    }
  }

  private look(name: string, { hosts, links, mismatches }: AgentReport): void {
    this.looks++;
    this.problems.push(...mismatches.latest.map(({ text }) => `${name}: ${text}`));
    for (const { account } of links) {
      if (linkImbalance(account) !== 0) this.problems.push(`${name}: ${JSON.stringify(account)}`);
    }
    for (const { balance } of hosts) {
      if (balance.imbalance !== 0) this.problems.push(`${name}: ${JSON.stringify(balance)}`);
    }
  }
}

function unfinishedOf({ hosts, links }: AgentReport, guids: readonly string[]): string[] {
  const nowSec = Date.now() / 1000;
  const open: string[] = [];
  for (const guid of guids) {
    const host = hosts.find((each) => each.guid === guid);
    if (host === undefined) open.push(`host ${guid} is not there`);
    else if (nowSec - host.last > BEHIND_SEC_MAX)
      open.push(`${host.hostname} is of ${Math.floor(nowSec - host.last)} s ago`);
    else if (host.complete_to < host.last) open.push(`${host.hostname} lacks ${host.last - host.complete_to} s`);
  }
  for (const { from, state, account } of links) {
    if (account.offered === 0) continue;
    if (state !== "connected") open.push(`link of ${from} is ${state}`);
    if (lossOf(account) + account.backlog > 0) open.push(`link of ${from}: ${JSON.stringify(account)}`);
  }
  return open;
}
