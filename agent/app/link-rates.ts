import type { Clock } from "../base/clock.ts";
import type { LinkStatus } from "../pusher/pusher-world.ts";

/** Span over which a rate is taken, at least. */
const SPAN_MS = 5000;

/** Values per second of outgoing links, from their accounts at two moments. */
export class LinkRates {
  private readonly clock: Clock;
  private readonly marks = new Map<string, { atMs: number; values: number; rate: number }>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** Notes where the links stand. Call once a second with all of them. */
  observe(links: readonly LinkStatus[]): void {
    const nowMs = this.clock.monotonicMs();
    for (const { from, values } of links) {
      const sent = values.delivered + values.inFlight;
      const mark = this.marks.get(from);
      if (mark === undefined) this.marks.set(from, { atMs: nowMs, values: sent, rate: 0 });
      else if (nowMs - mark.atMs >= SPAN_MS) {
        mark.rate = Math.max(0, sent - mark.values) / ((nowMs - mark.atMs) / 1000);
        mark.atMs = nowMs;
        mark.values = sent;
      }
    }
    if (this.marks.size > links.length) this.forget(new Set(links.map((link) => link.from)));
  }

  rateOf(link: LinkStatus): number {
    return Math.round((this.marks.get(link.from)?.rate ?? 0) * 10) / 10;
  }

  private forget(known: ReadonlySet<string>): void {
    for (const from of this.marks.keys()) if (!known.has(from)) this.marks.delete(from);
  }
}
