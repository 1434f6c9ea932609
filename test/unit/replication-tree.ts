import type { Dial } from "../../agent/base/dial.ts";
import { silentLog } from "../../agent/base/log.ts";
import type { SocketOwner, StreamSocket } from "../../agent/base/stream-socket.ts";
import { streamInfoReply } from "../../agent/http/stream-info.ts";
import { Parameters } from "../../agent/http/url.ts";
import type { PusherSettings } from "../../agent/pusher/pusher-world.ts";
import { Pushers } from "../../agent/pusher/pushers.ts";
import { Receiver } from "../../agent/receiver/receiver.ts";
import { imbalance } from "../../agent/rrd/balance.ts";
import type { Chart } from "../../agent/rrd/chart.ts";
import { commitLocal } from "../../agent/rrd/commit.ts";
import type { Database, DatabaseLimits } from "../../agent/rrd/database.ts";
import type { Host } from "../../agent/rrd/host.ts";
import type { MemoryMode } from "../../agent/rrd/host-options.ts";
import { Mismatches } from "../../agent/rrd/mismatches.ts";
import { hopImbalance } from "../../agent/rrd/path.ts";
import { ValueRow } from "../../agent/rrd/value-row.ts";
import { apiSources } from "../http-fixture.ts";
import { addHost, dimension, newDatabase, stored } from "../simulated-host.ts";
import { SimulatedClock, settle } from "./exporter-fixture.ts";

const KEY = "11111111-2222-3333-4444-555555555555";
export const CHILD_GUID = "aaaaaaaa-0000-0000-0000-000000000001";

/** One end of a connection; bytes wait at the other end until they are delivered. */
class End implements StreamSocket {
  readonly remoteAddress = "10.0.0.1";
  readonly inbox: Buffer[] = [];
  owner: SocketOwner | null = null;
  peer!: End;
  isClosed = false;
  /** The other end has closed in order: so does this one, once it has read what was sent to it. */
  isEnding = false;
  /** Bytes behind which it takes no more. */
  room = Number.POSITIVE_INFINITY;

  write(bytes: Uint8Array, offset = 0, length = bytes.length - offset): number {
    if (this.isClosed) return -1;
    const taken = Math.min(length, this.room);
    this.room -= taken;
    if (taken > 0) this.peer.inbox.push(Buffer.from(bytes.subarray(offset, offset + taken)));
    return taken;
  }

  shutdown(): void {}

  end(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner?.close(this);
    this.inbox.length = 0;
    this.peer.isEnding = true;
  }

  terminate(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.owner?.close(this);
    this.peer.inbox.length = 0;
    this.peer.terminate();
  }

  pause(): void {}

  resume(): void {}
}

/** One agent's rooms between collector and socket. */
export class Node {
  readonly database: Database;
  readonly local: Host;
  readonly receiver: Receiver;
  readonly pushers: Pushers;
  readonly mismatches: Mismatches;
  /** Lines of parents and children that broke off, with their text. */
  readonly guid: string;
  private readonly tree: Tree;

  /** @param parents their names, in order of preference, with blanks between them; null = it has none. */
  constructor(tree: Tree, guid: string, parents: string | null, childMode: MemoryMode, localMode: MemoryMode) {
    this.tree = tree;
    this.guid = guid;
    const { clock } = tree;
    this.database = newDatabase(tree.limits);
    this.mismatches = new Mismatches(clock, silentLog);
    const options = { machineGuid: guid, hostname: guid.slice(-2), isLocal: true, memoryMode: localMode };
    this.local = addHost(this.database, { ...options, historyEntries: tree.history })!;
    this.pushers = new Pushers({
      clock,
      random: () => 0.5,
      dial: tree.dial,
      log: silentLog,
      program: "tributary",
      version: "0",
      self: { machineGuid: guid, hostname: () => guid.slice(-2) },
    });
    const settings: PusherSettings | null = parents === null ? null : tree.pushSettings(parents);
    this.receiver = new Receiver({
      database: this.database,
      clock,
      log: silentLog,
      ownGuid: guid,
      mismatches: this.mismatches,
      settings: {
        childSettings: () => ({
          isKeyKnown: true,
          isKeyEnabled: true,
          isMachineEnabled: true,
          keyAllowFrom: "*",
          machineAllowFrom: "*",
          updateEverySec: undefined,
          history: tree.history,
          memoryMode: childMode,
          replication: { isEnabled: true, windowSec: 86_400, stepSec: 600 },
          proxy: { isEnabled: parents !== null, destination: [], apiKey: KEY, sendChartsMatching: "*" },
        }),
        isAllowed: () => true,
        acceptPerSecondMax: 1000,
        receiveTimeoutSec: 120,
        cleanupOrphansAfterSec: 0,
        gapIterations: 3,
        updateEverySec: 1,
      },
      afterData: () => this.pushers.flushAll(),
      connected: (host) => {
        if (settings !== null) this.pushers.attach(host, settings);
      },
    });
    if (settings !== null) this.pushers.attach(this.local, settings);
  }

