import { completeToSec } from "../rrd/completeness.ts";
import type { Host } from "../rrd/host.ts";
import type { PathHop } from "../rrd/path.ts";
import { describeAccount } from "./hop-account.ts";

/** How complete a host is here, and how its values come: what each agent below said of its hop, the origin first. */
export function describeCompleteness(host: Host) {
  return {
    complete_to: completeToSec(host),
    missing_from: host.missingFromSec,
    path: host.path.hops.map(describeHop).toReversed(),
  };
}

function describeHop({ machineGuid: guid, hostname, toldUs, completeToSec: complete_to, values }: PathHop) {
  return { guid, hostname, told: Math.floor(toldUs / 1e6), complete_to, account: describeAccount(values) };
}
