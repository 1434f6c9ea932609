/*
 * Digits are written four at a time, as little-endian words. A word of a table holds one digit a byte, in its low half:
 * the high halves are 3 in ASCII whatever the digit, so that the highest one is free to say how many bytes count.
 *
 *   byte 0   byte 1   byte 2   byte 3
 *   0x0d     0x0d     0x0d     0xNd     d = digit, N = bytes that count
 */

/** The digits of a word. */
export const DIGITS_MASK = 0x0f0f0f0f;
/** What makes them ASCII. */
export const ASCII_DIGITS = 0x30303030;
/** Where N is. */
export const COUNT_SHIFT = 28;

/** `0000` … `9999`; what counts ends before the trailing zeros. */
export const FOURS = Int32Array.from({ length: 10_000 }, (_, i) => {
  const text = String(i).padStart(4, "0");
  return digitWord(text, text.replace(/0+$/, "").length);
});

/** `0` … `9999` without leading zeros. */
export const HEADS = Int32Array.from({ length: 10_000 }, (_, i) => {
  return digitWord(String(i).padEnd(4, "0"), String(i).length);
});

/** `.000` … `.999` in ASCII; these words say nothing else. */
export const POINTS = Int32Array.from({ length: 1000 }, (_, i) => {
  const [a = 0, b = 0, c = 0] = new TextEncoder().encode(String(i).padStart(3, "0"));
  return 0x2e | (a << 8) | (b << 16) | (c << 24);
});

/** By the same number: bytes of {@link POINTS} up to the last digit that is not 0. */
export const POINT_COUNTS = Uint8Array.from({ length: 1000 }, (_, i) => {
  if (i === 0) return 0;
  return i % 10 !== 0 ? 4 : i % 100 !== 0 ? 3 : 2;
});

/** @param text four digits. @param count how many of them count. */
function digitWord(text: string, count: number): number {
  let word = count << COUNT_SHIFT;
  for (let i = 0; i < 4; i++) word |= Number(text[i]) << (8 * i);
  return word;
}
