import { SimplePattern } from "../base/pattern.ts";
import { SendBuffer } from "../base/send-buffer.ts";
import type { StreamSocket } from "../base/stream-socket.ts";
import type { TcpQueue } from "../base/tcp-queues.ts";
import type { Chart } from "../rrd/chart.ts";
import type { CollectedRow } from "../rrd/collected-row.ts";
import type { Host } from "../rrd/host.ts";
import type { Capabilities } from "../wire/capabilities.ts";
import { ChartStream, type SetHeadsCache } from "./chart-stream.ts";
import { HostFactsLines } from "./host-facts-lines.ts";
import { LinkAccount, type LossReason } from "./link-account.ts";
import type { PusherSettings } from "./pusher-world.ts";

/** How often the buffer may give memory back. */
const RELAX_MS = 60_000;

/** Everything of a link that is on its way out: lines, the buffer they wait in, and the account of their values. */
export class LinkOutput {
  readonly account: LinkAccount;
  private readonly buffer: SendBuffer;
  private readonly stream: ChartStream;
  private readonly facts: HostFactsLines;
  private limitBytes: number;
  private relaxMs = 0;
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

  constructor(settings: PusherSettings, heads: SetHeadsCache) {
    this.limitBytes = settings.bufferSizeBytes;
    this.buffer = new SendBuffer(this.limitBytes);
    this.account = new LinkAccount(this.limitBytes);
    this.facts = new HostFactsLines(this.buffer);
    const pattern = new SimplePattern(settings.sendChartsMatching);
    this.stream = new ChartStream(this.buffer, heads, pattern, settings.initialClockResyncIterations);
  }

  /** @throws InputError when the pattern cannot be read; then nothing changes. */
  configure(settings: PusherSettings): void {
    this.stream.configure(new SimplePattern(settings.sendChartsMatching), settings.initialClockResyncIterations);
    this.limitBytes = settings.bufferSizeBytes;
    this.buffer.setLimit(this.limitBytes);
    this.account.setBufferBytes(this.limitBytes);
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

  /** How full the buffer is, 0…1. */
  get fill(): number {
    return Math.min(1, this.buffer.pendingBytes / this.limitBytes);
  }

  /** A connection stands. @param agreed what its parent understands. */
  agree(agreed: Capabilities, host: Host): void {
    this.facts.restart(agreed);
    this.stream.agree(agreed);
    this.facts.tell(host);
  }

  /** Appends labels and variables of the host that changed. @returns whether anything was appended. */
  tellFacts(host: Host): boolean {
    return this.facts.tell(host);
  }

  /** Tells that a chart is retired, where that can be told. @returns false when the buffer is full. */
  retire(chart: Chart): boolean {
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
    const sets = this.stream.write(chart, row, elapsedUs);
    if (sets < 0) return false;
    this.account.enqueue(sets);
    return true;
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
    account.mark(buffer.appendedBytes, buffer.takenBytes);
    if (this.isBlocked && !isUrgent) return 0;
    // All that came before is gone, so the wait for the kernel begins now.
    if (!this.isBlocked) this.progressMs = nowMs;
    const before = buffer.takenBytes;
    const result = buffer.flush(socket);
    const taken = buffer.takenBytes - before;
    this.isBlocked = result === "blocked";
    if (taken > 0) {
      this.progressMs = nowMs;
      account.handOver(buffer.takenBytes, nowMs);
    }
    return result === "closed" ? -1 : taken;
  }

  /** A connection begins, and {@link noteQueue} will tell what its peer has confirmed. */
  watch(): void {
    this.isWatched = true;
  }

  /** @param queue what the peer's kernel has not confirmed; undefined = the kernel does not list this connection. */
  noteQueue(queue: TcpQueue | undefined, nowMs: number): void {
    if (queue === undefined) {
      // One that is not listed at first never will be; one that was is broken, and we shall hear of it.
      this.isWatched = this.isListed;
      return;
    }
    this.isWatched = true;
    this.isListed = true;
    const taken = this.buffer.takenBytes;
    const moved = taken - queue.leastBytes;
    if (queue.leastBytes === 0) this.movedMs = Number.NaN;
    else if (moved > this.movedBytes || Number.isNaN(this.movedMs)) this.movedMs = nowMs;
    this.movedBytes = moved;
    this.confirmedBytes = Math.max(this.confirmedBytes, taken - queue.mostBytes);
  }

  /** Time passes on a link that lives. Call once a second. */
  tick(nowMs: number): void {
    this.settle(nowMs);
    if (nowMs < this.relaxMs) return;
    this.relaxMs = nowMs + RELAX_MS;
    this.buffer.relax();
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
    this.account.breakOff(reason);
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
    this.account.close(this.certainBytes);
    this.restart();
  }

  private restart(): void {
    this.bytesBefore += this.buffer.takenBytes;
    this.buffer.clear();
    this.stream.restart();
    this.isBlocked = false;
    this.isWatched = false;
    this.isListed = false;
    this.confirmedBytes = 0;
    this.movedBytes = 0;
    this.movedMs = Number.NaN;
  }

  /** Position up to which bytes can be delivered. */
  private get certainBytes(): number {
    return this.isWatched ? this.confirmedBytes : Number.POSITIVE_INFINITY;
  }
}
