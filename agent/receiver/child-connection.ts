import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { SocketOwner, StreamSocket } from "../base/stream-socket.ts";
import type { ReplicationSettings } from "../config/child-settings.ts";
import type { Host } from "../rrd/host.ts";
import type { Mismatches } from "../rrd/mismatches.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { extensionLine, replayChartLine } from "../wire/encode-replay.ts";
import type { LineProblem } from "../wire/stream-handler.ts";
import { CommandOutput } from "./command-output.ts";
import type { ReceiverCounters } from "./counters.ts";
import { EndMarks, ringReachSec } from "./end-marks.ts";
import { HostBackfill } from "./host-backfill.ts";
import { HostWriter, type WriterEvents } from "./host-writer.ts";
import { LagGuard } from "./lag-guard.ts";
import { type InputTurns, PacedInput, type PacedInputEvents } from "./paced-input.ts";
import type { Refusals } from "./refusals.ts";
import { ReplayPace } from "./replay-pace.ts";
import { ReplayPlan } from "./replay-plan.ts";
import type { ReplayShare } from "./replay-share.ts";
import { SenderReports } from "./sender-reports.ts";

/** A connection that sent something within this time still owns its machine GUID (streaming.md §11.10). */
const ACTIVE_MS = 30_000;
/**
 * One of our kind sends what it collects at once. When it is silent for this long, and for so many of its intervals,
 * its machine has lost power or its way, and the new connection is its next one.
 */
const OURS_ACTIVE_MS = 5000;
const OURS_ACTIVE_INTERVALS = 3;
/** Bad lines within {@link PROBLEM_WINDOW_MS} after which the stream is not worth following. */
const PROBLEMS_MAX = 1000;
const PROBLEM_WINDOW_MS = 10_000;
/** Bytes of a bad line shown in the log. */
const EXCERPT_BYTES = 80;

/** What a connection needs of the receiver around it. */
export interface ConnectionContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly counters: ReceiverCounters;
  /** Called after each chunk: whoever streams on may send now. */
  readonly afterData: () => void;
  /** The connection has ended, for whatever reason. Called once. */
  readonly ended: (connection: ChildConnection) => void;
  /** What may be asked for of the past, of all connections together. */
  readonly replayShare: ReplayShare;
  readonly inputTurns: InputTurns;
  /** What is not taken is remembered here. */
  readonly refusals: Refusals;
  /** What does not add up is told here. */
  readonly mismatches: Mismatches;
  /** This agent, for children of our kind. */
  readonly self: { readonly machineGuid: string; readonly hostname: () => string };
}

/** Who connected, and what was agreed with it. */
export interface ChildIdentity {
  readonly host: Host;
  readonly address: string;
  readonly hostname: string;
  readonly key: string;
  readonly capabilities: Capabilities;
  /** It is an agent of our kind. */
  readonly isTributary: boolean;
  readonly replication: ReplicationSettings;
}

/** One accepted child: its socket, its decoder, its host. */
export class ChildConnection implements SocketOwner, WriterEvents, PacedInputEvents {
  readonly host: Host;
  readonly address: string;
  /** Name it gave itself on this connection. */
  readonly hostname: string;
  /** API key it showed; never logged or shown whole. */
  readonly key: string;
  /** When it was accepted, wall clock in µs, and when bytes came last, monotonic. */
  readonly sinceUs: number;
  lastDataMs: number;
  bytesIn = 0;
  private readonly context: ConnectionContext;
  private readonly writer: HostWriter;
  private readonly input: PacedInput;
  private readonly lag: LagGuard;
  private readonly commands: CommandOutput;
  private readonly isTributary: boolean;
  /** Null: the child cannot be asked for its past. */
  private readonly backfill: HostBackfill | null = null;
  private readonly replayWindowSec: number;
  private readonly endMarks = new EndMarks();
  private isGreeted = false;
  private socket: StreamSocket | null;
  private endReason = "closed by the child";
  /** We end it: what was not decoded by then is of no interest. */
  private isLeaving = false;
  private problems = 0;
  private problemsSinceMs = 0;
  private readonly reported = new Set<LineProblem>();
  private toldSetback = false;
  private toldAhead = false;

