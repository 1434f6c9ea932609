import type { Refusal } from "../wire/answers.ts";

/** Why a stream is not taken, or its values are not stored. */
export type RefusalReason = Refusal | "clock_ahead";

/** What the advice names of a refused stream. */
export interface AdviceFacts {
  readonly address: string;
  /** Last characters of the API key. */
  readonly keyEnd: string;
  readonly machineGuid: string;
  /** Who streams with this GUID now, `HOSTNAME (ADDRESS)`; empty if that is not the reason. */
  readonly holder: string;
}

/** What to do now, here or at the child. */
export function refusalAdvice(reason: RefusalReason, { address, keyEnd, machineGuid, holder }: AdviceFacts): string {
  switch (reason) {
    case "malformed":
      return "nothing, unless it is a child of yours: then something between it and here changes what it sends";
    case "no_key":
    case "key_invalid":
      return 'give the child an API key, a GUID, as its stream.api_key: "tributary key" makes one';
    case "no_hostname":
    case "no_machine_guid":
    case "machine_guid_invalid":
      return "see the child's own log: it sends no identity that can be used";
    case "key_unknown":
      return `add [api_key."…${keyEnd}"] with enabled = true here, the key in full, or give the child a key known here`;
    case "key_not_permitted":
      return `set enabled = true in [api_key."…${keyEnd}"] here, or give the child another key`;
    case "streaming_address_not_permitted":
      return `add ${address} to web.allow_streaming_from here`;
    case "key_address_not_permitted":
      return `add ${address} to allow_from of [api_key."…${keyEnd}"] here`;
    case "machine_not_permitted":
      return `set enabled = true in [machine."${machineGuid}"] here`;
    case "machine_address_not_permitted":
      return `add ${address} to allow_from of [machine."${machineGuid}"] here`;
    case "own_guid":
      return (
        "if it is not this very agent, one disk is a copy of the other: delete machine.guid in the state directory " +
        "of the copy, and restart it"
      );
    case "too_many_hops":
      return "look for proxies that stream to one another in a circle";
    case "duplicate":
      return (
        `nothing, if it passes within 30 s; else it is another machine than ${holder}, with a copy of its disk: ` +
        "delete machine.guid in the state directory of one of them, and restart it"
      );
    case "busy":
      return "nothing, the child comes back; for more at once raise stream.accept_per_second_max here";
    case "too_many_hosts":
      return "raise db.hosts_max or db.memory_limit_bytes here; the event rrd.limit_reached says which";
    case "internal":
      return "nothing, the child comes back; if it stays, please report it with the log from here";
    case "initializing":
      return "nothing, the child comes back";
    case "clock_ahead":
      return "set the clocks of both machines by NTP; what lies more than 5 s ahead of the clock here is not stored";
  }
}
