import type { Clock, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Config } from "../config/schema.ts";
import type { HostOptions } from "../rrd/host-options.ts";
import type { StoredHost } from "../rrd/store/catalogue-format.ts";
import type { Storage } from "../rrd/store/storage.ts";

/** Time that hosts of earlier runs have before the agent is ready: enough for all of them on most machines. */
const BEFORE_READY_MS = 500;
/** Time of each turn after that. In between, streams, queries and collectors have theirs. */
const TURN_MS = 20;

/**
 * Puts the hosts of earlier runs into the database, this machine's own left out. A parent of a thousand children does
 * not make them wait for that: what is left after half a second is done while it is at work. A child that connects
 * before its turn gets its files at once.
 */
export class HostRestoration implements Disposable {
  private readonly storage: Storage;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly optionsOf: (stored: StoredHost) => HostOptions | null;
  private readonly startMs: number;
  private timer: Timer | null = null;
  private isDone: boolean;

  /** Restores what there is time for now. */
  constructor(config: Config, storage: Storage, { clock, log }: { clock: Clock; log: Log }) {
    this.storage = storage;
    this.clock = clock;
    this.log = log;
    this.optionsOf = (stored) => optionsOf(config, stored);
    this.startMs = clock.monotonicMs();
    this.isDone = this.work(BEFORE_READY_MS);
  }

  /** Restores the rest, a turn at a time. Call once, when the agent is ready. */
  goOn(): void {
    if (this.isDone) return;
    // Not at once: whatever came in meanwhile goes first.
    this.timer = this.clock.setTimer(1, () => {
      this.isDone = this.work(TURN_MS);
      this.goOn();
    });
  }

  /** Leaves the rest where it is. */
  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
  }

  /** @returns true when nothing is left. */
  private work(ms: number): boolean {
    const { clock } = this;
    const endMs = clock.monotonicMs() + ms;
    const isDone = this.storage.restoreArchived(this.optionsOf, () => clock.monotonicMs() < endMs);
    if (isDone) this.log.info("rrd.hosts_restored", { ms: Math.round(clock.monotonicMs() - this.startMs) });
    return isDone;
  }
}

function optionsOf(config: Config, stored: StoredHost): HostOptions | null {
  const gapIterations = config.db.gap_when_lost_iterations_above + 2;
  // The key it used is not known before it connects; what stands of the machine itself is.
  const machine = Object.hasOwn(config.machine, stored.machineGuid) ? config.machine[stored.machineGuid] : undefined;
  const memoryMode = machine?.memory_mode ?? stored.memoryMode;
  if (memoryMode !== "save" && memoryMode !== "map") return null;
  const { machineGuid, hostname, os, updateEverySec } = stored;
  const historyEntries = machine?.history ?? stored.historyEntries;
  return { machineGuid, hostname, os, updateEverySec, historyEntries, memoryMode, gapIterations, isLocal: false };
}
