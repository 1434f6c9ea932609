import type { Host } from "../rrd/host.ts";
import type { LinkAccount } from "./link-account.ts";

/** Accounts of links in values since start; the first four only go up. */
export interface LinkTotals {
  readonly offered: number;
  readonly delivered: number;
  /** Whatever became of it later. */
  readonly lost: number;
  /** Of {@link lost}: fetched by the parent after all. */
  readonly recovered: number;
  readonly inFlight: number;
  readonly queued: number;
  readonly backlog: number;
}

/** {@link LinkTotals} of one link. */
export interface HostLinkTotals extends LinkTotals {
  readonly machineGuid: string;
  readonly hostname: string;
}

export const NO_TOTALS: LinkTotals = {
  offered: 0,
  delivered: 0,
  lost: 0,
  recovered: 0,
  inFlight: 0,
  queued: 0,
  backlog: 0,
};

/** What the account of one link has come to. */
export function totalsOf({ host, output }: { host: Host; output: { account: LinkAccount } }): HostLinkTotals {
  const { offered, delivered, recovered, inFlight, queued, backlog, lost } = output.account;
  const { machineGuid, hostname } = host;
  const gone = lost.not_connected + lost.overflow + lost.disconnect + lost.refused;
  return { machineGuid, hostname, offered, delivered, lost: gone + recovered, recovered, inFlight, queued, backlog };
}

export function addTotals(a: LinkTotals, b: LinkTotals): LinkTotals {
  return {
    offered: a.offered + b.offered,
    delivered: a.delivered + b.delivered,
    lost: a.lost + b.lost,
    recovered: a.recovered + b.recovered,
    inFlight: a.inFlight + b.inFlight,
    queued: a.queued + b.queued,
    backlog: a.backlog + b.backlog,
  };
}
