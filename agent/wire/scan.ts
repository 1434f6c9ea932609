/** Words of one line that are looked at; every agent drops further ones. */
export const WORDS_MAX = 20;

export const NEWLINE = 0x0a;
const TAB = 0x09;
const CARRIAGE_RETURN = 0x0d;
const BLANK = 0x20;
const DOUBLE_QUOTE = 0x22;
const QUOTE = 0x27;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;

/** True for the bytes that stand between words. */
export function isSeparator(byte: number): boolean {
  return byte === BLANK || byte === EQUALS || byte === TAB || byte === CARRIAGE_RETURN || byte === NEWLINE;
}

/**
 * Splits `[start, end)` into words (streaming.md §2.1): separators are blank, tab, CR, LF and `=`; a word that starts
 * with `'` or `"` runs to the next same quote and may be empty; a backslash keeps the next byte in the word and stays.
 * @param spans out: pairs `[start, end)` without the quotes, length ≥ 2 × {@link WORDS_MAX}; reused for every line.
 * @returns word count, at most {@link WORDS_MAX}.
 */
export function splitWords(bytes: Uint8Array, start: number, end: number, spans: Int32Array): number {
  let count = 0;
  let index = start;
  while (count < WORDS_MAX) {
    while (index < end && isSeparator(bytes[index]!)) index++;
    if (index >= end) break;
    const first = bytes[index]!;
    const quote = first === QUOTE || first === DOUBLE_QUOTE ? first : 0;
    if (quote !== 0) index++;
    spans[2 * count] = index;
    index = wordEnd(bytes, index, end, quote);
    spans[2 * count + 1] = index;
    count++;
    if (quote !== 0) index++;
  }
  return count;
}

/** @param quote the byte that ends the word, 0 = any separator. */
function wordEnd(bytes: Uint8Array, start: number, end: number, quote: number): number {
  let index = start;
  for (; index < end; index++) {
    const byte = bytes[index]!;
    if (byte === BACKSLASH && index + 1 < end) index++;
    else if (quote === 0 ? isSeparator(byte) : byte === quote) break;
  }
  return index;
}
