import type { Clock } from "../base/clock.ts";
import { SimplePattern } from "../base/pattern.ts";
import { SendBuffer } from "../base/send-buffer.ts";
import type { StreamSocket } from "../base/stream-socket.ts";
import type { TcpQueue } from "../base/tcp-queues.ts";
import type { Chart } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import type { Host } from "../rrd/host.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { ChartStream, type SetHeadsCache } from "./chart-stream.ts";
import { EndConfirmation, type EndReport, type FetchReport } from "./end-confirmation.ts";
import { FinalPoints } from "./final-points.ts";
import { HostFactsLines } from "./host-facts-lines.ts";
import { LinkAccount, type LossReason } from "./link-account.ts";
import { PathReport } from "./path-report.ts";
import type { PusherSettings, PusherWorld } from "./pusher-world.ts";
import { Replication } from "./replication.ts";

/** How often the buffer may give memory back. */
const RELAX_MS = 60_000;
/** Time that answers may take at once: whatever else waits has its turn between. */
const TURN_MS = 20;

/** A parent of our kind has said so by then; any other asks for all that it lacks of a chart before that streams. */
const GREETING_MS_MAX = 5000;

/** Everything of a link that is on its way out: lines, the buffer they wait in, and the account of their values. */
export class LinkOutput {
  readonly account: LinkAccount;
  /** What the last agent of the path has. */
  readonly end: EndConfirmation;
  private readonly clock: Clock;
  private readonly buffer: SendBuffer;
  private readonly stream: ChartStream;
  private readonly facts: HostFactsLines;
  private readonly report: PathReport;
  private limitBytes: number;
  private relaxMs = 0;
  /** A connection stands. */
  isConnected = false;
  /** The kernel is full; it will say when it takes bytes again. */
  private isBlocked = false;
  /** Last time the kernel took bytes, or there were none to take. */
  private progressMs = 0;
  private bytesBefore = 0;
  /** The kernel tells what the peer has confirmed: only that can be delivered. */
  private isWatched = false;
  /** It has told of this connection. */
  private isListed = false;
  /** Bytes the peer's kernel has confirmed for sure. */
  private confirmedBytes = 0;
  /** Bytes it may have confirmed, and when that last moved. */
  private movedBytes = 0;
  private movedMs = Number.NaN;
  /** The parent is an agent of our kind: it tells itself what it has stored. */
  isOurs = false;
  /** Position up to which the parent had stored everything, and had fetched all that it lacked; −1 = it had not. */
  private fetchedBytes = -1;
  /** When it said so last. */
  private heardMs = 0;
  /** Null: the parent does not ask for the past. */
  replication: Replication | null = null;
  /** Null: the parent takes values as they are collected. */
  points: FinalPoints | null = null;
  /** The parent lacked nothing when it acknowledged last, as far as this end knew. */
  private wasUpToDate = false;
  private replicatingMs = 0;
  /** How far back the ring reaches. */
  private reachSec = 0;
  private turnEndMs = 0;
  private readonly isTurnOver = () => this.clock.monotonicMs() >= this.turnEndMs;
  /** There is room for more of an answer that was not written for want of time: call {@link offer} again soon. */
  isCutShort = false;
  /** Since when values were lost that a parent may still fetch; NaN = there are none. */
  private lossMs = Number.NaN;

  constructor(settings: PusherSettings, heads: SetHeadsCache, world: PusherWorld) {
    this.clock = world.clock;
    this.limitBytes = settings.bufferSizeBytes;
    this.buffer = new SendBuffer(this.limitBytes);
    this.account = new LinkAccount(this.limitBytes);
    this.account.followEnd(settings.confirmsEnd, false);
    this.end = new EndConfirmation(settings.confirmsEnd, this);
    this.facts = new HostFactsLines(this.buffer);
    this.report = new PathReport(world, this.buffer);
    const pattern = new SimplePattern(settings.sendChartsMatching);
    this.stream = new ChartStream(this.buffer, heads, pattern, settings.initialClockResyncIterations);
  }

