import { type HopValues, hopImbalance } from "../rrd/path.ts";

/** The account of a hop as it is shown, of our own links and of those that agents below told of. */
export function describeAccount(values: HopValues) {
  const { offered, delivered, acknowledged, inFlight: in_flight, queued, backlog, recovered, replayed, lost } = values;
  const { not_connected, overflow, disconnect, refused } = lost;
  return {
    offered,
    delivered,
    acknowledged,
    in_flight,
    queued,
    backlog,
    recovered,
    replayed,
    lost: { not_connected, overflow, disconnect, refused },
    imbalance: hopImbalance(values),
  };
}
