import { assert } from "../base/assert.ts";
import { ByteBudget } from "./byte-budget.ts";
import { DimensionSets } from "./dimension.ts";
import { Host } from "./host.ts";
import type { HostDirectories } from "./host-directories.ts";
import type { HostOptions, HostShare } from "./host-options.ts";
import { InternedTexts } from "./interned-texts.ts";
import type { LimitReached } from "./limit-reached.ts";
import { MemoryStore } from "./store/segment-store.ts";

/** Bounds of the whole database, from `[db]`. */
export interface DatabaseLimits {
  memoryBytes: number;
  hosts: number;
  chartsPerHost: number;
  dimensionsPerChart: number;
  /** Of one host, beside the first definitions after it connected. */
  newChartsPerMinute: number;
}

/** After a connect, definitions are free of the limit of new charts for this long. */
const FIRST_DEFINITIONS_US = 60_000_000;

/** Told of hosts that come and go, so that `app` can attach a pusher to them. Must not throw. */
export interface HostWatcher {
  hostAdded(host: Host): void;
  /** @param isKept its files stay whatever is configured: it comes back at once, or it has made room for others. */
  hostRemoved(host: Host, isKept: boolean): void;
}

/** All hosts of this agent, the local one first. */
export class Database {
  /** Hosts refused by the limit. */
  refusedHosts = 0;
  /** Archived hosts that left memory because a live one needed their place or their memory. */
  displacedHosts = 0;
  /** Told of each of them, before it leaves. */
  onDisplaced: (host: Host) => void = () => {};
  readonly store: MemoryStore;
  readonly budget: ByteBudget;
  private readonly limits: DatabaseLimits;
  private readonly share: HostShare;
  private readonly byGuid = new Map<string, Host>();
  private readonly watchers: HostWatcher[] = [];
  /** Hosts that came from files; those that connected since are live. */
  private readonly archived = new Set<Host>();
  private isRestoring = false;
  /** Files of hosts in modes `save` and `map`; null = there are none. */
  private directories: HostDirectories | null = null;

  constructor(limits: DatabaseLimits, limitReached: LimitReached) {
    this.limits = limits;
    this.budget = new ByteBudget(limits.memoryBytes);
    this.budget.makeRoom = () => this.displaceArchived();
    this.store = new MemoryStore(this.budget);
    this.share = {
      chartsPerHostMax: limits.chartsPerHost,
      dimensionsPerChartMax: limits.dimensionsPerChart,
      store: this.store,
      budget: this.budget,
      sets: new DimensionSets(),
      texts: new InternedTexts(),
      limitReached,
    };
  }

  /** From now on hosts in modes `save` and `map` have files. */
  useDirectories(directories: HostDirectories): void {
    this.directories = directories;
  }

  /** In order of appearance, the local host first. */
  get hosts(): Host[] {
    return [...this.byGuid.values()];
  }

  get hostCount(): number {
    return this.byGuid.size;
  }

  /** The host of this agent's own machine; null in an agent that has not made it yet. */
  get localhost(): Host | null {
    for (const host of this.byGuid.values()) if (host.isLocal) return host;
    return null;
  }

  /** @param machineGuid lower case. */
  host(machineGuid: string): Host | undefined {
    return this.byGuid.get(machineGuid);
  }

  /** By hostname (first seen wins), else by GUID in any case; `localhost` is always this agent (http-api.md §3). */
  findHost(nameOrGuid: string): Host | undefined {
    if (nameOrGuid === "localhost") return this.localhost ?? undefined;
    for (const host of this.byGuid.values()) if (host.hostname === nameOrGuid) return host;
    return this.byGuid.get(nameOrGuid.toLowerCase());
  }

  /** @returns null when the limit of hosts is reached. The GUID must not be known yet. */
  addHost(options: HostOptions): Host | null {
    assert(!this.byGuid.has(options.machineGuid), "a host with this GUID exists already");
    if (this.byGuid.size >= this.limits.hosts && !this.displaceArchived()) {
      this.refusedHosts++;
      this.share.limitReached("hosts_max", options.hostname, `host ${options.machineGuid}`);
      return null;
    }
    const files = this.directories?.open(options) ?? null;
    const host = new Host(options, this.share, files);
    files?.attach(host);
    this.byGuid.set(host.machineGuid, host);
    for (const watcher of this.watchers) watcher.hostAdded(host);
    return host;
  }

  /** {@link addHost} for one of an earlier run, of which only the files are known: it displaces no other. */
  addArchived(options: HostOptions): Host | null {
    this.isRestoring = true;
    try {
      const host = this.addHost(options);
      if (host !== null) this.archived.add(host);
      return host;
    } finally {
      this.isRestoring = false;
    }
  }

  /** A host starts to be collected (again): all its charts may be new. */
  freeFirstDefinitions(host: Host, nowUs: number): void {
    host.admission.newChartAllowance = Number.POSITIVE_INFINITY;
    host.admission.newChartsFreeUntilUs = nowUs + FIRST_DEFINITIONS_US;
  }

  /** Once a minute: each host may have its share of new charts. */
  renewChartAllowances(nowUs: number): void {
    for (const host of this.byGuid.values()) {
      if (nowUs >= host.admission.newChartsFreeUntilUs)
        host.admission.newChartAllowance = this.limits.newChartsPerMinute;
    }
  }

  /** Once a minute: charts that were retired long ago leave memory. */
  removeObsoleteCharts(nowUs: number, afterUs: number): void {
    for (const host of this.byGuid.values()) host.removeObsolete(nowUs, afterUs);
  }

  /** Makes a host anew with other options; what its files hold and still fits comes back. */
  remakeHost(host: Host, options: HostOptions): Host | null {
    this.removeHost(host, true);
    return this.addHost(options);
  }

  /** Forgets a host and frees its memory. @param isKept see {@link HostWatcher.hostRemoved}. */
  removeHost(host: Host, isKept = false): void {
    if (!this.byGuid.delete(host.machineGuid)) return;
    this.archived.delete(host);
    for (const watcher of this.watchers) watcher.hostRemoved(host, isKept);
    host.dispose();
  }

  watch(watcher: HostWatcher): void {
    this.watchers.push(watcher);
  }

  /** The archived host whose data is oldest leaves memory; its files stay. @returns false = there is none. */
  private displaceArchived(): boolean {
    if (this.isRestoring) return false;
    let oldest: Host | null = null;
    let oldestUs = Number.POSITIVE_INFINITY;
    for (const host of this.archived) {
      const newestUs = newestStoredUs(host);
      if (!host.isArchived || newestUs >= oldestUs) continue;
      oldest = host;
      oldestUs = newestUs;
    }
    if (oldest === null) return false;
    this.displacedHosts++;
    this.onDisplaced(oldest);
    this.removeHost(oldest, true);
    return true;
  }
}

/** What its files say of the last time it was seen may be from long before, when its agent was killed. */
function newestStoredUs({ lastCollectedUs, charts }: Host): number {
  return charts.reduce((newest, chart) => Math.max(newest, chart?.lastUpdatedUs ?? 0), lastCollectedUs);
}
