import type { HopValues } from "../rrd/path.ts";
import { UnconfirmedValues } from "./unconfirmed-values.ts";
import { ValueSteps } from "./value-steps.ts";

/** Why a value offered to a link did not arrive, as far as this end can know. */
export type LossReason =
  /** No connection stood when it was committed. */
  | "not_connected"
  /** The send buffer was full. */
  | "overflow"
  /** It was on its way when the connection broke. */
  | "disconnect"
  /** There was no connection because the parent had refused us. */
  | "refused";

const LOSS_REASONS: readonly LossReason[] = ["not_connected", "overflow", "disconnect", "refused"];

/** Unacknowledged: what was handed over on a link that lived this much longer counts as delivered (design.md §1.1). */
const DELIVERED_AFTER_MS = 1000;
/** What is appended was collected, or was first held back, no longer ago when it is marked. */
const MARKED_AFTER_MS = 1000;
/** Marks kept in a queue; each covers at least a 64th of the buffer, two neighbours together more than one step. */
const MARKS_MAX = 256;
const MARKS_PER_BUFFER = 64;

/**
 * The account of one link (design.md §1.1), in values. At every moment
 * `offered = delivered + inFlight + queued + backlog + Σ lost`. Two queues of bytes are followed by marks,
 * position → values: what the kernel has not taken, and what it has but the peer's has not confirmed, as far as that
 * is known.
 */
export class LinkAccount {
  offered = 0;
  delivered = 0;
  inFlight = 0;
  queued = 0;
  backlog = 0;
  acknowledged = 0;
  recovered = 0;
  replayed = 0;
  readonly lost = noLosses();

  /** Part of {@link lost} that a parent may still fetch from our ring. */
  private readonly recoverable: Record<LossReason, number> = {
    not_connected: 0,
    overflow: 0,
    disconnect: 0,
    refused: 0,
  };
  /** Values appended since the last mark, and since when the oldest of them waited for that, if it was for long. */
  private unmarked = 0;
  private unmarkedSinceMs = Number.POSITIVE_INFINITY;
  /** Since when something has been in the backlog all the time; +∞ = there is nothing, or it has just come. */
  private backlogSinceMs = Number.POSITIVE_INFINITY;
  private readonly markEnds = new Float64Array(MARKS_MAX);
  private readonly markValues = new Float64Array(MARKS_MAX);
  /** When the first value of each may have been collected. */
  private readonly markSinceMs = new Float64Array(MARKS_MAX);
  private firstMark = 0;
  private markCount = 0;
  /** End of the newest mark, and of the one before it. */
  private markedBytes = 0;
  private previousEnd = 0;
  private stepBytes: number;
  private readonly handed = new ValueSteps();
  /** Null: what the parent has stored is confirmed. */
  private unconfirmed: UnconfirmedValues | null = null;

  /** @param bufferBytes limit of the queue that is followed. */
  constructor(bufferBytes: number) {
    this.stepBytes = bufferBytes / MARKS_PER_BUFFER;
  }

  setBufferBytes(bufferBytes: number): void {
    this.stepBytes = bufferBytes / MARKS_PER_BUFFER;
  }

  /**
   * Only what the end of the path has is acknowledged from now on, or what the parent has.
   * @param isAcknowledged the parent tells what it has: with the end out of play, that counts.
   */
  followEnd(isFollowed: boolean, isAcknowledged: boolean): void {
    if (isFollowed) this.unconfirmed ??= new UnconfirmedValues();
    else {
      const values = this.unconfirmed?.forget() ?? 0;
      this.unconfirmed = null;
      if (isAcknowledged) this.acknowledged += values;
    }
  }

  /**
   * The end of the path tells what it has of this connection.
   * @param endBytes up to this position. @param reachMs nothing older than that can have come to it late.
   */
  confirm(endBytes: number, nowMs: number, reachMs: number): void {
    this.acknowledged += this.unconfirmed?.confirm(endBytes, nowMs, reachMs) ?? 0;
  }

  /** The end of the path has all that was delivered on earlier connections. @param reachMs as {@link confirm}. */
  confirmEarlier(nowMs: number, reachMs: number): void {
    this.acknowledged += this.unconfirmed?.confirmEarlier(nowMs, reachMs) ?? 0;
  }

  /** Call once a second. */
  tick(nowMs: number): void {
    if (this.backlog === 0) this.backlogSinceMs = Number.POSITIVE_INFINITY;
    else this.backlogSinceMs = Math.min(this.backlogSinceMs, nowMs - MARKED_AFTER_MS);
  }

  /** Values that no connection could take. */
  lose(values: number, reason: LossReason): void {
    this.offered += values;
    this.loseOffered(values, reason);
  }

  /** Values of a chart whose past the parent has not asked for yet; our ring has them. */
  hold(values: number): void {
    this.offered += values;
    this.backlog += values;
  }

  /** Held values are not in our ring any more. */
  giveUp(values: number): void {
    this.backlog -= values;
    this.lost.overflow += values;
  }

  /** Held values are in the queue now, as points of our ring. */
  release(values: number): void {
    this.backlog -= values;
    this.replayed += values;
    this.queued += values;
    this.unmarked += values;
    if (values > 0) this.unmarkedSinceMs = Math.min(this.unmarkedSinceMs, this.backlogSinceMs);
  }

