import { readFileSync } from "node:fs";

const STEP_MS = 100;
/** A second's values that come this late may fall into the next one. */
const STALL_MS = 400;
/** Of one second, what other machines on the same hardware may take of our processors together. */
const STOLEN_MS_MAX = 300;
/** Unit of `/proc/stat`. */
const MS_PER_TICK = 10;

/**
 * Notices when the machine itself stands still, which on a shared one happens: what agents did then says nothing about
 * them. It looks at the time this process gets, and at the time that the machine was not given.
 */
export class StallWatch implements Disposable {
  private readonly timer: Timer;
  private readonly stalls: { second: number; text: string }[] = [];
  private lastMs = performance.now();
  private stolenMs = readStolenMs();
  private stolenAtMs = performance.now();

  constructor() {
    this.timer = setInterval(() => {
      const nowMs = performance.now();
      if (nowMs - this.lastMs > STEP_MS + STALL_MS) this.note(`${Math.round(nowMs - this.lastMs)} ms`);
      this.lastMs = nowMs;
      if (nowMs - this.stolenAtMs >= 1000) this.lookAtStolen(nowMs);
    }, STEP_MS);
  }

  /** What happened in the seconds `[fromSec, toSec]`; empty: the machine ran without a break. */
  stallsBetween(fromSec: number, toSec: number): string[] {
    return this.stalls.filter(({ second }) => second >= fromSec && second <= toSec).map(({ text }) => text);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  private lookAtStolen(nowMs: number): void {
    const stolenMs = readStolenMs();
    const perSecond = (1000 * (stolenMs - this.stolenMs)) / (nowMs - this.stolenAtMs);
    if (perSecond > STOLEN_MS_MAX) this.note(`${Math.round(perSecond)} ms a second stolen`);
    this.stolenMs = stolenMs;
    this.stolenAtMs = nowMs;
  }

  private note(what: string): void {
    const nowMs = Date.now();
    this.stalls.push({ second: Math.ceil(nowMs / 1000), text: `${what} at ${new Date(nowMs).toISOString()}` });
  }
}

/** Time since the start of the machine in which its processors wanted to run and were not let, all together. */
function readStolenMs(): number {
  const words = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]!.trim().split(/\s+/);
  return MS_PER_TICK * Number(words[8] ?? 0);
}
