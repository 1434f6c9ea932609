import type { AccountCounters } from "../collector/agent-sources.ts";
import { type Balance, DROP_REASONS } from "../rrd/balance.ts";
import type { Database } from "../rrd/database.ts";

/** The database accounts of all hosts together; a host that is forgotten stays in it, so that nothing goes back. */
export class AccountTotals {
  private readonly database: Database;
  private readonly gone = nothing();

  constructor(database: Database) {
    this.database = database;
    database.watch({ hostAdded: () => {}, hostRemoved: ({ balance }) => addTo(this.gone, balance) });
  }

  /** Since start. */
  read(): AccountCounters {
    const totals = { ...this.gone };
    for (const { balance } of this.database.hosts) addTo(totals, balance);
    return totals;
  }
}

type Totals = { -readonly [Key in keyof AccountCounters]: number };

function nothing(): Totals {
  return { collected: 0, received: 0, backfilled: 0, stored: 0, base: 0, merged: 0, unkept: 0, dropped: 0 };
}

function addTo(totals: Totals, balance: Balance): void {
  totals.collected += balance.collected;
  totals.received += balance.received;
  totals.backfilled += balance.backfilled;
  totals.stored += balance.stored;
  totals.base += balance.base;
  totals.merged += balance.merged;
  totals.unkept += balance.unkept;
  for (const reason of DROP_REASONS) totals.dropped += balance.dropped[reason];
}
