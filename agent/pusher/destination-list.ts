import type { Random } from "../base/clock.ts";
import { type Destination, parseDestination } from "../base/destination.ts";
import { supported } from "../wire/capabilities.ts";
import { type PostponeReason, postponeMs } from "./retry-delay.ts";

/** One parent of a list. */
export class DestinationEntry {
  readonly destination: Destination;
  /** Monotonic ms before which it is not tried. */
  postponedUntilMs = Number.NEGATIVE_INFINITY;
  /** Round in which it was tried last. */
  round = 0;
  /** Answers "already streaming" in a row. */
  private alreadyStreaming = 0;
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

  /** It took our stream. */
  accepted(): void {
    this.alreadyStreaming = 0;
  }

  /** It is left alone for a while. @param nowMs monotonic. */
  postpone(reason: PostponeReason, nowMs: number, random: Random): void {
    this.alreadyStreaming = reason === "already_streaming" ? this.alreadyStreaming + 1 : 0;
    this.postponedUntilMs = nowMs + postponeMs(reason, this.alreadyStreaming, random);
  }
}

/**
 * The parents of a link in their present order (streaming.md §2.6): an attempt goes through them from the front, one
 * that a connection could be made to moves to the end, one that refused us is left out for a while.
 */
export class DestinationList {
  /** Their names in the configured order: equal lists have equal texts. */
  readonly configured: string;
  private readonly entries: DestinationEntry[];
  private round = 1;

  /** @throws InputError when an entry cannot be read. */
  constructor(texts: readonly string[], portDefault: number) {
    const seen = new Map<string, Destination>();
    for (const text of texts) {
      const destination = parseDestination(text, portDefault);
      if (!seen.has(destination.name)) seen.set(destination.name, destination);
    }
    this.entries = [...seen.values()].map((destination) => new DestinationEntry(destination));
    this.configured = this.names.join(" ");
  }

  /** In their present order. */
  get names(): string[] {
    return this.entries.map(({ destination }) => destination.name);
  }

  /** Every entry may be tried again. */
  beginRound(): void {
    this.round++;
  }

  /** The next entry of this round that is not postponed, or null. */
  take(nowMs: number): DestinationEntry | null {
    const entry = this.entries.find((each) => each.round < this.round && each.postponedUntilMs <= nowMs) ?? null;
    if (entry !== null) entry.round = this.round;
    return entry;
  }

  /** The entry that a connection was made to last is offered nothing any more, and is the next of this round. */
  withdrawOffer(): void {
    const entry = this.entries.pop();
    if (entry === undefined) return;
    entry.withdrawOffer();
    entry.round = this.round - 1;
    this.entries.unshift(entry);
  }

  moveToEnd(entry: DestinationEntry): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.entries.push(entry);
  }

  /** When the first entry may be tried; −∞ = now, +∞ = there is none. */
  get availableMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.entries.map((entry) => entry.postponedUntilMs));
  }
}
