import { InputError } from "./input-error.ts";

/** Longest list of simple patterns; the longest stock one (diskspace file systems) has 90 characters. */
export const PATTERN_LENGTH_MAX = 8192;

/** One word of a simple pattern: does it match, and does a match mean yes? */
export interface PatternWord {
  readonly isNegative: boolean;
  matches(text: string): boolean;
}

/**
 * Simple patterns: words separated by blanks, `*` stands for any characters anywhere, a leading `!` negates, the
 * first word that matches decides, no match = no (http-api.md §8). Letter case counts.
 */
export class SimplePattern {
  readonly text: string;
  private readonly words: readonly PatternWord[];
  private readonly isAll: boolean;

  /** @throws InputError when longer than {@link PATTERN_LENGTH_MAX}. */
  constructor(text: string) {
    this.text = text;
    this.words = splitPatternWords(text).map(compilePatternWord);
    this.isAll = text.trim() === "*";
  }

  /** True when the first word that matches is a positive one. */
  matches(text: string): boolean {
    if (this.isAll) return true;
    for (const word of this.words) if (word.matches(text)) return !word.isNegative;
    return false;
  }
}

/** Splits at blanks. @throws InputError when longer than {@link PATTERN_LENGTH_MAX}. */
export function splitPatternWords(text: string): string[] {
  if (text.length > PATTERN_LENGTH_MAX) {
    const problem = `a list of patterns has ${text.length} characters, at most ${PATTERN_LENGTH_MAX} are allowed`;
    throw new InputError("pattern_invalid", problem, "use wildcards to shorten it");
  }
  return text.split(/\s+/).filter((word) => word !== "" && word !== "!");
}

/** Compiles one word, `!` and wildcards included. Matching never goes back: time ≤ length of word × length of text. */
export function compilePatternWord(word: string): PatternWord {
  const isNegative = word.startsWith("!");
  const body = isNegative ? word.slice(1) : word;
  const pieces = body.split("*");
  const first = pieces[0] ?? "";
  if (pieces.length === 1) return { isNegative, matches: (text) => text === body };
  const last = pieces[pieces.length - 1] ?? "";
  const middle = pieces.slice(1, -1).filter((piece) => piece !== "");
  return { isNegative, matches: (text) => matchesPieces(text, first, middle, last) };
}

/** The earliest place of each middle piece is always the best one, so no other place needs to be tried. */
function matchesPieces(text: string, first: string, middle: readonly string[], last: string): boolean {
  const end = text.length - last.length;
  if (first.length > end || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const piece of middle) {
    const at = text.indexOf(piece, from);
    if (at < 0 || at + piece.length > end) return false;
    from = at + piece.length;
  }
  return true;
}
