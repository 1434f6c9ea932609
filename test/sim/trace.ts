/** A running hash over everything that happens in a simulated world: two runs are the same when their traces are. */
export class Trace {
  /** Things noted so far. */
  count = 0;
  private hash = 0x811c9dc5;
  private second = 0;

  /** Notes whole numbers up to 2^53 in size. */
  number(value: number): void {
    this.count++;
    this.hash = Math.imul(this.hash ^ (value | 0), 0x01000193) ^ (this.hash >>> 15);
    this.second = Math.imul(this.second ^ (value / 4294967296), 0x85ebca6b) ^ (this.second >>> 13) ^ this.hash;
  }

  text(text: string): void {
    this.number(Bun.hash.crc32(text));
  }

  bytes(bytes: Uint8Array): void {
    this.number(Bun.hash.crc32(bytes));
  }

  get hex(): string {
    return [this.hash, this.second].map((part) => (part >>> 0).toString(16).padStart(8, "0")).join("");
  }
}
