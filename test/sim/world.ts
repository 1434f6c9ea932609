import { SeededRandom } from "../seeded-random.ts";
import { T0_SEC } from "../simulated-host.ts";
import { type ChartCourse, chartCourses } from "./chart-course.ts";
import { PARENTS, type Plan, PROXIES } from "./plan.ts";
import { Reference } from "./reference.ts";
import { createSeededCollector } from "./seeded-collector.ts";
import { SimulatedMachine } from "./simulated-machine.ts";
import { SimulatedNetwork } from "./simulated-network.ts";
import { SimulatedTime } from "./simulated-time.ts";
import { Trace } from "./trace.ts";

const KEY = "11111111-2222-4333-8444-555555555555";
const PORT = 19_999;
/** Charts that are retired leave memory within the hour of a world. */
const CLEANUP_SEC = 120;

/** One path of the child's values: who sends them and who may receive them. */
export interface Hop {
  readonly from: SimulatedMachine;
  readonly to: readonly SimulatedMachine[];
}

/** A child, perhaps proxies, and two parents, with everything between them and the test's own record. */
export class World {
  readonly plan: Plan;
  readonly trace = new Trace();
  readonly time = new SimulatedTime(T0_SEC * 1e6, this.trace);
  readonly random: SeededRandom;
  readonly network: SimulatedNetwork;
  readonly child: SimulatedMachine;
  /** None: the child streams to the parents itself. */
  readonly proxies: readonly SimulatedMachine[];
  readonly parents: readonly SimulatedMachine[];
  readonly hops: readonly Hop[];
  readonly reference: Reference;
  /** What must never be and was. */
  readonly problems: string[] = [];

  constructor(plan: Plan) {
    this.plan = plan;
    // Not the plan's own chance: what happens must not decide on what is planned.
    this.random = new SeededRandom(plan.seed ^ 0x5eed);
    this.network = new SimulatedNetwork(this.time, this.random, this.trace);
    const shared = {
      time: this.time,
      trace: this.trace,
      network: this.network,
      random: this.random,
      fail: (problem: string) => this.fail(problem),
    };
    this.child = new SimulatedMachine("child", 1, shared);
    this.proxies = PROXIES.slice(0, plan.proxies).map((name, i) => new SimulatedMachine(name, 2 + i, shared));
    this.parents = PARENTS.map((name, i) => new SimulatedMachine(name, 6 + i, shared));
    const senders = [this.child, ...this.proxies];
    this.hops = senders.map((from, i) => ({ from, to: i < this.proxies.length ? [this.proxies[i]!] : this.parents }));
    this.reference = new Reference(T0_SEC);
    this.child.collectors = [this.collector(chartCourses(plan.seed, plan.seconds))];
    for (const machine of this.machines) this.prepare(machine);
  }

  get machines(): readonly SimulatedMachine[] {
    return [this.child, ...this.proxies, ...this.parents];
  }

  /** All that any machine's clock was ever off by. */
  get wallOffsetsUs(): readonly number[] {
    return this.machines.flatMap((machine) => [...machine.wallOffsetsUs]);
  }

  machine(name: string): SimulatedMachine {
    return this.machines.find((each) => each.name === name)!;
  }

  /** Seconds since the world began. */
  get second(): number {
    return (this.time.nowUs - T0_SEC * 1e6) / 1e6;
  }

  fail(problem: string): void {
    this.problems.push(`${this.second.toFixed(3)} s: ${problem}`);
  }

  /** Conditions of the path between two machines as they are when nothing is wrong. */
  calm(a: string, b: string): void {
    const chance = new SeededRandom(this.plan.seed ^ Bun.hash.crc32(`${a} ${b}`));
    const link = this.network.link(a, b);
    link.latencyUs = chance.pick([50, 500, 5000, 60_000]);
    link.jitterUs = chance.pick([0, 0, 1000, 30_000]);
    link.bytesPerSec = chance.pick([1e5, 1e6, 1e8]);
    link.cutPercent = chance.pick([0, 20, 100]);
    link.shortPercent = chance.pick([0, 0, 20]);
  }

