import type { Chart } from "../rrd/chart.ts";
import type { LossReason } from "./link-account.ts";
import type { LinkLog } from "./link-log.ts";
import type { LinkOutput } from "./link-output.ts";

/** The newest iteration is kept for a connection that is being made; what is older belongs to a second that is over. */
const HOLD_MS_MAX = 5000;

/** Values of a link that is not connected: a few wait, the others are lost, and the log says so. */
export class UnsentValues {
  /** What they are lost for. */
  reason: LossReason = "not_connected";
  private readonly output: LinkOutput;
  private readonly log: LinkLog;
  /** The newest iteration may wait in the buffer for the connection that is being made. */
  private isHolding = true;
  private holdingMs = 0;

  constructor(output: LinkOutput, log: LinkLog) {
    this.output = output;
    this.log = log;
  }

  /** A connection is about to be made. @param nowMs monotonic. */
  begin(nowMs: number): void {
    this.isHolding = true;
    this.holdingMs = nowMs;
  }

  /** There will be none for a while, unless values come. @param isIdle there were none yet: the first may wait. */
  rest(isIdle: boolean): void {
    this.isHolding = isIdle;
  }

  /** May an iteration of this chart wait for a connection? Only the newest does. @param problem for the log. */
  mayHold(chart: Chart, problem: string): boolean {
    if (!this.isHolding) return false;
    if (this.output.has(chart)) {
      this.tell(problem);
      this.output.replace(this.reason);
    }
    return true;
  }

  /** Values that no connection can take. */
  lose(values: number, problem: string): void {
    this.output.lose(values, this.reason);
    this.log.valuesDiscarded(values, this.reason, problem);
  }

  /** What waits is lost. */
  discard(problem: string): void {
    this.tell(problem);
    this.output.breakOff(this.reason);
  }

  /** Call once a second while a connection is being made. */
  tick(nowMs: number, problem: string): void {
    if (!this.isHolding || nowMs - this.holdingMs < HOLD_MS_MAX) return;
    this.isHolding = false;
    this.discard(problem);
  }

  private tell(problem: string): void {
    this.log.valuesDiscarded(this.output.account.queued, this.reason, problem);
  }
}
