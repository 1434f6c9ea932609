import type { CommitRecord } from "./commit-record.ts";
import type { Mortal } from "./mortal.ts";

/** How often the child is looked at. Its ring holds an hour: nothing leaves it unseen. */
const LOOK_MS = 5000;
const STEP_MS = 100;

/** Takes what a child commits on record, all the time it lives. */
export class RecordWatch implements AsyncDisposable {
  private readonly child: Mortal;
  private readonly records: readonly CommitRecord[];
  private isOver = false;
  private looking: Promise<void> = Promise.resolve();
  private readonly watching: Promise<void>;

  /** Begins at once. */
  constructor(child: Mortal, records: readonly CommitRecord[]) {
    this.child = child;
    this.records = records;
    this.watching = this.watch();
  }

  /** Takes all that the child shows by now on record. @throws Error when it lives and does not answer. */
  look(): Promise<void> {
    this.looking = this.looking.then(() => this.read());
    return this.looking;
  }

  /** Looks for the last time. */
  async end(): Promise<void> {
    await this[Symbol.asyncDispose]();
    await this.look();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.isOver = true;
    await this.watching;
  }

  private async read(): Promise<void> {
    const deaths = this.child.deaths.length;
    try {
      for (const record of this.records) await record.read();
    } catch (error) {
      // It was killed meanwhile: what was read of it counts.
      if (this.child.isAlive && deaths === this.child.deaths.length) throw error;
    }
  }

  private async watch(): Promise<void> {
    for (let dueMs = performance.now(); !this.isOver; ) {
      if (performance.now() >= dueMs && this.child.isAlive) {
        dueMs = performance.now() + LOOK_MS;
        // What it throws is thrown again by the look at the end.
        await this.look().catch(() => {});
      }
      await Bun.sleep(STEP_MS);
    }
  }
}
