import { completeToSec } from "../../agent/rrd/completeness.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { readStored } from "../../agent/rrd/read.ts";
import { T0_SEC } from "../simulated-host.ts";
import { STEPS } from "./fault.ts";
import { isOurs } from "./plan.ts";
import type { ChartReference, DimensionReference } from "./reference.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import type { World } from "./world.ts";

/** After a fault, and after a link is made, every agent has been told of all hops below by then. */
const TOLD_SEC = 90;
/** Seconds before the one that is said to be complete that are looked at: more than lie between two checks. */
const LOOK_BACK_SEC = 75;
/** Each hop is told once a minute, and passed on 10 s later at most. */
const AGE_SEC_MAX = 75;

/** What the other properties know. */
interface Circumstances {
  /** Nothing was wrong in a time. */
  isQuiet(fromSec: number, toSec: number): boolean;
  /** Values of this second of the child's clock may have died with a process. */
  isTickOfDeath(second: number): boolean;
  /** Between all members values keep their seconds, and what the child holds is fetched. */
  readonly isComplete: boolean;
}

/** What agents say of the way of the child's values: that all adds up, and up to when all is there. */
export class PathProperties {
  private readonly world: World;
  private readonly circumstances: Circumstances;
  private readonly out = new Float64Array(LOOK_BACK_SEC + 2);
  /** Mismatches that were seen, by agent. */
  private readonly seen = new WeakMap<object, number>();
  /** Ways, and values below a second that was said to be complete, that were looked at. */
  pathsChecked = 0;
  valuesChecked = 0;

  constructor(world: World, circumstances: Circumstances) {
    this.world = world;
    this.circumstances = circumstances;
  }

  /** At every simulated minute, and at the end. */
  check(): void {
    for (const machine of this.world.machines) {
      this.checkMismatches(machine);
      if (machine !== this.world.child && this.circumstances.isComplete) this.checkComplete(machine);
    }
    this.checkPath();
  }

  /** No agent has found anything that does not add up. Call before a life ends, too. */
  checkMismatches(machine: SimulatedMachine): void {
    const { agent } = machine;
    if (agent === null) return;
    const { counts, latest } = agent["mismatches"];
    const found = counts.database + counts.link + counts.stream;
    const before = this.seen.get(agent) ?? 0;
    this.seen.set(agent, found);
    for (const { kind, text } of latest.slice(0, found - before)) {
      this.world.fail(`${machine.name} found in a ${kind} account: ${text}`);
    }
  }

  /** Up to the second that it says it holds all that the child had stored. */
  private checkComplete(machine: SimulatedMachine): void {
    const host = this.hostOn(machine);
    if (host?.ring == null) return;
    const toSec = completeToSec(host);
    if (toSec === 0) return;
    const { reference: known } = this.world;
    for (const reference of known.all) {
      // One that is no more is forgotten by each in its own time, also by one that does not hear that it is back: of
      // seed 56, a chart was retired at 3230 and collected again at 3398, while its child sent to the other parent.
      const isForgotten = host.chart(reference.id) === undefined && known.wasRetired(reference.id);
      if (isForgotten || known.isRetired(reference.id)) continue;
      for (const dimension of reference.all) {
        const second = this.missingOf(host, reference, dimension, toSec);
        if (Number.isNaN(second)) continue;
        const what = `${reference.id} ${dimension.meaning.id} at ${second - T0_SEC}`;
        this.world.fail(`${machine.name} says it is complete up to ${toSec - T0_SEC}, but ${what} is missing`);
        return;
      }
    }
  }

  /** A second up to one that the child had stored and that is not there; NaN = there is none. */
  private missingOf(host: Host, reference: ChartReference, dimension: DimensionReference, toSec: number): number {
    const { out, circumstances, world } = this;
    const { updateEverySec: step } = reference;
    const first = Math.ceil(Math.max(toSec - LOOK_BACK_SEC, dimension.givenUpSec) / step) * step;
    if (!(first <= toSec)) return Number.NaN;
    const held = host.chart(reference.id);
    const isSame = held !== undefined && world.reference.of(held) === reference;
    const index = isSame ? held.dimensions.indexOf(dimension.meaning.id) : -1;
    out.fill(Number.NaN);
    if (isSame && index >= 0) readStored(held, index, first, toSec, out);
    for (let second = first; second <= toSec; second += step) {
      if (Number.isNaN(dimension.storedAt(second)) || circumstances.isTickOfDeath(second)) continue;
      this.valuesChecked++;
      if (Number.isNaN(out[(second - first) / step]!)) return second;
    }
    return Number.NaN;
  }

  /** The last agent of the way has been told of every hop, a minute ago at most, and each adds up. */
  private checkPath(): void {
    const { world } = this;
    const { second, child, hops } = world;
    // Others do not tell.
    if (!isOurs(world.plan)) return;
    if (!this.circumstances.isQuiet(second - TOLD_SEC, second)) return;
    const links = hops.map(({ from }) => from.links.find((link) => link.from === child.guid));
    const stands = links.every((link, place) => {
      const sinceSec = (link?.sinceSec ?? 0) - T0_SEC - hops[place]!.from.wallOffsetUs / 1e6;
      return link?.state === "connected" && second - sinceSec > TOLD_SEC;
    });
    if (!stands) return;
    const target = hops.at(-1)!.to.find(({ address }) => links.at(-1)!.to.startsWith(address));
    const host = target === undefined ? undefined : this.hostOn(target);
    if (target === undefined || host === undefined) return;
    this.pathsChecked++;
    const expected = hops.map(({ from }) => from.guid).toReversed();
    const told = host.path.hops.map(({ machineGuid }) => machineGuid);
    if (told.join() !== expected.join())
      world.fail(`${target.name} was told of the hops ${told} instead of ${expected}`);
    for (const { hostname, values, toldUs, completeToSec: toSec } of host.path.hops) {
      const off = hopImbalance(values);
      if (off !== 0) world.fail(`${target.name}: the account that ${hostname} told it is off by ${off}`);
      const ageSec = (target.wallUs - toldUs) / 1e6;
      if (!(ageSec >= -1 && ageSec < AGE_SEC_MAX)) world.fail(`${target.name} was told by ${hostname} ${ageSec} s ago`);
      // What a clock was put to is the child's time only as far as others trust it.
      if (world.plan.faults.some(({ kind }) => STEPS.has(kind))) continue;
      // What is complete there was complete when it was told: within the time since, and a slow chart's interval.
      const behindSec = child.wallUs / 1e6 - toSec - ageSec;
      if (!(behindSec > -5 && behindSec < 15)) {
        world.fail(`${target.name} was told by ${hostname} that it was complete ${behindSec} s before`);
      }
    }
  }

  private hostOn(machine: SimulatedMachine): Host | undefined {
    return machine.hosts.find(({ machineGuid }) => machineGuid === this.world.child.guid);
  }
}
