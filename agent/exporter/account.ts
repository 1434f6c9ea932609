import { assert } from "../base/assert.ts";
import type { Batch } from "./batch.ts";

/** Why points were given up (exporters.md §4.4). */
export type LossReason = "overflow" | "rejected" | "expired" | "corrupt" | "config";

export const LOSS_REASONS: readonly LossReason[] = ["overflow", "rejected", "expired", "corrupt", "config"];

/** One column of the account: points, or bytes. */
export interface Amounts {
  produced: number;
  sent: number;
  /** On the way or waiting. */
  queued: number;
  readonly lost: Record<LossReason, number>;
}

/** What became of everything an exporter wrote: `produced = sent + lost + queued`, in points and in bytes, always. */
export class Account {
  readonly points: Amounts = emptyAmounts();
  readonly bytes: Amounts = emptyAmounts();
  /** Values that never became points: NaN, no data, a time that does not increase. */
  skipped = 0;

  produced(batch: Batch): void {
    this.points.produced += batch.points;
    this.points.queued += batch.points;
    this.bytes.produced += batch.bytes.length;
    this.bytes.queued += batch.bytes.length;
  }

  sent(batch: Batch): void {
    this.points.sent += batch.points;
    this.points.queued -= batch.points;
    this.bytes.sent += batch.bytes.length;
    this.bytes.queued -= batch.bytes.length;
    this.check();
  }

  lost(batch: Batch, reason: LossReason): void {
    this.points.lost[reason] += batch.points;
    this.points.queued -= batch.points;
    this.bytes.lost[reason] += batch.bytes.length;
    this.bytes.queued -= batch.bytes.length;
    this.check();
  }

  /** @throws BugError when the account does not add up. */
  check(): void {
    for (const { produced, sent, queued, lost } of [this.points, this.bytes]) {
      assert(queued >= 0, "an exporter's queue holds less than nothing");
      assert(produced === sent + queued + lostTotal(lost), "an exporter's account does not add up");
    }
  }
}

/** Losses of all reasons. */
export function lostTotal(lost: Readonly<Record<LossReason, number>>): number {
  return LOSS_REASONS.reduce((sum, reason) => sum + lost[reason], 0);
}

function emptyAmounts(): Amounts {
  return { produced: 0, sent: 0, queued: 0, lost: { overflow: 0, rejected: 0, expired: 0, corrupt: 0, config: 0 } };
}
