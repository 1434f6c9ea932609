import type { Agent } from "./agent.ts";

/** The database account of a host (design.md §1.1). */
export interface DatabaseAccount {
  readonly collected: number;
  readonly received: number;
  readonly stored: number;
  readonly base: number;
  readonly merged: number;
  readonly unkept: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly imbalance: number;
}

/** The account of an outgoing link. */
export interface LinkAccount {
  readonly offered: number;
  readonly delivered: number;
  readonly in_flight: number;
  readonly backlog: number;
  readonly recovered: number;
  readonly replayed: number;
  readonly queued: number;
  readonly lost: Readonly<Record<string, number>>;
}

/** What the tests read of `/api/v1/agent`. */
export interface AgentReport {
  readonly self: string;
  readonly hosts: readonly {
    readonly guid: string;
    readonly hostname: string;
    readonly status: string;
    readonly hops: number;
    readonly balance: DatabaseAccount;
    /** Empty = its files can be used, or it has none. */
    readonly files_problem: string;
  }[];
  readonly links: readonly {
    readonly from: string;
    readonly to: string;
    readonly state: string;
    readonly error: string | null;
    readonly destinations: readonly {
      readonly name: string;
      readonly error: string | null;
      readonly reason: string | null;
      readonly in_use_since: number;
    }[];
    readonly account: LinkAccount;
  }[];
  /** The latest first. */
  readonly refusals: readonly { readonly reason: string; readonly hostname: string; readonly advice: string }[];
  readonly receivers: readonly { readonly guid: string; readonly address: string; readonly key: string }[];
}

export function reportOf(agent: Agent): Promise<AgentReport> {
  return agent.json<AgentReport>("/api/v1/agent");
}

/** What was offered less what is accounted for: 0, or the agent is wrong. */
export function linkImbalance({ offered, delivered, in_flight, queued, backlog, lost }: LinkAccount): number {
  return offered - delivered - in_flight - queued - backlog - lossOf({ lost });
}

export function lossOf({ lost }: Pick<LinkAccount, "lost">): number {
  return Object.values(lost).reduce((sum, count) => sum + count, 0);
}