  /** @param pattern of {@link PusherSettings.sendChartsMatching}. */
  configure(settings: PusherSettings, pattern: SimplePattern): void {
    this.stream.configure(pattern, settings.initialClockResyncIterations);
    this.limitBytes = settings.bufferSizeBytes;
    this.buffer.setLimit(this.limitBytes);
    this.account.setBufferBytes(this.limitBytes);
    this.account.followEnd(settings.confirmsEnd, this.isOurs);
    this.end.isFollowed = settings.confirmsEnd;
  }

  get pendingBytes(): number {
    return this.buffer.pendingBytes;
  }

  /** Bytes the kernel took on this connection. */
  get connectionBytes(): number {
    return this.buffer.takenBytes;
  }

  /** Bytes the kernel took on all connections. */
  get sentBytes(): number {
    return this.bytesBefore + this.buffer.takenBytes;
  }

  /** The kernel has everything, and the parent has fetched what it lacks. */
  get isDelivered(): boolean {
    return this.buffer.pendingBytes === 0 && this.replication?.isUpToDate !== false;
  }

  /** How full the buffer is, 0…1. */
  get fill(): number {
    return Math.min(1, this.buffer.pendingBytes / this.limitBytes);
  }

  /** A connection stands. @param agreed what its parent understands. */
  agree(agreed: Capabilities, host: Host, parentName: string): void {
    if (agreed.replication || agreed.interpolated) this.readRing(agreed, host);
    this.isConnected = true;
    this.end.begin(parentName);
    this.facts.restart(agreed);
    this.stream.agree(agreed);
    this.facts.tell(host);
  }

  /**
   * Appends labels and variables of the host that changed and, for a parent of our kind, once a minute how its values
   * come to it. @returns whether there is anything to be sent now.
   */
  tellFacts(host: Host): boolean {
    const hasChanged = this.facts.tell(host);
    const hasTold = this.isOurs && this.report.tell(host, this.account, this.stream.written);
    return hasChanged || hasTold || this.replication?.hasNews === true;
  }

  /** Tells that a chart is retired, where that can be told. @returns false when the buffer is full. */
  retire(chart: Chart): boolean {
    this.points?.retire(chart);
    this.replication?.retired(chart);
    return this.stream.retire(chart);
  }

  wants(chart: Chart): boolean {
    return this.stream.wants(chart);
  }

  /** An iteration of this chart was appended for this connection. */
  has(chart: Chart): boolean {
    return this.stream.has(chart);
  }

  /** Appends one iteration and enters it in the account. @returns false when the buffer is full: nothing is entered. */
  append(chart: Chart, row: CollectedRow, elapsedUs: number): boolean {
    // A parent that follows our times is not told of what we have no time for ourselves.
    if (elapsedUs < 0) return true;
    if (this.replication !== null && !this.replication.isLive(chart)) {
      this.replication.hold(chart, row.setCount);
      return true;
    }
    if (this.points !== null) {
      this.points.hold(chart, row.setCount);
      return true;
    }
    const sets = this.stream.write(chart, row, elapsedUs);
    if (sets < 0) return false;
    this.account.enqueue(sets);
    return true;
  }

  /** As {@link append}, of values that are final. @returns false: the parent takes what was collected instead. */
  appendPoint(chart: Chart, timeSec: number, setCount: number): boolean {
    const { points, replication } = this;
    if (points === null) return false;
    if (replication !== null && !replication.isLive(chart)) replication.hold(chart, setCount);
    else points.hold(chart, setCount, timeSec);
    return true;
  }

  /** Values that no connection can take. */
  lose(values: number, reason: LossReason): void {
    this.account.lose(values, reason);
    this.noteLoss();
  }

  /** The parent is sent what the ring holds. So is what waited for the connection, where it asks for the past. */
  private readRing(agreed: Capabilities, host: Host): void {
    const { clock, buffer, stream, account } = this;
    this.breakOff("not_connected");
    this.stream.trustIntervals();
    if (agreed.interpolated) this.points = new FinalPoints(clock, buffer, stream, account);
    if (agreed.replication) this.replication = new Replication(host, buffer, stream, account, this.points);
    else this.points?.beginAll(host);
    this.replicatingMs = this.clock.monotonicMs();
    this.reachSec = host.historyEntries * host.updateEverySec;
  }