  /**
   * The parent has asked for all that it lacks, and the answers are in the queue: what was lost since the last time is
   * on its way. @param share of it that our ring, and the parent's own limit, reach back to, 0…1.
   * @param sinceMs when the first of that was lost.
   */
  recover(share: number, sinceMs: number): void {
    for (const reason of LOSS_REASONS) {
      const values = Math.round(this.recoverable[reason] * share);
      this.recoverable[reason] = 0;
      this.lost[reason] -= values;
      this.recovered += values;
      this.replayed += values;
      this.queued += values;
      this.unmarked += values;
      if (values > 0) this.unmarkedSinceMs = Math.min(this.unmarkedSinceMs, sinceMs);
    }
  }

  /** Values that {@link recover} would bring back. */
  get recoverableValues(): number {
    return LOSS_REASONS.reduce((sum, reason) => sum + this.recoverable[reason], 0);
  }

  /** Values appended to the queue. */
  enqueue(values: number): void {
    this.offered += values;
    this.queued += values;
    this.unmarked += values;
  }

  /**
   * Call before the queue is offered to the kernel: what was appended since the last time ends here.
   * @param appendedBytes position of the queue's end. @param takenBytes position up to which the kernel has it.
   * @param nowMs monotonic.
   */
  mark(appendedBytes: number, takenBytes: number, nowMs: number): void {
    if (this.unmarked === 0) return;
    const sinceMs = Math.min(this.unmarkedSinceMs, nowMs - MARKED_AFTER_MS);
    const last = (this.firstMark + this.markCount - 1) % MARKS_MAX;
    const isSmall = appendedBytes - this.previousEnd <= this.stepBytes && this.previousEnd >= takenBytes;
    if (this.markCount > 0 && (isSmall || this.markCount === MARKS_MAX)) {
      this.markEnds[last] = appendedBytes;
      this.markValues[last] = this.markValues[last]! + this.unmarked;
      this.markSinceMs[last] = Math.min(this.markSinceMs[last]!, sinceMs);
    } else {
      const next = (this.firstMark + this.markCount) % MARKS_MAX;
      this.previousEnd = this.markCount > 0 ? this.markedBytes : takenBytes;
      this.markEnds[next] = appendedBytes;
      this.markValues[next] = this.unmarked;
      this.markSinceMs[next] = sinceMs;
      this.markCount++;
    }
    this.markedBytes = appendedBytes;
    this.unmarked = 0;
    this.unmarkedSinceMs = Number.POSITIVE_INFINITY;
  }

  /** The kernel took bytes. @param takenBytes position up to which it has them. @param nowMs monotonic. */
  handOver(takenBytes: number, nowMs: number): void {
    while (this.markCount > 0 && this.markEnds[this.firstMark]! <= takenBytes) {
      const values = this.markValues[this.firstMark]!;
      this.handed.push(this.markEnds[this.firstMark]!, values, this.markSinceMs[this.firstMark]!, nowMs);
      this.firstMark = (this.firstMark + 1) % MARKS_MAX;
      this.markCount--;
      this.queued -= values;
      this.inFlight += values;
    }
  }

  /**
   * Time passes on a link that lives.
   * @param nowMs monotonic; +∞ = what is confirmed need not wait.
   * @param confirmedBytes position up to which the peer's kernel has the bytes for sure; +∞ = that is not known.
   * @param isAcknowledged the peer itself says that it has stored them.
   */
  settle(nowMs: number, confirmedBytes: number, isAcknowledged = false): void {
    const { handed, unconfirmed } = this;
    let count = 0;
    for (; count < handed.length; count++) {
      if (handed.endOf(count) > confirmedBytes || nowMs - handed.lastMsOf(count) < DELIVERED_AFTER_MS) break;
      const values = handed.valuesOf(count);
      this.inFlight -= values;
      this.delivered += values;
      if (unconfirmed !== null) {
        unconfirmed.note(handed.endOf(count), values, handed.sinceMsOf(count), handed.lastMsOf(count));
      } else if (isAcknowledged) this.acknowledged += values;
    }
    if (count > 0) handed.shift(count);
  }

  /** The connection broke: what is queued is lost for `reason`, what is in flight had its own chance. */
  breakOff(reason: LossReason): void {
    this.loseOffered(this.queued, reason);
    this.loseOffered(this.inFlight + this.backlog, "disconnect");
    this.forget();
  }

  /**
   * We closed the connection in order: the kernel goes on sending what it has, but nobody will tell what comes of it.
   * @param confirmedBytes as {@link settle}.
   */
  close(confirmedBytes: number): void {
    this.settle(Number.POSITIVE_INFINITY, confirmedBytes);
    this.breakOff("disconnect");
  }

  /** Copies. */
  balance(): HopValues {
    const { offered, delivered, inFlight, queued, backlog, acknowledged, recovered, replayed, lost } = this;
    return { offered, delivered, inFlight, queued, backlog, acknowledged, recovered, replayed, lost: { ...lost } };
  }

  private loseOffered(values: number, reason: LossReason): void {
    this.lost[reason] += values;
    this.recoverable[reason] += values;
  }

  private forget(): void {
    this.inFlight = 0;
    this.queued = 0;
    this.backlog = 0;
    this.unmarked = 0;
    this.unmarkedSinceMs = Number.POSITIVE_INFINITY;
    this.backlogSinceMs = Number.POSITIVE_INFINITY;
    this.markCount = 0;
    this.markedBytes = 0;
    this.previousEnd = 0;
    this.handed.clear();
    this.unconfirmed?.end();
  }
}

function noLosses(): Record<LossReason, number> {
  return { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
}
