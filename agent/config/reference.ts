import type { FieldMeta } from "./fields.ts";
import { FILE_DEFAULT } from "./load.ts";
import { keysThatWait } from "./reload.ts";
import { type FieldShape, walkFields } from "./shape.ts";

/** GUIDs of the sample: anything that is plainly an example. */
const EXAMPLE_GUID = "11111111-2222-3333-4444-555555555555";
const EXAMPLE_NAMES: Readonly<Record<string, string>> = { GUID: EXAMPLE_GUID, NAME: "main" };

const TYPE_WORDS: Readonly<Record<FieldMeta["kind"], string>> = {
  int: "whole number",
  bool: "true or false",
  string: "text",
  words: "one word",
  list: "list",
  pattern: "simple patterns",
  addresses: "addresses",
  guid: "GUID",
  path: "path",
  map: "table",
};

const INTRODUCTION = `# Configuration reference

One TOML file: \`${FILE_DEFAULT}\`, or \`--config FILE\`. No file there = all defaults. Flags beat the file.
A name or value that is not in this list is an error; \`tributary config check FILE\` names every mistake with its
place, \`tributary config show FILE\` prints what it comes to and where each value is from.

- list: \`["a", "b"]\`, or one string split at blanks and commas.
- simple patterns: words separated by blanks; \`*\` = any characters, a leading \`!\` = not; the first word that matches
  decides, no match = no.
- addresses: simple patterns on the numeric address of the peer; networks (\`10.0.0.0/8\`, \`fd00::/8\`) too; loopback
  and unix sockets also match \`localhost\`.
- GUID: 36 characters, read in lower case. \`tributary key\` makes one.
- A child's settings: \`[db]\` and \`[stream]\`, then its \`[api_key."GUID"]\`, then its \`[machine."GUID"]\`; the last
  one that says something wins.
- netdata's: the option of netdata's files with the same meaning.
- SIGHUP reads the file again. What it changes takes effect at once, but for the keys that wait for a restart:
`;

/** The reference page (Markdown): every table and key with type, default, limits, meaning and netdata's name. */
export function renderReference(): string {
  const waiting = keysThatWait().map((name) => `\`${name}\``);
  let text = `${INTRODUCTION}${wrap(`${waiting.join(", ")}.`, "  ")}`;
  let table = "";
  walkFields((path, key, field) => {
    const name = path.join(".");
    if (name !== table) text += `\n## [${name.replace("GUID", '"GUID"')}]\n\n`;
    table = name;
    text += entryOf(`${name}.${key}`, field);
  });
  return text;
}

/** A configuration file with every key commented out at its default; named tables as examples. */
export function renderSample(): string {
  let text = `# ${FILE_DEFAULT}: every key with its default. Take the # in front of a key away to change it.\n`;
  let table = "";
  walkFields((path, key, field) => {
    const name = path.map((segment) => segmentOf(segment)).join(".");
    const isExample = path.some((segment) => Object.hasOwn(EXAMPLE_NAMES, segment));
    if (name !== table) text += `\n${isExample ? "#" : ""}[${name}]\n`;
    table = name;
    const { meaning, fallback } = field.meta;
    const range = rangeOf(field.meta);
    text += wrap([meaning, range === "" ? "" : `${range}.`, defaultSentence(fallback)].filter(Boolean).join(" "), "# ");
    text += `#${key} = ${tomlLiteral(field.defaultValue ?? exampleOf(key, field.meta))}\n`;
  });
  return text;
}

/** A value as TOML writes it. */
export function tomlLiteral(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(tomlLiteral).join(", ")}]`;
  if (typeof value !== "object" || value === null) return typeof value === "string" ? tomlString(value) : String(value);
  const pairs = Object.entries(value).map(([key, inner]) => `${tomlKey(key)} = ${tomlLiteral(inner)}`);
  return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
}

/** A key as TOML writes it, quoted where it must be. */
export function tomlKey(key: string): string {
  return /^[\w-]+$/.test(key) ? key : tomlString(key);
}

/** What the default stands for, as a sentence of its own; empty when the value says it. */
export function defaultSentence(fallback: string | undefined): string {
  if (fallback === undefined) return "";
  if (fallback === "required") return "Required.";
  return fallback.startsWith("0 = ") ? `${fallback}.` : `Default: ${fallback}.`;
}

/** The values allowed, in words: `5 to 3600 s`, `none or ram`. */
function rangeOf(about: FieldMeta): string {
  const { kind, min = 0, max, unit, words = [] } = about;
  const suffix = unit === undefined ? "" : ` ${unit}`;
  if (kind === "words") return words.join(" or ");
  if (kind === "string") return `At most ${max} bytes`;
  if (kind === "map") return `At most ${max} names`;
  if (kind !== "int") return "";
  if (max === min) return `Only ${min}`;
  return max === Number.MAX_SAFE_INTEGER ? `${min}${suffix} or more` : `${min} to ${max}${suffix}`;
}

/** Default and limits in words. */
function limitsOf(field: FieldShape): string {
  const { fallback } = field.meta;
  const parts = [rangeOf(field.meta).replace(/^[AO]/, (letter) => letter.toLowerCase())];
  const value = `default \`${tomlLiteral(field.defaultValue)}\``;
  if (fallback === "required") parts.push("required");
  else if (field.defaultValue === undefined) parts.push(`default: ${fallback ?? "none"}`);
  else parts.push(fallback === undefined ? value : `${value} (${shortMeaning(fallback)})`);
  return parts.filter((part) => part !== "").join("; ");
}

/** `0 = never` stands alone; other texts say what the default stands for. */
function shortMeaning(fallback: string): string {
  return /^0 = /.test(fallback) ? fallback : `= ${fallback}`;
}

function entryOf(name: string, field: FieldShape): string {
  const { kind, meaning, netdata } = field.meta;
  const origin = netdata === undefined ? "" : ` (netdata's \`${netdata}\`)`;
  return `- **${name}**: ${TYPE_WORDS[kind]}; ${limitsOf(field)}.  \n${wrap(`${meaning}${origin}`, "  ")}`;
}

function segmentOf(segment: string): string {
  return tomlKey(EXAMPLE_NAMES[segment] ?? segment).replace(EXAMPLE_GUID, `"${EXAMPLE_GUID}"`);
}

/** A value for a key that has no default of its own. */
function exampleOf(key: string, about: FieldMeta): unknown {
  switch (about.kind) {
    case "int":
      return key.endsWith("history") ? 3600 : Math.max(about.min ?? 0, key.endsWith("timeout_ms") ? 20_000 : 1);
    case "bool":
      return false;
    case "words":
      return JSON.parse(about.words?.at(-1) ?? '""');
    case "list":
      return ["server-1", "server-2"];
    case "guid":
      return EXAMPLE_GUID;
    default:
      return "*";
  }
}

function tomlString(text: string): string {
  // JSON's escapes are TOML's too; DEL is the one character that only TOML refuses.
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

/** Breaks a text into lines of at most 110 characters, each after `indent`. */
function wrap(text: string, indent: string): string {
  let lines = "";
  let line = indent;
  for (const word of text.split(" ")) {
    if (line.length + word.length > 110 && line !== indent) {
      lines += `${line.trimEnd()}\n`;
      line = indent;
    }
    line += `${word} `;
  }
  return `${lines}${line.trimEnd()}\n`;
}
