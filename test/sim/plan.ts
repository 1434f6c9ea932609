import { SeededRandom } from "../seeded-random.ts";
import { type Dialect, takesPoints } from "./dialect.ts";
import { type Fault, STEPS, scheduleFaults } from "./fault.ts";

export const PROXIES: readonly string[] = ["proxy", "proxy-2"];
export const PARENTS: readonly string[] = ["parent-a", "parent-b"];

export type Mode = "none" | "ram" | "save" | "map";

/** Everything about a world that its seed decides. */
export interface Plan {
  readonly seed: number;
  readonly seconds: number;
  /** Between the child and the parents: 0…2. */
  readonly proxies: number;
  readonly modes: { readonly child: Mode; readonly proxy: Mode; readonly parents: Mode };
  /** How proxies, and parents, understand those that send to them. */
  readonly dialects: { readonly proxies: Dialect; readonly parents: Dialect };
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
  const proxies = random.pick([0, 1, 1, 1, 1, 2]);
  const faultSeed = random.below(2 ** 31);
  const senders = ["child", ...PROXIES.slice(0, proxies)];
  const last = senders.at(-1)!;
  const links = senders.slice(1).map((name, i) => [senders[i]!, name] as const);
  const all = [...links, [last, "parent-a"] as const, [last, "parent-a"] as const, [last, "parent-b"] as const];
  const endSec = seconds - END_SEC - livenessSec;
  // Most worlds have one time: with a clock that is off, values are dated by whoever gets them.
  const hasClockSteps = random.chance(30);
  const faults = scheduleFaults(new SeededRandom(faultSeed), endSec, all, [...senders, ...PARENTS]);
  return {
    seed,
    seconds,
    proxies,
    modes: {
      child: random.pick<Mode>(["map", "map", "map", "save", "ram", "none"]),
      proxy: random.pick<Mode>(["map", "map", "save", "ram", "none"]),
      parents: random.pick<Mode>(["map", "map", "save", "ram"]),
    },
    dialects: dialectsOf(random),
    history: random.chance(80) ? seconds + SLACK_SEC : 300,
    flushEverySec: random.pick([0, 10, 60]),
    saveEverySec: random.pick([20, 60, 300]),
    timeoutSec: random.pick([5, 10, 60]),
    receiveTimeoutSec: random.pick([10, 30, 120]),
    reconnectDelaySec: random.pick([1, 5]),
    resyncIterations: random.pick([0, 2, 60]),
    bufferBytes: random.pick([65_536, 262_144, 4_194_304]),
    confirm: random.chance(50) ? "end" : "hop",
    faults: faults.filter(({ kind }) => hasClockSteps || !STEPS.has(kind)),
  };
}

/** All agents of a world are of our kind. */
export function isOurs({ dialects, proxies }: Plan): boolean {
  return dialects.parents === "ours" && (proxies === 0 || dialects.proxies === "ours");
}

/** Most trees are all of one kind, and what that can do is the most. */
function dialectsOf(random: SeededRandom): Plan["dialects"] {
  const proxies = random.pick<Dialect>([
    "ours",
    "ours",
    "ours",
    "ours",
    "ours",
    "replicates",
    "replicates points",
    "v1",
  ]);
  const parents = random.pick<Dialect>([
    "ours",
    "ours",
    "ours",
    "ours",
    "replicates",
    "replicates points",
    "points",
    "v1",
  ]);
  // Points that we send late carry what was collected last. An agent that takes them passes them on as they are.
  return { proxies, parents: takesPoints(proxies) && !takesPoints(parents) ? "replicates points" : parents };
}
