import { assert } from "../base/assert.ts";

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

/** A snapshot of a {@link LinkAccount}, in values. */
export interface LinkBalance {
  readonly offered: number;
  /** In bytes that the peer's kernel confirmed, where ours tells; elsewhere taken by our kernel a second ago. */
  readonly delivered: number;
  /** Taken by our kernel, not delivered yet. */
  readonly inFlight: number;
  readonly queued: number;
  /** In our ring, to be sent when the parent has asked for the past of their chart. */
  readonly backlog: number;
  /** Part of `delivered` that the peer confirmed; 0 for peers that confirm nothing. */
  readonly acknowledged: number;
  /** Values that were lost and then fetched by the parent; they have moved on, as a rule to `delivered`. */
  readonly recovered: number;
  /** Values that went as points of our ring instead of as they were collected; the recovered ones among them. */
  readonly replayed: number;
  readonly lost: Readonly<Record<LossReason, number>>;
}

/** Unacknowledged: what was handed over on a link that lived this much longer counts as delivered (design.md §1.1). */
const DELIVERED_AFTER_MS = 1000;
/** Hand-overs closer together than both of these are delivered together. */
const HANDED_STEP_MS = 125;
const HANDED_STEP_BYTES = 4096;
/** Steps kept; when there are more, neighbours are joined to pieces of about such a part of all their bytes. */
const HANDED_MAX = 1024;
const HANDED_PIECES = 256;
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
  /** Values appended since the last mark. */
  private unmarked = 0;
  private readonly markEnds = new Float64Array(MARKS_MAX);
  private readonly markValues = new Float64Array(MARKS_MAX);
  private firstMark = 0;
  private markCount = 0;
  /** End of the newest mark, and of the one before it. */
  private markedBytes = 0;
  private previousEnd = 0;
  private stepBytes: number;
  private readonly handedMs: number[] = [];
  private readonly handedEnds: number[] = [];
  private readonly handedValues: number[] = [];

  /** @param bufferBytes limit of the queue that is followed. */
  constructor(bufferBytes: number) {
    this.stepBytes = bufferBytes / MARKS_PER_BUFFER;
  }

  setBufferBytes(bufferBytes: number): void {
    this.stepBytes = bufferBytes / MARKS_PER_BUFFER;
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
  }

  /**
   * The parent has asked for all that it lacks, and the answers are in the queue: what was lost since the last time is
   * on its way. @param share of it that our ring, and the parent's own limit, reach back to, 0…1.
   */
  recover(share: number): void {
    for (const reason of LOSS_REASONS) {
      const values = Math.round(this.recoverable[reason] * share);
      this.recoverable[reason] = 0;
      this.lost[reason] -= values;
      this.recovered += values;
      this.replayed += values;
      this.queued += values;
      this.unmarked += values;
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
   */
  mark(appendedBytes: number, takenBytes: number): void {
    if (this.unmarked === 0) return;
    const last = (this.firstMark + this.markCount - 1) % MARKS_MAX;
    const isSmall = appendedBytes - this.previousEnd <= this.stepBytes && this.previousEnd >= takenBytes;
    if (this.markCount > 0 && (isSmall || this.markCount === MARKS_MAX)) {
      this.markEnds[last] = appendedBytes;
      this.markValues[last] = this.markValues[last]! + this.unmarked;
    } else {
      const next = (this.firstMark + this.markCount) % MARKS_MAX;
      this.previousEnd = this.markCount > 0 ? this.markedBytes : takenBytes;
      this.markEnds[next] = appendedBytes;
      this.markValues[next] = this.unmarked;
      this.markCount++;
    }
    this.markedBytes = appendedBytes;
    this.unmarked = 0;
  }

  /** The kernel took bytes. @param takenBytes position up to which it has them. @param nowMs monotonic. */
  handOver(takenBytes: number, nowMs: number): void {
    while (this.markCount > 0 && this.markEnds[this.firstMark]! <= takenBytes) {
      const values = this.markValues[this.firstMark]!;
      this.noteHanded(this.markEnds[this.firstMark]!, values, nowMs);
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
    const { handedMs, handedEnds, handedValues } = this;
    let count = 0;
    for (; count < handedMs.length; count++) {
      if (handedEnds[count]! > confirmedBytes || nowMs - handedMs[count]! < DELIVERED_AFTER_MS) break;
      this.inFlight -= handedValues[count]!;
      this.delivered += handedValues[count]!;
      if (isAcknowledged) this.acknowledged += handedValues[count]!;
    }
    if (count === 0) return;
    handedMs.splice(0, count);
    handedEnds.splice(0, count);
    handedValues.splice(0, count);
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
  balance(): LinkBalance {
    const { offered, delivered, inFlight, queued, backlog, acknowledged, recovered, replayed, lost } = this;
    return { offered, delivered, inFlight, queued, backlog, acknowledged, recovered, replayed, lost: { ...lost } };
  }

  private loseOffered(values: number, reason: LossReason): void {
    this.lost[reason] += values;
    this.recoverable[reason] += values;
  }

  private noteHanded(end: number, values: number, nowMs: number): void {
    const { handedMs, handedEnds, handedValues } = this;
    const newest = handedMs.length - 1;
    const isNear =
      newest > 0 &&
      nowMs - handedMs[newest - 1]! <= HANDED_STEP_MS &&
      end - handedEnds[newest - 1]! <= HANDED_STEP_BYTES;
    if (isNear) {
      handedMs[newest] = nowMs;
      handedEnds[newest] = end;
      handedValues[newest] = handedValues[newest]! + values;
      return;
    }
    if (newest + 1 === HANDED_MAX) this.joinHanded();
    handedMs.push(nowMs);
    handedEnds.push(end);
    handedValues.push(values);
  }

  /** Leaves at most 2 × {@link HANDED_PIECES} + 1; each is as late and reaches as far as the last of what it joins. */
  private joinHanded(): void {
    const { handedMs, handedEnds, handedValues } = this;
    let start = handedEnds[0]!;
    const stepBytes = (handedEnds.at(-1)! - start) / HANDED_PIECES;
    let last = 0;
    for (let i = 1; i < handedEnds.length; i++) {
      const isJoined = handedEnds[i]! - start <= stepBytes;
      if (!isJoined) start = handedEnds[last++]!;
      handedValues[last] = handedValues[i]! + (isJoined ? handedValues[last]! : 0);
      handedMs[last] = handedMs[i]!;
      handedEnds[last] = handedEnds[i]!;
    }
    for (const list of [handedMs, handedEnds, handedValues]) list.length = last + 1;
  }

  private forget(): void {
    this.inFlight = 0;
    this.queued = 0;
    this.backlog = 0;
    this.unmarked = 0;
    this.markCount = 0;
    this.markedBytes = 0;
    this.previousEnd = 0;
    this.handedMs.length = 0;
    this.handedEnds.length = 0;
    this.handedValues.length = 0;
    assert(linkImbalance(this) === 0, "a link's account adds up");
  }
}

function noLosses(): Record<LossReason, number> {
  return { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };
}

/** What was offered less what is accounted for; anything but 0 is a bug of ours. */
export function linkImbalance(balance: Omit<LinkBalance, "acknowledged" | "recovered" | "replayed">): number {
  const gone = LOSS_REASONS.reduce((sum, reason) => sum + balance.lost[reason], 0);
  return balance.offered - balance.delivered - balance.inFlight - balance.queued - balance.backlog - gone;
}
