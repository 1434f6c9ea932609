import { SeededRandom } from "../seeded-random.ts";
import { type Fault, scheduleFaults } from "./fault.ts";

type Mode = "none" | "ram" | "save" | "map";

/** Everything about a world that its seed decides. */
export interface Plan {
  readonly seed: number;
  readonly seconds: number;
  /** Child → proxy → parents, or child → parents. */
  readonly hasProxy: boolean;
  readonly modes: { readonly child: Mode; readonly proxy: Mode; readonly parents: Mode };
  readonly history: number;
  readonly flushEverySec: number;
  readonly saveEverySec: number;
  readonly timeoutSec: number;
  readonly receiveTimeoutSec: number;
  readonly reconnectDelaySec: number;
  readonly resyncIterations: number;
  readonly bufferBytes: number;
  /** What the child takes for confirmed; the others have the default. */
  readonly confirm: "hop" | "end";
  readonly faults: readonly Fault[];
}

/** From the end of the last fault on, this is left for everything to be well again, and for two quiet minutes. */
const END_SEC = 120;
/** Ring of a world that is not made to forget: longer than it lasts. */
const SLACK_SEC = 600;

/** @param seconds of simulated time. @param livenessSec time after which everything must be well again. */
export function planOf(seed: number, seconds: number, livenessSec: number): Plan {
  const random = new SeededRandom(seed);
  const hasProxy = random.chance(75);
  const faultSeed = random.below(2 ** 31);
  const parents = ["parent-a", "parent-b"];
  const senders = hasProxy ? ["child", "proxy"] : ["child"];
  const links = hasProxy ? [["child", "proxy"] as const] : [];
  const last = senders.at(-1)!;
  const all = [...links, [last, "parent-a"] as const, [last, "parent-a"] as const, [last, "parent-b"] as const];
  const endSec = seconds - END_SEC - livenessSec;
  // Most worlds have one time: with a clock that is off, values are dated by whoever gets them.
  const hasClockSteps = random.chance(30);
  const faults = scheduleFaults(new SeededRandom(faultSeed), endSec, all, [...senders, ...parents]);
  return {
    seed,
    seconds,
    hasProxy,
    modes: {
      child: random.pick<Mode>(["map", "map", "map", "save", "ram", "none"]),
      proxy: random.pick<Mode>(["map", "map", "save", "ram", "none"]),
      parents: random.pick<Mode>(["map", "map", "save", "ram"]),
    },
    history: random.chance(80) ? seconds + SLACK_SEC : 300,
    flushEverySec: random.pick([0, 10, 60]),
    saveEverySec: random.pick([20, 60, 300]),
    timeoutSec: random.pick([5, 10, 60]),
    receiveTimeoutSec: random.pick([10, 30, 120]),
    reconnectDelaySec: random.pick([1, 5]),
    resyncIterations: random.pick([0, 2, 60]),
    bufferBytes: random.pick([65_536, 262_144, 4_194_304]),
    confirm: random.chance(50) ? "end" : "hop",
    faults: faults.filter(({ kind }) => hasClockSteps || kind !== "clock_step"),
  };
}
