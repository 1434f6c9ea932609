import type { Files } from "../../base/files.ts";

/**
 * Work that waits for the disk again and again: each step is the path of a file that must be on the disk before the
 * work goes on. Done in turns of the event loop, or what is left of it at once.
 */
export class DiskSteps {
  private readonly files: Pick<Files, "append" | "sync">;
  private readonly steps: Generator<string, void>;
  /** What the work waits for now. */
  private waitsFor = "";
  private isEnded = false;

  constructor(files: Pick<Files, "append" | "sync">, steps: Generator<string, void>) {
    this.files = files;
    this.steps = steps;
  }

  /** Returns when nothing is left, for whatever reason. @throws what the work and {@link Files.sync} do. */
  async run(): Promise<void> {
    while (this.goOn()) {
      try {
        await this.files.sync(this.waitsFor);
      } catch (error) {
        // The file may have got its name, or none, from who ended it.
        if (this.isEnded) return;
        this.cancel();
        throw error;
      }
    }
  }

  /** Does all that is left before it returns. @throws as {@link run} does. */
  finish(): void {
    try {
      while (!this.isEnded) {
        if (this.waitsFor !== "") this.syncNow();
        this.goOn();
      }
    } catch (error) {
      this.cancel();
      throw error;
    }
  }

  /** Gives up what is left. */
  cancel(): void {
    this.isEnded = true;
    this.steps.return();
  }

  /** @returns whether there is something to wait for. */
  private goOn(): boolean {
    if (this.isEnded) return false;
    this.isEnded = true;
    const { done, value } = this.steps.next();
    this.isEnded = done === true;
    this.waitsFor = done === true ? "" : value;
    return !this.isEnded;
  }

  private syncNow(): void {
    using file = this.files.append(this.waitsFor);
    file.sync();
  }
}
