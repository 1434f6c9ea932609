import type { Host } from "../rrd/host.ts";

/** The one definition of a host's state for people (dashboard.md §2). */
export type HostStatus = "online" | "stale" | "offline" | "archived";

const LAG_SEC_MIN = 3;
const LAG_INTERVALS = 3;
const STALE_SEC = 60;

/** Seconds since the newest collected sample; since the host was first seen when there is none yet. */
export function lagSec(host: Host, nowUs: number): number {
  const sinceUs = host.lastCollectedUs > 0 ? host.lastCollectedUs : host.firstSeenUs;
  return Math.max(0, (nowUs - sinceUs) / 1e6);
}

/**
 * `online`: lag ≤ max(3 × update_every, 3 s), or this machine. `stale`: connected but further behind, or disconnected
 * for less than a minute. `archived`: data is kept, but it never connected since start. `offline`: everything else.
 */
export function statusOf(host: Host, nowUs: number): HostStatus {
  if (host.isLocal) return "online";
  if (host.isConnected) {
    const limitSec = Math.max(LAG_INTERVALS * host.updateEverySec, LAG_SEC_MIN);
    return lagSec(host, nowUs) <= limitSec ? "online" : "stale";
  }
  if (host.disconnectedUs === 0) return "archived";
  return nowUs - host.disconnectedUs < STALE_SEC * 1e6 ? "stale" : "offline";
}