  /** A second is over. */
  tick(): void {
    this.pushers.flushAll();
    this.receiver.sweep();
    this.pushers.tick(this.tree.clock.monotonicMs());
  }
}

/** Agents joined by connections that a test can cut, in one process and with one clock. */
export class Tree {
  readonly clock = new SimulatedClock();
  readonly nodes = new Map<string, Node>();
  readonly history: number;
  readonly dial: Dial;
  /** Bytes that a connection takes in a second and direction. */
  bytesPerSec = Number.POSITIVE_INFINITY;
  /** Of the databases of agents that are added from now on. */
  limits: Partial<DatabaseLimits> = {};
  /** Agents that are added want to know what the end of the path has stored. */
  confirmsEnd = false;
  /** Names of parents that replicate but are not agents of our kind. */
  readonly foreign = new Set<string>();
  /** Capability bits that an agent is asked for at most, whatever its children offer. */
  readonly asked = new Map<string, number>();
  /** Agents that were sent final values. */
  readonly pointed = new Set<string>();
  /** Names of agents that cannot be reached. */
  readonly unreachable = new Set<string>();
  /** Names of agents to which everything is sent in vain, although connections to them stand. */
  readonly swallowed = new Set<string>();
  /** What becomes of bytes between two agents, once the parent has answered. */
  spoil: (bytes: Buffer) => Buffer = (bytes) => bytes;
  /** Agents may find that they did not read what was written. */
  mayDiffer = false;
  private readonly ends: { readonly server: End; readonly to: string }[] = [];

  constructor(history = 600) {
    this.history = history;
    this.dial = async (destination, owner) => {
      await Promise.resolve();
      const node = this.nodes.get(destination.host);
      if (node === undefined || this.unreachable.has(destination.host)) throw new Error("unreachable");
      const [client, server] = [new End(), new End()];
      client.peer = server;
      server.peer = client;
      client.owner = owner;
      client.room = this.bytesPerSec;
      this.ends.push({ server, to: destination.host });
      return client;
    };
  }

  pushSettings(parents: string): PusherSettings {
    return {
      destinations: parents.split(" "),
      defaultPort: 19_999,
      apiKey: KEY,
      timeoutSec: 60,
      bufferSizeBytes: 200_000,
      reconnectDelaySec: 5,
      initialClockResyncIterations: 60,
      returnAfterSec: 300,
      isReplicating: true,
      confirmsEnd: this.confirmsEnd,
      expectsValues: true,
      sendChartsMatching: "*",
    };
  }

  /** @param parents as of {@link Node}. */
  add(name: string, parents: string | null, childMode: MemoryMode = "ram", localMode: MemoryMode = "ram"): Node {
    const guid = `aaaaaaaa-0000-0000-0000-${String(this.nodes.size + 1).padStart(12, "0")}`;
    const node = new Node(this, guid, parents, childMode, localMode);
    this.nodes.set(name, node);
    return node;
  }

  /** An agent is killed; what it had in memory is gone. */
  remove(name: string): void {
    this.cut(name);
    this.nodes.delete(name);
  }

  /** All connections to an agent break, and no new one comes about until {@link join}. */
  cut(name: string): void {
    this.unreachable.add(name);
    for (const { server, to } of this.ends) if (to === name) server.terminate();
  }

  join(name: string): void {
    this.unreachable.delete(name);
  }

  /** Lets all bytes arrive, and what they bring about. */
  async deliver(): Promise<void> {
    for (let isBusy = true; isBusy; ) {
      await settle();
      isBusy = false;
      for (const { server, to } of this.ends) {
        for (const end of [server, server.peer]) {
          const bytes = Buffer.concat(end.inbox.splice(0));
          if (end.isClosed || this.swallowed.has(to)) continue;
          if (bytes.length === 0 && !end.isEnding) continue;
          isBusy = true;
          if (bytes.length === 0) {
            end.terminate();
            continue;
          }
          this.take(end, bytes, to);
        }
      }
    }
  }

