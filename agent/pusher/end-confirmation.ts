import type { SendBuffer } from "../base/send-buffer.ts";
import type { PathEnd } from "../rrd/commit-listener.ts";
import { extensionLine } from "../wire/encode-replay.ts";
import { cutUtf8, plainText } from "../wire/wire-text.ts";

/** Longest reason of another agent that is shown. */
const PROBLEM_BYTES_MAX = 200;
/** A parent that speaks once a second is silent after this. */
const SILENT_MS = 5000;

/** What a parent says of its asking for the past. */
export interface FetchReport {
  /** Oldest second that it lacks; 0 = none. */
  readonly missingFromSec: number;
  /** How old what it fetches may be, s; 0 = it fetches nothing. */
  readonly fetchSec: number;
}

/** What a parent knows of the end of the path, where the two may be the same. */
export interface EndReport {
  /** Position up to which the end has stored this connection's bytes. */
  readonly bytes: number;
  /** How old what the parent has stored may be when it comes to the end, s. */
  readonly reachSec: number;
  /** How old what the parent fetches may be, s; 0 = it fetches nothing. */
  readonly fetchSec: number;
  /** Why nothing more is confirmed; empty = there is no reason. */
  readonly problem: string;
}

/** What a connection is like, for the end of the path behind it. */
export interface LinkState {
  readonly isConnected: boolean;
  /** The parent of this connection is an agent of our kind. */
  readonly isOurs: boolean;
  /** It fetches what it lacks. */
  readonly isReplicating: boolean;
  /** How long it has not said what it has stored; meaningless before the first time. */
  readonly silentMs: number;
  /** Position behind all that the host has stored so far; NaN = some of that was not written to the stream. */
  wholeBytes(): number;
}

/**
 * What the last agent of a path has stored of a host, as one link to the next agent is told (`[stream] confirm`).
 * Positions of all connections go on from one to the next. After a connect nothing is known of the end until the parent
 * has fetched all that it lacks: then what it tells counts for everything before, too.
 */
export class EndConfirmation implements PathEnd {
  confirmed = 0;
  reachSec = 0;
  /** Our own configuration wants to know; else only whoever sends the host here may. */
  isFollowed: boolean;
  private isAskedFor = false;
  private readonly link: LinkState;
  /** The parent in use, or tried last. */
  private parentName = "";
  /** What the parent of this connection was told of our wish, and the position behind that. */
  private isTold = false;
  private toldBytes = Number.POSITIVE_INFINITY;
  /** Position of this connection's first byte. */
  private startBytes = 0;
  /** First position of this connection that means something. */
  private firstCheckpoint = Number.POSITIVE_INFINITY;
  /** The parent has what was in our ring as soon as it has stored this much of this connection. */
  private fetchedBytes = Number.POSITIVE_INFINITY;
  private report: EndReport | null = null;
  /** The parent does not say anything of the end although it was asked. */
  private isSilent = false;
  private isWhole = true;

  constructor(isFollowed: boolean, link: LinkState) {
    this.isFollowed = isFollowed;
    this.link = link;
  }

  ask(isWanted: boolean): void {
    this.isAskedFor = isWanted;
  }

  checkpoint(): number {
    const bytes = this.link.wholeBytes();
    this.isWhole = !Number.isNaN(bytes);
    const position = this.startBytes + bytes;
    if (this.isWhole) this.firstCheckpoint = Math.min(this.firstCheckpoint, position);
    return position;
  }

  get problem(): string {
    if (!this.link.isConnected) return `no connection to ${this.parentName || "the next agent"}`;
    if (this.link.isOurs && !this.link.isReplicating) {
      return `${this.parentName} does not fetch what it lacks: replication is off, or there is no ring to fetch from`;
    }
    const problem = this.parentProblem;
    if (problem !== "") return problem;
    if (this.report !== null && this.link.silentMs > SILENT_MS) return `nothing is heard of ${this.parentName}`;
    if (this.report?.fetchSec === 0) return `${this.parentName} does not fetch what it lacks: the clocks differ`;
    return this.isWhole ? "" : `${this.parentName} has not fetched all yet`;
  }

  /** Why the end confirms nothing of what this link delivers, if our configuration wants that; empty = it does. */
  get shownProblem(): string {
    return this.isFollowed && this.link.isConnected ? this.parentProblem : "";
  }

  /** A connection stands. */
  begin(parentName: string): void {
    this.parentName = parentName;
  }

  /** The connection is over. @param appendedBytes all of its bytes. */
  end(appendedBytes: number): void {
    this.startBytes += appendedBytes;
    this.firstCheckpoint = Number.POSITIVE_INFINITY;
    this.fetchedBytes = Number.POSITIVE_INFINITY;
    this.toldBytes = Number.POSITIVE_INFINITY;
    this.isTold = false;
    this.isSilent = false;
    this.report = null;
    this.isWhole = true;
  }

  /** Tells a parent of our kind what is wanted, if that has changed. */
  tell(buffer: SendBuffer): void {
    const isWanted = this.isFollowed || this.isAskedFor;
    if (isWanted === this.isTold || !this.link.isOurs) return;
    if (!buffer.append(Buffer.from(extensionLine(["CONFIRM", isWanted ? "end" : "hop"])))) return;
    this.isTold = isWanted;
    this.report = null;
    this.isSilent = false;
    this.toldBytes = buffer.appendedBytes;
  }

  /** The parent has fetched what it lacked. @param appendedBytes all that was written to it for that. */
  fetched(appendedBytes: number): void {
    this.fetchedBytes = Math.min(this.fetchedBytes, appendedBytes);
  }

  /**
   * The parent says what is stored. @param storedBytes by itself. @param report of the end; null = it says nothing.
   * @returns what the end has of this connection; with `isAll` it has all of earlier ones, too. Null: it does not say.
   */
  heard(storedBytes: number, report: EndReport | null): { bytes: number; isAll: boolean } | null {
    if (!this.isTold) return null;
    this.isSilent = report === null && storedBytes >= this.toldBytes;
    this.report = report;
    if (report === null) return null;
    const bytes = Math.min(report.bytes, storedBytes);
    this.reachSec = Math.min(report.reachSec, report.fetchSec);
    const position = this.startBytes + bytes;
    if (position >= this.firstCheckpoint) this.confirmed = Math.max(this.confirmed, position);
    return { bytes, isAll: bytes >= this.fetchedBytes };
  }

  private get parentProblem(): string {
    const { parentName } = this;
    if (!this.link.isOurs) return `${parentName} has not said that it confirms what it stores: agents of this kind do`;
    if (this.isSilent) return `${parentName} is of an older version, which confirms only what it has stored itself`;
    return this.report?.problem ?? "";
  }
}

/** @param words behind the other words of STORED. Any words will do. @returns null = there are none. */
export function readEndReport(words: readonly string[], fetchSec: number): EndReport | null {
  const [bytes, reachSec, problem = ""] = words;
  if (bytes === undefined) return null;
  const amount = (word = "") => Math.max(0, Number(word) || 0);
  return {
    bytes: amount(bytes),
    reachSec: amount(reachSec),
    fetchSec,
    problem: cutUtf8(plainText(problem), PROBLEM_BYTES_MAX),
  };
}
