/**
 * The database account of a host (design.md §1.1). Unit: one dimension's value of one iteration. At every moment
 * `collected + received + backfilled = stored + base + merged + unkept + Σ dropped`.
 */
export interface Balance {
  /** From this agent's own collectors. */
  collected: number;
  /** From a stream. */
  received: number;
  /** Fetched later from a child's ring. */
  backfilled: number;
  stored: number;
  /** A first value that only starts a rate or a series. */
  base: number;
  /** One of several values that fell into one slot. */
  merged: number;
  /** Of a host in memory mode `none`: passed on, never meant for a ring. */
  unkept: number;
  readonly dropped: Record<DropReason, number>;
}

/** Why a value was not stored. */
export type DropReason = "gap_too_long" | "clock" | "reset" | "non_finite" | "no_space" | "limit" | "malformed";

export const DROP_REASONS: readonly DropReason[] = [
  "gap_too_long",
  "clock",
  "reset",
  "non_finite",
  "no_space",
  "limit",
  "malformed",
];

export function emptyBalance(): Balance {
  const dropped = { gap_too_long: 0, clock: 0, reset: 0, non_finite: 0, no_space: 0, limit: 0, malformed: 0 };
  return { collected: 0, received: 0, backfilled: 0, stored: 0, base: 0, merged: 0, unkept: 0, dropped };
}

/** What came in less what is accounted for; anything but 0 is a bug of ours. */
export function imbalance(balance: Balance): number {
  let out = balance.stored + balance.base + balance.merged + balance.unkept;
  for (const reason of DROP_REASONS) out += balance.dropped[reason];
  return balance.collected + balance.received + balance.backfilled - out;
}
