import type { Clock } from "../base/clock.ts";
import { cutText } from "../base/cut-text.ts";
import type { Log } from "../base/log.ts";

/** What did not add up: a host's database account, a link's account, or what came over a stream. */
export type MismatchKind = "database" | "link" | "stream";

/** One time that an account did not add up. Texts hold no control characters. */
export interface Mismatch {
  /** Unix second. */
  readonly whenSec: number;
  readonly kind: MismatchKind;
  readonly machineGuid: string;
  readonly hostname: string;
  /** What is off, and by how much. */
  readonly text: string;
}

/** Mismatches that are remembered. */
const MISMATCHES_MAX = 20;
const TEXT_LENGTH_MAX = 400;
const EVENTS = { database: "rrd.account_off", link: "pusher.account_off", stream: "receiver.stream_off" } as const;
const ADVICE = "this is a bug of ours, please report it; the agent goes on as before";

/** Everything that ought to add up and did not, since start: counted, told in one error line each, and remembered. */
export class Mismatches {
  readonly counts: Record<MismatchKind, number> = { database: 0, link: 0, stream: 0 };
  /** When all accounts were looked at last, Unix second; 0 = not yet. */
  checkedSec = 0;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly records: Mismatch[] = [];

  constructor(clock: Clock, log: Log) {
    this.clock = clock;
    this.log = log;
  }

  /** The latest first. */
  get latest(): readonly Mismatch[] {
    return this.records.toReversed();
  }

  /** @param problem what is off and by how much. @param address of the peer; empty = there is none. */
  add(
    kind: MismatchKind,
    { hostname, machineGuid }: { hostname: string; machineGuid: string },
    problem: string,
    address = "",
  ): void {
    this.counts[kind]++;
    const whenSec = Math.floor(this.clock.nowUs() / 1e6);
    const text = cutText(problem, TEXT_LENGTH_MAX);
    this.records.push({ whenSec, kind, machineGuid, hostname, text });
    if (this.records.length > MISMATCHES_MAX) this.records.shift();
    // GUID first: two hosts may have one name.
    const peer = address === "" ? {} : { address };
    this.log.error(EVENTS[kind], { guid: machineGuid, host: hostname, ...peer, problem: text, advice: ADVICE });
  }
}
