import { DROP_REASONS, emptyBalance, imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import type { Host } from "../../agent/rrd/host.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { replicates, takesPoints } from "./dialect.ts";
import { exact, type Looseness } from "./looseness.ts";
import { PathProperties } from "./path-properties.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import { StoredValues } from "./stored-values.ts";
import { SETTLED_SEC, Troubles } from "./troubles.ts";
import type { Hop, World } from "./world.ts";

/** What is expected of the agents of today; later ones can do more. */
export interface Expectations {
  /** How far a value at a proxy or a parent may be from the child's. */
  readonly loosenessOf: (machine: string) => Looseness;
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
/** Newest value of a host that is well. */
const SILENT_SEC = 10;
/** How often confirmations are looked for. */
const LOOK_US = 250_000;
/** A clock that is further ahead is not followed (agent/receiver/host-backfill.ts). */
const AHEAD_SEC = 5;
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
  /** Values that only started something, or fell together with others: a ring has nothing to tell of them. */
  readonly silent: number;
  /** Lives of all machines concerned. */
  readonly lives: number;
  /** Values that came and were not stored. */
  readonly dropped: number;
  /** The receiver goes by its own clock: the sender's is too far ahead. */
  readonly isDistrusted: boolean;
  /** By chart of the sender: which beginning of it is the present one. */
  readonly beginnings: ReadonlyMap<Chart, number>;
  /** When its connection came about; NaN = there is none. */
  readonly sinceSec: number;
}

/** What must hold at every simulated minute, at the end of every life, and at the end of the world. */
export class Properties {
  private readonly world: World;
  private readonly expected: Expectations;
  private readonly troubles: Troubles;
  readonly stored: StoredValues;
  readonly paths: PathProperties;
  /** Of ended lives, by machine: values received of the child. */
  private readonly receivedBefore = new Map<SimulatedMachine, number>();
  private readonly flows = new Map<Hop, Flow>();
  /** Values confirmed, and when that last changed. */
  private readonly confirmed = new Map<Hop, { values: number; atSec: number }>();
  /** Quiet minutes over which a hop lost nothing. */
  quietMinutes = 0;

  constructor(world: World, expected: Expectations) {
    this.world = world;
    this.expected = expected;
    this.troubles = new Troubles(world.plan.faults);
    this.stored = new StoredValues(world, this.troubles, expected.loosenessOf);
    this.paths = new PathProperties(world, {
      isQuiet: (fromSec, toSec) => this.troubles.isQuiet(fromSec, toSec),
      isTickOfDeath: (second) => this.stored.isTickOfDeath(second),
      isComplete: expected.nothingLost,
    });
    this.watchConfirmations();
    for (const machine of world.machines) machine.ending = (isInside) => this.checkLife(machine, isInside);
  }

  /** At every simulated minute. */
  checkMinute(): void {
    for (const machine of this.world.machines) {
      this.checkAccounts(machine);
      const wallSec = Math.floor(machine.wallUs / 1e6);
      this.stored.check(machine, wallSec - LOOK_BACK_SEC, wallSec);
    }
    for (const hop of this.world.hops) this.checkFlow(hop);
    this.paths.check();
  }

  /** Often: nothing may grow beyond its limit. */
  checkBounds(): void {
    this.noteRemoved();
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
        !this.troubles.isQuiet(world.second - SETTLED_SEC, world.second)
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
      this.stored.checkAll(machine);
    }
    this.paths.check();
    if (this.expected.nothingLost) this.stored.checkNothingLost();
  }

  private checkLife(machine: SimulatedMachine, isInside: boolean): void {
    if (!isInside) this.checkAccounts(machine);
    if (!isInside) this.paths.checkMismatches(machine);
    this.stored.deathsSec.push(this.world.second);
    const host = hostOn(machine, this.world.child.guid);
    const before = this.receivedBefore.get(machine) ?? 0;
    this.receivedBefore.set(machine, before + (host?.balance.received ?? 0));
    if (machine !== this.world.child) return;
    this.noteRemoved();
    this.world.reference.interrupt();
  }

  /** A chart that has been retired for long leaves the child's memory, and its values with it. */
  private noteRemoved(): void {
    const { child, reference } = this.world;
    const host = hostOn(child, child.guid);
    if (host === undefined) return;
    for (const { id } of reference.all) if (host.chart(id) === undefined) reference.removed(id);
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
      const difference = hopImbalance(values);
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

  /** Over a minute in which nothing is wrong, all that is offered to a hop comes. */
  private checkFlow(hop: Hop): void {
    const { world } = this;
    const before = this.flows.get(hop);
    const flow = this.flowOf(hop);
    this.flows.set(hop, flow);
    if (before === undefined || before.sinceSec !== flow.sinceSec || before.lives !== flow.lives) return;
    if (!this.troubles.isQuiet(before.atSec - QUIET_SEC, flow.atSec)) return;
    this.quietMinutes++;
    const offered = flow.offered - before.offered;
    const received = flow.received - before.received;
    const dropped = flow.dropped - before.dropped;
    const fetched = flow.fetched - before.fetched;
    if (hop.to.every(({ name }) => this.expected.loosenessOf(name) === exact)) this.stored.checkQuiet(hop);
    // Of points there are more, or fewer, than of iterations.
    const isCounted = !hop.to.some(({ dialect }) => takesPoints(dialect));
    const silent = flow.silent - before.silent;
    const lacking = offered - flow.pending - silent - received - fetched;
    const isThere = lacking <= unaskedValues(before, flow) && received <= offered + before.pending;
    if (dropped === 0 && (isThere || !isCounted)) return;
    const names = hop.to.map(({ name }) => name).join(" and ");
    world.fail(
      `${hop.from.name} was offered ${offered} values in a quiet minute, of which ${flow.pending} wait and ${silent} tell ` +
        `nothing; ${names} received ${received}, fetched ${fetched}, dropped ${dropped}`,
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
      const host = hostOn(machine, guid);
      const { dropped: reasons } = host?.balance ?? emptyBalance();
      for (const reason of DROP_REASONS) dropped += reasons[reason];
      // A chart that comes back after longer than a ring begins anew.
      dropped -= reasons.gap_too_long;
      // What a sender whose clock is too far ahead tells of the past is not believed.
      if ((host?.clockOffsetSec ?? 0) > AHEAD_SEC) dropped -= reasons.clock;
    }
    const sinceSec = link?.state === "connected" ? link.sinceSec : Number.NaN;
    const offered = link?.values.offered ?? 0;
    const { inFlight = 0, queued = 0, backlog = 0 } = link?.values ?? {};
    const pending = inFlight + queued + backlog;
    const { base, merged } = hostOn(from, guid)?.balance ?? emptyBalance();
    const silent = to.every(({ dialect }) => replicates(dialect)) ? base + merged : 0;
    const isDistrusted = to.some((machine) => (hostOn(machine, guid)?.clockOffsetSec ?? 0) > AHEAD_SEC);
    const beginnings = new Map((hostOn(from, guid)?.chartList() ?? []).map((chart) => [chart, chart.restarts]));
    const clocks = { isDistrusted, beginnings, lives, sinceSec };
    return { atSec: this.world.second, offered, received, fetched, pending, silent, dropped, ...clocks };
  }

  private fail(machine: SimulatedMachine, problem: string): void {
    this.world.fail(`${machine.name}: ${problem}`);
  }
}

/**
 * Values that were offered and nobody asked for: a receiver that does not believe the sender's times takes no past, so
 * of a chart that begins it is told only what follows on the iteration with which it was offered. The sender cannot
 * know whether a receiver that asks for nothing has it, or does not want it.
 */
function unaskedValues(before: Flow, { isDistrusted, beginnings }: Flow): number {
  let values = 0;
  if (!isDistrusted) return values;
  for (const [chart, beginning] of beginnings) {
    if (before.beginnings.get(chart) !== beginning) values += chart.dimensions.count;
  }
  return values;
}

function hostOn(machine: SimulatedMachine, guid: string): Host | undefined {
  return machine.hosts.find(({ machineGuid }) => machineGuid === guid);
}
