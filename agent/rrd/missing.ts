import type { Host } from "./host.ts";

/** Something from a second on is not here that the sender of the host may have; 0 = nothing. */
export function missFrom(host: Host, second: number): void {
  if (second <= 0 || host.isLocal) return;
  const { missingFromSec } = host;
  host.missingFromSec = missingFromSec === 0 ? second : Math.min(missingFromSec, second);
}
