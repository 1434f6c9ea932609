import type { Agent } from "./agent.ts";

/** The database account of a host (design.md §1.1). */
export interface DatabaseAccount {
  readonly collected: number;
  readonly received: number;
  readonly backfilled: number;
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
  readonly queued: number;
  /** In the ring, until the parent asks for the past of their chart. */
  readonly backlog: number;
  /** Lost, and fetched later. */
  readonly recovered: number;
  /** Went as points of the ring. */
  readonly replayed: number;
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
    /** Newest second collected; 0 = none. */
    readonly last: number;
    /** Up to this second nothing is missing here that its sender may still have. */
    readonly complete_to: number;
    readonly missing_from: number;
    /** The origin first. */
    readonly path: readonly {
      readonly guid: string;
      readonly told: number;
      readonly complete_to: number;
      readonly account: LinkAccount;
    }[];
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
  readonly mismatches: { readonly checked: number; readonly latest: readonly { readonly text: string }[] };
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