  private prepare(machine: SimulatedMachine): void {
    const { random } = this;
    machine.config = this.configOf(machine);
    machine.dialect = this.parents.includes(machine) ? this.plan.dialects.parents : this.plan.dialects.proxies;
    machine.setWall(Math.round((random.next() - 0.5) * random.pick([0, 1e5, 4e6])));
    machine.wallOffsetsUs.delete(0);
    machine.wallOffsetsUs.add(machine.wallOffsetUs);
    machine.buffers.sendBytes = random.pick([16_384, 87_040, 262_144]);
    machine.buffers.receiveBytes = random.pick([16_384, 131_072]);
    for (const other of this.machines) if (other !== machine) this.calm(machine.name, other.name);
    this.time.after(random.below(3e6), () => machine.start());
    this.writeBack(machine);
  }

  /** What the kernel writes to the disk by itself. */
  private writeBack(machine: SimulatedMachine): void {
    this.time.after(60e6 + this.random.below(120e6), () => {
      machine.disk.writeBack();
      this.writeBack(machine);
    });
  }

  private collector(courses: readonly ChartCourse[]) {
    const { child, reference, time } = this;
    return createSeededCollector(this.plan.seed, courses, () => Math.floor(this.second), {
      defined: (chart) => reference.define(chart, Math.floor(child.wallUs / 1e6)),
      retired: (id) => reference.retire(id),
      collected: (chart, values) => {
        const host = child.isRunning ? child.hosts[0] : undefined;
        reference.note(chart, values, time.nowUs, host?.chart(chart.id));
      },
    });
  }

  private configOf(machine: SimulatedMachine): string {
    const { plan } = this;
    const isChild = machine === this.child;
    const hop = this.hops.find(({ from }) => from === machine);
    const sends = hop !== undefined;
    const mode = isChild ? plan.modes.child : sends ? plan.modes.proxy : plan.modes.parents;
    const targets = hop?.to ?? [];
    const destination = `[${targets.map(({ address }) => `"${address}:${PORT}"`).join(", ")}]`;
    const table = (name: string, lines: string[]) => `[${name}]\n${lines.join("\n")}\n`;
    const tables = [
      table("agent", [`hostname = "${machine.name}"`, `machine_guid = "${machine.guid}"`, 'state_dir = "/state"']),
      table("db", [
        `mode = "${mode}"`,
        `history = ${plan.history}`,
        `flush_every = ${plan.flushEverySec}`,
        `save_every = ${plan.saveEverySec}`,
        `cleanup_obsolete_charts_after_seconds = ${CLEANUP_SEC}`,
      ]),
      isChild
        ? table("web", ["enabled = false"])
        : table("web", [`listen = ["${machine.address}:${PORT}"]`, 'allow_connections_from = "*"']),
      table("collector", [`enabled = ${isChild}`]),
      table("collector.agent", ["enabled = false"]),
      table("stream", [
        `enabled = ${isChild}`,
        ...(isChild ? [`destination = ${destination}`, `api_key = "${KEY}"`, `confirm = "${plan.confirm}"`] : []),
        `timeout_seconds = ${plan.timeoutSec}`,
        `receive_timeout_seconds = ${plan.receiveTimeoutSec}`,
        `reconnect_delay_seconds = ${plan.reconnectDelaySec}`,
        `initial_clock_resync_iterations = ${plan.resyncIterations}`,
        `buffer_size_bytes = ${plan.bufferBytes}`,
      ]),
    ];
    if (!isChild) {
      const passesOn = [
        "default_proxy_enabled = true",
        `default_proxy_destination = ${destination}`,
        `default_proxy_api_key = "${KEY}"`,
      ];
      tables.push(table(`api_key."${KEY}"`, ["enabled = true", ...(sends ? passesOn : [])]));
    }
    return tables.join("\n");
  }
}
