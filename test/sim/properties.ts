import { linkImbalance } from "../../agent/pusher/link-account.ts";
import { DROP_REASONS, emptyBalance, imbalance } from "../../agent/rrd/balance.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { readStored } from "../../agent/rrd/read.ts";
import { T0_SEC } from "../simulated-host.ts";
import { overSec } from "./fault.ts";
import { type Looseness, type StoredPoint, USUAL_AGE_US } from "./looseness.ts";
import { PathProperties } from "./path-properties.ts";
import type { ChartReference } from "./reference.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import type { Hop, World } from "./world.ts";

/** What is expected of the agents of today; later ones can do more. */
export interface Expectations {
  /** How far a value at a proxy or a parent may be from the child's. */
  readonly looseness: Looseness;
  /** After the last fault everything is well again within this. */
  readonly livenessSec: number;
  /**
   * In quiet times a parent that confirms does so within this. It does every second; what comes right after that waits
   * for the next.
   */
  readonly confirmedSec: number;
  /** The values of every second in which the child lived are at the parent at the end. */
  readonly nothingLost: boolean;
}

/** Seconds that a check looks back over: more than lie between two. */
const LOOK_BACK_SEC = 75;
/** No clock was ever so far back before the world began. */
const BEFORE_SEC = 3000;
/** What a death may cost lies within this of it. */
const DEATH_SEC = 2;
/** Values at the end of a gap that lie on the line over it. */
const GAP_VALUES = 2;
/** After a fault, what was held up has come by then. */
const SETTLED_SEC = 12;
/** Newest value of a host that is well. */
const SILENT_SEC = 10;
/** How often confirmations are looked for. */
const LOOK_US = 250_000;
/** A quiet minute begins when the one before was quiet for so long. */
const QUIET_SEC = 5;

/** Values of one hop: what was offered to it, and what has come. */
interface Flow {
  readonly atSec: number;
  readonly offered: number;
  readonly received: number;
  /** Points that came from a ring. */
  readonly fetched: number;
  /** On their way, as far as the sender knows. */
  readonly pending: number;
  /** Lives of all machines concerned. */
  readonly lives: number;
  /** Values that came and were not stored. */
  readonly dropped: number;
  /** When its connection came about; NaN = there is none. */
  readonly sinceSec: number;
}

/** What must hold at every simulated minute, at the end of every life, and at the end of the world. */
export class Properties {
  private readonly world: World;
  private readonly expected: Expectations;
  readonly paths: PathProperties;
  private readonly out = new Float64Array(LOOK_BACK_SEC + 10_000);
  /** Of ended lives, by machine: values received of the child. */
  private readonly receivedBefore = new Map<SimulatedMachine, number>();
  /** When lives ended, of any machine. */
  private readonly deathsSec: number[] = [];
  private readonly flows = new Map<Hop, Flow>();
  /** Values confirmed, and when that last changed. */
  private readonly confirmed = new Map<Hop, { values: number; atSec: number }>();
  /** Times in which something was wrong, joined where they touch, s. */
  private readonly troubles: { fromSec: number; toSec: number }[] = [];
  /** Checks of stored values so far: a simulation that looks at nothing proves nothing. */
  pointsChecked = 0;
  /** Quiet minutes over which a hop lost nothing. */
  quietMinutes = 0;

  constructor(world: World, expected: Expectations) {
    this.world = world;
    this.expected = expected;
    this.paths = new PathProperties(world, {
      isQuiet: (fromSec, toSec) => this.isQuiet(fromSec, toSec),
      isTickOfDeath: (second) => this.isTickOfDeath(second),
      isComplete: expected.nothingLost,
    });
    for (const fault of world.plan.faults) {
      const toSec = overSec(fault) + SETTLED_SEC;
      const last = this.troubles.at(-1);
      if (last !== undefined && fault.atSec <= last.toSec) last.toSec = Math.max(last.toSec, toSec);
      else this.troubles.push({ fromSec: fault.atSec, toSec });
    }
    this.watchConfirmations();
    for (const machine of world.machines) machine.ending = (isInside) => this.checkLife(machine, isInside);
  }

  /** At every simulated minute. */
  checkMinute(): void {
    for (const machine of this.world.machines) {
      this.checkAccounts(machine);
      const wallSec = Math.floor(machine.wallUs / 1e6);
      this.checkPoints(machine, wallSec - LOOK_BACK_SEC, wallSec);
    }
    for (const hop of this.world.hops) this.checkFlow(hop);
    this.paths.check();
  }

