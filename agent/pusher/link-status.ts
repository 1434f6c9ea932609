import type { LinkOutput } from "./link-output.ts";
import type { LinkState, LinkStatus } from "./pusher-world.ts";
import type { PostponeReason } from "./retry-delay.ts";

/** What a link knows of itself. */
export interface LinkFacts {
  readonly host: { readonly machineGuid: string; readonly hostname: string };
  readonly parentName: string;
  readonly linkState: LinkState;
  readonly sinceUs: number;
  readonly error: string;
  readonly reason: PostponeReason | "";
  readonly output: LinkOutput;
}

/** A link as others may show it. @param destinations its parents in their present order. */
export function linkStatus(link: LinkFacts, destinations: readonly string[], bufferLimitBytes: number): LinkStatus {
  const { host, output } = link;
  return {
    from: host.machineGuid,
    hostname: host.hostname,
    to: link.parentName,
    destinations,
    state: link.linkState,
    sinceSec: Math.floor(link.sinceUs / 1e6),
    error: link.error,
    reason: link.reason,
    bytesSent: output.sentBytes,
    bufferUsedBytes: output.pendingBytes,
    bufferLimitBytes,
    values: output.account.balance(),
  };
}
