import { parseDestination } from "../base/destination.ts";
import { DestinationEntry } from "./destination-entry.ts";

/**
 * The parents of a link (streaming.md §2.6): an attempt goes through them from the front, in the configured order
 * unless they were ranked; the one that was connected last comes behind its equals, one that refused us is left out for
 * a while.
 */
export class DestinationList {
  /** Their names in the configured order: equal lists have equal texts. */
  readonly configured: string;
  /** In the configured order. */
  readonly entries: readonly DestinationEntry[];
  /** In the order of the present round. */
  private order: DestinationEntry[];
  private round = 1;
  private lastUsed: DestinationEntry | null = null;

  /** @throws InputError when an entry cannot be read. */
  constructor(texts: readonly string[], portDefault: number) {
    const byName = new Map<string, DestinationEntry>();
    for (const text of texts) {
      const destination = parseDestination(text, portDefault);
      if (!byName.has(destination.name)) byName.set(destination.name, new DestinationEntry(destination));
    }
    this.entries = [...byName.values()];
    this.order = [...this.entries];
    this.configured = [...byName.keys()].join(" ");
  }

  /** Every entry may be tried again. */
  beginRound(): void {
    this.round++;
    const { lastUsed } = this;
    this.order = this.entries.filter((entry) => entry !== lastUsed);
    if (lastUsed !== null) this.order.push(lastUsed);
  }

  /** Every entry may be tried again: this one first, then the one in use, then the others. */
  beginReturn(preferred: DestinationEntry): void {
    this.beginRound();
    const used = this.order.pop()!;
    this.order = [preferred, used, ...this.order.filter((entry) => entry !== preferred)];
  }

  /** Those that may be tried now, in the order of this round. */
  candidates(nowMs: number): DestinationEntry[] {
    return this.order.filter((entry) => entry.round < this.round && entry.postponedUntilMs <= nowMs);
  }

  /** Puts the smallest number first; equal ones keep their order. */
  rank(numbers: ReadonlyMap<DestinationEntry, number>): void {
    const numberOf = (entry: DestinationEntry) => numbers.get(entry) ?? Number.MAX_VALUE;
    this.order.sort((one, other) => numberOf(one) - numberOf(other));
  }

  /** The next entry of this round that is not postponed, or null. */
  take(nowMs: number): DestinationEntry | null {
    const entry = this.candidates(nowMs)[0] ?? null;
    if (entry !== null) entry.round = this.round;
    return entry;
  }

  /** A connection to this entry stands. */
  opened(entry: DestinationEntry): void {
    this.lastUsed = entry;
  }

  /** This entry is offered nothing any more, and is the next of this round. */
  withdrawOffer(entry: DestinationEntry): void {
    entry.withdrawOffer();
    entry.round = this.round - 1;
    this.order = [entry, ...this.order.filter((each) => each !== entry)];
  }

  /** When the first entry may be tried; −∞ = now, +∞ = there is none. */
  get availableMs(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.entries.map((entry) => entry.postponedUntilMs));
  }
}