  /** Often: nothing may grow beyond its limit. */
  checkBounds(): void {
    for (const machine of this.world.machines) {
      for (const { to, bufferUsedBytes, bufferLimitBytes } of machine.links) {
        if (bufferUsedBytes <= bufferLimitBytes) continue;
        this.fail(machine, `the send buffer to ${to} holds ${bufferUsedBytes} bytes of ${bufferLimitBytes}`);
      }
    }
  }

  /** A parent that confirms does so every second, now and from now on. */
  private watchConfirmations(): void {
    const { world } = this;
    const { guid } = world.child;
    for (const hop of world.hops) {
      const link = hop.from.links.find(({ from, state }) => from === guid && state === "connected");
      const values = link?.values.acknowledged ?? 0;
      const { inFlight = 0, queued = 0, backlog = 0 } = link?.values ?? {};
      // Nothing to confirm, or it is said why that is not confirmed.
      const isAll = inFlight + queued + backlog === 0 || link?.unconfirmed !== "";
      const before = this.confirmed.get(hop) ?? { values: 0, atSec: world.second };
      if (
        values === 0 ||
        isAll ||
        values !== before.values ||
        !this.isQuiet(world.second - SETTLED_SEC, world.second)
      ) {
        this.confirmed.set(hop, { values, atSec: world.second });
      } else if (world.second - before.atSec > this.expected.confirmedSec) {
        world.fail(`${hop.from.name} was confirmed nothing for ${this.expected.confirmedSec} quiet seconds`);
        // Told once, until one comes.
        this.confirmed.set(hop, { values, atSec: Number.POSITIVE_INFINITY });
      }
    }
    world.time.after(LOOK_US, () => this.watchConfirmations());
  }

  /** Nothing was wrong in a time. */
  private isQuiet(fromSec: number, toSec: number): boolean {
    return !this.troubles.some((trouble) => trouble.toSec >= fromSec && trouble.fromSec <= toSec);
  }

  /** When nothing has been wrong for {@link Expectations.livenessSec}. */
  checkLiveness(): void {
    for (const { machine, problem } of this.ailing()) this.fail(machine, `long after the last fault ${problem}`);
  }

  /** All links are connected and empty, and values flow. */
  get isWell(): boolean {
    return this.ailing().length === 0;
  }

  private ailing(): { machine: SimulatedMachine; problem: string }[] {
    const { guid } = this.world.child;
    const found: { machine: SimulatedMachine; problem: string }[] = [];
    for (const { from, to } of this.world.hops) {
      const link = from.links.find((each) => each.from === guid);
      if (link?.state !== "connected") {
        found.push({ machine: from, problem: `its link is ${link?.state ?? "missing"}: ${link?.error}` });
        continue;
      }
      if (link.bufferUsedBytes > 0) found.push({ machine: from, problem: `${link.bufferUsedBytes} bytes wait` });
      const target = to.find(({ address }) => link.to.startsWith(address));
      const host = target === undefined ? undefined : hostOn(target, guid);
      if (target === undefined || host === undefined) continue;
      // It goes by the clock of whoever on the way dated the values.
      const wallUs = Math.min(...this.world.machines.map((machine) => machine.wallUs));
      const behindSec = (wallUs - host.lastCollectedUs) / 1e6;
      if (!(behindSec < SILENT_SEC)) {
        found.push({ machine: target, problem: `no value for ${behindSec.toFixed(1)} s although it is connected` });
      }
    }
    return found;
  }

  checkEnd(): void {
    for (const machine of this.world.machines) {
      this.checkAccounts(machine);
      this.checkPoints(machine, T0_SEC - BEFORE_SEC, T0_SEC + this.world.plan.seconds);
    }
    this.paths.check();
    if (this.expected.nothingLost) this.checkNothingLost();
  }

