import type { Clock, Random } from "../base/clock.ts";
import { type Destination, parseDestination } from "../base/destination.ts";
import type { Dial } from "../base/dial.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { ExporterConfig } from "../config/schema.ts";
import { Account, type LossReason, lostTotal } from "./account.ts";
import type { Batch, BatchQueue } from "./batch.ts";
import type { ExporterCounters, ExporterStatus } from "./exporter-status.ts";
import { MemoryQueue } from "./memory-queue.ts";
import type { BatchSink, RoundSummary } from "./producer.ts";
import { EXPORTER_TYPES } from "./registry.ts";
import type { Transport } from "./transport/transport.ts";

/** Largest batch: what goes again after a lost connection, and one record of a queue on disk. */
const BATCH_BYTES_MAX = 1_048_576;
/** A queue holds at least this many batches, so that two on their way leave room for new ones. */
const BATCHES_MIN = 4;
const BACKOFF_MIN_MS = 1000;
const BACKOFF_MAX_MS = 60_000;

/** What every exporter is given. */
export interface ExporterParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly dial: Dial;
  readonly log: Log;
}

/** What an exporter of the same name leaves behind when its configuration changes. */
export interface Heritage {
  readonly account: Account;
  readonly queue: BatchQueue;
  readonly type: string;
}

/** One `[exporter.NAME]`: its queue, its connection, its account. */
export class Exporter implements BatchSink {
  readonly name: string;
  readonly config: ExporterConfig;
  private readonly parts: ExporterParts;
  private readonly account: Account;
  private readonly queue: BatchQueue;
  /** Null when the configuration cannot work. */
  private readonly transport: Transport | null;
  private readonly counts = { write: 0, discard: 0, reconnect: 0, failure: 0, read: 0, receivedBytes: 0, intervals: 0 };
  private cpuUserUs = 0;
  private cpuSystemUs = 0;
  private round = 0;
  /** Points of the latest interval. */
  private roundPoints = 0;
  private failedIntervals = 0;
  private bytesMovedBefore = 0;
  private sentBefore = 0;
  private lostBefore = 0;
  private sentPerSec = 0;
  private lastOkSec = 0;
  private error: string | null = null;

  /** @param heritage of an exporter of this name that has been stopped; what its queue holds is sent first. */
  constructor(name: string, config: ExporterConfig, parts: ExporterParts, heritage?: Heritage) {
    this.name = name;
    this.config = config;
    this.parts = parts;
    this.account = heritage?.account ?? new Account();
    this.queue = new MemoryQueue(config.queue_memory_bytes);
    if (heritage !== undefined) this.inherit(heritage);
    this.sentBefore = this.account.points.sent;
    this.lostBefore = lostTotal(this.account.points.lost);
    this.transport = this.openTransport();
    this.transport?.wake();
  }

  get batchBytesMax(): number {
    return Math.min(BATCH_BYTES_MAX, Math.floor(this.queue.bytesMax / BATCHES_MIN));
  }

  roundStarted(round: number): void {
    this.countFailedInterval();
    this.expire();
    this.round = round;
  }

  accept(batch: Batch): void {
    this.account.produced(batch);
    for (const lost of this.queue.push(batch)) this.account.lost(lost, "overflow");
    this.account.check();
    this.transport?.wake();
  }

  roundEnded({ points, skipped, userUs, systemUs }: RoundSummary): void {
    this.account.skipped += skipped;
    this.roundPoints = points;
    this.cpuUserUs += userUs;
    this.cpuSystemUs += systemUs;
    this.counts.intervals++;
    const { sent, lost } = this.account.points;
    this.sentPerSec = (sent - this.sentBefore) / this.config.update_every;
    this.sentBefore = sent;
    const lostPoints = lostTotal(lost);
    if (lostPoints > this.lostBefore) this.logLoss(lostPoints - this.lostBefore, this.error ?? "the queue is full");
    this.lostBefore = lostPoints;
  }

  /** Sends what it can within the deadline, then closes. The queue keeps the rest, for an heir. */
  async stop(deadlineMs: number): Promise<void> {
    await this.transport?.stop(deadlineMs);
    const { points } = this.queue;
    if (points > 0) this.parts.log.warn("exporter.stopped_with_queue", { exporter: this.name, points });
    else this.parts.log.info("exporter.stopped", { exporter: this.name });
  }

  /** After {@link stop}: for the exporter that takes its place. */
  get heritage(): Heritage {
    return { account: this.account, queue: this.queue, type: this.config.type };
  }

  /** After {@link stop}: nobody will send the rest. */
  discardQueue(reason: LossReason): void {
    const { points } = this.queue;
    this.drop(reason);
    if (points > 0) this.logLoss(points, "the exporter was removed from the configuration");
  }

  status(): ExporterStatus {
    const { points } = this.account;
    return {
      name: this.name,
      type: this.config.type,
      destination: this.transport?.destination.name ?? this.config.destination.join(" "),
      dataSource: this.config.data_source,
      state: this.transport?.state ?? "config error",
      lastOkSec: this.lastOkSec,
      sentPerSec: this.sentPerSec,
      produced: points.produced,
      sent: points.sent,
      lost: lostTotal(points.lost),
      queued: points.queued,
      queueBytes: this.queue.bytes,
      queueBytesMax: this.queue.bytesMax,
      failures: this.counts.failure,
      error: this.error,
    };
  }

