import { Agent } from "../../agent/app/agent.ts";
import type { Machine } from "../../agent/app/machine.ts";
import { errorText } from "../../agent/base/errors.ts";
import { Logger } from "../../agent/base/log.ts";
import { createHostFiles } from "../../agent/base/proc-file.ts";
import type { CollectorModule } from "../../agent/collector/collector.ts";
import { ConfigErrors } from "../../agent/config/config-error.ts";
import { parseConfig } from "../../agent/config/load.ts";
import type { LinkStatus } from "../../agent/pusher/pusher-world.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { SimulatedDisk } from "../simulated-disk.ts";
import type { Dialect } from "./dialect.ts";
import { Life, SimulatedClock } from "./life.ts";
import { MortalFiles } from "./mortal-files.ts";
import type { NetworkMachine, SimulatedNetwork } from "./simulated-network.ts";
import type { SimulatedTime } from "./simulated-time.ts";
import type { Trace } from "./trace.ts";

/** What all machines of a world share. */
export interface MachineWorld {
  readonly time: SimulatedTime;
  readonly trace: Trace;
  readonly network: SimulatedNetwork;
  readonly random: SeededRandom;
  /** Something that must never be. */
  readonly fail: (problem: string) => void;
}

/** Lines of the log kept to explain a failure. */
const LINES_MAX = 300;
const MEMORY_BYTES = 2 ** 33;

/** A machine with a disk, a wall clock, and an agent that runs on it, one life after the other. */
export class SimulatedMachine implements NetworkMachine {
  readonly name: string;
  readonly address: string;
  readonly guid: string;
  readonly buffers = { sendBytes: 87_040, receiveBytes: 131_072 };
  readonly disk = new SimulatedDisk();
  isOn = true;
  isMute = false;
  dialect: Dialect = "ours";
  /** Its wall clock less the true time. */
  wallOffsetUs = 0;
  /** All offsets it ever had, the present one included. */
  readonly wallOffsetsUs = new Set<number>([0]);
  life: Life;
  files: MortalFiles;
  /** Null: it starts, or does not run. */
  agent: Agent | null = null;
  /** Lives begun. */
  lives = 0;
  readonly lines: string[] = [];
  /** What it collects. */
  collectors: readonly CollectorModule[] = [];
  /** Text of its configuration. */
  config = "";
  /** Told when an agent has started. */
  started: (agent: Agent) => void = () => {};
  /** Told right before a life ends. @param isInside in the middle of something: not everything in it need hold. */
  ending: (isInside: boolean) => void = () => {};
  private readonly world: MachineWorld;
  private bootId = 0;

  constructor(name: string, place: number, world: MachineWorld) {
    this.name = name;
    this.address = `10.0.0.${place}`;
    this.guid = `aaaaaaaa-0000-4000-8000-${String(place).padStart(12, "0")}`;
    this.world = world;
    this.life = new Life(world.time);
    this.life.die();
    this.files = new MortalFiles(this.disk, this.life, world.time);
    world.network.machines.push(this);
  }

  get isRunning(): boolean {
    return !this.life.isDead;
  }

  get hosts(): readonly Host[] {
    return this.agent?.["database"].hosts ?? [];
  }

  get links(): LinkStatus[] {
    return this.agent?.["pushers"].status() ?? [];
  }

  get wallUs(): number {
    return this.world.time.nowUs + this.wallOffsetUs;
  }

  setWall(offsetUs: number): void {
    this.wallOffsetUs = offsetUs;
    this.wallOffsetsUs.add(offsetUs);
  }

  /** Begins a life. @param dieAtCall it ends right before this call of the disk. */
  start(dieAtCall = Number.POSITIVE_INFINITY): void {
    const { world } = this;
    const loaded = parseConfig(this.config, `${this.name}.toml`);
    if (loaded instanceof ConfigErrors) throw loaded;
    if (!this.isOn) world.network.powerBack(this);
    this.lives++;
    const life = new Life(world.time);
    this.life = life;
    const clock = new SimulatedClock(world.time, life, () => this.wallOffsetUs);
    this.files = new MortalFiles(this.disk, life, world.time);
    this.files.callsLeft = dieAtCall;
    this.files.doom = () => this.kill(true);
    world.trace.text(`${this.name} starts`);
    Agent.start(loaded, {
      clock,
      log: new Logger({ clock, level: "info", format: "text", write: (line) => this.log(life, line) }),
      version: "0.0.0",
      random: () => world.random.next(),
      dial: world.network.dialOf(this, life),
      network: world.network.listenOf(this, life),
      files: this.files,
      machine: this.facts(life),
      collectors: this.collectors,
    }).then(
      (agent) => {
        if (life.isDead) return;
        this.agent = agent;
        this.started(agent);
      },
      (error: unknown) => {
        if (!life.isDead) world.fail(`${this.name} does not start: ${errorText(error)}`);
      },
    );
  }

  /** As kill -9 does. @param isInside in the middle of something: not everything in it need hold. */
  kill(isInside = false): void {
    if (!this.end("is killed", isInside)) return;
    this.world.network.processGone(this.life);
    this.disk.crash();
  }

  /** The power fails: no peer is told, and the disk keeps what it had flushed and some of the rest. */
  cutPower(): void {
    this.end("loses its power");
    this.bootId++;
    this.world.network.powerGone(this, this.life);
    this.disk.powerLoss(() => this.world.random.next());
  }

  /** As SIGTERM does. @param stopped called when the process has ended. */
  stop(stopped: () => void): void {
    const { agent, life } = this;
    if (agent === null) {
      stopped();
      return;
    }
    const over = () => {
      if (life.isDead) return;
      this.end("has stopped");
      this.world.network.processGone(life);
      this.disk.crash();
      stopped();
    };
    agent.stop().then(over, (error: unknown) => {
      if (!life.isDead) this.world.fail(`${this.name} does not stop in order: ${errorText(error)}`);
    });
  }

  private end(how: string, isInside = false): boolean {
    if (this.life.isDead) return false;
    if (this.agent !== null) this.ending(isInside);
    this.world.trace.text(`${this.name} ${how}`);
    this.note(`${this.name} ${how}`);
    this.life.die();
    this.agent = null;
    return true;
  }

  private note(text: string): void {
    this.lines.push(`${new Date(this.world.time.nowUs / 1000).toISOString()} ------ ${text}\n`);
    if (this.lines.length > LINES_MAX) this.lines.shift();
  }

  private log(life: Life, line: string): void {
    if (life.isDead) return;
    this.world.trace.text(line);
    this.lines.push(line);
    if (this.lines.length > LINES_MAX) this.lines.shift();
  }

  private facts(life: Life): Machine {
    const pid = 1000 + this.lives;
    return {
      hostname: this.name,
      memoryBytes: MEMORY_BYTES,
      openFilesMax: Number.POSITIVE_INFINITY,
      processes: {
        pid,
        bootId: `boot-${this.bootId}`,
        startTicks: (asked) => (asked === pid && !life.isDead ? 1 : null),
      },
      tcpQueues: this.world.network.tcpQueuesOf(life),
      threadCpu: () => ({ user: 0, system: 0 }),
      systemInfo: () => new Map(),
      timezone: () => ({ name: "Etc/UTC", abbreviation: "UTC", offsetSec: 0 }),
      // Nothing to be found there.
      hostFiles: () => createHostFiles("/proc/none"),
      processUsage: () => () => ({ userUs: 0, systemUs: 0, uptimeSec: 0, rssBytes: 0, heapBytes: 0 }),
    };
  }
}
