/** The account of one hop: of one link of the agent that sends, in values since its start (design.md §1.1). */
export interface HopValues {
  readonly offered: number;
  /** In bytes that the peer's kernel confirmed, where ours tells; elsewhere taken by our kernel a second ago. */
  readonly delivered: number;
  /** Part of {@link delivered} that the peer, or the end of the path, has confirmed: only this is safe. */
  readonly acknowledged: number;
  /** Taken by our kernel, not delivered yet. */
  readonly inFlight: number;
  readonly queued: number;
  /** In the sender's ring, to be sent when the parent has asked for the past of their chart. */
  readonly backlog: number;
  /** Values that were lost and then fetched by the parent; they have moved on, as a rule to {@link delivered}. */
  readonly recovered: number;
  /** Values that went as points of the ring instead of as they were collected; the recovered ones among them. */
  readonly replayed: number;
  readonly lost: {
    readonly not_connected: number;
    readonly overflow: number;
    readonly disconnect: number;
    readonly refused: number;
  };
}

/** What an agent below this one said of its hop: who sends, and what became of the host's values there. */
export interface PathHop {
  /** Of the agent that sends. */
  readonly machineGuid: string;
  readonly hostname: string;
  readonly values: HopValues;
  /** That agent has the host complete up to this second of its clock; 0 = it has nothing. */
  readonly completeToSec: number;
  /** When it said so, by our clock, µs. */
  readonly toldUs: number;
}

/** The way of a host's values to this agent, as those who send them tell it: the nearest hop first. */
export interface HostPath {
  readonly hops: readonly PathHop[];
  /** Goes up each time it is told. */
  readonly version: number;
}

/** Nobody has told anything: a host of this agent itself, or one whose sender cannot tell. */
export const UNTOLD_PATH: HostPath = { hops: [], version: 0 };

/** The account as numbers in a fixed order, as it travels. */
export function hopAmounts({ lost, ...values }: HopValues): number[] {
  const { offered, delivered, acknowledged, inFlight, queued, backlog, recovered, replayed } = values;
  const { not_connected, overflow, disconnect, refused } = lost;
  const whole = [offered, delivered, acknowledged, inFlight, queued, backlog, recovered, replayed];
  return [...whole, not_connected, overflow, disconnect, refused];
}

/** @param amounts as of {@link hopAmounts}. @returns null if they are not that many. */
export function hopValues(amounts: readonly number[]): HopValues | null {
  if (amounts.length !== HOP_AMOUNTS) return null;
  const [offered, delivered, acknowledged, inFlight, ...others] = amounts as Amounts;
  const [queued, backlog, recovered, replayed, ...reasons] = others;
  const [not_connected, overflow, disconnect, refused] = reasons;
  const lost = { not_connected, overflow, disconnect, refused };
  return { offered, delivered, acknowledged, inFlight, queued, backlog, recovered, replayed, lost };
}

/** What was offered to the hop less what is accounted for; anything but 0 is a bug of ours. */
export function hopImbalance({ offered, delivered, inFlight, queued, backlog, lost }: HopValues): number {
  const gone = lost.not_connected + lost.overflow + lost.disconnect + lost.refused;
  return offered - delivered - inFlight - queued - backlog - gone;
}

const HOP_AMOUNTS = 12;
type Four = readonly [number, number, number, number];
type Amounts = readonly [...Four, ...Four, ...Four];
