const NEWLINE = 0x0a;
const BLANK = 0x20;
const TAB = 0x09;

/** End of the line that starts at `start`: the index of its newline, or `length` when the text ends first. */
export function lineEnd(bytes: Uint8Array, start: number, length: number): number {
  const newline = bytes.indexOf(NEWLINE, start);
  return newline < 0 || newline > length ? length : newline;
}

/**
 * Splits `[start, end)` at blanks and tabs.
 * @param spans out: pairs `[start, end)`; its length / 2 is the most fields that are looked at. @returns field count.
 */
export function splitFields(bytes: Uint8Array, start: number, end: number, spans: Int32Array): number {
  const slots = spans.length;
  let slot = 0;
  let index = start;
  while (slot < slots) {
    while (index < end && isBlank(bytes[index]!)) index++;
    if (index >= end) break;
    spans[slot] = index;
    while (index < end && !isBlank(bytes[index]!)) index++;
    spans[slot + 1] = index;
    slot += 2;
  }
  return slot >> 1;
}

/** Whether `word` stands at `start`. The bytes after it are not looked at. */
export function startsWith(bytes: Uint8Array, start: number, word: Uint8Array): boolean {
  for (let index = 0; index < word.length; index++) if (bytes[start + index] !== word[index]) return false;
  return true;
}

function isBlank(byte: number): boolean {
  return byte === BLANK || byte === TAB;
}
