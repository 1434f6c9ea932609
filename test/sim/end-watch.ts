import type { LinkStatus } from "../../agent/pusher/pusher-world.ts";
import { readStored } from "../../agent/rrd/read.ts";
import type { ChartReference, DimensionReference } from "./reference.ts";
import type { SimulatedMachine } from "./simulated-machine.ts";
import type { World } from "./world.ts";

/** A value that the child collected, by the last second that its ring got from it. */
interface OpenValue {
  readonly reference: ChartReference;
  readonly dimension: DimensionReference;
  readonly second: number;
}

const LOOK_US = 250_000;
/** In well times the end confirms what was delivered within this: each agent of the path speaks once a second. */
const CONFIRMED_SEC = 10;
/** What was delivered while something was wrong is confirmed so long after all is well. */
const SETTLED_SEC = 30;

/**
 * Worlds with `confirm = "end"`, all of whose links replicate: of what the child collected in its present life, the
 * last agent of the path has never held more than is not confirmed. Each value that is missing there is one that was
 * offered to the child's link: so `missing ≤ offered − acknowledged`, with no slack. What it did hold once counts as
 * there, whatever becomes of it.
 */
export class EndWatch {
  private readonly world: World;
  private life = 0;
  private open: OpenValue[] = [];
  private readonly newestSec = new Map<ChartReference, number>();
  /** Whom the last link of the path leads to, or led to last. */
  private end: SimulatedMachine | null = null;
  private readonly delivered: { readonly second: number; readonly values: number }[] = [];
  private wellSec = Number.POSITIVE_INFINITY;
  private isTold = false;
  private readonly out = new Float64Array(1);
  /** Looks at which something was confirmed and something was not. */
  looks = 0;
  /** Most values that were missing at the end at one time. */
  missingMax = 0;

  constructor(world: World) {
    this.world = world;
    for (const machine of world.machines) {
      const { ending } = machine;
      machine.ending = (isInside) => {
        this.gather();
        ending(isInside);
      };
    }
    this.look();
  }

  /** All links are well from now on. */
  well(): void {
    const { history, seconds } = this.world.plan;
    // A ring that is too short for an outage leaves values that the end never gets.
    if (history >= seconds) this.wellSec = Math.min(this.wellSec, this.world.second);
  }

  private look(): void {
    this.gather();
    const link = linkOf(this.world.child, this.world.child.guid);
    if (link !== undefined) this.check(link);
    this.world.time.after(LOOK_US, () => this.look());
  }

  private check({ values }: LinkStatus): void {
    const { world, open, delivered } = this;
    this.missingMax = Math.max(this.missingMax, open.length);
    if (values.acknowledged > 0 && open.length > 0) this.looks++;
    const unconfirmed = values.offered - values.acknowledged;
    if (open.length > unconfirmed) {
      this.fail(`${unconfirmed} values of the child are not confirmed, but its end lacks ${open.length}`);
    }
    if (values.acknowledged > values.delivered) this.fail("more is confirmed than was delivered");
    delivered.push({ second: world.second, values: values.delivered });
    while (delivered[0]!.second < world.second - CONFIRMED_SEC) delivered.shift();
    if (world.second < this.wellSec + SETTLED_SEC || values.acknowledged >= delivered[0]!.values) return;
    const lacking = delivered[0]!.values - values.acknowledged;
    this.fail(`${lacking} values were delivered ${CONFIRMED_SEC} s ago and the end has not confirmed them`);
  }

  /** What the child has stored since the last look, less what the end has. */
  private gather(): void {
    const { child, hops } = this.world;
    if (child.lives !== this.life) this.begin();
    this.note();
    const { from, to } = hops.at(-1)!;
    const link = linkOf(from, child.guid);
    if (link?.state === "connected") this.end = to.find(({ address }) => link.to.startsWith(address)) ?? null;
    const host = this.end?.hosts.find(({ machineGuid }) => machineGuid === child.guid);
    if (host?.ring == null) return;
    this.open = this.open.filter(({ reference, dimension, second }) => {
      // What the child itself has given up nobody can fetch any more.
      if (second < dimension.givenUpSec) return false;
      const chart = host.chart(reference.id);
      const index = chart?.dimensions.indexOf(dimension.meaning.id) ?? -1;
      if (chart === undefined || index < 0 || this.world.reference.of(chart) !== reference) return true;
      return readStored(chart, index, second, second, this.out) === 0 || Number.isNaN(this.out[0]!);
    });
  }

  /** The child's account begins anew with its life. */
  private begin(): void {
    this.life = this.world.child.lives;
    this.open = [];
    this.delivered.length = 0;
    this.newestSec.clear();
    // What its ring holds from before was never offered to this link.
    for (const reference of this.world.reference.all) this.newestSec.set(reference, this.storedSec(reference));
  }

  private note(): void {
    for (const reference of this.world.reference.all) {
      const second = this.storedSec(reference);
      if (second <= (this.newestSec.get(reference) ?? 0)) continue;
      this.newestSec.set(reference, second);
      for (const dimension of reference.all) {
        if (!Number.isNaN(dimension.storedAt(second))) this.open.push({ reference, dimension, second });
      }
    }
  }

  /** Newest second that the child holds of a chart at an interval; 0 = none. */
  private storedSec(reference: ChartReference): number {
    const chart = this.world.child.hosts[0]?.chart(reference.id);
    const isHeld = chart !== undefined && chart.slotsPassed > 0 && this.world.reference.of(chart) === reference;
    return isHeld ? chart.lastEntrySec : 0;
  }

  private fail(problem: string): void {
    if (!this.isTold) this.world.fail(problem);
    this.isTold = true;
  }
}

function linkOf(machine: SimulatedMachine, guid: string): LinkStatus | undefined {
  return machine.links.find(({ from }) => from === guid);
}
