import { normalizeAddress } from "../base/address-list.ts";
import { SimplePattern } from "../base/pattern.ts";
import type { TcpQueue } from "../base/tcp-queues.ts";
import type { Chart } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import type { CommitListener } from "../rrd/commit-listener.ts";
import type { Host } from "../rrd/host.ts";
import type { Rejection } from "../wire/answers.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { buildStreamRequest } from "../wire/handshake.ts";
import { Connection, type ConnectionEvents, type Stage } from "./connection.ts";
import type { LossReason } from "./link-account.ts";
import { LinkLog } from "./link-log.ts";
import { LinkOutput } from "./link-output.ts";
import { linkStatus } from "./link-status.ts";
import { ParentChoice } from "./parent-choice.ts";
import { ParentCommands } from "./parent-commands.ts";
import type { PusherShare } from "./pusher-share.ts";
import type { LinkState, LinkStatus, PusherSettings, PusherWorld } from "./pusher-world.ts";
import type { PostponeReason } from "./retry-delay.ts";
import { hopsProblem, isSource, streamFields } from "./stream-fields.ts";

/** A link that lived this long was a good one: after it we connect again at once (streaming.md §2.5). */
const GOOD_LINK_MS = 10_000;
/** The newest iteration is kept for a connection that is being made; what is older belongs to a second that is over. */
const HOLD_MS_MAX = 5000;

/**
 * Streams one host to one of its parents. `idle` (nothing committed yet) → `connecting` → `connected`; an attempt that
 * fails goes to the next parent, and after the last one to `waiting`, or back to `idle` if there was no value yet.
 */
export class HostPusher implements CommitListener, ConnectionEvents {
  readonly host: Host;
  readonly output: LinkOutput;
  private readonly world: PusherWorld;
  private readonly share: PusherShare;
  private readonly log: LinkLog;
  readonly choice: ParentChoice;
  private settings: PusherSettings;
  private state: "idle" | LinkState = "idle";
  /** When it began. */
  sinceUs: number;
  private connection: Connection | null = null;
  private parent: ParentCommands;
  error = "";
  /** What values are lost for while there is no connection. */
  private lossReason: LossReason = "not_connected";
  /** The newest iteration may wait in the buffer for the connection that is being made. */
  private isHolding = true;
  private isDirty = false;
  private attemptMs = 0;
  private connectedMs = 0;

  /** @throws InputError when a destination or the pattern cannot be read. */
  constructor(host: Host, settings: PusherSettings, world: PusherWorld, share: PusherShare) {
    this.host = host;
    this.settings = settings;
    this.world = world;
    this.share = share;
    this.output = new LinkOutput(settings, share.heads, world.clock);
    this.parent = new ParentCommands(this.output);
    this.choice = new ParentChoice(settings, world.random);
    this.log = new LinkLog(world.log, host, this.choice);
    this.sinceUs = world.clock.nowUs();
  }

  get linkState(): LinkState {
    return this.state === "idle" ? "waiting" : this.state;
  }

  commit(chart: Chart, row: CollectedRow, elapsedUs: number): void {
    if (!this.output.wants(chart)) return;
    if (this.state !== "connected" && !this.mayHold(chart)) {
      this.lose(row.setCount);
      return;
    }
    this.markDirty();
    if (!this.output.append(chart, row, elapsedUs)) this.appendToFull(chart, row, elapsedUs);
  }

  point(chart: Chart, timeSec: number, setCount: number): boolean {
    if (this.state !== "connected" || !this.output.wants(chart)) return false;
    this.markDirty();
    return this.output.appendPoint(chart, timeSec, setCount);
  }

  retired(chart: Chart): void {
    // With a full buffer the connection is about to be given up: the next one begins without this chart.
    if (this.state === "connected" && this.output.retire(chart)) this.share.dirty(this);
  }

  /** Makes one attempt for values that are sure to come: the link stands before the first of them. */
  expectValues(): void {
    if (this.state === "idle") this.beginRound(this.world.clock.monotonicMs());
  }

  /** Offers what was appended to the kernel; starts the first connection. @param nowMs monotonic. */
  flush(nowMs: number): void {
    this.isDirty = false;
    if (this.state === "idle") this.beginRound(nowMs);
    this.offer(nowMs, false);
  }

  /** Call every few seconds, if they are known. @param nowMs monotonic. */
  noteQueues(queues: ReadonlyMap<number, TcpQueue>, nowMs: number): void {
    this.output.noteQueue(queues.get(this.connection?.queueKey ?? Number.NaN), nowMs);
  }

  /** Call once a second. @param nowMs monotonic. */
  tick(nowMs: number): void {
    if (this.state === "connecting") this.tickConnecting(nowMs);
    else if (this.state === "connected") this.tickConnected(nowMs);
    else if (this.state === "waiting" && this.choice.isDue(nowMs)) this.beginRound(nowMs);
  }

