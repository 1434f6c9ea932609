/** Longest chart id, in bytes: the oldest agents keep 200. */
export const CHART_ID_BYTES_MAX = 200;
/** Longest dimension id and name: a DIMENSION line with both stays under the limit of a line. */
export const DIMENSION_TEXT_BYTES_MAX = 400;
/** Longest name and value of a label: a line with both stays under the limit of a line. */
export const LABEL_NAME_BYTES_MAX = 200;
export const LABEL_VALUE_BYTES_MAX = 700;
/** `~` and 8 hex digits. */
const MARK_BYTES = 9;

// biome-ignore lint/suspicious/noControlCharactersInRegex: the protocol has no way to carry them.
const FORBIDDEN = /["\\\u0000-\u001f\u007f]/g;
/** Ids of these characters alone are one word without quotes for every agent. */
const PLAIN_WORD = /^[^\s='"]+$/;

/** A text that may stand between double quotes: quotes and backslashes become `_`, control characters blanks. */
export function plainText(text: string): string {
  FORBIDDEN.lastIndex = 0;
  if (!FORBIDDEN.test(text)) return text;
  return text.replace(FORBIDDEN, (character) => (character === '"' || character === "\\" ? "_" : " "));
}

/** True if {@link wireId} leaves this id as it is. */
export function isWireId(id: string, bytesMax: number): boolean {
  FORBIDDEN.lastIndex = 0;
  if (id === "" || FORBIDDEN.test(id)) return false;
  return id.length * 3 <= bytesMax || Buffer.byteLength(id) <= bytesMax;
}

/**
 * An id as it goes over the wire. One that cannot be written, or is too long, is cleaned, cut and marked with a hash,
 * so that two such ids never become one.
 */
export function wireId(id: string, bytesMax: number): string {
  if (isWireId(id, bytesMax)) return id;
  const mark = `~${(Bun.hash.crc32(id) >>> 0).toString(16).padStart(MARK_BYTES - 1, "0")}`;
  return `${cutUtf8(id.replace(FORBIDDEN, "_"), bytesMax - MARK_BYTES)}${mark}`;
}

/** {@link wireId} of a chart: a dot with text on both sides stays whatever is cut. */
export function wireChartId(id: string): string {
  if (isWireId(id, CHART_ID_BYTES_MAX)) return id;
  const whole = wireId(id, CHART_ID_BYTES_MAX);
  const dot = whole.indexOf(".");
  if (dot > 0 && dot < whole.length - MARK_BYTES) return whole;
  return `${cutUtf8(whole.slice(0, -MARK_BYTES), CHART_ID_BYTES_MAX - 1 - MARK_BYTES)}.${whole.slice(1 - MARK_BYTES)}`;
}

/** An id as a word of BEGIN and SET: quoted only where it has to be. @param id from {@link wireId}. */
export function idWord(id: string): string {
  return PLAIN_WORD.test(id) ? id : `"${id}"`;
}

/** The longest beginning of a text that has at most so many bytes, cut between characters. */
export function cutUtf8(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return text;
  // A character cut in two becomes one or more U+FFFD at the end.
  return Buffer.from(text)
    .toString("utf8", 0, Math.max(0, bytesMax))
    .replace(/\ufffd+$/, "");
}
