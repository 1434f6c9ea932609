import { createGuid } from "../base/guid.ts";

/**
 * `tributary key`: a new API key, one line.
 * @param randomBytes 16 bytes that nobody can guess: the key is what lets a child in.
 */
export function newKey(randomBytes: Uint8Array): string {
  return `${createGuid(randomBytes)}\n`;
}
