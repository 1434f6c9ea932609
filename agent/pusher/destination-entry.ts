import type { Random } from "../base/clock.ts";
import type { Destination } from "../base/destination.ts";
import { supported } from "../wire/capabilities.ts";
import type { DestinationStatus } from "./pusher-world.ts";
import { type PostponeReason, postponeMs } from "./retry-delay.ts";

/** One parent of a list, and what is known of it. */
export class DestinationEntry {
  readonly destination: Destination;
  /** Monotonic ms before which it is not tried. */
  postponedUntilMs = Number.NEGATIVE_INFINITY;
  /** Round in which it was tried last. */
  round = 0;
  /** It said on an earlier connection that it is an agent of our kind. */
  isOurs = false;
  private triedUs = 0;
  private usedSinceUs = 0;
  private error = "";
  private reason: PostponeReason | "" = "";
  /** Answers "already streaming" in a row. */
  private alreadyStreaming = 0;
  /** It has taken our stream at some time. */
  private hasAccepted = false;
  /** It answers with what it was not offered as soon as anything is. */
  private isPlain = false;

  constructor(destination: Destination) {
    this.destination = destination;
  }

  /** Capability bits that it is offered; 0 = none. @param hasRing of the host. @param isReplicating by the settings. */
  offer(hasRing: boolean, isReplicating: boolean): number {
    return this.isPlain ? 0 : supported(hasRing, isReplicating);
  }

  /** It is offered nothing any more. */
  withdrawOffer(): void {
    this.isPlain = true;
  }

  /** An attempt begins. */
  tried(nowUs: number): void {
    this.triedUs = nowUs;
    this.reason = "";
  }

  /** It took our stream. */
  accepted(nowUs: number): void {
    this.alreadyStreaming = 0;
    this.hasAccepted = true;
    this.usedSinceUs = nowUs;
    this.error = "";
    this.reason = "";
  }

  /** The attempt failed, or the link ended. @param problem empty: we closed it in order. */
  ended(problem: string): void {
    this.usedSinceUs = 0;
    this.error = problem;
  }

  /**
   * It is left alone for a while. One that took our stream before and now closes without a word is not: that is how a
   * parent that is away looks behind whatever passes connections on to it, and so it is tried as one that is away.
   * @param nowMs monotonic.
   */
  postpone(reason: PostponeReason, nowMs: number, random: Random): void {
    this.reason = reason;
    this.alreadyStreaming = reason === "already_streaming" ? this.alreadyStreaming + 1 : 0;
    if (reason === "closed" && this.hasAccepted) return;
    this.postponedUntilMs = nowMs + postponeMs(reason, this.alreadyStreaming, random);
  }

  /** @param nowMs monotonic. */
  status(nowUs: number, nowMs: number): DestinationStatus {
    const waitMs = this.postponedUntilMs - nowMs;
    return {
      name: this.destination.name,
      lastAttemptSec: Math.floor(this.triedUs / 1e6),
      error: this.error,
      reason: this.reason,
      postponedUntilSec: waitMs > 0 ? Math.ceil(nowUs / 1e6 + waitMs / 1000) : 0,
      inUseSinceSec: Math.floor(this.usedSinceUs / 1e6),
    };
  }
}
