import type { SetHeadsCache } from "./chart-stream.ts";
import type { PusherCounters } from "./pusher-world.ts";

/** A link that has something to hand to the kernel. */
export interface DirtyLink {
  /** @param nowMs monotonic. */
  flush(nowMs: number): void;
}

/** What a pusher shares with those of other hosts. */
export interface PusherShare {
  readonly heads: SetHeadsCache;
  readonly counters: PusherCounters;
  /** {@link DirtyLink.flush} is to be called at the end of this batch. */
  dirty(link: DirtyLink): void;
  /** It is to be called again soon, with those of others that have more to do in turn. */
  later(link: DirtyLink): void;
  /** A connection begins. @returns whether the kernel will be asked for its queue within some seconds. */
  willLook(): boolean;
  /** The kernel is asked for the queues of all connections now, unless it just was. @param nowMs monotonic. */
  lookAgain(nowMs: number): void;
}