  /** Every value that the child stored is at the parent it streams to, but for the tick of each death. */
  private checkNothingLost(): void {
    const { world, out } = this;
    const { guid } = world.child;
    const { from, to } = world.hops.at(-1)!;
    const address = from.links.find((link) => link.from === guid)?.to;
    const target = to.find((machine) => address?.startsWith(machine.address) === true);
    const host = target === undefined ? undefined : hostOn(target, guid);
    if (target === undefined || host === undefined) return;
    const fromSec = T0_SEC - BEFORE_SEC;
    let lost = 0;
    let example = "";
    for (const [id, reference] of world.reference.charts) {
      const chart = host.chart(id);
      const { updateEverySec: step, dimensions } = reference.chart;
      const first = Math.ceil(fromSec / step) * step;
      for (const dimension of dimensions.keys()) {
        const index = chart?.dimensions.indexOf(dimensions[dimension]!.id) ?? -1;
        out.fill(Number.NaN);
        if (chart !== undefined && index >= 0) readStored(chart, index, first, T0_SEC + world.plan.seconds, out);
        for (let second = first; second < T0_SEC + world.second - 2 * step; second += step) {
          const isThere = !Number.isNaN(out[(second - first) / step]!);
          if (isThere || Number.isNaN(reference.storedAt(dimension, second)) || this.isTickOfDeath(second)) continue;
          lost++;
          example ||= `${id} ${dimension} at ${second - T0_SEC}`;
        }
      }
    }
    if (lost > 0) this.fail(target, `${lost} values of the child are missing, the first ${example}`);
  }

  private isTickOfDeath(second: number): boolean {
    const wallSec = this.world.child.wallOffsetUs / 1e6;
    return this.deathsSec.some((each) => Math.abs(each + T0_SEC + wallSec - second) <= DEATH_SEC);
  }

  private checkLife(machine: SimulatedMachine, isInside: boolean): void {
    if (!isInside) this.checkAccounts(machine);
    if (!isInside) this.paths.checkMismatches(machine);
    this.deathsSec.push(this.world.second);
    const host = hostOn(machine, this.world.child.guid);
    const before = this.receivedBefore.get(machine) ?? 0;
    this.receivedBefore.set(machine, before + (host?.balance.received ?? 0));
    if (machine === this.world.child) for (const kept of this.world.reference.charts.values()) kept.interrupt();
  }

  /** Conservation: both accounts, and that the link was offered all there was. */
  private checkAccounts(machine: SimulatedMachine): void {
    for (const host of machine.hosts) {
      const difference = imbalance(host.balance);
      if (difference !== 0) {
        this.fail(machine, `the account of ${host.hostname} is off by ${difference}: ${JSON.stringify(host.balance)}`);
      }
    }
    for (const { from, values } of machine.links) {
      const difference = linkImbalance(values);
      if (difference !== 0) this.fail(machine, `the account of its link is off by ${difference}`);
      const host = machine.hosts.find(({ machineGuid }) => machineGuid === from);
      const came = host === undefined ? 0 : host.balance.collected + host.balance.received;
      // What a broken line named was counted by the host, and there was nothing to pass on.
      const unreadable = host === undefined ? 0 : host.balance.dropped.malformed + host.balance.dropped.limit;
      // Nor is a parent that follows our times told of what we had no time for.
      const undated = host?.balance.dropped.clock ?? 0;
      const kept = came - unreadable - values.offered;
      if (kept >= 0 && kept <= undated) continue;
      this.fail(machine, `its link was offered ${values.offered} of ${came} values, ${unreadable} unreadable`);
    }
  }

  /** No value at a wrong second, and no wrong value. */
  private checkPoints(machine: SimulatedMachine, fromSec: number, toSec: number): void {
    const host = hostOn(machine, this.world.child.guid);
    if (host?.ring == null) return;
    for (const [id, reference] of this.world.reference.charts) {
      const chart = host.chart(id);
      if (chart === undefined) continue;
      const { updateEverySec: step, dimensions } = reference.chart;
      for (const dimension of dimensions.keys()) {
        const index = chart.dimensions.indexOf(dimensions[dimension]!.id);
        if (index < 0) continue;
        const first = Math.ceil(fromSec / step) * step;
        const count = readStored(chart, index, first, toSec, this.out);
        const problem = this.problemOfSeries(machine, reference, dimension, first, count);
        if (problem === "") continue;
        this.fail(machine, `${id} ${dimension} ${problem}`);
        return;
      }
    }
  }

