import { normalizeAddress } from "../base/address-list.ts";
import { SimplePattern } from "../base/pattern.ts";
import type { TcpQueue } from "../base/tcp-queues.ts";
import type { Chart } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import type { CommitListener, PathEnd } from "../rrd/commit-listener.ts";
import type { Host } from "../rrd/host.ts";
import type { Rejection } from "../wire/answers.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { buildStreamRequest } from "../wire/handshake.ts";
import { Connection, type ConnectionEvents, type Stage } from "./connection.ts";
import type { DestinationEntry } from "./destination-entry.ts";
import type { LossReason } from "./link-account.ts";
import { LinkLog } from "./link-log.ts";
import { LinkOutput } from "./link-output.ts";
import { linkStatus } from "./link-status.ts";
import { ParentChoice } from "./parent-choice.ts";
import { ParentCommands } from "./parent-commands.ts";
import { ParentReturn } from "./parent-return.ts";
import { ParentWatch } from "./parent-watch.ts";
import type { PusherShare } from "./pusher-share.ts";
import type { LinkState, LinkStatus, PusherSettings, PusherWorld } from "./pusher-world.ts";
import { clockProblem, rejectionText } from "./rejection-text.ts";
import { hopsProblem, isSource, streamFields } from "./stream-fields.ts";
import { UnsentValues } from "./unsent-values.ts";

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
  parent: ParentCommands;
  error = "";
  private readonly unsent: UnsentValues;
  private readonly watch: ParentWatch;
  private readonly return: ParentReturn;
  private isDirty = false;
  private connectedMs = 0;

  /** @throws InputError when a destination or the pattern cannot be read. */
  constructor(host: Host, settings: PusherSettings, world: PusherWorld, share: PusherShare) {
    this.host = host;
    this.settings = settings;
    this.world = world;
    this.share = share;
    this.output = new LinkOutput(settings, share.heads, world);
    this.parent = new ParentCommands(this.output, world.clock);
    this.choice = new ParentChoice(host, settings, world);
    this.watch = new ParentWatch(this.output, this.choice);
    this.return = new ParentReturn(host.machineGuid, this.choice, world);
    this.log = new LinkLog(world.log, host, this.choice);
    this.unsent = new UnsentValues(this.output, this.log);
    this.sinceUs = world.clock.nowUs();
  }

  get linkState(): LinkState {
    return this.state === "idle" ? "waiting" : this.state;
  }

  commit(chart: Chart, row: CollectedRow, elapsedUs: number, advancedUs: number): void {
    if (!this.output.wants(chart)) return;
    if (this.state !== "connected" && !this.unsent.mayHold(chart, this.error)) {
      this.unsent.lose(row.setCount, this.error);
      return;
    }
    this.markDirty();
    const passedUs = this.output.replication === null ? elapsedUs : advancedUs;
    if (!this.output.append(chart, row, passedUs)) this.appendToFull(chart, row, passedUs);
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
    if (this.state === "connecting") this.connection?.tick(nowMs);
    if (this.state === "connecting") this.unsent.tick(nowMs, this.error);
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
      this.choice.postpone("loop");
      this.unsent.reason = "refused";
      this.log.loopRefused(peer);
      return `${peer} is where this host is received from; name another parent`;
    }
    this.log.waitingReply();
    return buildStreamRequest(streamFields(host, this.settings.apiKey, this.connection?.offered ?? 0, this.world));
  }

  accepted(agreed: Capabilities): void {
    const nowMs = this.world.clock.monotonicMs();
    this.enter("connected");
    this.parent = new ParentCommands(this.output, this.world.clock);
    this.watch.restart();
    this.return.restart();
    this.connectedMs = nowMs;
    this.clearError();
    this.choice.accepted();
    this.share.counters.connects++;
    this.log.established(agreed.agreed);
    this.output.agree(agreed, this.host, this.choice.name);
    if (this.share.willLook() && !Number.isNaN(this.connection?.queueKey)) this.output.watch();
    this.flush(nowMs);
  }

  received(bytes: number): void {
    this.share.counters.bytesIn += bytes;
  }

  commands(chunk: Buffer): void {
    const nowMs = this.world.clock.monotonicMs();
    this.parent.feed(chunk);
    this.watch.heard(this.parent, nowMs);
    this.flush(nowMs);
  }

  get needsOrder(): boolean {
    return this.output.replication?.needsOrder ?? false;
  }

  get pathEnd(): PathEnd {
    return this.output.end;
  }

  past(chart: Chart, afterSec: number, beforeSec: number): void {
    this.markDirty();
    (this.output.replication ?? this.output.points)?.grown(chart, afterSec, beforeSec);
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
      this.unsent.reason = "not_connected";
      this.log.connectFailed(problem);
    }
    this.choice.ended(this.error);
    this.attempt(nowMs);
  }

  private markDirty(): void {
    if (!this.isDirty) this.share.dirty(this);
    this.isDirty = true;
  }

  private enter(state: "idle" | LinkState): void {
    this.state = state;
    if (state === "off") this.unsent.rest(false);
    this.sinceUs = this.world.clock.nowUs();
  }

  private clearError(): void {
    this.error = "";
    this.unsent.reason = "not_connected";
  }

  /** The kernel is asked once more, then the connection is given up. */
  private appendToFull(chart: Chart, row: CollectedRow, elapsedUs: number): void {
    if (this.state !== "connected") {
      this.unsent.discard(this.error);
      this.unsent.lose(row.setCount, this.error);
      return;
    }
    const nowMs = this.world.clock.monotonicMs();
    this.offer(nowMs, true);
    // The offer may have found the connection broken.
    if (this.connection?.socket == null) this.unsent.lose(row.setCount, this.error);
    else if (!this.output.append(chart, row, elapsedUs)) {
      this.output.lose(row.setCount, "overflow");
      const { bufferSizeBytes } = this.settings;
      this.share.counters.overflows++;
      this.error = `the send buffer of ${bufferSizeBytes} bytes is full: the parent does not read fast enough`;
      this.log.bufferOverflow(bufferSizeBytes, this.output);
      this.giveUp(nowMs, "overflow");
    }
  }

  /** Offers pending bytes to the kernel once. */
  private offer(nowMs: number, isUrgent: boolean): void {
    const { connection } = this;
    const socket = connection?.socket ?? null;
    if (connection === null || socket === null) return;
    const taken = this.output.offer(socket, nowMs, isUrgent);
    if (this.output.isCutShort) this.share.later(this);
    this.share.counters.bytesOut += Math.max(0, taken);
    // The write itself may have told of the end already.
    if (taken >= 0 || this.connection !== connection) return;
    connection.abort();
    this.failed("streaming", null, "connection reset");
  }

  private tickConnected(nowMs: number): void {
    const { output, parent, settings } = this;
    output.tick(nowMs);
    this.log.tick(clockProblem(parent.clockOffsetSec), output.account.recovered);
    if (output.tellFacts(this.host) || !output.isDelivered) this.flush(nowMs);
    if (this.state !== "connected") return;
    const verdict = this.watch.verdict(parent, nowMs, settings.timeoutSec);
    if (verdict !== null) {
      this.error = verdict.problem;
      this.choice.postpone(verdict.reason);
      this.giveUp(nowMs, "disconnect");
      return;
    }
    const preferred = this.return.due(nowMs, nowMs - this.connectedMs, settings.returnAfterSec, output.isDelivered);
    if (preferred !== null) this.returnTo(preferred, nowMs);
  }

  /** Leaves the present parent, which has everything, for one that is preferred to it. */
  private returnTo(preferred: DestinationEntry, nowMs: number): void {
    this.log.returning(preferred.destination.name);
    this.ending();
    this.leave();
    this.unsent.begin(nowMs);
    this.choice.beginReturn(preferred);
    this.attempt(nowMs);
  }

  private giveUp(nowMs: number, reason: LossReason): void {
    this.ending();
    this.connection?.abort();
    this.lostLink(nowMs, reason);
  }

  /** An accepted connection is gone: what it had not delivered is lost. */
  private lostLink(nowMs: number, reason: LossReason): void {
    const { output } = this;
    const livedMs = nowMs - this.connectedMs;
    this.connection = null;
    this.choice.ended(this.error);
    if (reason !== "overflow") {
      this.share.counters.lost++;
      this.log.sendFailed(this.error, output.connectionBytes, livedMs);
    }
    this.log.bytesDiscarded(output.pendingBytes, output.account.queued);
    output.settle(nowMs);
    output.breakOff(reason);
    if (output.account.offered > 0 && this.choice.wasGood(livedMs)) this.beginRound(nowMs);
    else this.wait(this.choice.delayedMs(nowMs));
  }

  /** Tries the parents in turn, after they were asked which is best. */
  private beginRound(nowMs: number): void {
    this.unsent.begin(nowMs);
    const problem = hopsProblem(this.host);
    if (problem === "") {
      this.enter("connecting");
      this.choice.beginRound(nowMs, () => this.attempt(this.world.clock.monotonicMs()));
      return;
    }
    this.error = problem;
    this.unsent.reason = "refused";
    this.log.tooManyHops(problem);
    this.unsent.discard(problem);
    this.enter("off");
  }

  /** Tries the next parent of this round. */
  private attempt(nowMs: number): void {
    const destination = this.choice.next(nowMs);
    if (destination === null) {
      this.wait(this.choice.nextRoundMs(nowMs));
      return;
    }
    this.enter("connecting");
    this.log.connecting();
    const limits = this.choice.limits(this.host, this.settings);
    this.connection = new Connection(this.world.clock, destination, limits, this);
    this.connection.start(this.world.dial);
  }

  private wait(untilMs: number): void {
    this.unsent.discard(this.error);
    this.choice.wait(untilMs);
    // As long as there was no value, nothing is tried again and again: the first one begins a round.
    const isIdle = this.output.account.offered === 0;
    this.unsent.rest(isIdle);
    this.enter(isIdle ? "idle" : "waiting");
  }

  private refused(rejection: Exclude<Rejection, "compressed">, problem: string): void {
    this.error = rejectionText(rejection, problem, this.settings.apiKey, this.host.machineGuid);
    this.choice.postpone(rejection);
    this.unsent.reason = rejection === "no_reply" ? "not_connected" : "refused";
    if (rejection !== "no_reply") this.share.counters.rejected++;
    this.log.rejected(rejection, problem, this.error);
  }

  /** Ends whatever connection there is, in order. */
  private leave(): void {
    this.offer(this.world.clock.monotonicMs(), false);
    const { connection } = this;
    this.connection = null;
    this.choice.cancel();
    this.choice.ended("");
    this.return.restart();
    if (connection?.stage === "streaming") {
      connection.finish();
      this.output.close();
    } else {
      connection?.abort();
      this.output.breakOff(this.unsent.reason);
    }
  }
}
