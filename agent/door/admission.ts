import type { ConnectionLimits } from "./open-files.ts";

/** Why the door closed a connection; each has a counter in {@link DoorCounters}. */
export type DoorRefusal =
  | "denied"
  | "too_many"
  | "too_many_from_address"
  | "too_many_http"
  | "head_too_big"
  | "head_timeout"
  | "http_idle"
  | "http_stalled"
  | "http_request_timeout"
  | "http_overflow"
  | "http_no_bridge"
  | "handler_failed";

/** What went through the door since start. */
export interface DoorCounters {
  /** Connections let in. */
  accepted: number;
  /** Connections open now. */
  open: number;
  readonly refused: Record<DoorRefusal, number>;
  /** HTTP connections open now. */
  httpOpen: number;
  httpRequests: number;
  httpBytesIn: number;
  httpBytesOut: number;
  /** Connections to the private HTTP port that did not come through the door. */
  httpStrangers: number;
}

/** All counters at 0. */
export function createDoorCounters(): DoorCounters {
  return {
    accepted: 0,
    open: 0,
    refused: {
      denied: 0,
      too_many: 0,
      too_many_from_address: 0,
      too_many_http: 0,
      head_too_big: 0,
      head_timeout: 0,
      http_idle: 0,
      http_stalled: 0,
      http_request_timeout: 0,
      http_overflow: 0,
      http_no_bridge: 0,
      handler_failed: 0,
    },
    httpOpen: 0,
    httpRequests: 0,
    httpBytesIn: 0,
    httpBytesOut: 0,
    httpStrangers: 0,
  };
}

/** Decides who may come in: access list first, then the two counts. Keeps at most one entry a connected address. */
export class Admission {
  private readonly limits: ConnectionLimits;
  private readonly perAddress = new Map<string, number>();
  private total = 0;
  private isAllowed: (address: string) => boolean;

  constructor(limits: ConnectionLimits, isAllowed: (address: string) => boolean) {
    this.limits = limits;
    this.isAllowed = isAllowed;
  }

  /** Connections inside. */
  get count(): number {
    return this.total;
  }

  /** Asks `isAllowed` from now on; connections already inside stay. */
  setAccess(isAllowed: (address: string) => boolean): void {
    this.isAllowed = isAllowed;
  }

  /** Counts a connection in, or names the reason why it may not. */
  enter(address: string): "ok" | DoorRefusal {
    if (!this.isAllowed(address)) return "denied";
    if (this.total >= this.limits.connections) return "too_many";
    const same = this.perAddress.get(address) ?? 0;
    if (same >= this.limits.connectionsPerAddress) return "too_many_from_address";
    this.perAddress.set(address, same + 1);
    this.total++;
    return "ok";
  }

  /** Counts a connection out that {@link enter} let in. */
  leave(address: string): void {
    this.total--;
    const same = (this.perAddress.get(address) ?? 0) - 1;
    if (same > 0) this.perAddress.set(address, same);
    else this.perAddress.delete(address);
  }
}
