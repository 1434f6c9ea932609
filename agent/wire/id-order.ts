import type { LineWords } from "./line-words.ts";

/**
 * Ids of the dimensions of one chart in the order in which its lines name them. A sender keeps to one order, so an id
 * is told by comparing its bytes with those that came at this place before, and no string is made of it.
 */
export class IdOrder {
  private bytes = Buffer.alloc(64);
  /** Ends of the ids in {@link bytes}, and what they name. */
  private readonly ends: number[] = [];
  private readonly dimensions: number[] = [];
  private next = 0;

  /** The first id comes next. */
  restart(): void {
    this.next = 0;
  }

  /** @returns the dimension of word 1, if it is the one that is expected; else −1. */
  expected(words: LineWords): number {
    const place = this.next;
    if (place >= this.ends.length) return -1;
    const from = place === 0 ? 0 : this.ends[place - 1]!;
    const start = words.spans[2]!;
    const length = this.ends[place]! - from;
    if (words.spans[3]! - start !== length) return -1;
    for (let index = 0; index < length; index++) if (this.bytes[from + index] !== words.bytes[start + index]) return -1;
    this.next++;
    return this.dimensions[place]!;
  }

  /** Word 1 stands here from now on, and what was expected behind it is forgotten. @param countMax ids kept. */
  learn(words: LineWords, dimension: number, countMax: number): void {
    const place = this.next;
    if (place >= countMax) return;
    const from = place === 0 ? 0 : this.ends[place - 1]!;
    const start = words.spans[2]!;
    const end = words.spans[3]!;
    const total = from + end - start;
    if (total > this.bytes.length) {
      const larger = Buffer.alloc(2 * total);
      this.bytes.copy(larger, 0, 0, from);
      this.bytes = larger;
    }
    words.bytes.copy(this.bytes, from, start, end);
    this.ends.length = place;
    this.dimensions.length = place;
    this.ends.push(total);
    this.dimensions.push(dimension);
    this.next++;
  }
}
