/** Characters of one generation: some ten thousand texts of usual length. */
const GENERATION_LENGTH_MAX = 1_000_000;
/** Longer texts are kept as they come: they are rare, and would be no saving. */
const TEXT_LENGTH_MAX = 200;

/**
 * One copy of each text that many charts have: titles, units, families, contexts (hot-path.md §6). Texts that nobody
 * has asked for since a generation's worth of others came are forgotten: what one child said in passing does not stay.
 */
export class InternedTexts {
  private young = new Map<string, string>();
  private old = new Map<string, string>();
  private youngLength = 0;

  intern(text: string): string {
    if (text.length > TEXT_LENGTH_MAX) return text;
    const known = this.young.get(text);
    if (known !== undefined) return known;
    const kept = this.old.get(text) ?? text;
    if (this.youngLength + kept.length > GENERATION_LENGTH_MAX) this.age();
    this.young.set(kept, kept);
    this.youngLength += kept.length;
    return kept;
  }

  /** Characters that are kept, at most two generations of them. */
  get length(): number {
    let length = this.youngLength;
    for (const text of this.old.keys()) length += text.length;
    return length;
  }

  private age(): void {
    this.old = this.young;
    this.young = new Map();
    this.youngLength = 0;
  }
}
