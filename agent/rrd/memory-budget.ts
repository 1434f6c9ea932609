/**
 * What the database may take of the machine's memory: rings, definitions and variables, admitted by arithmetic before
 * they are made. One budget for all hosts.
 */
export class MemoryBudget {
  readonly limitBytes: number;
  private used = 0;

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes admitted now. */
  get bytes(): number {
    return this.used;
  }

  /** @returns false, and takes nothing, when that would pass the limit. */
  take(bytes: number): boolean {
    if (this.used + bytes > this.limitBytes) return false;
    this.used += bytes;
    return true;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
