const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#x27;",
  "/": "&#x2F;",
};
/** Longest text of a request that is repeated in an answer. */
const ECHO_LENGTH_MAX = 200;

/** Text of any origin, safe in HTML text and in quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"'/]/g, (character) => ENTITIES[character]!);
}

/** Text of a request, safe to be repeated in an error message: escaped, one line, cut. */
export function escapeEcho(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must go
  return escapeHtml(text.slice(0, ECHO_LENGTH_MAX).replace(/[\u0000-\u001f\u007f]/g, " "));
}
