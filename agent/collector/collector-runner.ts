import type { Clock } from "../base/clock.ts";
import { errorText } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { SourceError } from "../base/source-error.ts";
import type { Collector, CollectorContext, CollectorModule } from "./collector.ts";

/** `ok` collects · `retrying` failed three times, tried every 10 s · `disabled` tried every 600 s. */
export type CollectorState = "ok" | "retrying" | "disabled";

/** What `app` decides about one collector. */
export interface CollectorPlan {
  readonly module: CollectorModule;
  /** Configured interval in s; 0 = the agent's. */
  readonly updateEverySec: number;
  /** Changes when the settings do: a plan with the same revision keeps its running collector on a reload. */
  readonly revision: string;
  /** The collector starts, for the first time or anew. @param updateEverySec the effective interval. */
  createContext(updateEverySec: number): CollectorContext;
  /** Charts of before its last start that it did not define again have no source any more. */
  retireLeftovers?(): void;
  /** The plan was taken away by a reload: its charts have no source any more. */
  onRemoved?(): void;
}

/** Cycles in which a collector defines all its charts: those of differences need two. */
const DEFINING_CYCLES = 2;
/** Failed cycles in a row after which a collector is started anew. */
const FAILURES_MAX = 3;
const RETRY_EVERY_MS = 10_000;
const RETRY_FOR_MS = 60_000;
const RECHECK_EVERY_MS = 600_000;
/** A collector that fails now and then says so once in this time. */
const FAILURE_LOG_EVERY_MS = 3_600_000;

/** Runs one collector and holds its state; nothing a collector throws leaves this class. */
export class CollectorRunner implements Disposable {
  readonly name: string;
  readonly updateEverySec: number;
  readonly plan: CollectorPlan;
  state: CollectorState = "ok";
  /** Length of the last run, µs. */
  durationUs = 0;
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly runsEachTick: boolean;
  private collector: Collector | undefined;
  /** Cycles that worked since the collector was started. */
  private cycles = 0;
  private failures = 0;
  private hasWorked = false;
  private period = Number.NaN;
  private nextTryMs = Number.NEGATIVE_INFINITY;
  private disableAtMs = 0;
  private logFailureAtMs = Number.NEGATIVE_INFINITY;

  /** @param agentEverySec interval of the ticks; the collector's own is rounded up to a multiple of it. */
  constructor(plan: CollectorPlan, agentEverySec: number, clock: Clock, log: Log) {
    const wantedSec = Math.max(plan.updateEverySec, plan.module.everySecMin, agentEverySec);
    this.plan = plan;
    this.name = plan.module.name;
    this.updateEverySec = Math.ceil(wantedSec / agentEverySec) * agentEverySec;
    this.runsEachTick = this.updateEverySec === agentEverySec;
    this.clock = clock;
    this.log = log;
  }

  /** Collects if this collector's interval has begun anew. @param nowUs wall clock of the tick. */
  run(nowUs: number): void {
    if (!this.isDue(nowUs)) return;
    const startMs = this.clock.monotonicMs();
    if (this.state !== "ok" && startMs < this.nextTryMs) {
      this.durationUs = 0;
      return;
    }
    try {
      this.collector ??= this.start();
      this.collector.collect(nowUs);
      this.succeed();
    } catch (error) {
      this.fail(error, startMs);
    }
    this.durationUs = Math.round((this.clock.monotonicMs() - startMs) * 1000);
  }

  [Symbol.dispose](): void {
    const { collector } = this;
    this.collector = undefined;
    try {
      collector?.[Symbol.dispose]();
    } catch (error) {
      this.log.warn("collector.close_failed", { collector: this.name, reason: errorText(error) });
    }
  }

  /** Longer intervals are aligned to the wall clock, as charts are; a missed tick is made up for at the next one. */
  private isDue(nowUs: number): boolean {
    if (this.runsEachTick) return true;
    const period = Math.floor(nowUs / (this.updateEverySec * 1e6));
    const isNew = period !== this.period;
    this.period = period;
    return isNew;
  }

  private start(): Collector {
    this.cycles = 0;
    return this.plan.module.start(this.plan.createContext(this.updateEverySec));
  }

  private succeed(): void {
    if (this.cycles < DEFINING_CYCLES && ++this.cycles === DEFINING_CYCLES) this.plan.retireLeftovers?.();
    this.failures = 0;
    this.hasWorked = true;
    if (this.state === "ok") return;
    this.state = "ok";
    this.log.info("collector.recovered", { collector: this.name });
  }

  private fail(error: unknown, nowMs: number): void {
    const reason = errorText(error);
    if (this.state === "ok") {
      this.failures++;
      if (!this.hasWorked && isAbsent(error)) this.disable(nowMs, reason);
      else if (this.failures >= FAILURES_MAX) this.startRetrying(nowMs, reason);
      else this.logFailure(nowMs, reason);
      return;
    }
    this[Symbol.dispose]();
    if (this.state === "retrying" && nowMs >= this.disableAtMs) this.disable(nowMs, reason);
    else this.nextTryMs = nowMs + (this.state === "retrying" ? RETRY_EVERY_MS : RECHECK_EVERY_MS);
  }

  private startRetrying(nowMs: number, reason: string): void {
    this[Symbol.dispose]();
    this.state = "retrying";
    this.nextTryMs = nowMs + RETRY_EVERY_MS;
    this.disableAtMs = nowMs + RETRY_FOR_MS;
    this.log.warn("collector.failing", { collector: this.name, reason });
  }

  private disable(nowMs: number, reason: string): void {
    this[Symbol.dispose]();
    this.state = "disabled";
    this.plan.retireLeftovers?.();
    this.nextTryMs = nowMs + RECHECK_EVERY_MS;
    this.log.info("collector.disabled", { collector: this.name, reason });
  }

  private logFailure(nowMs: number, reason: string): void {
    if (nowMs < this.logFailureAtMs) return;
    this.logFailureAtMs = nowMs + FAILURE_LOG_EVERY_MS;
    this.log.warn("collector.cycle_failed", { collector: this.name, reason });
  }
}

/** The kernel does not offer the source: trying again soon would not help. */
function isAbsent(error: unknown): boolean {
  if (!(error instanceof SourceError)) return false;
  return error.code === "source_missing" || error.code === "source_denied" || error.code === "source_unsupported";
}
