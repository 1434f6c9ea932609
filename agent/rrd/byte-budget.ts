/**
 * Bytes that may be taken, admitted by arithmetic before they are: the database has one for memory (rings in memory,
 * definitions, variables) and one for the disk.
 */
export class ByteBudget {
  readonly limitBytes: number;
  /** Asked when something does not fit. @returns whether something was given back; it is asked again as often. */
  makeRoom: () => boolean = () => false;
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
    if (bytes > this.limitBytes) return false;
    while (this.used + bytes > this.limitBytes) if (!this.makeRoom()) return false;
    this.used += bytes;
    return true;
  }

  /** Takes what is there already, whatever the limit. */
  hold(bytes: number): void {
    this.used += bytes;
  }

  give(bytes: number): void {
    this.used -= bytes;
  }
}
