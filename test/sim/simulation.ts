import { T0_SEC } from "../simulated-host.ts";
import { replicates, takesPoints } from "./dialect.ts";
import { EndWatch } from "./end-watch.ts";
import { type FaultKind, faultText, overSec, STEPS } from "./fault.ts";
import { applyFault } from "./fault-effects.ts";
import { exact, mixed } from "./looseness.ts";
import { isOurs, type Mode, PARENTS, type Plan, PROXIES, planOf } from "./plan.ts";
import { type Expectations, Properties } from "./properties.ts";
import { World } from "./world.ts";

/** What one simulation is asked to be. */
export interface SimulationOptions {
  readonly seed: number;
  /** Simulated time. */
  readonly seconds: number;
  /** What is otherwise than the seed decides. */
  readonly plan?: Partial<Plan> | undefined;
  /** Numbers of faults that are left out. */
  readonly without?: readonly number[];
  readonly expected?: Expectations | undefined;
  /** Called before anything happens; plants what must be found. */
  readonly prepare?: (world: World) => void;
}

export interface SimulationResult {
  readonly seed: number;
  /** Of everything that happened. */
  readonly trace: string;
  readonly events: number;
  readonly problems: readonly string[];
  /** What was to go wrong, one line each. */
  readonly faults: readonly string[];
  readonly pointsChecked: number;
  readonly quietMinutes: number;
  /** Ways, and values below a second said to be complete, that were looked at. */
  readonly pathsChecked: number;
  readonly valuesChecked: number;
  /** From the end of the last fault on, in steps of some seconds. */
  readonly wellAfterSec: number;
  /** Looks at what the end of the path had confirmed; 0 = nobody asked. */
  readonly endLooks: number;
  readonly world: World;
}

/** The delays of streaming.md §1.4 and §2.5 pass: a child that is refused waits up to 120 s. */
const LIVENESS_SEC = 200;

const CONFIRMED_SEC = 15;

/** Links without replication, or not at all times: what is lost stays lost. */
export const PLAIN: Expectations = {
  loosenessOf: () => mixed,
  livenessSec: LIVENESS_SEC,
  confirmedSec: CONFIRMED_SEC,
  nothingLost: false,
};

/** A child that these befall may lose more than a tick of what it had collected. */
const FORGETTING: ReadonlySet<FaultKind> = new Set<FaultKind>(["power_cut", "disk_full", "disk_fails"]);

/** What can be expected of the agents of a world. */
export function expectationsOf(plan: Plan): Expectations {
  const { modes, faults, history, seconds, dialects, proxies } = plan;
  // Without times that both ends share nothing can be replicated, nor dated by the child.
  if (faults.some(({ kind }) => STEPS.has(kind))) return PLAIN;
  const exactly = new Set<string>();
  let sender: Mode = modes.child;
  let hasPoints = false;
  let isComplete = true;
  for (const name of [...PROXIES.slice(0, proxies), "parents"]) {
    const dialect = name === "parents" ? dialects.parents : dialects.proxies;
    const mode = name === "parents" ? modes.parents : modes.proxy;
    // Without a ring there is nothing to replicate, and points go on as iterations only to about their second.
    const isLoose = sender === "none" || mode === "none" || dialect === "v1" || (hasPoints && !takesPoints(dialect));
    if (isLoose) return { ...PLAIN, loosenessOf: (machine) => (exactly.has(machine) ? exact : mixed) };
    for (const machine of name === "parents" ? PARENTS : [name]) exactly.add(machine);
    isComplete &&= replicates(dialect);
    hasPoints ||= takesPoints(dialect);
    sender = mode;
  }
  const mayForget = faults.some(({ kind, where }) => where[0] === "child" && FORGETTING.has(kind));
  const nothingLost = isComplete && modes.child === "map" && history >= seconds && !mayForget;
  return { ...PLAIN, loosenessOf: () => exact, nothingLost };
}

const PROBLEMS_MAX = 20;
const BOUNDS_EVERY_SEC = 5;
/** A check comes when the child's second is nearly over: what it collected in it has arrived everywhere. */
const CHECK_PHASE_US = 950_000;

/** Where all agents are of our kind, all links replicate and the child wants to know what the end has; null = not so. */
function watchEnd(world: World, { loosenessOf }: Expectations): EndWatch | null {
  const isWanted = world.plan.confirm === "end" && isOurs(world.plan);
  return isWanted && PARENTS.every((name) => loosenessOf(name) === exact) ? new EndWatch(world) : null;
}

/** Runs one world to its end, or until too much is wrong. */
export function simulate({
  seed,
  seconds,
  plan: fixed,
  without = [],
  expected,
  prepare,
}: SimulationOptions): SimulationResult {
  const whole = planOf(seed, seconds, LIVENESS_SEC);
  const plan = { ...whole, faults: whole.faults.filter(({ number }) => !without.includes(number)), ...fixed };
  const world = new World(plan);
  const due = expected ?? expectationsOf(plan);
  const properties = new Properties(world, due);
  const endWatch = watchEnd(world, due);
  for (const fault of plan.faults) world.time.at((T0_SEC + fault.atSec) * 1e6, () => applyFault(world, fault));
  prepare?.(world);
  const wellSec = Math.max(0, ...plan.faults.map(overSec)) + due.livenessSec;
  const overAllSec = wellSec - due.livenessSec;
  let isWell = false;
  let wellAfterSec = Number.POSITIVE_INFINITY;
  try {
    for (let second = BOUNDS_EVERY_SEC; second <= seconds; second += BOUNDS_EVERY_SEC) {
      world.time.runUntil((T0_SEC + second) * 1e6 - ((world.child.wallOffsetUs % 1e6) + 1e6) + CHECK_PHASE_US);
      properties.checkBounds();
      if (second % 60 === 0) properties.checkMinute();
      if (world.second >= overAllSec && properties.isWell) {
        wellAfterSec = Math.min(wellAfterSec, world.second - overAllSec);
      }
      if (!isWell && world.second >= wellSec) {
        isWell = true;
        properties.checkLiveness();
        endWatch?.well();
      }
      if (world.problems.length >= PROBLEMS_MAX) break;
    }
    properties.checkEnd();
  } catch (error) {
    world.fail(`thrown: ${error instanceof Error ? error.stack : String(error)}`);
  }
  return {
    seed,
    trace: world.trace.hex,
    events: world.trace.count,
    problems: world.problems,
    faults: plan.faults.map(faultText),
    pointsChecked: properties.stored.pointsChecked,
    quietMinutes: properties.quietMinutes,
    pathsChecked: properties.paths.pathsChecked,
    valuesChecked: properties.paths.valuesChecked,
    wellAfterSec,
    endLooks: endWatch?.looks ?? 0,
    world,
  };
}