  /** Seconds pass; in each of them `collect` runs before the agents' ticks. */
  async pass(seconds: number, collect: () => void): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      await this.clock.advance(1000);
      collect();
      for (const { server } of this.ends) {
        for (const end of [server, server.peer]) {
          const wasFull = end.room === 0;
          end.room = this.bytesPerSec;
          if (wasFull && !end.isClosed) end.owner?.drain(end);
        }
      }
      for (const node of this.nodes.values()) node.tick();
      await this.deliver();
      for (const node of this.nodes.values()) checkAccounts(node, this.mayDiffer);
    }
  }

  private take(end: End, bytes: Buffer, to: string): void {
    if (end.owner !== null) {
      if (bytes.includes("\nBEGIN2 ")) this.pointed.add(to);
      end.owner.data(end, this.spoil(bytes));
      return;
    }
    if (bytes.subarray(0, 4).toString() === "GET ") {
      end.write(this.answerTo(bytes.toString("latin1"), to));
      return;
    }
    const headBytes = bytes.indexOf("\r\n\r\n") + 4;
    const request = bytes.subarray(0, headBytes);
    const head = asAsked(request, this.foreign.has(to), this.asked.get(to) ?? 0xffff);
    const owner = this.nodes.get(to)?.receiver.take({ socket: end, head, address: "10.0.0.2" }) ?? "";
    if (typeof owner === "string") {
      end.write(Buffer.from(owner));
      return;
    }
    end.owner = owner;
    if (bytes.length > headBytes) owner.data(end, bytes.subarray(headBytes));
  }

  /** What an agent says of a host before it is sent there. */
  private answerTo(request: string, to: string): Buffer {
    const search = /\?(\S+)/.exec(request)?.[1] ?? "";
    const api = apiSources(this.nodes.get(to)!.database, this.clock);
    const body = String(streamInfoReply(api, new Parameters(search)).body);
    return Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  }
}

/** The request as an agent of another kind, or one that knows less, reads it. */
function asAsked(head: Buffer, isForeign: boolean, bits: number): Buffer {
  const text = head.toString("latin1").replace(/ver=([0-9]+)/, (_, ver) => `ver=${Number(ver) & bits}`);
  return Buffer.from(isForeign ? text.replace("tributary=1", "tributary=0") : text, "latin1");
}

function checkAccounts({ database, pushers, mismatches }: Node, mayDiffer: boolean): void {
  for (const { kind, hostname, text } of mismatches.latest) {
    if (kind !== "stream" || !mayDiffer) throw new Error(`${hostname}: ${text}`);
  }
  for (const { hostname, balance } of database.hosts) {
    if (imbalance(balance) !== 0) throw new Error(`${hostname}: ${JSON.stringify(balance)}`);
  }
  for (const { hostname, values } of pushers.status()) {
    if (hopImbalance(values) !== 0) throw new Error(`link of ${hostname}: ${JSON.stringify(values)}`);
  }
}

/** Charts of a child, each second other values. */
export class Load {
  readonly charts: Chart[];
  /** Iterations so far. */
  ticks = 0;
  private readonly clock: SimulatedClock;
  private readonly row = new ValueRow();

  constructor(node: Node, clock: SimulatedClock, count = 3) {
    this.clock = clock;
    this.charts = Array.from({ length: count }, (_, index) => {
      const chart = node.local.defineChart({ id: `load.c${index}` })!;
      node.local.defineDimension(chart, dimension("gauge"));
      node.local.defineDimension(chart, dimension("counter", "incremental"));
      node.local.defineDimension(chart, dimension("part", "percentage-of-incremental-row"));
      return chart;
    });
  }

  collect(): void {
    this.ticks++;
    this.charts.forEach((chart, index) => {
      this.row.set(0, (this.ticks * (index + 7)) % 101);
      this.row.set(1, this.ticks * 1000 + ((this.ticks * 37) % 91));
      this.row.set(2, this.ticks * 50 + (this.ticks % 13));
      // Not all charts at the same moment, and not quite a second apart.
      commitLocal(chart, this.row, Math.round(this.clock.nowUs()) + 10_000 * index + ((this.ticks * 7919) % 5000));
      this.row.clear();
    });
  }
}

/** Seconds at which an agent holds something else of the child than the child does, as `chart dimension second`. */
export function differences(load: Load, node: Node, fromSec = 0, toSec = Number.POSITIVE_INFINITY): string[] {
  const found: string[] = [];
  for (const chart of load.charts) {
    const there = node.database.host(chart.host.machineGuid)?.chart(chart.id);
    const from = Math.max(chart.firstEntrySec + 1, fromSec);
    for (let i = 0; i < chart.dimensions.count; i++) {
      const to = Math.min(toSec, chart.lastEntrySec);
      const here = stored(chart, i, from, to);
      const other = there === undefined ? [] : stored(there, i, from, to);
      here.forEach((value, k) => {
        if (!Object.is(value, other[k])) found.push(`${chart.id} ${i} ${from + k}: ${other[k]}, not ${value}`);
      });
    }
  }
  return found;
}
