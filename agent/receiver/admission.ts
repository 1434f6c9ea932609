import { AddressList } from "../base/address-list.ts";
import type { ChildSettings } from "../config/child-settings.ts";
import type { Refusal } from "../wire/answers.ts";
import type { ReceivedRequest } from "../wire/handshake.ts";

/** Proxies one host may pass through; only a loop has more (streaming.md §4). */
const HOPS_MAX = 10;

/** What the checks of a request look at, beside the request. */
export interface AdmissionFacts {
  readonly address: string;
  readonly settings: ChildSettings;
  readonly ownGuid: string;
}

/** The checks of a stream request that need no state, in the order of streaming.md §1.4. @returns null = welcome. */
export function refusalOf(request: ReceivedRequest, facts: AdmissionFacts): Refusal | null {
  const { address, settings, ownGuid } = facts;
  if (request.problem !== null) return request.problem;
  const denied = permissionOf(settings, address);
  if (denied !== null) return denied;
  if (request.machineGuid === ownGuid) return "own_guid";
  return request.hops > HOPS_MAX ? "too_many_hops" : null;
}

/** Whether key and machine are enabled and may come from this address; also asked again after a reload. */
export function permissionOf(settings: ChildSettings, address: string): Refusal | null {
  if (!settings.isKeyKnown) return "key_unknown";
  if (!settings.isKeyEnabled) return "key_not_permitted";
  if (!new AddressList(settings.keyAllowFrom).allows(address)) return "key_address_not_permitted";
  if (!settings.isMachineEnabled) return "machine_not_permitted";
  return new AddressList(settings.machineAllowFrom).allows(address) ? null : "machine_address_not_permitted";
}

/** Lets in at most so many returning children a second, so that a restart of ours is not answered by all at once. */
export class AcceptRate {
  private second = 0;
  private accepted = 0;

  /** @returns false when this second's share is used up. */
  take(nowMs: number, perSecondMax: number): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.second) {
      this.second = second;
      this.accepted = 0;
    }
    if (this.accepted >= perSecondMax) return false;
    this.accepted++;
    return true;
  }
}
