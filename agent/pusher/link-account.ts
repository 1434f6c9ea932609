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

/** A snapshot of a {@link LinkAccount}, in values. */
export interface LinkBalance {
  readonly offered: number;
  readonly delivered: number;
  readonly inFlight: number;
  readonly queued: number;
  /** Part of `delivered` that the peer confirmed; 0 for peers that confirm nothing. */
  readonly acknowledged: number;
  readonly lost: Readonly<Record<LossReason, number>>;
}

/** Without acknowledgements: handed over on a link that lived this much longer counts as delivered (design.md §1.1). */
const DELIVERED_AFTER_MS = 1000;
/** Hand-overs closer together than this are delivered together. */
const HANDED_STEP_MS = 125;
/** Steps of {@link HANDED_STEP_MS} in a second, and as many again for a late tick; further ones join the newest. */
const HANDED_MAX = 32;
/** Marks kept in a queue; each covers at least a 64th of the buffer, two neighbours together more than one step. */
const MARKS_MAX = 256;
const MARKS_PER_BUFFER = 64;

/**
 * The account of one link (design.md §1.1), in values. At every moment
 * `offered = delivered + inFlight + queued + Σ lost`. A queue of bytes is followed by marks: byte position → values.
 */
export class LinkAccount {
  offered = 0;
  delivered = 0;
  inFlight = 0;
  queued = 0;
  readonly lost: Record<LossReason, number> = { not_connected: 0, overflow: 0, disconnect: 0, refused: 0 };

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
    this.lost[reason] += values;
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
    let values = 0;
    while (this.markCount > 0 && this.markEnds[this.firstMark]! <= takenBytes) {
      values += this.markValues[this.firstMark]!;
      this.firstMark = (this.firstMark + 1) % MARKS_MAX;
      this.markCount--;
    }
    if (values === 0) return;
    this.queued -= values;
    this.inFlight += values;
    this.settle(nowMs);
    const newest = this.handedMs.length - 1;
    const isNear = newest > 0 && nowMs - this.handedMs[newest - 1]! <= HANDED_STEP_MS;
    if (isNear || this.handedMs.length >= HANDED_MAX) {
      this.handedMs[newest] = nowMs;
      this.handedValues[newest] = this.handedValues[newest]! + values;
    } else {
      this.handedMs.push(nowMs);
      this.handedValues.push(values);
    }
  }

  /** Time passes on a link that lives. @param nowMs monotonic. */
  settle(nowMs: number): void {
    while (this.handedMs.length > 0 && nowMs - this.handedMs[0]! >= DELIVERED_AFTER_MS) {
      const values = this.handedValues.shift()!;
      this.handedMs.shift();
      this.inFlight -= values;
      this.delivered += values;
    }
  }

  /** The connection broke: what is queued is lost for `reason`, what was handed over just now as well. */
  breakOff(reason: LossReason): void {
    this.lost[reason] += this.queued;
    this.lost.disconnect += this.inFlight;
    this.forget();
  }

  /** We closed the connection in order: the kernel goes on sending what it has. */
  close(): void {
    this.delivered += this.inFlight;
    this.lost.disconnect += this.queued;
    this.forget();
  }

  /** Copies. */
  balance(): LinkBalance {
    const { offered, delivered, inFlight, queued } = this;
    return { offered, delivered, inFlight, queued, acknowledged: 0, lost: { ...this.lost } };
  }

  private forget(): void {
    this.inFlight = 0;
    this.queued = 0;
    this.unmarked = 0;
    this.markCount = 0;
    this.markedBytes = 0;
    this.previousEnd = 0;
    this.handedMs.length = 0;
    this.handedValues.length = 0;
    assert(linkImbalance(this) === 0, "a link's account adds up");
  }
}

/** What was offered less what is accounted for; anything but 0 is a bug of ours. */
export function linkImbalance(balance: Omit<LinkBalance, "acknowledged">): number {
  const { lost } = balance;
  const gone = lost.not_connected + lost.overflow + lost.disconnect + lost.refused;
  return balance.offered - balance.delivered - balance.inFlight - balance.queued - gone;
}
