const PERCENT = 0x25;
const PLUS = 0x2b;
const BLANK = 0x20;
const UNDERSCORE = 0x5f;
const DELETE = 0x7f;

/**
 * A value as a parameter of a stream request: everything but `A-Za-z0-9-_.~/:` is percent-encoded. Receivers decode
 * before they split, so bytes that would split the target even when encoded become `_` first (streaming.md §1.1).
 * @param bytesMax of the result; a longer one is cut between characters. @param isName also without `=`.
 */
export function encodeValue(text: string, bytesMax: number, isName = false): string {
  const forbidden = isName ? "&=?%" : "&?%";
  let result = "";
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    const isPlain = code >= BLANK && code !== DELETE && !forbidden.includes(character);
    const encoded = isPlain ? encodeCharacter(character) : "_";
    if (result.length + encoded.length > bytesMax) break;
    result += encoded;
  }
  return result;
}

function encodeCharacter(character: string): string {
  if (/^[\w.~/:-]$/.test(character)) return character;
  let encoded = "";
  // Half of a surrogate pair comes out as U+FFFD.
  for (const byte of Buffer.from(character)) encoded += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  return encoded;
}

/** Decodes `%XX` and `+`; a `%` without two hex digits stays. Control bytes become `_`. */
export function decodeTarget(target: Uint8Array): string {
  const bytes = Buffer.alloc(target.length);
  let length = 0;
  for (let index = 0; index < target.length; index++) {
    let byte = target[index]!;
    if (byte === PLUS) byte = BLANK;
    else if (byte === PERCENT) {
      const value = hexDigit(target[index + 1]) * 16 + hexDigit(target[index + 2]);
      if (!Number.isNaN(value)) {
        byte = value;
        index += 2;
      }
    }
    bytes[length++] = byte < BLANK || byte === DELETE ? UNDERSCORE : byte;
  }
  return bytes.toString("utf8", 0, length);
}

function hexDigit(byte: number | undefined): number {
  return byte === undefined ? Number.NaN : Number.parseInt(String.fromCharCode(byte), 16);
}
