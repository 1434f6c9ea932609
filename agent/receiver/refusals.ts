import type { Clock } from "../base/clock.ts";
import { cutText } from "../base/cut-text.ts";
import { type RefusalReason, refusalAdvice } from "./refusal-advice.ts";

/** Refusals that are remembered. */
const REFUSALS_MAX = 20;
const TEXT_LENGTH_MAX = 200;
/** Enough of a key to tell two apart, not enough to use it. */
const KEY_SHOWN_LENGTH = 4;

/** Who was refused. Texts hold no control characters. */
export interface RefusedStream {
  readonly address: string;
  readonly hostname: string;
  readonly machineGuid: string;
  /** API key in full. */
  readonly key: string;
}

/** One of the last refusals. */
export interface RefusalRecord {
  /** Unix second of the last time, and how often since it is remembered. */
  readonly whenSec: number;
  readonly times: number;
  readonly address: string;
  readonly hostname: string;
  readonly machineGuid: string;
  readonly keyEnd: string;
  readonly reason: RefusalReason;
  /** Why, and what to do about it. */
  readonly text: string;
  readonly advice: string;
}

/** The last streams that were refused; one that comes again and again is one of them. */
export class Refusals {
  private readonly clock: Clock;
  /** By who and why, the latest last. */
  private readonly records = new Map<string, RefusalRecord>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** The latest first. */
  get latest(): RefusalRecord[] {
    return [...this.records.values()].reverse();
  }

  /** @param text why. @param holder who streams with its GUID now; empty if that is not the reason. */
  add(reason: RefusalReason, text: string, stream: RefusedStream, holder = ""): RefusalRecord {
    const [address, hostname, machineGuid] = [stream.address, stream.hostname, stream.machineGuid].map((each) => {
      return cutText(each, TEXT_LENGTH_MAX);
    }) as [string, string, string];
    const keyEnd = stream.key.slice(-KEY_SHOWN_LENGTH);
    const subject = [reason, address, hostname, machineGuid, keyEnd].join("\n");
    const times = (this.records.get(subject)?.times ?? 0) + 1;
    const whenSec = Math.floor(this.clock.nowUs() / 1e6);
    const advice = refusalAdvice(reason, { address, keyEnd, machineGuid, holder });
    const record = { whenSec, times, address, hostname, machineGuid, keyEnd, reason, text, advice };
    this.records.delete(subject);
    this.records.set(subject, record);
    const [oldest] = this.records.keys();
    if (this.records.size > REFUSALS_MAX) this.records.delete(oldest!);
    return record;
  }
}
