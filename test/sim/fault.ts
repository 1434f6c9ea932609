import type { SeededRandom } from "../seeded-random.ts";

/** What can go wrong with a machine, or with the path between two. */
export type FaultKind =
  | "reset"
  | "partition"
  | "slow_link"
  | "late_link"
  | "swallow"
  | "slow_reader"
  | "freeze"
  | "mute"
  | "kill"
  | "kill_at_turn"
  | "kill_at_disk_call"
  | "power_cut"
  | "restart"
  | "clock_step"
  | "step_apart"
  | "disk_full"
  | "disk_fails";

/** One fault of a schedule. */
export interface Fault {
  /** From 1; `--without` takes these. */
  readonly number: number;
  readonly kind: FaultKind;
  /** Seconds since the world began. */
  readonly atSec: number;
  /** Until it is over; of a kill, until the agent is started again. */
  readonly forSec: number;
  /** A machine, or two. */
  readonly where: readonly string[];
  /** A number of chance that says how in particular. */
  readonly detail: number;
}

/** Kinds by how often they come, and whom they befall. */
const KINDS: readonly { kind: FaultKind; of: "link" | "machine"; weight: number; secMax: number }[] = [
  { kind: "reset", of: "link", weight: 14, secMax: 0 },
  { kind: "partition", of: "link", weight: 12, secMax: 120 },
  { kind: "slow_link", of: "link", weight: 8, secMax: 180 },
  { kind: "late_link", of: "link", weight: 8, secMax: 60 },
  { kind: "swallow", of: "link", weight: 3, secMax: 0 },
  { kind: "slow_reader", of: "machine", weight: 5, secMax: 120 },
  { kind: "freeze", of: "machine", weight: 8, secMax: 90 },
  { kind: "mute", of: "machine", weight: 3, secMax: 60 },
  { kind: "kill", of: "machine", weight: 10, secMax: 60 },
  { kind: "kill_at_turn", of: "machine", weight: 6, secMax: 20 },
  { kind: "kill_at_disk_call", of: "machine", weight: 6, secMax: 20 },
  { kind: "power_cut", of: "machine", weight: 6, secMax: 60 },
  { kind: "restart", of: "machine", weight: 6, secMax: 10 },
  { kind: "clock_step", of: "machine", weight: 4, secMax: 0 },
  { kind: "step_apart", of: "link", weight: 4, secMax: 120 },
  { kind: "disk_full", of: "machine", weight: 4, secMax: 180 },
  { kind: "disk_fails", of: "machine", weight: 3, secMax: 60 },
];

/** Kinds after which the clocks of a world do not agree any more. */
export const STEPS: ReadonlySet<FaultKind> = new Set<FaultKind>(["clock_step", "step_apart"]);

/** A quiet minute before the first, and between two as often as not. */
const FIRST_SEC = 90;
const GAP_SEC_MAX = 150;

/**
 * The faults of one seed, in order of time; the last is over before `endSec`.
 * @param links pairs of machines. @param machines names.
 */
export function scheduleFaults(
  random: SeededRandom,
  endSec: number,
  links: readonly (readonly [string, string])[],
  machines: readonly string[],
): Fault[] {
  const faults: Fault[] = [];
  const urn = KINDS.flatMap((kind) => new Array<typeof kind>(kind.weight).fill(kind));
  for (let atSec = FIRST_SEC; ; ) {
    atSec += 5 + random.next() * GAP_SEC_MAX;
    const { kind, of, secMax } = random.pick(urn);
    const forSec = secMax === 0 ? 0 : Math.ceil(secMax * random.next() ** 2);
    const where = of === "link" ? random.pick(links) : [random.pick(machines)];
    const detail = random.below(1e6);
    const fault = { number: faults.length + 1, kind, atSec: Math.round(atSec * 1000) / 1000, forSec, where, detail };
    if (overSec(fault) >= endSec) return faults;
    faults.push(fault);
    // Now and then one comes on top of another.
    if (random.chance(70)) atSec += forSec;
  }
}

/** A kill that waits for its moment comes without it after this. */
export const IMPATIENT_SEC = 30;
/** An agent that ends while it begins is started once more after this. */
export const AGAIN_SEC = 5;
/** An orderly stop takes no longer. */
const STOP_SEC = 5;

/** A chart that is behind after a step is left so for a minute and more, then goes on from our clock. */
const STEP_SEC = 120;
/** A receiver closes a connection that is silent for longer, whatever its settings; then it is made anew. */
const SILENT_SEC = 130;

/** Second in which a fault is over for certain. */
export function overSec({ kind, atSec, forSec }: Fault): number {
  if (STEPS.has(kind)) return atSec + forSec + STEP_SEC;
  if (kind === "swallow") return atSec + SILENT_SEC;
  const isEnd = kind.startsWith("kill") || kind === "power_cut" || kind === "restart";
  if (!isEnd) return atSec + forSec;
  const waitSec = kind === "restart" ? STOP_SEC : kind === "kill" || kind === "power_cut" ? 0 : IMPATIENT_SEC;
  return atSec + waitSec + forSec + AGAIN_SEC;
}

/** One line for people. */
export function faultText({ number, kind, atSec, forSec, where, detail }: Fault): string {
  return `#${number} ${atSec.toFixed(3)} s: ${kind} ${where.join(" – ")} for ${forSec} s (${detail})`;
}
