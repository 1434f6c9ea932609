import { getPriority, setPriority } from "node:os";

const NICE = -15;

/**
 * While it lives, this process and those it starts come first on a machine that does other things too. Without the
 * right to do so nothing changes.
 */
export class ProcessPriority implements Disposable {
  private readonly before = getPriority();

  constructor() {
    this.set(NICE);
  }

  [Symbol.dispose](): void {
    this.set(this.before);
  }

  private set(nice: number): void {
    try {
      setPriority(nice);
    } catch {
      // Containers may forbid it: then the agents have to share.
    }
  }
}