  /**
   * Takes new settings; other parents or another key mean a new connection.
   * @throws InputError as the constructor; then nothing changes.
   */
  configure(settings: PusherSettings): void {
    // Both may throw, and neither has changed anything then.
    const pattern = new SimplePattern(settings.sendChartsMatching);
    const isOther = this.choice.configure(settings, this.settings);
    this.output.configure(settings, pattern);
    this.settings = settings;
    if (!isOther) return;
    const isIdle = this.state === "idle";
    if (this.state === "connected") this.ending();
    this.leave();
    this.clearError();
    if (!isIdle) this.beginRound(this.world.clock.monotonicMs());
  }

  /** Every chart is defined once more before its next values: its own sender has connected anew (streaming.md §4). */
  repeatDefinitions(): void {
    this.output.repeatDefinitions();
  }

  /** Gives the kernel what it takes, then closes in order, for good. */
  close(): void {
    this.log.stopping();
    this.leave();
    this.enter("off");
  }

  status(): LinkStatus {
    return linkStatus(this, this.settings.bufferSizeBytes);
  }

  opened(address: string): Buffer | string {
    const { host } = this;
    const peer = normalizeAddress(address);
    this.choice.opened();
    if (isSource(host, peer)) {
      this.postpone("loop");
      this.lossReason = "refused";
      this.log.loopRefused(peer);
      return `${peer} is where this host is received from; name another parent`;
    }
    this.log.waitingReply();
    return buildStreamRequest(streamFields(host, this.settings.apiKey, this.connection?.offered ?? 0, this.world));
  }

  accepted(agreed: Capabilities): void {
    const nowMs = this.world.clock.monotonicMs();
    this.enter("connected");
    this.parent = new ParentCommands(this.output);
    this.connectedMs = nowMs;
    this.clearError();
    this.choice.accepted();
    this.share.counters.connects++;
    this.log.established(agreed.agreed);
    this.output.agree(agreed, this.host);
    if (this.share.willLook() && !Number.isNaN(this.connection?.queueKey)) this.output.watch();
    this.flush(nowMs);
  }

  received(bytes: number): void {
    this.share.counters.bytesIn += bytes;
  }

  commands(chunk: Buffer): void {
    this.parent.feed(chunk);
    this.flush(this.world.clock.monotonicMs());
  }

  get needsOrder(): boolean {
    return this.output.replication?.needsOrder ?? false;
  }

  past(chart: Chart, afterSec: number, beforeSec: number): void {
    this.markDirty();
    this.output.replication?.grown(chart, afterSec, beforeSec);
  }

  drained(): void {
    this.output.unblock();
    this.flush(this.world.clock.monotonicMs());
  }

  ending(): void {
    this.share.lookAgain(this.world.clock.monotonicMs());
    this.output.settleConfirmed();
  }

  failed(stage: Stage, rejection: Rejection | null, problem: string): void {
    const nowMs = this.world.clock.monotonicMs();
    this.connection = null;
    this.error = problem;
    if (stage === "streaming") {
      this.lostLink(nowMs, "disconnect");
      return;
    }
    if (rejection === "compressed") {
      this.log.offerWithdrawn(problem);
      this.choice.withdrawOffer();
    } else if (rejection !== null) this.refused(rejection, problem);
    else if (this.choice.reason !== "loop") {
      this.lossReason = "not_connected";
      this.log.connectFailed(problem);
    }
    this.attempt(nowMs);
  }

  private markDirty(): void {
    if (!this.isDirty) this.share.dirty(this);
    this.isDirty = true;
  }

  private enter(state: "idle" | LinkState): void {
    this.state = state;
    this.sinceUs = this.world.clock.nowUs();
  }

  private clearError(): void {
    this.error = "";
    this.lossReason = "not_connected";
  }

  /** Values that no connection can take. */
  private lose(values: number): void {
    this.output.lose(values, this.lossReason);
    this.log.valuesDiscarded(values, this.lossReason, this.error);
  }

  /** May an iteration of this chart wait in the buffer for the connection that is being made? Only the newest does. */
  private mayHold(chart: Chart): boolean {
    if (!this.isHolding || this.state === "waiting" || this.state === "off") return false;
    if (this.output.has(chart)) this.discardHeld(true);
    return true;
  }

  private discardHeld(isReplaced = false): void {
    this.log.valuesDiscarded(this.output.account.queued, this.lossReason, this.error);
    if (isReplaced) this.output.replace(this.lossReason);
    else this.output.breakOff(this.lossReason);
  }

