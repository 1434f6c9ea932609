/** Values that all children together may be asked for and have not sent yet: what is live waits behind them. */
const OUTSTANDING_VALUES_MAX = 400_000;

/** Whoever has something to ask for when there is room. */
export interface ReplayAsker {
  /** Asks for one more piece. @returns false when there is nothing left to ask for. */
  askNext(): boolean;
}

/** How much of the past all connections may be asked for at a time; each in turn. */
export class ReplayShare {
  private outstanding = 0;
  private readonly waiting = new Set<ReplayAsker>();
  private isAsking = false;

  /** There is no room for what is asked for in turn. */
  get isFull(): boolean {
    return this.outstanding >= OUTSTANDING_VALUES_MAX;
  }

  /** @param values that an answer may hold. */
  take(values: number): void {
    this.outstanding += values;
  }

  /** The answer came, or never will. */
  give(values: number): void {
    this.outstanding -= values;
  }

  /** It has something to ask for; call {@link ask} then. */
  wait(asker: ReplayAsker): void {
    this.waiting.add(asker);
  }

  leave(asker: ReplayAsker): void {
    this.waiting.delete(asker);
  }

  /** Lets them ask, one piece each in turn, as long as there is room. */
  ask(): void {
    if (this.isAsking) return;
    this.isAsking = true;
    while (!this.isFull) {
      const [first] = this.waiting;
      if (first === undefined) break;
      this.waiting.delete(first);
      if (first.askNext()) this.waiting.add(first);
    }
    this.isAsking = false;
  }
}
