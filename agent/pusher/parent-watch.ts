import type { LinkOutput } from "./link-output.ts";
import type { ParentChoice } from "./parent-choice.ts";
import type { ParentCommands } from "./parent-commands.ts";
import type { PostponeReason } from "./retry-delay.ts";

/** A parent of our kind confirms what it stored every second: longer silence than this means that it is gone. */
const SILENCE_SEC_MAX = 30;

/** Why a connection is given up although it stands. */
export interface WatchVerdict {
  readonly reason: PostponeReason;
  readonly problem: string;
}

/** Whether the parent of a connection is still there (streaming.md §11.12). Times are monotonic. */
export class ParentWatch {
  private readonly output: LinkOutput;
  private readonly choice: ParentChoice;
  /** Since when a parent that ought to speak has said nothing; NaN: nothing was sent to it, so it need not yet. */
  private silentMs = Number.NaN;

  constructor(output: LinkOutput, choice: ParentChoice) {
    this.output = output;
    this.choice = choice;
  }

  /** A connection begins. */
  restart(): void {
    this.silentMs = Number.NaN;
  }

  /** The parent said something. */
  heard({ isOurs }: ParentCommands, nowMs: number): void {
    this.silentMs = nowMs;
    if (isOurs) this.choice.isOurs = true;
  }

  /** Call once a second. @param timeoutSec for output to move. @returns null = it is there, as far as one can tell. */
  verdict(parent: ParentCommands, nowMs: number, timeoutSec: number): WatchVerdict | null {
    const { output, choice } = this;
    if (output.stalledMs(nowMs) >= timeoutSec * 1000) {
      return { reason: "send_timeout", problem: `no output moved for ${timeoutSec} s` };
    }
    if (output.connectionBytes === 0 || !choice.isOurs) return null;
    if (Number.isNaN(this.silentMs)) this.silentMs = nowMs;
    const limitSec = Math.min(SILENCE_SEC_MAX, timeoutSec);
    if (nowMs - this.silentMs < limitSec * 1000) return null;
    // One that never spoke on this connection may have become an agent of another kind, which has nothing to say.
    choice.isOurs = parent.isOurs;
    return { reason: "silent", problem: `it said nothing for ${limitSec} s, although it confirms every second` };
  }
}
