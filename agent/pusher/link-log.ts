import type { Log } from "../base/log.ts";
import type { Host } from "../rrd/host.ts";
import type { Rejection } from "../wire/answers.ts";
import type { LossReason } from "./link-account.ts";
import type { LinkOutput } from "./link-output.ts";
import type { ParentChoice } from "./parent-choice.ts";

/** The log lines of one outgoing link: one a change of state, never one a tick (streaming.md §2.5). */
export class LinkLog {
  private readonly log: Log;
  private readonly host: Pick<Host, "hostname">;
  private readonly choice: Pick<ParentChoice, "name">;
  /** Values thrown away since the last connection; −1 = none. */
  private discarded = -1;
  private hasToldClock = false;
  /** Values known to be recovered. */
  private recovered = 0;

  /** Its lines name the host and the parent in use, or tried last. */
  constructor(log: Log, host: Pick<Host, "hostname">, choice: Pick<ParentChoice, "name">) {
    this.log = log;
    this.host = host;
    this.choice = choice;
  }

  connecting(): void {
    this.log.info("pusher.connecting", this.fields);
  }

  connectFailed(problem: string): void {
    this.log.warn("pusher.connect_failed", { ...this.fields, problem });
  }

  waitingReply(): void {
    this.log.info("pusher.waiting_reply", this.fields);
  }

  /** Also tells how much the outage cost. @param version 1, 2 … or capability bits. */
  established(version: number): void {
    this.hasToldClock = false;
    this.log.info("pusher.established", { ...this.fields, version });
    if (this.discarded >= 0) this.log.info("pusher.ready", { ...this.fields, discarded_values: this.discarded });
    this.discarded = -1;
  }

  /** @param text what it means, and what to do. */
  rejected(rejection: Rejection, problem: string, text: string): void {
    const fields = { ...this.fields, reason: rejection, problem, text };
    if (rejection === "no_reply") this.log.warn("pusher.reply_missing", fields);
    else if (rejection === "not_understood") this.log.error("pusher.reply_not_understood", fields);
    else this.log.error("pusher.rejected", fields);
  }

  offerWithdrawn(problem: string): void {
    this.log.info("pusher.offer_withdrawn", { ...this.fields, problem });
  }

  loopRefused(address: string): void {
    this.log.error("pusher.loop_refused", { ...this.fields, address });
  }

  tooManyHops(problem: string): void {
    this.log.error("pusher.hops_exceeded", { ...this.fields, problem });
  }

  /** Values for which there is no connection: one line an outage. */
  valuesDiscarded(values: number, reason: LossReason, problem: string): void {
    if (values === 0) return;
    if (this.discarded < 0) {
      this.discarded = 0;
      this.log.error("pusher.values_discarded", { ...this.fields, reason, problem });
    }
    this.discarded += values;
  }

  sendFailed(problem: string, sentBytes: number, livedMs: number): void {
    const lived_sec = Math.round(livedMs / 1000);
    this.log.warn("pusher.send_failed", { ...this.fields, problem, sent_bytes: sentBytes, lived_sec });
  }

  /** Bytes of a connection that is gone. */
  bytesDiscarded(bytes: number, values: number): void {
    if (bytes > 0) this.log.error("pusher.bytes_discarded", { ...this.fields, bytes, values });
  }

  bufferOverflow(limitBytes: number, output: Pick<LinkOutput, "pendingBytes" | "sentBytes" | "connectionBytes">): void {
    this.log.error("pusher.buffer_overflow", {
      ...this.fields,
      buffer_bytes: limitBytes,
      unsent_bytes: output.pendingBytes,
      sent_bytes: output.sentBytes,
      connection_bytes: output.connectionBytes,
    });
  }

  /** @param preferred the parent that is there again. */
  returning(preferred: string): void {
    this.log.info("pusher.returning", { ...this.fields, preferred });
  }

  /**
   * Time passes on a link that lives. Call once a second.
   * @param clockProblem told once a connection; empty = there is none.
   * @param recovered values that were lost and that the parent has fetched since, in all: one line when there are more.
   */
  tick(clockProblem: string, recovered: number): void {
    if (clockProblem !== "" && !this.hasToldClock) {
      this.hasToldClock = true;
      this.log.error("pusher.clock_off", { ...this.fields, problem: clockProblem });
    }
    if (recovered <= this.recovered) return;
    this.log.info("pusher.recovered", { ...this.fields, values: recovered - this.recovered });
    this.recovered = recovered;
  }

  stopping(): void {
    this.log.info("pusher.stopping", this.fields);
  }

  private get fields() {
    return { host: this.host.hostname, parent: this.choice.name };
  }
}
