import type { ProbeResult } from "./parent-probe.ts";

/** What a parent lacks of so many seconds another one may lack as well: they are equal. */
const CURRENT_SEC = 10;
/** More than any second since 1970, so that the groups stay apart. */
const GROUP_STEP = 2 ** 40;
const GROUPS = { unranked: 1, unreachable: 2, unwilling: 3 } as const;

/**
 * The better a parent is for a host, the smaller its number; equal ones keep their order (streaming.md §1.6). First
 * those that hold the host's newest values, then those that hold older ones, then those that answer nothing to rank
 * them by, then those that do not answer, and at last those that would refuse it.
 * @param results of all parents, in any order. @returns their numbers, in the same order.
 */
export function rankParents(results: readonly ProbeResult[]): number[] {
  const newestSec = Math.max(0, ...results.map((result) => (result.kind === "holds" ? result.lastSec : 0)));
  return results.map((result) => {
    if (result.kind !== "holds") return GROUPS[result.kind] * GROUP_STEP;
    const behindSec = newestSec - result.lastSec;
    return behindSec <= CURRENT_SEC ? 0 : Math.min(behindSec, GROUP_STEP - 1);
  });
}
