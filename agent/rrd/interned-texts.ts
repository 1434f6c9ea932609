/** Texts kept as one copy; further ones are kept as they come. */
const TEXTS_MAX = 100_000;
/** Longer texts are kept as they come: they are rare, and 100,000 of them would be no saving. */
const TEXT_LENGTH_MAX = 200;

/** One copy of each text that many charts have: titles, units, families, contexts (hot-path.md §6). */
export class InternedTexts {
  private readonly texts = new Map<string, string>();

  intern(text: string): string {
    if (text.length > TEXT_LENGTH_MAX) return text;
    const known = this.texts.get(text);
    if (known !== undefined) return known;
    if (this.texts.size < TEXTS_MAX) this.texts.set(text, text);
    return text;
  }
}
