import type { LinkOutput } from "./link-output.ts";
import type { ParentChoice } from "./parent-choice.ts";
import type { ParentCommands } from "./parent-commands.ts";
import type { LinkState, LinkStatus } from "./pusher-world.ts";
import { clockProblem } from "./rejection-text.ts";

/** What a link knows of itself. */
export interface LinkFacts {
  readonly host: { readonly machineGuid: string; readonly hostname: string };
  readonly linkState: LinkState;
  readonly sinceUs: number;
  readonly error: string;
  readonly choice: ParentChoice;
  readonly parent: ParentCommands;
  readonly output: LinkOutput;
}

/** A link as others may show it. */
export function linkStatus(link: LinkFacts, bufferLimitBytes: number): LinkStatus {
  const { host, output } = link;
  return {
    from: host.machineGuid,
    hostname: host.hostname,
    to: link.choice.name,
    destinations: link.choice.status(),
    state: link.linkState,
    sinceSec: Math.floor(link.sinceUs / 1e6),
    error: link.error || (link.linkState === "connected" ? clockProblem(link.parent.clockOffsetSec) : ""),
    confirm: output.end.isFollowed ? "end" : "hop",
    unconfirmed: output.end.shownProblem,
    reason: link.choice.reason,
    bytesSent: output.sentBytes,
    bufferUsedBytes: output.pendingBytes,
    bufferLimitBytes,
    values: output.account.balance(),
  };
}
