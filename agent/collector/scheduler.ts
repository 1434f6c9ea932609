import { assert } from "../base/assert.ts";
import type { Clock, Random, Timer } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import { type CollectorPlan, CollectorRunner, type CollectorState } from "./collector-runner.ts";

/** Ticks start this long after the aligned second, at a random place, so that many hosts do not act together. */
const PHASE_MS_MIN = 250;
const PHASE_MS_MAX = 500;
/** A difference between wall and monotonic time that is a step of the clock, not its slow correction. */
const STEP_US_MIN = 100_000;
/** A whole tick should not take longer. */
const TICK_BUDGET_MS = 50;
const TICK_LOG_EVERY_MS = 3_600_000;

/** Live numbers of one collector. */
export interface CollectorStatus {
  readonly name: string;
  readonly state: CollectorState;
  /** Length of its last run. */
  readonly durationUs: number;
}

/** Live numbers of the scheduler, for the agent's own charts. */
export interface SchedulerCounters {
  readonly ticksDone: number;
  /** Ticks whose time passed while the agent was busy or stopped; they are not made up for. */
  readonly ticksMissed: number;
  /** Start of the last tick − its aim. */
  readonly lagUs: number;
  /** Steps of the wall clock (also after a suspend). */
  readonly clockSteps: number;
  readonly collectors: readonly CollectorStatus[];
}

export interface SchedulerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The agent's interval, ≥ 1. */
  readonly updateEverySec: number;
  /** Called when every collector of a tick has run: whoever streams on may send now. */
  readonly afterTick: () => void;
}

/**
 * Runs all collectors in one pass at each multiple of the agent's interval plus a fixed phase. Owns the collectors;
 * disposing stops the ticks and closes them.
 */
export class Scheduler implements Disposable, SchedulerCounters {
  ticksDone = 0;
  ticksMissed = 0;
  lagUs = 0;
  clockSteps = 0;
  /** Start of ticks within their second, µs. */
  readonly phaseUs: number;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly afterTick: () => void;
  private readonly updateEverySec: number;
  private readonly periodUs: number;
  private runners: CollectorRunner[] = [];
  private timer: Timer | undefined;
  private aimUs = 0;
  private aimMonotonicMs = 0;
  private lastWallUs = 0;
  private lastMonotonicMs = 0;
  private logSlowAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: SchedulerOptions) {
    assert(options.updateEverySec >= 1, "the agent's interval is at least a second");
    this.clock = options.clock;
    this.log = options.log;
    this.afterTick = options.afterTick;
    this.updateEverySec = options.updateEverySec;
    this.periodUs = options.updateEverySec * 1e6;
    this.phaseUs = Math.round((PHASE_MS_MIN + options.random() * (PHASE_MS_MAX - PHASE_MS_MIN)) * 1000);
  }

  get collectors(): readonly CollectorStatus[] {
    return this.runners;
  }

  /** Sets what is collected, at the start and after a reload; collectors whose plan is unchanged run on. */
  configure(plans: readonly CollectorPlan[]): void {
    const old = new Map(this.runners.map((runner) => [runner.name, runner]));
    this.runners = plans.map((plan) => {
      const running = old.get(plan.module.name);
      old.delete(plan.module.name);
      if (running?.plan.revision === plan.revision) return running;
      running?.[Symbol.dispose]();
      return new CollectorRunner(plan, this.updateEverySec, this.clock, this.log);
    });
    for (const runner of old.values()) {
      runner[Symbol.dispose]();
      runner.plan.onRemoved?.();
    }
  }

  /** Starts ticking. */
  start(): void {
    assert(this.timer === undefined, "the scheduler was started twice");
    this.lastWallUs = this.clock.nowUs();
    this.lastMonotonicMs = this.clock.monotonicMs();
    this.arm(this.alignedDelayUs(this.lastWallUs), this.lastWallUs, this.lastMonotonicMs);
  }

  [Symbol.dispose](): void {
    this.timer?.[Symbol.dispose]();
    this.timer = undefined;
    for (const runner of this.runners) runner[Symbol.dispose]();
    this.runners = [];
  }

  private tick(): void {
    const nowUs = this.clock.nowUs();
    const nowMs = this.clock.monotonicMs();
    // By the monotonic clock: neither the sleep of the machine nor a step of the wall clock is a lag.
    this.lagUs = Math.round(Math.max(0, nowMs - this.aimMonotonicMs) * 1000);
    const stepUs = nowUs - this.lastWallUs - (nowMs - this.lastMonotonicMs) * 1000;
    const isStepped = Math.abs(stepUs) >= STEP_US_MIN;
    if (isStepped) {
      this.clockSteps++;
      this.log.warn("collector.clock_stepped", { seconds: Math.round(stepUs / 1e5) / 10 });
    }
    this.lastWallUs = nowUs;
    this.lastMonotonicMs = nowMs;
    const { runners } = this;
    for (let i = 0; i < runners.length; i++) runners[i]!.run(nowUs);
    this.afterTick();
    this.ticksDone++;
    if (this.timer === undefined) return; // disposed by what ran
    const endMs = this.clock.monotonicMs();
    this.watchDuration(endMs - nowMs, endMs);
    if (isStepped) {
      // One interval is kept by the monotonic clock; the tick after that is aligned again.
      this.ticksMissed += Math.floor(this.lagUs / this.periodUs);
      this.arm(this.periodUs - (endMs - nowMs) * 1000, this.clock.nowUs(), endMs);
    } else this.armAligned(endMs);
  }

  private armAligned(nowMs: number): void {
    const nowUs = this.clock.nowUs();
    let delayUs = this.alignedDelayUs(nowUs);
    // A timer may fire a little early: the aim that was just served is not served again.
    if (Math.abs(nowUs + delayUs - this.aimUs) < this.periodUs / 2) delayUs += this.periodUs;
    this.ticksMissed += Math.max(0, Math.round((nowUs + delayUs - this.aimUs) / this.periodUs) - 1);
    this.arm(delayUs, nowUs, nowMs);
  }

  /** Until the next multiple of the interval plus the phase: more than 0, at most one interval. */
  private alignedDelayUs(nowUs: number): number {
    const periods = Math.floor((nowUs - this.phaseUs) / this.periodUs);
    return (periods + 1) * this.periodUs + this.phaseUs - nowUs;
  }

  private arm(delayUs: number, nowUs: number, nowMs: number): void {
    const delayMs = Math.max(0, delayUs / 1000);
    this.aimUs = nowUs + delayUs;
    this.aimMonotonicMs = nowMs + delayMs;
    this.timer = this.clock.setTimer(Math.ceil(delayMs), () => this.tick());
  }

  private watchDuration(durationMs: number, nowMs: number): void {
    if (durationMs <= TICK_BUDGET_MS || nowMs < this.logSlowAtMs) return;
    this.logSlowAtMs = nowMs + TICK_LOG_EVERY_MS;
    const slowest = this.runners.toSorted((a, b) => b.durationUs - a.durationUs)[0]?.name;
    this.log.warn("collector.tick_slow", { slowest, durationMs: Math.round(durationMs) });
  }
}