  /** The parent is one that says what is stored: nothing counts as delivered without that. */
  expectAcknowledgements(): void {
    this.isOurs = true;
    this.isWatched = true;
    this.replication?.greeted();
  }

  /**
   * The parent says what is stored. @param bytes of the stream. @param fetched what it lacks, and asks for.
   * @param report what it says of the end of the path; null = nothing.
   */
  acknowledge(bytes: number, fetched: FetchReport, report: EndReport | null): void {
    const { missingFromSec, fetchSec } = fetched;
    const nowMs = this.clock.monotonicMs();
    this.heardMs = nowMs;
    this.confirmedBytes = Math.max(this.confirmedBytes, Math.min(bytes, this.buffer.takenBytes));
    this.account.settle(Number.POSITIVE_INFINITY, this.confirmedBytes, true);
    // Told after the parent had asked for all that it lacked.
    if (missingFromSec === 0 && this.wasUpToDate) {
      this.recover(fetchSec);
      this.end.fetched(this.buffer.appendedBytes);
    }
    this.wasUpToDate = this.replication?.isUpToDate === true;
    this.fetchedBytes = missingFromSec === 0 ? this.confirmedBytes : -1;
    const stored = this.end.heard(this.confirmedBytes, report);
    if (stored === null || report === null) return;
    this.account.confirm(stored.bytes, nowMs, 1000 * report.reachSec);
    // Who had lost them on the way could fetch them from our ring, and nowhere else.
    if (stored.isAll) this.account.confirmEarlier(nowMs, 1000 * Math.min(this.end.reachSec, this.reachSec));
  }

  get isReplicating(): boolean {
    return this.replication !== null && this.points === null;
  }

  get silentMs(): number {
    return this.clock.monotonicMs() - this.heardMs;
  }

  /** Position behind all that the host has stored so far; NaN = some of that was not written to the stream. */
  wholeBytes(): number {
    const isWhole = this.isOurs && this.points === null && this.replication?.isWhole(this.fetchedBytes) === true;
    return isWhole ? this.buffer.appendedBytes : Number.NaN;
  }

  repeatDefinitions(): void {
    this.stream.repeatDefinitions();
  }

  /** The kernel takes bytes again, or a new connection has begun. */
  unblock(): void {
    this.isBlocked = false;
  }

  /**
   * Offers pending bytes to the kernel once, unless it is known to be full.
   * @param isUrgent also then. @returns bytes it took, −1 = the socket is closed.
   */
  offer(socket: StreamSocket, nowMs: number, isUrgent = false): number {
    const { buffer, account } = this;
    this.stream.settle();
    this.points?.write();
    if (this.replication !== null) this.answer(this.replication);
    this.end.tell(buffer);
    account.mark(buffer.appendedBytes, buffer.takenBytes, nowMs);
    if (this.isBlocked && !isUrgent) return 0;
    // All that came before is gone, so the wait for the kernel begins now.
    if (!this.isBlocked) this.progressMs = nowMs;
    const before = buffer.takenBytes;
    const result = buffer.flush(socket);
    const taken = buffer.takenBytes - before;
    this.isBlocked = result === "blocked";
    if (taken > 0) this.progressMs = nowMs;
    account.handOver(buffer.takenBytes, nowMs);
    return result === "closed" ? -1 : taken;
  }

  private answer(replication: Replication): void {
    this.turnEndMs = this.clock.monotonicMs() + TURN_MS;
    this.isCutShort = !replication.write(this.limitBytes, Math.floor(this.clock.nowUs() / 1e6), this.isTurnOver);
  }

  /** A connection begins, and {@link noteQueue} will tell what its peer has confirmed. */
  watch(): void {
    this.isWatched = true;
  }

