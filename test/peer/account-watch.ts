import type { Agent } from "./agent.ts";
import { type AgentReport, linkImbalance, reportOf } from "./agent-report.ts";

/** How often, unless told otherwise. */
const LOOK_MS = 50;

/** Reads an agent's accounts all the time. */
export class AccountWatch implements AsyncDisposable {
  readonly problems: string[] = [];
  looks = 0;
  private isOver = false;
  private readonly agent: Agent;
  private readonly everyMs: number;
  private readonly done: Promise<void>;

  constructor(agent: Agent, everyMs = LOOK_MS) {
    this.agent = agent;
    this.everyMs = everyMs;
    this.done = this.run();
  }

  private async run(): Promise<void> {
    while (!this.isOver) {
      const report = await reportOf(this.agent).catch((error: unknown) => String(error));
      if (typeof report === "string") this.problems.push(report);
      else this.look(report);
      await Bun.sleep(this.everyMs);
    }
  }

  private look({ hosts, links, mismatches }: AgentReport): void {
    this.looks++;
    this.problems.push(...mismatches.latest.map(({ text }) => text));
    for (const { account } of links) {
      if (linkImbalance(account) !== 0) this.problems.push(JSON.stringify(account));
    }
    for (const { balance } of hosts) if (balance.imbalance !== 0) this.problems.push(JSON.stringify(balance));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.done;
  }
}