  /** The kernel is asked once more, then the connection is given up. */
  private appendToFull(chart: Chart, row: CollectedRow, elapsedUs: number): void {
    if (this.state !== "connected") {
      this.discardHeld();
      this.lose(row.setCount);
      return;
    }
    const nowMs = this.world.clock.monotonicMs();
    this.offer(nowMs, true);
    // The offer may have found the connection broken.
    if (this.connection?.socket == null) this.lose(row.setCount);
    else if (!this.output.append(chart, row, elapsedUs)) {
      this.output.lose(row.setCount, "overflow");
      this.overflow(nowMs);
    }
  }

  private overflow(nowMs: number): void {
    const { output } = this;
    const limitBytes = this.settings.bufferSizeBytes;
    this.share.counters.overflows++;
    this.error = `the send buffer of ${limitBytes} bytes is full: the parent does not read fast enough`;
    this.log.bufferOverflow(limitBytes, output.pendingBytes, output.sentBytes, output.connectionBytes);
    this.ending();
    this.connection?.abort();
    this.lostLink(nowMs, "overflow");
  }

  /** Offers pending bytes to the kernel once. */
  private offer(nowMs: number, isUrgent: boolean): void {
    const { connection } = this;
    const socket = connection?.socket ?? null;
    if (connection === null || socket === null) return;
    const taken = this.output.offer(socket, nowMs, isUrgent);
    this.share.counters.bytesOut += Math.max(0, taken);
    // The write itself may have told of the end already.
    if (taken >= 0 || this.connection !== connection) return;
    connection.abort();
    this.failed("streaming", null, "connection reset");
  }

  private tickConnecting(nowMs: number): void {
    this.connection?.tick(nowMs);
    if (this.state !== "connecting" || !this.isHolding || nowMs - this.attemptMs < HOLD_MS_MAX) return;
    this.isHolding = false;
    this.discardHeld();
  }

  private tickConnected(nowMs: number): void {
    this.output.tick(nowMs);
    if (this.output.tellFacts(this.host)) this.flush(nowMs);
    if (this.output.stalledMs(nowMs) < this.settings.timeoutSec * 1000) return;
    this.ending();
    this.connection?.abort();
    this.error = `no output moved for ${this.settings.timeoutSec} s`;
    this.postpone("send_timeout");
    this.lostLink(nowMs, "disconnect");
  }

  /** An accepted connection is gone: what it had not delivered is lost. */
  private lostLink(nowMs: number, reason: LossReason): void {
    const { output } = this;
    const livedMs = nowMs - this.connectedMs;
    this.connection = null;
    if (reason !== "overflow") {
      this.share.counters.lost++;
      this.log.sendFailed(this.error, output.connectionBytes, livedMs);
    }
    this.log.bytesDiscarded(output.pendingBytes, output.account.queued);
    output.settle(nowMs);
    output.breakOff(reason);
    if (livedMs >= GOOD_LINK_MS && output.account.offered > 0) {
      this.choice.succeeded();
      this.beginRound(nowMs);
    } else this.wait(this.choice.delayedMs(nowMs));
  }

  private beginRound(nowMs: number): void {
    this.choice.beginRound();
    this.isHolding = true;
    this.attemptMs = nowMs;
    this.attempt(nowMs);
  }

  /** Tries the next parent of this round. */
  private attempt(nowMs: number): void {
    const { host, world } = this;
    const problem = hopsProblem(host);
    if (problem !== "") {
      this.error = problem;
      this.lossReason = "refused";
      this.log.tooManyHops(problem);
      this.discardHeld();
      this.enter("off");
      return;
    }
    const destination = this.choice.next(nowMs);
    if (destination === null) {
      this.wait(this.choice.nextRoundMs(nowMs));
      return;
    }
    this.enter("connecting");
    this.log.connecting();
    this.connection = new Connection(world.clock, destination, this.choice.limits(host, this.settings), this);
    this.connection.start(world.dial);
  }

  private wait(untilMs: number): void {
    this.discardHeld();
    this.choice.wait(untilMs);
    // As long as there was no value, nothing is tried again and again: the first one begins a round.
    const isIdle = this.output.account.offered === 0;
    this.isHolding = isIdle;
    this.enter(isIdle ? "idle" : "waiting");
  }

  private refused(rejection: Exclude<Rejection, "compressed">, problem: string): void {
    this.postpone(rejection);
    this.lossReason = rejection === "no_reply" ? "not_connected" : "refused";
    if (rejection !== "no_reply") this.share.counters.rejected++;
    this.log.rejected(rejection, problem);
  }

  private postpone(reason: PostponeReason): void {
    this.choice.postpone(reason, this.world.clock.monotonicMs());
  }

  /** Ends whatever connection there is, in order. */
  private leave(): void {
    this.offer(this.world.clock.monotonicMs(), false);
    const { connection } = this;
    this.connection = null;
    if (connection?.stage === "streaming") {
      connection.finish();
      this.output.close();
    } else {
      connection?.abort();
      this.output.breakOff(this.lossReason);
    }
  }
}
