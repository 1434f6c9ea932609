import type { Dial } from "../../agent/base/dial.ts";
import { AgentError } from "../../agent/base/errors.ts";
import type { ListenAddress } from "../../agent/base/listen-address.ts";
import { type TcpQueues, tcpQueueKey } from "../../agent/base/tcp-queues.ts";
import type { DoorNetwork } from "../../agent/door/door.ts";
import type { DoorHandlers } from "../../agent/door/listener.ts";
import type { SeededRandom } from "../seeded-random.ts";
import { type Dialect, requestChanger } from "./dialect.ts";
import type { Life } from "./life.ts";
import { type KernelBuffers, SimulatedLink } from "./simulated-link.ts";
import { SimulatedSocket, type SocketEvents, type SocketWorld } from "./simulated-socket.ts";
import type { SimulatedTime } from "./simulated-time.ts";
import type { Trace } from "./trace.ts";

/** A machine as the network knows it. */
export interface NetworkMachine {
  readonly name: string;
  /** Numeric. */
  readonly address: string;
  /** Its kernel runs. */
  isOn: boolean;
  /** Its kernel takes connections that its agent never hears of. */
  isMute: boolean;
  readonly buffers: KernelBuffers;
  /** How its agent understands those that connect to it. */
  readonly dialect: Dialect;
}

interface Listener {
  readonly machine: NetworkMachine;
  readonly life: Life;
  readonly handlers: DoorHandlers;
}

interface Connection {
  readonly from: NetworkMachine;
  readonly to: NetworkMachine;
  readonly ends: readonly [SimulatedSocket, SimulatedSocket];
}

const PORT_FIRST = 32_768;
/** A machine that comes back meets what its peers still send it, or their question whether it is there. */
const ANSWER_UNKNOWN_US = 30_000_000;

/** All links between the machines of a world, and the connections over them. */
export class SimulatedNetwork {
  /** May change what a kernel sends; for planted faults. */
  tamper: (from: NetworkMachine, to: NetworkMachine, bytes: Buffer) => Buffer = (_from, _to, bytes) => bytes;
  private readonly time: SimulatedTime;
  private readonly random: SeededRandom;
  private readonly trace: Trace;
  private readonly links = new Map<string, SimulatedLink>();
  private readonly listeners = new Map<string, Listener>();
  private connections: Connection[] = [];
  private port = PORT_FIRST;

  constructor(time: SimulatedTime, random: SeededRandom, trace: Trace) {
    this.time = time;
    this.random = random;
    this.trace = trace;
  }

  /** The path between two machines. */
  link(a: string, b: string): SimulatedLink {
    const name = a < b ? `${a} ${b}` : `${b} ${a}`;
    let link = this.links.get(name);
    if (link === undefined) {
      link = new SimulatedLink();
      this.links.set(name, link);
    }
    return link;
  }

