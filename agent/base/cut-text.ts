/**
 * At most `lengthMax` characters of a text, in memory of their own: a slice would keep the whole text alive, and what
 * comes from a peer may be a thousand times as long.
 */
export function cutText(text: string, lengthMax: number): string {
  return text.length <= lengthMax ? text : ownText(text.slice(0, lengthMax));
}

/** The same text in memory of its own, for a part of a longer one that is to outlive it. */
export function ownText(text: string): string {
  return Buffer.from(text).toString();
}
