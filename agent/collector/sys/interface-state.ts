import type { CollectorContext } from "../collector.ts";
import { LazyChart } from "../lazy-chart.ts";
import {
  CARRIER_CHART,
  DUPLEX_CHART,
  DUPLEX_STATES,
  MTU_CHART,
  type NetChart,
  netChartSpec,
  OPERATIONAL_CHART,
  OPERATIONAL_STATES,
  SPEED_CHART,
} from "../proc/net-charts.ts";
import { Attribute } from "./attribute.ts";

/** A driver that takes longer than this for its attributes, on average, is asked less often. */
const SLOW_MS = 5;
const SLOW_EVERY_MS = 10_000;
/** Reads before the average counts, so that one slow start does not. */
const SLOW_READS_MIN = 10;
/** Weight of the newest duration in the average. */
const DURATION_WEIGHT = 0.1;
const KBIT_PER_MBIT = 1000;

const DUPLEX_WORDS = DUPLEX_STATES.map((word) => Buffer.from(word));
const OPERATIONAL_WORDS = OPERATIONAL_STATES.map((word) => Buffer.from(word));

/** Speed, duplex, operational state, carrier and MTU of one interface, from /sys/class/net/NAME. */
export class InterfaceState implements Disposable {
  /** kbit/s; NaN when the interface has none (virtual), 0 when it does not say. */
  speedKbit = Number.NaN;
  private readonly context: CollectorContext;
  private readonly name: string;
  private readonly isVirtual: boolean;
  private readonly attributes: Record<"speed" | "duplex" | "operstate" | "carrier" | "mtu", Attribute>;
  private readonly charts: Record<"speed" | "duplex" | "operstate" | "carrier" | "mtu", LazyChart>;
  private duplex = Number.NaN;
  private operational = Number.NaN;
  private carrier = Number.NaN;
  private mtu = Number.NaN;
  private nextReadMs = Number.NEGATIVE_INFINITY;
  private reads = 0;
  private averageMs = 0;
  private isSlow = false;

  constructor(context: CollectorContext, name: string, isVirtual: boolean, keepsOpen: boolean) {
    const attribute = (file: string): Attribute => new Attribute(context.files, `class/net/${name}/${file}`, keepsOpen);
    const chart = (definition: NetChart): LazyChart =>
      new LazyChart(context, netChartSpec(definition, name, isVirtual));
    this.context = context;
    this.name = name;
    this.isVirtual = isVirtual;
    this.attributes = {
      speed: attribute("speed"),
      duplex: attribute("duplex"),
      operstate: attribute("operstate"),
      carrier: attribute("carrier"),
      mtu: attribute("mtu"),
    };
    this.charts = {
      speed: chart(SPEED_CHART),
      duplex: chart(DUPLEX_CHART),
      operstate: chart(OPERATIONAL_CHART),
      carrier: chart(CARRIER_CHART),
      mtu: chart(MTU_CHART),
    };
  }

  collect(nowUs: number): void {
    const startMs = this.context.clock.monotonicMs();
    if (startMs >= this.nextReadMs) {
      this.read(startMs);
      this.watchDuration(startMs);
    }
    const { speed, duplex, operstate, carrier, mtu } = this.charts;
    speed.set(0, this.speedKbit);
    setState(duplex, this.duplex, DUPLEX_STATES.length);
    setState(operstate, this.operational, OPERATIONAL_STATES.length);
    setState(carrier, this.carrier, 2);
    mtu.set(0, this.mtu);
    speed.commit(nowUs);
    duplex.commit(nowUs);
    operstate.commit(nowUs);
    carrier.commit(nowUs);
    mtu.commit(nowUs);
  }

  retire(): void {
    for (const chart of Object.values(this.charts)) chart.retire();
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    for (const attribute of Object.values(this.attributes)) attribute[Symbol.dispose]();
  }

  private read(nowMs: number): void {
    const { attributes } = this;
    if (!this.isVirtual) {
      const speedMbit = attributes.speed.readInteger(nowMs);
      // The driver says −1 (or fails) without a link: the chart exists all the same, at 0.
      if (!Number.isNaN(speedMbit)) this.charts.speed.wake();
      this.speedKbit = speedMbit > 0 ? speedMbit * KBIT_PER_MBIT : 0;
      this.duplex = attributes.duplex.readWord(nowMs, DUPLEX_WORDS);
    }
    this.operational = attributes.operstate.readWord(nowMs, OPERATIONAL_WORDS);
    // 1 is a link: the dimension `up` comes first.
    const carrier = attributes.carrier.readInteger(nowMs);
    this.carrier = Number.isNaN(carrier) ? carrier : carrier === 1 ? 0 : 1;
    this.mtu = attributes.mtu.readInteger(nowMs);
  }

  /** Some drivers ask their hardware over a slow bus; they must not delay the tick every second. */
  private watchDuration(startMs: number): void {
    const durationMs = this.context.clock.monotonicMs() - startMs;
    this.averageMs += (durationMs - this.averageMs) * DURATION_WEIGHT;
    this.reads++;
    if (this.reads < SLOW_READS_MIN || this.averageMs <= SLOW_MS) {
      this.nextReadMs = startMs;
      return;
    }
    this.nextReadMs = startMs + SLOW_EVERY_MS;
    if (this.isSlow) return;
    this.isSlow = true;
    const averageMs = Math.round(this.averageMs);
    this.context.log.info("collector.source_slow", { interface: this.name, averageMs, everyMs: SLOW_EVERY_MS });
  }
}

/** One-hot: 1 in the dimension of the state, nothing at all while it is unknown. */
function setState(chart: LazyChart, state: number, count: number): void {
  if (Number.isNaN(state)) return;
  for (let i = 0; i < count; i++) chart.set(i, i === state ? 1 : 0);
}
