import type { FieldMeta } from "./fields.ts";
import { type ConfigPath, shapeAt } from "./shape.ts";

/** Names whose values are secret even where this version does not know the key (config.md §1). */
const SECRET_NAMES = new Set([
  "api_key",
  "proxy_api_key",
  "default_proxy_api_key",
  "users",
  "tokens",
  "username",
  "password",
  "token",
  "headers",
]);
const TAIL_LENGTH = 4;
/** Longer lines are not quoted at all: nothing a person wrote, and the search for secrets must stay short. */
const LINE_LENGTH_MAX = 1000;

/** How the value at a path is hidden: all of it, all but 4 characters, or not at all. */
export function secrecyOf(path: ConfigPath): FieldMeta["secret"] {
  const shape = shapeAt(path);
  if (shape?.kind === "field") return shape.meta.secret;
  // The tables [api_key."…"] are not a value; the keys in their names are masked by shownPath.
  return path.some((segment, index) => index > 0 && SECRET_NAMES.has(String(segment))) ? "whole" : undefined;
}

/** A secret as people may see it: `***`, and of an API key the last 4 characters. */
export function maskSecret(text: string, secrecy: "whole" | "tail"): string {
  if (text === "") return "";
  return secrecy === "tail" && text.length > 2 * TAIL_LENGTH ? `***${text.slice(-TAIL_LENGTH)}` : "***";
}

/** A path as messages spell it: dotted, odd names quoted, API keys masked. */
export function shownPath(path: ConfigPath): string {
  let text = "";
  path.forEach((segment, index) => {
    if (typeof segment === "number") {
      text += `[${segment}]`;
      return;
    }
    const name = index === 1 && path[0] === "api_key" ? maskSecret(segment, "tail") : cutName(segment);
    const shown = /^[\w-]+$/.test(name) ? name : JSON.stringify(name);
    text += index === 0 ? shown : `.${shown}`;
  });
  return text;
}

/**
 * One line of the file as messages may quote it: same length, so that the caret stays in place.
 * @param spans offsets `[start, end)` within the line that hold secret values.
 */
export function maskLine(line: string, spans: readonly (readonly [number, number, "whole" | "tail"])[]): string {
  if (line.length > LINE_LENGTH_MAX) return "";
  let masked = line;
  for (const [start, end, secrecy] of spans) {
    masked = masked.slice(0, start) + starsFor(masked.slice(start, end), secrecy) + masked.slice(end);
  }
  // Keys stand in table names too, in forms that no path leads to when they are mistyped.
  masked = masked.replace(
    /^(\s*\[+\s*api_key\s*\.)(.*)/,
    (_, head: string, rest: string) => head + starsFor(rest, "tail"),
  );
  return masked.replace(/[0-9A-Fa-f][0-9A-Fa-f-]{15,}/g, (run) => (run.includes("-") ? starsFor(run, "tail") : run));
}

/** Hides the value of `key = value` when only the text is at hand (the file is not valid TOML). */
export function maskUnparsedLine(lines: readonly string[], index: number): string {
  const line = lines[index] ?? "";
  if (line.length > LINE_LENGTH_MAX) return "";
  let from = index;
  // An array over several lines: its key stands further up.
  while (from > 0 && index - from < 200 && !/^\s*(\[|[\w."'-]+\s*=)/.test(lines[from] ?? "")) from--;
  const names = (lines[from] ?? "").split("=", 1)[0]?.match(/[\w-]+/g) ?? [];
  const isTable = /^\s*\[/.test(lines[from] ?? "");
  const isSecret = !isTable && (names.some((name) => SECRET_NAMES.has(name)) || hasSecretName(line));
  if (!isSecret) return maskLine(line, []);
  const start = from === index ? line.indexOf("=") + 1 : 0;
  return maskLine(line, [[start, line.length, "whole"]]);
}

/** `labels = { token = …`: a secret name deeper in the line. */
function hasSecretName(line: string): boolean {
  return (line.match(/[\w-]+(?=["']?\s*=)/g) ?? []).some((name) => SECRET_NAMES.has(name));
}

function starsFor(text: string, secrecy: "whole" | "tail"): string {
  const hidden = text.replace(/[^\s"'[\]{}=,.#-]/g, "*");
  const inner = /[^\s"'[\]{}=,.#]{1,4}(?=["'\]\s]*(?:#.*)?$)/.exec(text);
  if (secrecy === "whole" || inner === null || text.length <= 2 * TAIL_LENGTH) return hidden;
  const end = inner.index + inner[0].length;
  return hidden.slice(0, inner.index) + text.slice(inner.index, end) + hidden.slice(end);
}

function cutName(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name;
}