  /** Of the values in {@link out}. @returns empty = there is none. */
  private problemOfSeries(
    machine: SimulatedMachine,
    reference: ChartReference,
    dimension: number,
    first: number,
    count: number,
  ): string {
    const step = reference.chart.updateEverySec;
    let lastSec = Number.NaN;
    let afterGap = 0;
    let gapFromSec = Number.NaN;
    for (let i = 0; i < count; i++) {
      const value = this.out[i]!;
      if (Number.isNaN(value)) continue;
      const second = first + i * step;
      if (lastSec !== second - step) {
        afterGap = GAP_VALUES;
        gapFromSec = lastSec;
      }
      lastSec = second;
      const isGap = afterGap-- > 0;
      const point = { reference, dimension, second, value, gapFromSec: isGap ? gapFromSec : undefined };
      const problem = this.problemOf(machine, point);
      if (problem !== "") return `at ${second - T0_SEC} ${problem}`;
    }
    return "";
  }

  private problemOf(
    machine: SimulatedMachine,
    point: Omit<StoredPoint, "wallOffsetsUs" | "allWallOffsetsUs" | "ageUs">,
  ): string {
    this.pointsChecked++;
    if (machine === this.world.child) {
      const own = point.reference.storedAt(point.dimension, point.second);
      return own === point.value ? "" : `is ${point.value}, it had stored ${own}`;
    }
    return this.expected.looseness({
      ...point,
      wallOffsetsUs: machine.wallOffsetsUs,
      allWallOffsetsUs: this.world.machines.flatMap((each) => [...each.wallOffsetsUs]),
      ageUs: (atUs) => this.ageUs(atUs),
    });
  }

  /** How old what arrives at a time may be: as old as the trouble lasts. */
  private ageUs(atUs: number): number {
    const second = atUs / 1e6 - T0_SEC;
    const trouble = this.troubles.find(({ fromSec, toSec }) => second >= fromSec - 1 && second <= toSec);
    return USUAL_AGE_US + (trouble === undefined ? 0 : (second - trouble.fromSec + 1) * 1e6);
  }

  /** Over a minute in which nothing is wrong, all that is offered to a hop comes. */
  private checkFlow(hop: Hop): void {
    const { world } = this;
    const before = this.flows.get(hop);
    const flow = this.flowOf(hop);
    this.flows.set(hop, flow);
    if (before === undefined || before.sinceSec !== flow.sinceSec || before.lives !== flow.lives) return;
    if (!this.isQuiet(before.atSec - QUIET_SEC, flow.atSec)) return;
    this.quietMinutes++;
    const offered = flow.offered - before.offered;
    const received = flow.received - before.received;
    const dropped = flow.dropped - before.dropped;
    const fetched = flow.fetched - before.fetched;
    const isThere = offered - flow.pending <= received + fetched && received <= offered + before.pending;
    if (dropped === 0 && isThere) return;
    const names = hop.to.map(({ name }) => name).join(" and ");
    world.fail(
      `${hop.from.name} was offered ${offered} values in a quiet minute, ${names} received ${received}, dropped ${dropped}`,
    );
  }

  private flowOf({ from, to }: Hop): Flow {
    const { guid } = this.world.child;
    const link = from.links.find((each) => each.from === guid);
    let received = 0;
    let fetched = 0;
    let lives = from.lives;
    let dropped = 0;
    for (const machine of to) {
      received += (this.receivedBefore.get(machine) ?? 0) + (hostOn(machine, guid)?.balance.received ?? 0);
      fetched += hostOn(machine, guid)?.balance.backfilled ?? 0;
      lives += machine.lives;
      const { dropped: reasons } = hostOn(machine, guid)?.balance ?? emptyBalance();
      // A chart that comes back after longer than a ring begins anew.
      for (const reason of DROP_REASONS) if (reason !== "gap_too_long") dropped += reasons[reason];
    }
    const sinceSec = link?.state === "connected" ? link.sinceSec : Number.NaN;
    const offered = link?.values.offered ?? 0;
    const { inFlight = 0, queued = 0, backlog = 0 } = link?.values ?? {};
    const pending = inFlight + queued + backlog;
    return { atSec: this.world.second, offered, received, fetched, pending, dropped, lives, sinceSec };
  }

  private fail(machine: SimulatedMachine, problem: string): void {
    this.world.fail(`${machine.name}: ${problem}`);
  }
}

function hostOn(machine: SimulatedMachine, guid: string): Host | undefined {
  return machine.hosts.find(({ machineGuid }) => machineGuid === guid);
}
