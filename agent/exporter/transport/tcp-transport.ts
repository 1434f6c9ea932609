import { Backoff } from "../../base/backoff.ts";
import type { Timer } from "../../base/clock.ts";
import type { Destination } from "../../base/destination.ts";
import { errorText } from "../../base/errors.ts";
import type { Batch } from "../batch.ts";
import { type LinkOwner, TcpLink } from "./tcp-link.ts";
import type { Transport, TransportContext, TransportState } from "./transport.ts";

const BACKOFF_FIRST_MS = 1000;
/** For a name, and for each of its addresses. */
const CONNECT_TIMEOUT_MS = 5000;
/** A connection that ends sooner counts as a failure even if nothing was on it: else we would connect in a loop. */
const SHORT_LIFE_MS = 1000;

/** A connection to one of the destinations. */
interface Connected {
  readonly link: TcpLink;
  readonly index: number;
}

/**
 * Sends lines over TCP: one connection at a time, to the first destination that accepts. While that is not the first
 * of the list, the ones before it are tried every {@link TransportContext.failbackMs}, and the batches move over
 * between two of them. A batch is confirmed when its connection still stands 1 s after its last byte was handed over
 * (exporters.md §4.3); everything not confirmed goes again, from the start of its batch, after a lost connection.
 * Later batches alone confirm nothing: a server that accepts and closes at once takes several before it does.
 */
export class TcpTransport implements Transport, LinkOwner {
  bytesMoved = 0;
  private readonly context: TransportContext;
  private readonly backoff: Backoff;
  private current: Connected | null = null;
  /** A connection to a preferred destination, used as soon as nothing is in flight on the current one. */
  private better: Connected | null = null;
  private attempt: AbortController | null = null;
  private probing: AbortController | null = null;
  private triedIndex = 0;
  private backoffTimer: Timer | null = null;
  private failbackTimer: Timer | null = null;
  private replayTimer: Timer | null = null;
  /** Points of a backlog that may be sent now; at most one second's worth is saved up. */
  private replayPoints = Number.POSITIVE_INFINITY;
  private replayAtMs = 0;
  private stopTimer: Timer | null = null;
  private onStopped: (() => void) | null = null;
  private isStopped = false;

  constructor(context: TransportContext) {
    this.context = context;
    this.backoff = new Backoff(BACKOFF_FIRST_MS, context.backoffMaxMs, context.random);
  }

  get state(): TransportState {
    if (this.current !== null) return this.context.queue.count > 0 ? "sending" : "idle";
    if (this.attempt !== null) return "connecting";
    return this.backoffTimer === null ? "idle" : "backoff";
  }

  get isConnected(): boolean {
    return this.current !== null;
  }

  get destination(): Destination {
    return this.context.destinations[this.current?.index ?? this.triedIndex]!;
  }

  wake(): void {
    if (this.isStopped) return;
    if (this.current !== null) this.current.link.pump();
    else if (this.attempt === null && this.backoffTimer === null && this.context.queue.count > 0) this.connect();
  }

  abandon(): void {
    const { current } = this;
    this.context.queue.inFlight = 0;
    if (current === null) return;
    this.current = null;
    current.link.abort();
    this.afterLoss(true);
  }

  stop(deadlineMs: number): Promise<void> {
    if (this.isStopped) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.onStopped = resolve;
    if (deadlineMs === 0 || this.context.queue.count === 0 || this.backoffTimer !== null) this.end();
    else {
      this.stopTimer = this.context.clock.setTimer(deadlineMs, () => this.end());
      this.wake();
    }
    return promise;
  }

  /** Part of {@link LinkOwner}. */
  take(): Batch | null {
    const { queue, events } = this.context;
    if (this.better !== null) return null;
    const batch = queue.at(queue.inFlight);
    if (batch === undefined) return null;
    if (this.onStopped === null && !events.isLive(batch) && !this.mayReplay(batch)) return null;
    queue.inFlight++;
    return batch;
  }

  wrote(): void {
    this.context.events.wrote();
  }

  moved(bytes: number): void {
    this.bytesMoved += bytes;
  }

  received(bytes: number): void {
    this.context.events.received(bytes);
  }

  confirm(): void {
    const { queue, events } = this.context;
    const batch = queue.shift();
    if (batch !== undefined) events.confirmed(batch);
    this.backoff.reset();
    this.moveOver();
    if (this.onStopped !== null && queue.count === 0) this.end();
  }

  lost(link: TcpLink, problem: string): void {
    const { queue, events, clock } = this.context;
    if (link === this.better?.link) {
      this.better = null;
      this.scheduleFailback();
      this.wake();
      return;
    }
    if (link !== this.current?.link) return;
    const isFailure = queue.inFlight > 0 || clock.monotonicMs() - link.openedMs < SHORT_LIFE_MS;
    queue.inFlight = 0;
    this.triedIndex = this.current.index;
    this.current = null;
    if (isFailure) events.failed(`${this.destination.name}: ${problem}`);
    this.afterLoss(isFailure);
  }