  /** @param queue what the peer's kernel has not confirmed; undefined = the kernel does not list this connection. */
  noteQueue(queue: TcpQueue | undefined, nowMs: number): void {
    if (queue === undefined) {
      // One that is not listed at first never will be; one that was is broken, and we shall hear of it.
      this.isWatched = this.isListed || this.isOurs;
      return;
    }
    this.isWatched = true;
    this.isListed = true;
    const taken = this.buffer.takenBytes;
    const moved = taken - queue.leastBytes;
    if (queue.leastBytes === 0) this.movedMs = Number.NaN;
    else if (moved > this.movedBytes || Number.isNaN(this.movedMs)) this.movedMs = nowMs;
    this.movedBytes = moved;
    if (!this.isOurs) this.confirmedBytes = Math.max(this.confirmedBytes, taken - queue.mostBytes);
  }

  /** Time passes on a link that lives. Call once a second. */
  tick(nowMs: number): void {
    this.settle(nowMs);
    this.account.tick(nowMs);
    const isSilent = !this.isOurs && nowMs - this.replicatingMs > GREETING_MS_MAX;
    if (isSilent && this.replication?.isUpToDate === true) this.recover(this.reachSec);
    if (nowMs < this.relaxMs) return;
    this.relaxMs = nowMs + RELAX_MS;
    this.buffer.relax();
    this.replication?.sweep();
  }

  /** What was handed over long enough ago is delivered, as far as the peer has confirmed it. */
  settle(nowMs: number): void {
    this.account.settle(nowMs, this.certainBytes);
  }

  /** What the peer has confirmed is delivered now: its side is closed in order, or ours will be. */
  settleConfirmed(): void {
    if (this.isWatched) this.settle(Number.POSITIVE_INFINITY);
  }

  /** How long nothing has moved although bytes wait, for our kernel or for the peer's, in ms. */
  stalledMs(nowMs: number): number {
    const untakenMs = this.buffer.pendingBytes === 0 ? 0 : nowMs - this.progressMs;
    return Number.isNaN(this.movedMs) ? untakenMs : Math.max(untakenMs, nowMs - this.movedMs);
  }

  /** The connection broke, or did not come about: what was meant for it is lost. */
  breakOff(reason: LossReason): void {
    this.replication?.end();
    this.account.breakOff(reason);
    this.noteLoss();
    this.restart();
  }

  /** Newer values take the place of those that wait for a connection. */
  replace(reason: LossReason): void {
    this.account.breakOff(reason);
    this.buffer.clear();
    this.stream.rewrite();
  }

  /** We closed the connection in order. */
  close(): void {
    this.replication?.end();
    this.account.close(this.certainBytes);
    this.restart();
  }

  private noteLoss(): void {
    if (Number.isNaN(this.lossMs) && this.account.recoverableValues > 0) this.lossMs = this.clock.monotonicMs();
  }

  /** The parent has, or will have, all that the ring holds. @param fetchSec how old what it fetches may be. */
  private recover(fetchSec: number): void {
    if (Number.isNaN(this.lossMs)) return;
    const { account, buffer } = this;
    const [nowMs, reachMs] = [this.clock.monotonicMs(), 1000 * Math.min(this.reachSec, fetchSec)];
    const share = Math.min(1, reachMs / (nowMs - this.lossMs)) * (this.replication?.shareAsked ?? 1);
    account.recover(share, Math.max(this.lossMs, nowMs - reachMs));
    this.lossMs = Number.NaN;
    account.mark(buffer.appendedBytes, buffer.takenBytes, nowMs);
    account.handOver(buffer.takenBytes, nowMs);
  }

  private restart(): void {
    this.bytesBefore += this.buffer.takenBytes;
    this.end.end(this.buffer.appendedBytes);
    this.buffer.clear();
    this.stream.restart();
    this.report.restart();
    this.isConnected = false;
    this.isBlocked = false;
    this.isWatched = false;
    this.isListed = false;
    this.confirmedBytes = 0;
    this.movedBytes = 0;
    this.movedMs = Number.NaN;
    this.isOurs = false;
    this.replication = null;
    this.isCutShort = false;
    this.points = null;
    this.wasUpToDate = false;
    this.fetchedBytes = -1;
  }

  /** Position up to which bytes can be delivered. */
  private get certainBytes(): number {
    return this.isWatched ? this.confirmedBytes : Number.POSITIVE_INFINITY;
  }
}
