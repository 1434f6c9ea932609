import type { Clock } from "../../base/clock.ts";
import { errorText } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { FilesystemSize } from "../../base/proc-file.ts";

/** What a worker says about one path; `size` is missing when it is no directory or cannot be measured. */
export interface ProbeAnswer {
  readonly path: string;
  readonly size?: FilesystemSize;
}

/** A thread that measures one path after the other and may hang in the kernel for ever. */
export interface ProbeWorker {
  ask(path: string): void;
  stop(): void;
}

export type ProbeWorkerFactory = (onAnswer: (answer: ProbeAnswer) => void) => ProbeWorker;

/** Pause between two measurements of one path. */
const PROBE_EVERY_MS = 5000;
/** A measurement older than this is no longer shown: the chart has a gap. */
const FRESH_MS = 15_000;
/** Without an answer for this time the file system counts as hung. */
const HUNG_MS = 10_000;
/** Threads left hanging at most; then the others wait until one comes back. Each costs about 9 MB. */
const ABANDONED_MAX = 3;
/** After a thread could not be started. */
const START_RETRY_MS = 60_000;

interface Target {
  readonly path: string;
  size: FilesystemSize | undefined;
  measuredAtMs: number;
  askedAtMs: number;
  isHung: boolean;
}

/**
 * Measures file systems that can hang (network mounts) outside the main thread. A hung one costs its thread until the
 * kernel lets go; the others go on in a new thread, and it is not asked again before it has answered.
 */
export class FilesystemProbe implements Disposable {
  private readonly clock: Clock;
  private readonly log: Log;
  private readonly createWorker: ProbeWorkerFactory;
  private readonly targets = new Map<string, Target>();
  private readonly abandoned = new Set<ProbeWorker>();
  private worker: ProbeWorker | undefined;
  private asked: Target | undefined;
  private startAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, log: Log, createWorker: ProbeWorkerFactory = startProbeWorker) {
    this.clock = clock;
    this.log = log;
    this.createWorker = createWorker;
  }

  /** Sets what is measured; keeps what is known of paths that stay. Without any path no thread exists. */
  follow(paths: readonly string[]): void {
    const wanted = new Set(paths);
    for (const path of this.targets.keys()) if (!wanted.has(path)) this.targets.delete(path);
    for (const path of wanted) {
      if (this.targets.has(path)) continue;
      const never = Number.NEGATIVE_INFINITY;
      this.targets.set(path, { path, size: undefined, measuredAtMs: never, askedAtMs: never, isHung: false });
    }
    this.stopIdleWorker();
  }

  /** Newest measurement of a followed path; undefined when there is none that is fresh. */
  latest(path: string): FilesystemSize | undefined {
    const target = this.targets.get(path);
    if (target === undefined || this.clock.monotonicMs() - target.measuredAtMs > FRESH_MS) return undefined;
    return target.size;
  }

  /** Gives up on what hangs and asks for what is due. Call once a cycle. */
  poll(): void {
    const nowMs = this.clock.monotonicMs();
    if (this.asked !== undefined && nowMs - this.asked.askedAtMs >= HUNG_MS) this.abandon(this.asked);
    if (this.asked === undefined) this.askNext(nowMs);
  }

  [Symbol.dispose](): void {
    this.worker?.stop();
    for (const worker of this.abandoned) worker.stop();
    this.abandoned.clear();
    this.worker = undefined;
    this.asked = undefined;
    this.targets.clear();
  }

  private abandon(target: Target): void {
    target.isHung = true;
    target.size = undefined;
    if (this.worker !== undefined) this.abandoned.add(this.worker);
    this.worker = undefined;
    this.asked = undefined;
    this.log.warn("collector.mount_hung", { path: target.path, seconds: HUNG_MS / 1000 });
  }

  private askNext(nowMs: number): void {
    let next: Target | undefined;
    for (const target of this.targets.values()) {
      if (target.isHung || nowMs - target.askedAtMs < PROBE_EVERY_MS) continue;
      if (next === undefined || target.askedAtMs < next.askedAtMs) next = target;
    }
    if (next === undefined) return;
    const worker = this.worker ?? this.start(nowMs);
    if (worker === undefined) return;
    next.askedAtMs = nowMs;
    this.asked = next;
    worker.ask(next.path);
  }

  private start(nowMs: number): ProbeWorker | undefined {
    if (nowMs < this.startAtMs || this.abandoned.size >= ABANDONED_MAX) return undefined;
    try {
      const worker = this.createWorker((answer) => this.receive(worker, answer));
      this.worker = worker;
      return worker;
    } catch (error) {
      this.startAtMs = nowMs + START_RETRY_MS;
      this.log.warn("collector.probe_not_started", { reason: errorText(error) });
      return undefined;
    }
  }

  private receive(worker: ProbeWorker, { path, size }: ProbeAnswer): void {
    const nowMs = this.clock.monotonicMs();
    const target = this.targets.get(path);
    if (target !== undefined) {
      if (target.isHung) this.log.info("collector.mount_back", { path });
      target.isHung = false;
      target.size = size;
      target.measuredAtMs = nowMs;
    }
    if (this.abandoned.delete(worker)) {
      worker.stop();
      return;
    }
    if (worker !== this.worker) return;
    this.asked = undefined;
    this.askNext(nowMs);
    this.stopIdleWorker();
  }

  private stopIdleWorker(): void {
    if (this.targets.size > 0 || this.asked !== undefined) return;
    this.worker?.stop();
    this.worker = undefined;
  }
}

/** Runs in the thread. It is text, so that the compiled binary needs no second file. */
const WORKER_SOURCE = `
const { statSync, statfsSync } = require("node:fs");
function measure(path) {
  try {
    if (!statSync(path).isDirectory()) return undefined;
    const { frsize, bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
    const blockBytes = frsize > 0 ? frsize : bsize;
    return { blockBytes, blocks, blocksFree: bfree, blocksAvailable: bavail, files, filesFree: ffree };
  } catch {
    return undefined;
  }
}
self.onmessage = ({ data }) => postMessage({ path: data, size: measure(data) });
`;

/** Starts a real thread; it does not keep the process alive. */
export function startProbeWorker(onAnswer: (answer: ProbeAnswer) => void): ProbeWorker {
  const url = URL.createObjectURL(new Blob([WORKER_SOURCE], { type: "text/javascript" }));
  const worker = new Worker(url, { smol: true, ref: false });
  worker.onmessage = (event: MessageEvent<ProbeAnswer>) => onAnswer(event.data);
  return {
    ask: (path) => worker.postMessage(path),
    stop() {
      worker.terminate();
      URL.revokeObjectURL(url);
    },
  };
}