  /** No connection any more: take the better one if there is one, else connect anew, after a failure not at once. */
  private afterLoss(isFailure: boolean): void {
    this.failbackTimer?.[Symbol.dispose]();
    const { better } = this;
    if (better !== null) {
      this.better = null;
      this.use(better);
    } else if (isFailure) this.startBackoff();
    else this.wake();
  }

  private startBackoff(): void {
    if (this.onStopped !== null) {
      this.end();
      return;
    }
    this.backoffTimer = this.context.clock.setTimer(Math.max(1, this.backoff.nextMs()), () => {
      this.backoffTimer = null;
      this.wake();
    });
  }

  private connect(): void {
    const attempt = new AbortController();
    const problems: string[] = [];
    this.attempt = attempt;
    const settle = (connected: Connected | null) => {
      if (this.attempt !== attempt) {
        connected?.link.finish();
        return;
      }
      this.attempt = null;
      if (connected !== null) this.use(connected);
      else {
        this.context.events.failed(problems.join("; "));
        this.startBackoff();
      }
    };
    void this.tryInOrder(this.context.destinations.length, attempt.signal, problems).then(settle);
  }

  /** The first of the `count` preferred destinations that accepts; what the others said goes to `problems`. */
  private async tryInOrder(count: number, signal: AbortSignal, problems: string[]): Promise<Connected | null> {
    const { destinations, dial, clock, timeoutMs, events } = this.context;
    for (let index = 0; index < count && !signal.aborted; index++) {
      if (this.current === null) this.triedIndex = index;
      events.attempted();
      const link = new TcpLink(clock, timeoutMs, this);
      try {
        link.attach(await dial(destinations[index]!, link, { timeoutMs: CONNECT_TIMEOUT_MS, signal }));
        return { link, index };
      } catch (error) {
        problems.push(errorText(error));
      }
    }
    return null;
  }

  private use(connected: Connected): void {
    this.current = connected;
    this.context.log.info("exporter.connected", { exporter: this.context.name, to: this.destination.name });
    this.scheduleFailback();
    connected.link.pump();
  }

  private scheduleFailback(): void {
    this.failbackTimer?.[Symbol.dispose]();
    if (this.current === null || this.current.index === 0) return;
    this.failbackTimer = this.context.clock.setTimer(this.context.failbackMs, () => this.probe());
  }

  /** Looks whether a preferred destination accepts again. */
  private probe(): void {
    const { current } = this;
    if (current === null) return;
    const probe = new AbortController();
    this.probing = probe;
    const settle = (found: Connected | null) => {
      const isWanted = this.probing === probe && this.current === current;
      if (this.probing === probe) this.probing = null;
      if (!isWanted) found?.link.finish();
      else if (found === null) this.scheduleFailback();
      else {
        this.better = found;
        this.moveOver();
      }
    };
    void this.tryInOrder(current.index, probe.signal, []).then(settle);
  }

  /** Changes to the better connection once everything sent on the current one is confirmed. */
  private moveOver(): void {
    const { current, better } = this;
    if (better === null || current === null || this.context.queue.inFlight > 0) return;
    this.better = null;
    current.link.finish();
    this.use(better);
  }

  /** True if the replay limit lets this batch of a backlog go now; else the link is woken when it does. */
  private mayReplay(batch: Batch): boolean {
    const { clock, events } = this.context;
    const rate = events.replayRate();
    const nowMs = clock.monotonicMs();
    this.replayPoints = Math.min(rate, this.replayPoints + ((nowMs - this.replayAtMs) / 1000) * rate);
    this.replayAtMs = nowMs;
    if (this.replayPoints > 0) {
      this.replayPoints -= batch.points;
      return true;
    }
    this.replayTimer?.[Symbol.dispose]();
    const waitMs = Math.ceil((-this.replayPoints / rate) * 1000) + 1;
    this.replayTimer = clock.setTimer(waitMs, () => this.wake());
    return false;
  }

  /** Closes everything; the queue keeps what was not confirmed. */
  private end(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    const timers = [this.backoffTimer, this.failbackTimer, this.replayTimer, this.stopTimer];
    for (const timer of timers) timer?.[Symbol.dispose]();
    this.attempt?.abort();
    this.probing?.abort();
    this.attempt = null;
    this.probing = null;
    this.current?.link.finish();
    this.better?.link.finish();
    this.current = null;
    this.better = null;
    this.context.queue.inFlight = 0;
    this.onStopped?.();
  }
}