  constructor(socket: StreamSocket, identity: ChildIdentity, context: ConnectionContext) {
    this.socket = socket;
    this.commands = new CommandOutput(socket);
    this.host = identity.host;
    this.address = identity.address;
    this.hostname = identity.hostname;
    this.key = identity.key;
    this.context = context;
    this.sinceUs = context.clock.nowUs();
    this.lastDataMs = context.clock.monotonicMs();
    this.isTributary = identity.isTributary;
    this.replayWindowSec = identity.replication.windowSec;
    if (identity.capabilities.replication) {
      const { host, replication } = identity;
      const pace = new ReplayPace(context.clock);
      const plan = new ReplayPlan(host, replication, context.replayShare, pace, (request) => {
        const { chart, startsStreaming, afterSec, beforeSec } = request;
        this.commands.add(replayChartLine(chart.id, startsStreaming, afterSec, beforeSec));
      });
      this.backfill = new HostBackfill(identity.host, plan);
    } else if (identity.host.missingFromSec > 0) {
      // Nobody can be asked for it: what waits for it would wait for ever.
      identity.host.missingFromSec = 0;
      identity.host.files?.hostChanged();
    }
    const { host, address } = identity;
    const reports = this.isTributary ? new SenderReports(host, address, context.clock, context.mismatches) : null;
    this.writer = new HostWriter(host, this, this.backfill, reports);
    this.input = new PacedInput(context.clock, context.inputTurns, this.writer, this);
    this.lag = new LagGuard(identity.host.updateEverySec);
  }

  data(socket: StreamSocket, chunk: Buffer): void {
    if (this.socket === null) return;
    const { context } = this;
    this.lastDataMs = context.clock.monotonicMs();
    this.bytesIn += chunk.length;
    context.counters.bytesIn += chunk.length;
    if (this.isTributary && !this.isGreeted) this.greet();
    this.turn(() => this.input.take(socket, chunk, context.clock.nowUs()));
  }

  turn(take: () => boolean): void {
    const { context, writer, host } = this;
    const nowUs = context.clock.nowUs();
    const samplesBefore = writer.samples;
    const { clockSetbacks, balance } = host;
    const aheadBefore = balance.dropped.clock;
    const isFollowed = take();
    context.counters.samples += writer.samples - samplesBefore;
    if (writer.samples > samplesBefore && this.backfill?.isTrusting !== true) this.watchClock(nowUs);
    this.sendCommands();
    if (host.clockSetbacks > clockSetbacks || balance.dropped.clock > aheadBefore) this.tellClock(aheadBefore);
    if (!isFollowed) this.disconnect("sent a line longer than 64 KiB");
    context.afterData();
  }

  drain(): void {
    this.commands.drained();
  }

  /** Call once a second: tells a child of our kind how far its stream is stored. */
  tick(): void {
    this.backfill?.tick();
    if (this.isGreeted) {
      const storedBytes = this.bytesIn - this.input.pendingBytes;
      const nowUs = this.context.clock.nowUs();
      const fetchSec = this.backfill?.isTrusting === true ? Math.min(this.replayWindowSec, ringReachSec(this.host)) : 0;
      const end = this.endMarks.report(this.host, storedBytes);
      const words = ["STORED", `${storedBytes}`, `${nowUs}`, `${this.host.missingFromSec}`, `${fetchSec}`, ...end];
      this.commands.add(extensionLine(words));
    }
    this.sendCommands();
  }

  end(): void {
    this.finishInput();
    this.disconnect("closed by the child");
  }

  close(): void {
    if (this.socket === null) return;
    if (this.isLeaving) this.tellDiscarded(this.input.waitingBytes);
    else this.finishInput();
    // What came last may have made us end the connection.
    if (this.socket === null) return;
    this.socket = null;
    this.input.end();
    this.backfill?.end();
    this.context.counters.closed++;
    this.context.log.info("receiver.child_disconnected", {
      host: this.host.hostname,
      address: this.address,
      guid: this.host.machineGuid,
      updates: this.writer.updates,
      reason: this.endReason,
    });
    this.context.ended(this);
  }

  /** Ends the connection from our side. */
  disconnect(reason: string): void {
    if (this.socket === null || this.isLeaving) return;
    this.isLeaving = true;
    this.endReason = reason;
    this.socket.end();
  }

  /** It is not read, because what it sent before still waits to be stored. */
  get isBehind(): boolean {
    return this.input.waitingBytes > 0;
  }

