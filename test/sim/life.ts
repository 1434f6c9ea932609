import type { Clock, Timer } from "../../agent/base/clock.ts";
import type { SimulatedTime } from "./simulated-time.ts";

/**
 * One run of an agent's process. Everything that reaches the agent from outside goes through {@link run}: nothing does
 * while it is stopped (it all waits), and nothing ever again after its death. What a dead agent still does in promises
 * of its own reaches nobody.
 */
export class Life {
  isDead = false;
  private readonly time: SimulatedTime;
  private isFrozen = false;
  private waiting: (() => void)[] = [];
  private doom: (() => void) | null = null;
  private turnsLeft = 0;

  constructor(time: SimulatedTime) {
    this.time = time;
  }

  run(callback: () => void): void {
    if (this.isDead) return;
    if (this.isFrozen) {
      this.waiting.push(callback);
      return;
    }
    const { doom } = this;
    this.doom = null;
    if (doom !== null) this.count(this.turnsLeft, doom);
    try {
      callback();
    } catch (error) {
      // A process that has ended in the middle of this never came so far.
      if (!this.isDead) throw error;
    }
  }

  /** The agent dies while it handles the next thing, when promises have been settled so many times one by another. */
  dieAtTurn(turns: number, doom: () => void): void {
    this.turnsLeft = turns;
    this.doom = doom;
  }

  private count(turns: number, doom: () => void): void {
    queueMicrotask(() => {
      if (turns > 0) this.count(turns - 1, doom);
      else if (!this.isDead) doom();
    });
  }

  /** As SIGSTOP does. */
  freeze(): void {
    this.isFrozen = true;
  }

  /** As SIGCONT does: what has come meanwhile is handled one after the other. */
  thaw(): void {
    this.isFrozen = false;
    const { waiting } = this;
    this.waiting = [];
    for (const callback of waiting) this.time.after(0, () => this.run(callback));
  }

  die(): void {
    this.isDead = true;
    this.waiting = [];
  }
}

/** The clock of one run of an agent: the time of its machine, and timers that die with it. */
export class SimulatedClock implements Clock {
  private readonly time: SimulatedTime;
  private readonly life: Life;
  private readonly wallOffsetUs: () => number;
  private readonly startUs: number;

  /** @param wallOffsetUs of the machine: its wall clock less the true time. */
  constructor(time: SimulatedTime, life: Life, wallOffsetUs: () => number) {
    this.time = time;
    this.life = life;
    this.wallOffsetUs = wallOffsetUs;
    this.startUs = time.nowUs;
  }

  nowUs(): number {
    return this.time.nowUs + this.wallOffsetUs();
  }

  monotonicMs(): number {
    return (this.time.nowUs - this.startUs) / 1000;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const { time } = this;
    const occasion = time.after(Math.round(Math.max(0, delayMs) * 1000), () => this.life.run(fire));
    let isWanted = true;
    const fire = () => {
      if (isWanted) callback();
    };
    return {
      [Symbol.dispose]() {
        isWanted = false;
        time.cancel(occasion);
      },
    };
  }
}