  counters(): ExporterCounters {
    const { account, queue } = this;
    const oldest = queue.at(0);
    let inFlightPoints = 0;
    for (let i = 0; i < queue.inFlight; i++) inFlightPoints += queue.at(i)?.points ?? 0;
    return {
      name: this.name,
      updateEverySec: this.config.update_every,
      ...this.counts,
      points: account.points,
      bytes: account.bytes,
      skipped: account.skipped,
      cpuUserUs: this.cpuUserUs,
      cpuSystemUs: this.cpuSystemUs,
      memoryPoints: queue.memoryPoints - inFlightPoints,
      diskPoints: queue.diskPoints,
      inFlightPoints,
      memoryBytes: queue.memoryBytes,
      diskBytes: queue.diskBytes,
      oldestAgeSec: oldest === undefined ? 0 : Math.max(0, this.nowSec - oldest.firstSec),
    };
  }

  private get nowSec(): number {
    return Math.floor(this.parts.clock.nowUs() / 1e6);
  }

  private openTransport(): Transport | null {
    const { config, name } = this;
    const type = EXPORTER_TYPES[config.type];
    let destinations: Destination[];
    try {
      destinations = config.destination.map((entry) => parseDestination(entry, type.portDefault));
      if (destinations.length === 0) throw new Error("no destination; name at least one server");
    } catch (error) {
      this.error = errorText(error);
      this.parts.log.error("exporter.config_error", { exporter: name, error: this.error });
      return null;
    }
    const timeoutMs = config.timeout_ms;
    const failbackMs = config.failback_seconds * 1000;
    // Who counts failed intervals expects a try in each of them.
    const perIntervalMs = Math.min(BACKOFF_MAX_MS, Math.max(BACKOFF_MIN_MS, config.update_every * 1000));
    const backoffMaxMs = config.buffer_on_failures > 0 ? perIntervalMs : BACKOFF_MAX_MS;
    const events = {
      confirmed: (batch: Batch) => this.confirmed(batch),
      wrote: () => {
        this.counts.write++;
      },
      attempted: () => {
        this.counts.reconnect++;
      },
      failed: (problem: string) => this.failed(problem),
      received: (bytes: number) => {
        this.counts.read++;
        this.counts.receivedBytes += bytes;
      },
      isLive: (batch: Batch) => batch.round === this.round,
      // Below twice what is produced a backlog would never end.
      replayRate: () => Math.max(config.replay_points_per_second, (2 * this.roundPoints) / config.update_every),
    };
    const settings = { name, destinations, timeoutMs, backoffMaxMs, failbackMs };
    return type.transport({ ...this.parts, ...settings, queue: this.queue, events });
  }

  private confirmed(batch: Batch): void {
    this.account.sent(batch);
    this.lastOkSec = this.nowSec;
    this.error = null;
  }

  private failed(problem: string): void {
    this.counts.failure++;
    this.error = problem;
    this.parts.log.warn("exporter.connection_failed", {
      exporter: this.name,
      error: problem,
      queued: this.queue.points,
    });
  }

  /** `buffer_on_failures`: too many intervals in a row without progress give up the whole queue (§4.2). */
  private countFailedInterval(): void {
    const { transport, queue, config } = this;
    const bytesMoved = transport?.bytesMoved ?? 0;
    const hasMoved = bytesMoved > this.bytesMovedBefore || queue.inFlight === queue.count;
    this.bytesMovedBefore = bytesMoved;
    const isGood = queue.count === 0 || (transport?.isConnected === true && hasMoved);
    this.failedIntervals = isGood ? 0 : this.failedIntervals + 1;
    if (config.buffer_on_failures === 0 || this.failedIntervals <= config.buffer_on_failures) return;
    this.failedIntervals = 0;
    this.counts.discard++;
    transport?.abandon();
    this.drop("overflow");
  }

  private expire(): void {
    const { queue_max_age_seconds: maxAgeSec } = this.config;
    if (maxAgeSec === 0) return;
    const endSec = this.nowSec - maxAgeSec;
    while (this.queue.inFlight === 0 && (this.queue.at(0)?.lastSec ?? endSec) < endSec) {
      this.account.lost(this.queue.shift()!, "expired");
    }
  }

  private drop(reason: LossReason): void {
    for (let batch = this.queue.shift(); batch !== undefined; batch = this.queue.shift()) {
      this.account.lost(batch, reason);
    }
  }

  /** Payloads of another type cannot be sent; the others go first, as far as the queue has room. */
  private inherit({ queue, type }: Heritage): void {
    for (let batch = queue.shift(); batch !== undefined; batch = queue.shift()) {
      if (type !== this.config.type) this.account.lost(batch, "config");
      else for (const lost of this.queue.push({ ...batch, round: 0 })) this.account.lost(lost, "overflow");
    }
  }

  private logLoss(points: number, reason: string): void {
    this.parts.log.error("exporter.points_lost", { exporter: this.name, points, reason });
  }
}