  /** True if nothing was read for longer than the child may be silent: the timeout, or 10 of its intervals. */
  isSilent(nowMs: number, timeoutSec: number): boolean {
    return nowMs - this.lastDataMs > 1000 * Math.max(timeoutSec, 10 * this.host.updateEverySec);
  }

  /** Nobody else may stream this machine GUID now. @param nowMs monotonic. */
  isActive(nowMs: number): boolean {
    const oursMs = Math.max(OURS_ACTIVE_MS, 1000 * OURS_ACTIVE_INTERVALS * this.host.updateEverySec);
    return nowMs - this.lastDataMs < (this.isTributary ? Math.min(oursMs, ACTIVE_MS) : ACTIVE_MS);
  }

  problem(kind: LineProblem, line: Uint8Array): void {
    const { context, host, address } = this;
    context.counters.lines[kind]++;
    if (!this.reported.has(kind)) {
      this.reported.add(kind);
      const excerpt = Buffer.from(line.subarray(0, EXCERPT_BYTES)).toString("utf8");
      context.log.warn("receiver.line_ignored", { host: host.hostname, address, kind, line: excerpt });
    }
    if (kind !== "malformed") return;
    if (this.lastDataMs - this.problemsSinceMs > PROBLEM_WINDOW_MS) {
      this.problemsSinceMs = this.lastDataMs;
      this.problems = 0;
    }
    this.problems++;
    if (this.problems === PROBLEMS_MAX) this.disconnect(`sent ${PROBLEMS_MAX} malformed lines within 10 s`);
  }

  disable(): void {
    this.disconnect("asked to stop (DISABLE)");
  }

  /** A child of our kind asks what the last agent of the path has stored. */
  extension([word, what]: readonly string[]): void {
    if (word === "CONFIRM" && this.isGreeted) this.endMarks.ask(this.host, what === "end");
  }

  /** The child has gone: what it sent before is stored, as far as that takes no time that others need. */
  private finishInput(): void {
    if (this.input.pendingBytes === 0) return;
    let leftBytes = 0;
    this.turn(() => {
      leftBytes = this.input.finish();
      return true;
    });
    this.tellDiscarded(leftBytes);
  }

  private tellDiscarded(bytes: number): void {
    if (bytes > 0) this.context.log.warn("receiver.bytes_discarded", { host: this.host.hostname, bytes });
  }

  private greet(): void {
    const { machineGuid, hostname } = this.context.self;
    this.isGreeted = true;
    this.commands.add(extensionLine(["1", machineGuid, hostname()]));
    this.backfill?.allowLater();
  }

  private sendCommands(): void {
    if (this.socket === null) return;
    this.commands.flush();
    if (this.commands.hasOverflown) this.disconnect("does not read what it is asked");
  }

  /** Charts whose lag stays take their time from our clock once. */
  private watchClock(nowUs: number): void {
    const { host, writer, lag, context } = this;
    const { oldestUs } = writer;
    writer.oldestUs = Number.POSITIVE_INFINITY;
    if (!lag.isStuck(oldestUs, nowUs)) return;
    host.syncClocks(nowUs - lag.lagUsMax);
    context.counters.reanchored++;
    const lagSec = Math.round((nowUs - oldestUs) / 1e6);
    context.log.warn("receiver.clock_reanchored", { host: host.hostname, lag_seconds: lagSec });
  }

  /** Says once a connection why values are not stored, or why charts went back in time. */
  private tellClock(aheadBefore: number): void {
    const { host, address, context } = this;
    if (host.balance.dropped.clock === aheadBefore) {
      // What it sends follows on times that do not hold here any more.
      if (this.backfill?.isTrusting === true) this.disconnect("the clock of this machine was put back");
      if (this.toldSetback) return;
      this.toldSetback = true;
      const text = "the clock of this machine was put back; charts of this host go back with it";
      context.log.warn("receiver.clock_set_back", { host: host.hostname, text });
      return;
    }
    if (this.toldAhead) return;
    this.toldAhead = true;
    const text = "its values are more than 5 s ahead of this machine's clock and not stored";
    const { hostname, key } = this;
    const { machineGuid } = host;
    const { advice } = context.refusals.add("clock_ahead", text, { address, hostname, machineGuid, key });
    context.log.error("receiver.values_ahead", { host: host.hostname, address, text, advice });
  }
}
