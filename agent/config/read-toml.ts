import { parse, TomlError } from "smol-toml";
import { ConfigError } from "./config-error.ts";
import { maskUnparsedLine } from "./mask.ts";
import { nearest } from "./suggest.ts";
import { TomlPlaces } from "./toml-places.ts";
import type { RawTable } from "./validate.ts";

/** Arrays and inline tables inside each other; ours have two levels. The bound keeps the parser's stack small. */
const DEPTH_MAX = 32;
/** Most lines with broken TOML that are stepped over to find the mistakes behind them. */
const BROKEN_LINES_MAX = 20;

/** A text as TOML: what could be read, and what could not. */
export interface TomlReading {
  readonly document: RawTable;
  readonly places: TomlPlaces;
  readonly errors: readonly ConfigError[];
}

/**
 * Parses TOML. A line `key = value` that is broken in itself is reported and left out, so that the mistakes after it
 * are found in the same run; anything else that is broken ends the reading.
 */
export function readToml(text: string, file: string): TomlReading {
  const lines = text.split("\n");
  const errors: ConfigError[] = [];
  let readable = text;
  while (errors.length < BROKEN_LINES_MAX) {
    try {
      const document = parse(readable, { maxDepth: DEPTH_MAX, unsafeKeyBehaviour: "throw" }) as RawTable;
      return { document, places: new TomlPlaces(readable), errors };
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const source = lines[error.line - 1] ?? "";
      errors.push(syntaxError(file, lines, error));
      if (!isBrokenAlone(source, error.message)) break;
      lines[error.line - 1] = " ".repeat(source.length); // every offset stays as it was
      readable = lines.join("\n");
    }
  }
  return { document: {}, places: new TomlPlaces(""), errors };
}

/** Whether leaving out this one line leaves the rest as it was meant. */
function isBrokenAlone(source: string, message: string): boolean {
  if (/^\s*\[/.test(source) || /unfinished/.test(message.split("\n")[0] ?? "")) return false;
  if (source.includes('"""') || source.includes("'''")) return false;
  return source.split(/[[{]/).length === source.split(/[\]}]/).length;
}

function syntaxError(file: string, lines: readonly string[], error: TomlError): ConfigError {
  const source = lines[error.line - 1] ?? "";
  const told = (error.message.split("\n")[0] ?? "").replace("Invalid TOML document: ", "");
  // A string that runs into the end of its line is told as a control character.
  const isOpen = told.includes("control characters") && error.column > source.trimEnd().length;
  const reason = isOpen ? "unfinished string" : told;
  const shown = maskUnparsedLine(lines, error.line - 1);
  return ConfigError.placed(file, shown, error.line, error.column, `TOML: ${reason}`, hintFor(source, reason));
}

const NO_WORDS = ["no", "off", "False", "FALSE", "No", "NO", "never"];
const YES_WORDS = ["yes", "on", "True", "TRUE", "Yes", "YES", "demand"];

/** What was probably meant, from the line as it stands. */
function hintFor(source: string, reason: string): string {
  if (source.length > 1000) return "look at the quotes, brackets and commas of this line";
  const [name = "", ...rest] = source.replace(/#.*$/, "").split("=");
  const key = name.trim();
  const value = rest.join("=").trim();
  if (reason.includes("redefine")) return "this table or key stands twice: keep one of the two";
  if (reason.includes("unsafe property")) return "this name cannot be used";
  if (/^[\w-]+( +[\w-]+)+$/.test(key) && rest.length > 0) {
    return `names have no blanks: write ${key.toLowerCase().replace(/[ -]+/g, "_")} = …`;
  }
  if (rest.length === 0) {
    if (/^\s*\[/.test(source)) return 'close the name of the table: [name], or [name."name with other characters"]';
    if (/^[#;/]/.test(key) || key.startsWith("--")) return "a comment starts with #";
    return key.includes(":") ? "write NAME = VALUE, with = instead of :" : "write NAME = VALUE";
  }
  if (value === "") return `give a value: ${key} = …`;
  return hintForValue(key, value, reason);
}

function hintForValue(key: string, value: string, reason: string): string {
  if (YES_WORDS.includes(value)) return `write ${key} = true`;
  if (NO_WORDS.includes(value)) return `write ${key} = false`;
  const isWord = /^[A-Za-z_*!/][^"'[\]{}]*$/.test(value);
  const meant = isWord ? nearest(value, ["true", "false"], 2) : undefined;
  if (meant !== undefined) return `write ${key} = ${meant}`;
  const quote = value[0];
  if ((quote === '"' || quote === "'") && value.lastIndexOf(quote) === 0) return `close the quotes: ${quote}…${quote}`;
  if (/^\d[\d_]*\s*[A-Za-z]+$/.test(value)) {
    return "a number stands alone: the unit is in the name of the key; text needs quotes";
  }
  if (reason.includes("comma")) return "separate entries by commas and close every bracket";
  if (/^0\d/.test(value)) return "write the number without leading zeros, or in quotes if it is text";
  if (/^[[{]/.test(value)) return 'text inside brackets needs quotes and commas: ["a", "b"]';
  if (/^["']/.test(value)) return "one value a line; a comment starts with #";
  return 'text needs quotes: "…"';
}
