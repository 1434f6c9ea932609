import type { Host } from "../rrd/host.ts";

/** Time over which a rate is taken, at least. */
const SPAN_MS = 5000;

interface Sample {
  atMs: number;
  values: number;
}

/** Values per second of each host, from its account; remembered only as long as the host lives. */
export class HostRates {
  private readonly samples = new WeakMap<Host, { older: Sample; newer: Sample }>();

  /** Notes where the host's account stands. Called about once a second; more often does no harm. */
  observe(host: Host, nowMs: number): void {
    const now = { atMs: nowMs, values: valuesOf(host) };
    const known = this.samples.get(host);
    if (known === undefined) this.samples.set(host, { older: now, newer: now });
    else if (nowMs - known.newer.atMs >= SPAN_MS) {
      known.older = known.newer;
      known.newer = now;
    }
  }

  /** @returns values per second over the last 5 to 10 s; 0 before the first two observations. */
  rateOf(host: Host, nowMs: number): number {
    const known = this.samples.get(host);
    if (known === undefined || nowMs <= known.older.atMs) return 0;
    return (1000 * (valuesOf(host) - known.older.values)) / (nowMs - known.older.atMs);
  }
}

function valuesOf(host: Host): number {
  return host.balance.collected + host.balance.received;
}