  /** Connections that one run of an agent makes. */
  dialOf(machine: NetworkMachine, life: Life): Dial {
    return (destination, owner, { timeoutMs, signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<SimulatedSocket>();
      const fail = (problem: string) => reject(new AgentError("connect_failed", `${destination.name}: ${problem}`));
      const late = this.time.after(timeoutMs * 1000, () => life.run(() => fail("no answer within the time")));
      signal.addEventListener("abort", () => fail("given up"), { once: true });
      const key = `${destination.host}:${destination.port}`;
      const target = this.listeners.get(key)?.machine.name ?? this.machineAt(destination.host)?.name ?? "nowhere";
      const link = this.link(machine.name, target);
      this.time.after(link.latencyUs, () => {
        if (life.isDead || signal.aborted || link.isCut || this.machineAt(destination.host)?.isOn !== true) return;
        const listener = this.listeners.get(key);
        const connection = listener === undefined ? null : this.connect(machine, life, listener, owner);
        this.time.after(link.latencyUs, () => {
          life.run(() => {
            this.time.cancel(late);
            if (connection === null) fail("connection refused");
            else if (signal.aborted) connection.terminate();
            else resolve(connection);
          });
        });
      });
      return promise;
    };
  }

  /** What one run of an agent listens with; HTTP is turned away. */
  listenOf(machine: NetworkMachine, life: Life): DoorNetwork {
    return {
      listen: async (address, handlers) => {
        if (address.kind !== "tcp") throw new AgentError("listen_failed", "only TCP is simulated");
        const key = `${machine.address}:${address.port}`;
        if (life.isDead) throw new AgentError("listen_failed", `${key}: dead`);
        if (this.listeners.has(key)) throw new AgentError("port_in_use", `${key}: in use`);
        this.listeners.set(key, { machine, life, handlers });
        const shown: ListenAddress = { kind: "tcp", host: machine.address, port: address.port };
        return [{ address: shown, stop: () => void this.listeners.delete(key) }];
      },
      carryHttp: () => ({ port: 0, size: 0, take: () => false, sweep() {}, [Symbol.dispose]() {} }),
    };
  }

  /** What the kernel of a machine tells of the connections of one run of its agent. */
  tcpQueuesOf(life: Life): TcpQueues {
    return () => {
      const queues = new Map<number, { leastBytes: number; mostBytes: number }>();
      for (const socket of this.sockets(life)) {
        const bytes = socket.queueBytes;
        queues.set(tcpQueueKey(socket.localPort, socket.remotePort), { leastBytes: bytes, mostBytes: bytes });
      }
      return queues;
    };
  }

  /** The agent's process is gone, and its kernel closes what it had. */
  processGone(life: Life): void {
    this.forgetListeners(life);
    for (const socket of this.sockets(life)) socket.abandon();
  }

  /** The machine is gone without a word. */
  powerGone(machine: NetworkMachine, life: Life): void {
    machine.isOn = false;
    this.forgetListeners(life);
    for (const { from, to, ends } of this.connections) {
      for (const [index, side] of [from, to].entries()) {
        if (side !== machine) continue;
        ends[index]!.forget();
        ends[index]!.hasMachine = false;
      }
    }
  }

  /** The machine runs again and answers for connections that it does not know. */
  powerBack(machine: NetworkMachine): void {
    machine.isOn = true;
    for (const { from, to, ends } of this.connections) {
      for (const [index, side] of [from, to].entries()) {
        const end = ends[index]!;
        if (side !== machine || end.hasMachine) continue;
        end.hasMachine = true;
        this.time.after(this.random.below(ANSWER_UNKNOWN_US), () => {
          if (this.link(from.name, to.name).isUp) end.peer.reset();
        });
      }
    }
  }

  /** Nothing gets through between two machines, or all of it again. */
  setCut(a: string, b: string, isCut: boolean): void {
    const link = this.link(a, b);
    link.isCut = isCut;
    if (!isCut) for (const { ends } of this.between(a, b)) for (const end of ends) end.healed();
  }

  /** Breaks the connections between two machines. @param ends who is told; the other learns it when it writes. */
  reset(a: string, b: string, ends: "dialler" | "listener" | "both"): void {
    for (const { ends: sides } of this.between(a, b)) {
      for (const [index, end] of sides.entries()) {
        if (ends === "both" || (ends === "dialler") === (index === 0)) end.reset();
      }
    }
  }

  /** What one end sends from now on is taken and confirmed, and goes nowhere. */
  swallow(a: string, b: string): void {
    for (const { ends } of this.between(a, b)) ends[0].isSwallowing = true;
  }

  /** How fast the agent of a machine reads. */
  setReadSpeed(machine: NetworkMachine, bytesPerSec: number): void {
    for (const { from, to, ends } of this.connections) {
      if (from === machine) ends[0].readBytesPerSec = bytesPerSec;
      if (to === machine) ends[1].readBytesPerSec = bytesPerSec;
    }
  }

  /** Machines by address. */
  readonly machines: NetworkMachine[] = [];

  private machineAt(address: string): NetworkMachine | undefined {
    return this.machines.find((machine) => machine.address === address);
  }

  private connect(
    from: NetworkMachine,
    life: Life,
    { machine: to, life: listening, handlers }: Listener,
    owner: Parameters<Dial>[1],
  ): SimulatedSocket {
    const link = this.link(from.name, to.name);
    const port = this.port++;
    const changed = requestChanger(to.dialect);
    const world = (a: NetworkMachine, b: NetworkMachine): SocketWorld => ({
      time: this.time,
      random: this.random,
      delivered: (_to, chunk) => this.trace.bytes(chunk),
      taken: (_from, bytes) => this.tamper(a, b, a === from ? changed(bytes) : bytes),
    });
    const out = { remoteAddress: to.address, localPort: port, remotePort: 19_999 };
    const into = { remoteAddress: from.address, localPort: 19_999, remotePort: port };
    const far: SocketEvents = to.isMute ? NOBODY : doorEvents(handlers);
    const dialler = new SimulatedSocket(world(from, to), life, owner, link, from.buffers, out);
    const answerer = new SimulatedSocket(world(to, from), listening, far, link, to.buffers, into);
    dialler.peer = answerer;
    answerer.peer = dialler;
    this.connections = this.connections.filter(({ ends }) => ends.some((end) => !end.isOver));
    this.connections.push({ from, to, ends: [dialler, answerer] });
    this.trace.text(`${from.name} connects to ${to.name}`);
    if (!to.isMute) listening.run(() => answerer.isClosed || handlers.open(answerer));
    return dialler;
  }

  private between(a: string, b: string): Connection[] {
    return this.connections.filter(
      ({ from, to }) => (from.name === a && to.name === b) || (from.name === b && to.name === a),
    );
  }

  private sockets(life: Life): SimulatedSocket[] {
    return this.connections.flatMap(({ ends }) => ends.filter((end) => end.life === life && !end.isClosed));
  }

  private forgetListeners(life: Life): void {
    for (const [key, listener] of this.listeners) if (listener.life === life) this.listeners.delete(key);
  }
}

/** A handler that throws is told of it, as the runtime does. */
function doorEvents(handlers: DoorHandlers): SocketEvents {
  const guarded = (socket: SimulatedSocket, run: () => void) => {
    try {
      run();
    } catch (error) {
      handlers.error(socket, error as Error);
    }
  };
  return {
    data: (socket, chunk) => guarded(socket, () => handlers.data(socket, chunk)),
    drain: (socket) => guarded(socket, () => handlers.drain(socket)),
    end: (socket) => guarded(socket, () => handlers.end(socket)),
    close: (socket) => guarded(socket, () => handlers.close(socket)),
  };
}

/** Of a connection that no agent hears of. */
const NOBODY: SocketEvents = { data() {}, drain() {}, end() {}, close() {} };
