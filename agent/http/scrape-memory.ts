import type { Host } from "../rrd/host.ts";

/** Servers remembered; the one that came longest ago is forgotten first. A site has a handful. */
const SERVERS_MAX = 64;
const NAME_LENGTH_MAX = 200;
/** How far the first window of a server reaches back. */
const FIRST_WINDOW_SEC = 10;

/** When each server last asked for each host, so that its averages and sums leave nothing out (exporters.md §3.5). */
export class ScrapeMemory {
  private readonly servers = new Map<string, WeakMap<Host, number>>();

  /** Notes that a server asks now. @returns the time it asked for this host before: the start of its window. */
  visit(server: string, host: Host, nowSec: number): number {
    const name = server.slice(0, NAME_LENGTH_MAX);
    const seen = this.servers.get(name) ?? new WeakMap<Host, number>();
    // Put at the end again: the order of the map is the order of the visits.
    this.servers.delete(name);
    this.servers.set(name, seen);
    if (this.servers.size > SERVERS_MAX) this.servers.delete(this.servers.keys().next().value ?? "");
    const before = seen.get(host);
    seen.set(host, nowSec);
    // A clock that stepped back starts anew.
    return before === undefined || before > nowSec ? nowSec - FIRST_WINDOW_SEC : before;
  }
}
