import type { Timer } from "../base/clock.ts";
import type { Host } from "../rrd/host.ts";
import { SetHeadsCache } from "./chart-stream.ts";
import { HostPusher } from "./host-pusher.ts";
import { addTotals, type HostLinkTotals, type LinkTotals, NO_TOTALS, totalsOf } from "./link-totals.ts";
import type { DirtyLink, PusherShare } from "./pusher-share.ts";
import type { LinkState, LinkStatus, PusherCounters, PusherSettings, PusherWorld } from "./pusher-world.ts";

/** How often a stopping agent looks whether its links are drained. */
const STOP_LOOK_MS = 20;
/** How often the queues of the kernel are looked at: that costs 3 ms, with 2000 sockets 10. */
const QUEUES_LOOK_MS = 5000;
/** Many links may break at once. */
const QUEUES_AGAIN_MS = 250;

/** All outgoing links of this agent, at most one for each host. */
export class Pushers implements PusherShare {
  readonly counters: PusherCounters = { connects: 0, rejected: 0, lost: 0, overflows: 0, bytesOut: 0, bytesIn: 0 };
  readonly heads = new SetHeadsCache();
  private readonly world: PusherWorld;
  private readonly byHost = new Map<Host, HostPusher>();
  private waiting: DirtyLink[] = [];
  private flushing: DirtyLink[] = [];
  /** Links that have more to do than they had time for. */
  private readonly unfinished = new Set<DirtyLink>();
  private turn: Timer | null = null;
  private queuesMs = Number.NEGATIVE_INFINITY;
  private queuesDueMs = 0;
  /** Of links that are over. */
  private gone = NO_TOTALS;

  constructor(world: PusherWorld) {
    this.world = world;
  }

  /**
   * Streams a host from its next commit on, connects at once if values are expected; for one that is streamed already,
   * takes the new settings.
   * @throws InputError when a destination or pattern cannot be read; then nothing changes.
   */
  attach(host: Host, settings: PusherSettings): void {
    const known = this.byHost.get(host);
    if (known !== undefined) {
      known.configure(settings);
      return;
    }
    const pusher = new HostPusher(host, settings, this.world, this);
    this.byHost.set(host, pusher);
    host.listener = pusher;
    if (settings.expectsValues) pusher.expectValues();
  }

  /** Ends the link of a host, in order. */
  detach(host: Host): void {
    const pusher = this.byHost.get(host);
    if (pusher === undefined) return;
    this.byHost.delete(host);
    if (host.listener === pusher) host.listener = null;
    pusher.close();
    this.unfinished.delete(pusher);
    this.gone = addTotals(this.gone, totalsOf(pusher));
  }

  /**
   * New configuration. @param settingsOf what holds for a host now; null = it is not streamed.
   * @throws InputError as {@link attach}.
   */
  reload(hosts: readonly Host[], settingsOf: (host: Host) => PusherSettings | null): void {
    for (const host of hosts) {
      const settings = settingsOf(host);
      if (settings === null) this.detach(host);
      else this.attach(host, settings);
    }
  }

  /** The sender of a proxied host connected anew: its definitions are repeated downstream (streaming.md §4). */
  repeatDefinitions(host: Host): void {
    this.byHost.get(host)?.repeatDefinitions();
  }

  dirty(link: DirtyLink): void {
    this.waiting.push(link);
  }

  later(link: DirtyLink): void {
    this.unfinished.add(link);
    this.turn ??= this.world.clock.setTimer(0, () => this.nextTurn());
  }

  willLook(): boolean {
    // At a new one in the next tick already.
    this.queuesDueMs = 0;
    return this.world.tcpQueues !== undefined;
  }

  lookAgain(nowMs: number): void {
    const { tcpQueues } = this.world;
    if (tcpQueues === undefined || nowMs - this.queuesMs < QUEUES_AGAIN_MS) return;
    this.queuesMs = nowMs;
    this.queuesDueMs = nowMs + QUEUES_LOOK_MS;
    const queues = tcpQueues();
    for (const pusher of this.byHost.values()) pusher.noteQueues(queues, nowMs);
  }

  /** Gives the kernel what was committed; visits only links with news. Call after each received chunk and each tick. */
  flushAll(): void {
    if (this.waiting.length === 0) return;
    const nowMs = this.world.clock.monotonicMs();
    const links = this.waiting;
    this.waiting = this.flushing;
    this.flushing = links;
    for (let index = 0; index < links.length; index++) links[index]!.flush(nowMs);
    links.length = 0;
  }

  /** Timeouts and new attempts of all links. Call once a second. @param nowMs monotonic. */
  tick(nowMs: number): void {
    if (nowMs >= this.queuesDueMs && this.stateCounts.connected > 0) this.lookAgain(nowMs);
    for (const pusher of this.byHost.values()) pusher.tick(nowMs);
  }

  /** Gives the kernel what it takes within `deadlineMs`, then closes every link in order. */
  async stop(deadlineMs: number): Promise<void> {
    this.flushAll();
    const endMs = this.world.clock.monotonicMs() + deadlineMs;
    while (!this.isDrained && this.world.clock.monotonicMs() < endMs) await this.pause();
    for (const host of [...this.byHost.keys()]) this.detach(host);
  }

  /** In order of attachment. */
  status(): LinkStatus[] {
    return [...this.byHost.values()].map((pusher) => pusher.status());
  }

  /** The accounts of all links together, those that are over included; undefined until there is one. */
  get totals(): LinkTotals | undefined {
    let totals = this.gone;
    for (const pusher of this.byHost.values()) totals = addTotals(totals, totalsOf(pusher));
    return this.byHost.size === 0 && totals.offered === 0 ? undefined : totals;
  }

  /** The accounts of the first `most` links, in order of attachment. */
  accounts(most: number): HostLinkTotals[] {
    return [...this.byHost.values().take(Math.min(most, this.byHost.size))].map(totalsOf);
  }

  /** Links by state. */
  get stateCounts(): Record<LinkState, number> {
    const counts = { connected: 0, connecting: 0, waiting: 0, off: 0 };
    for (const pusher of this.byHost.values()) counts[pusher.linkState]++;
    return counts;
  }

  /** How full the fullest send buffer is, 0…100. */
  get bufferPercentMax(): number {
    let fill = 0;
    for (const pusher of this.byHost.values()) fill = Math.max(fill, pusher.output.fill);
    return 100 * fill;
  }

  /** One link at a time: whatever else happens comes in between. */
  private nextTurn(): void {
    this.turn = null;
    const [link] = this.unfinished;
    if (link === undefined) return;
    this.unfinished.delete(link);
    link.flush(this.world.clock.monotonicMs());
    const [next] = this.unfinished;
    if (next !== undefined) this.later(next);
  }

  private get isDrained(): boolean {
    for (const { linkState, output } of this.byHost.values()) {
      if (linkState === "connected" && output.pendingBytes > 0) return false;
    }
    return true;
  }

  /** `drain` events move the bytes; we only look whether they have. */
  private pause(): Promise<void> {
    return new Promise((resolve) => {
      this.world.clock.setTimer(STOP_LOOK_MS, resolve);
    });
  }
}
