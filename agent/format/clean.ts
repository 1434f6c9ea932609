/** Longest chart or dimension part of a path; the classic agents cut there too. */
const PART_LENGTH_MAX = 200;

/**
 * One part of a Graphite path (prefix, chart, dimension) from any text: bytes of UTF-8 outside `A-Z a-z 0-9 . _ -`
 * become `_`, dots at the ends are taken off and runs of dots become one, because a server would make levels of them.
 * @returns never empty unless `text` is.
 */
export function cleanPathPart(text: string, dash: "keep" | "underscore"): string {
  const kept = replaceBytes(text.slice(0, PART_LENGTH_MAX), dash === "keep" ? /[A-Za-z0-9._-]/ : /[A-Za-z0-9._]/);
  const trimmed = kept.replace(/\.{2,}/g, ".").replace(/^\.|\.$/g, "");
  return trimmed === "" && text !== "" ? "_" : trimmed;
}

/** A host name as part of a path: dots make levels of their own unless they are written as underscores. */
export function cleanPathHost(hostname: string, dots: "keep" | "underscore"): string {
  const clean = cleanPathPart(hostname === "" ? "_" : hostname, "keep");
  return dots === "keep" ? clean : clean.replaceAll(".", "_");
}

/** The key of a Graphite tag; `_` when nothing is left of it. */
export function cleanTagKey(key: string): string {
  return replaceBytes(key, /[A-Za-z0-9_.-]/) || "_";
}

/** The value of a Graphite tag; empty only when `value` is, and then the tag must be left out. */
export function cleanTagValue(value: string): string {
  return value.replace(/[\s;~\p{C}]/gu, "_");
}

/** Every byte of UTF-8 that is not `allowed` becomes an underscore. */
function replaceBytes(text: string, allowed: RegExp): string {
  let clean = "";
  for (const character of text) {
    clean += allowed.test(character) ? character : "_".repeat(Buffer.byteLength(character));
  }
  return clean;
}
