import type { Clock } from "../base/clock.ts";
import type { Pushers } from "../pusher/pushers.ts";
import { imbalance } from "../rrd/balance.ts";
import type { Database } from "../rrd/database.ts";
import type { Mismatches, MismatchKind } from "../rrd/mismatches.ts";
import { hopImbalance } from "../rrd/path.ts";

/** Looks at the account of every host and of every link (design.md §1.1): what does not add up is told once. */
export class BalanceCheck {
  private readonly database: Database;
  private readonly pushers: Pushers;
  private readonly clock: Clock;
  private readonly mismatches: Mismatches;
  /** By account: how much it was off when it was looked at last. */
  private known = new Map<string, number>();

  constructor(database: Database, pushers: Pushers, clock: Clock, mismatches: Mismatches) {
    this.database = database;
    this.pushers = pushers;
    this.clock = clock;
    this.mismatches = mismatches;
  }

  /** Call once a minute. */
  run(): void {
    const found = new Map<string, number>();
    const note = (kind: MismatchKind, host: { hostname: string; machineGuid: string }, off: number, what: string) => {
      if (off === 0) return;
      const account = `${kind} ${host.machineGuid}`;
      found.set(account, off);
      if (this.known.get(account) === off) return;
      this.mismatches.add(kind, host, `${what} is off by ${off} values: ${off > 0 ? "lost" : "counted twice"}`);
    };
    for (const host of this.database.hosts) {
      note("database", host, imbalance(host.balance), "the account of what was stored of it");
    }
    for (const { from: machineGuid, hostname, to, values } of this.pushers.status()) {
      note("link", { machineGuid, hostname }, hopImbalance(values), `the account of its stream to ${to || "a parent"}`);
    }
    this.known = found;
    this.mismatches.checkedSec = Math.floor(this.clock.nowUs() / 1e6);
  }
}
