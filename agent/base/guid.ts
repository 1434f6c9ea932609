const GUID_LENGTH = 36;
const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Reads a GUID in any letter case: 36 characters, 8-4-4-4-12 hex digits with dashes (streaming.md §1.5).
 * @returns it in lower case, the only form used for look-ups; undefined if it is not one.
 */
export function parseGuid(text: string): string | undefined {
  if (text.length !== GUID_LENGTH) return undefined;
  const lower = text.toLowerCase();
  return GUID.test(lower) ? lower : undefined;
}

/** True for a GUID in any letter case. */
export function isGuid(text: string): boolean {
  return parseGuid(text) !== undefined;
}

/** Makes a random GUID (version 4). @param randomBytes 16 random bytes; copied. */
export function createGuid(randomBytes: Uint8Array): string {
  const bytes = randomBytes.slice(0, 16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return guidText(bytes);
}

/** The 16 bytes of a GUID. */
export function guidBytes(guid: string): Uint8Array {
  return Uint8Array.fromHex(guid.replaceAll("-", ""));
}

/** The GUID of 16 bytes, in lower case. */
export function guidText(bytes: Uint8Array): string {
  const hex = bytes.toHex();
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
