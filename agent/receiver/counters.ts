import type { LineProblem } from "../wire/stream-handler.ts";

/** What happened at the receiving side since start, for the agent's own charts. */
export interface ReceiverCounters {
  samples: number;
  bytesIn: number;
  accepted: number;
  rejected: number;
  /** Of the rejected: the machine was already streaming. */
  duplicate: number;
  /** Closed because the child was silent. */
  timeout: number;
  closed: number;
  /** Times a host's clock was taken from ours because its lag stayed. */
  reanchored: number;
  readonly lines: Record<LineProblem, number>;
}

export function emptyReceiverCounters(): ReceiverCounters {
  return {
    samples: 0,
    bytesIn: 0,
    accepted: 0,
    rejected: 0,
    duplicate: 0,
    timeout: 0,
    closed: 0,
    reanchored: 0,
    lines: { unknown: 0, malformed: 0, no_chart: 0, no_dimension: 0 },
  };
}
