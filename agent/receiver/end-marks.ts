import type { PathEnd } from "../rrd/commit-listener.ts";
import type { Host } from "../rrd/host.ts";

/** Marks kept; when there are more, every second one is dropped. */
const MARKS_MAX = 128;
/** What is stored by the end itself need not be fetched by anybody. */
const NO_LIMIT_SEC = 1_000_000_000;
/** Slots of a ring that may be written over while they are fetched. */
const SLOTS_UNSURE = 2;

/** How old what the ring of a host still holds may be when somebody fetches it, s; 0 = it has none. */
export function ringReachSec({ ring, historyEntries, updateEverySec }: Host): number {
  return ring === null ? 0 : Math.max(0, historyEntries - SLOTS_UNSURE) * updateEverySec;
}

/**
 * How far the last agent of the path has stored what one child sends here, told when it asks (`CONFIRM end`). A host
 * that is not passed on ends here. Of any other, each second is marked: so many bytes of the child are stored in the
 * host, and the host is at the end once the link there is confirmed up to the mark.
 */
export class EndMarks {
  private isAsked = false;
  /** Position of the child's stream that the end has. */
  private endBytes = 0;
  /** Positions of the child's stream, and of the link. */
  private bytes: number[] = [];
  private checkpoints: number[] = [];
  /** Whose positions they are. */
  private end: PathEnd | null = null;

  /** The child wants to know, or does not any more. */
  ask(host: Host, isWanted: boolean): void {
    this.isAsked = isWanted;
    if (!isWanted) host.listener?.pathEnd?.ask(false);
  }

  /**
   * Call once a second.
   * @param storedBytes of the child's stream.
   * @returns words behind those of STORED: END_BYTES REACH_SEC PROBLEM; none if the child did not ask.
   */
  report(host: Host, storedBytes: number): string[] {
    if (!this.isAsked) return [];
    const { listener } = host;
    if (listener === null) {
      const problem = host.ring === null ? "the last agent keeps nothing of it (memory mode none)" : "";
      if (problem === "") this.endBytes = storedBytes;
      return this.words(NO_LIMIT_SEC, problem);
    }
    const { pathEnd = null } = listener;
    this.follow(pathEnd, storedBytes);
    return this.words(Math.min(ringReachSec(host), pathEnd?.reachSec ?? 0), pathEnd?.problem ?? "");
  }

  private words(reachSec: number, problem: string): string[] {
    return [`${this.endBytes}`, `${reachSec}`, problem];
  }

  private follow(end: PathEnd | null, storedBytes: number): void {
    if (end !== this.end) {
      // Another link begins anew.
      this.bytes = [];
      this.checkpoints = [];
      this.end = end;
    }
    if (end === null) return;
    end.ask(true);
    this.mark(storedBytes, end.checkpoint());
    let reached = 0;
    while (reached < this.bytes.length && this.checkpoints[reached]! <= end.confirmed) reached++;
    if (reached === 0) return;
    this.endBytes = this.bytes[reached - 1]!;
    this.bytes.splice(0, reached);
    this.checkpoints.splice(0, reached);
  }

  private mark(storedBytes: number, checkpoint: number): void {
    if (Number.isNaN(checkpoint)) return;
    const newest = this.bytes.length - 1;
    if (newest >= 0 && this.bytes[newest] === storedBytes) return;
    if (newest + 1 === MARKS_MAX) {
      this.bytes = this.bytes.filter((_, index) => index % 2 === 1);
      this.checkpoints = this.checkpoints.filter((_, index) => index % 2 === 1);
    }
    this.bytes.push(storedBytes);
    this.checkpoints.push(checkpoint);
  }
}
