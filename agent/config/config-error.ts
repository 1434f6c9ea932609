import { AgentError } from "../base/errors.ts";
import type { ConfigPath } from "./shape.ts";

/** Longest part of a source line that is quoted in a message. */
const SOURCE_LENGTH_MAX = 160;
/** Most mistakes told at once; nobody reads more. */
const MISTAKES_TOLD_MAX = 50;

/** Something wrong at a path of the file, not yet placed. */
export interface Mistake {
  readonly path: ConfigPath;
  readonly problem: string;
  readonly hint: string;
  /** Whether the caret goes under the name or under the value. */
  readonly at: "key" | "value";
}

/** A mistake in the configuration, placed and explained. `message` is the full text shown to the user. */
export class ConfigError extends AgentError {
  override readonly name = "ConfigError";
  /** From 1; 0 when the mistake has no place in the file. */
  readonly line: number;
  readonly column: number;

  private constructor(lines: readonly string[], line: number, column: number) {
    super("config_invalid", lines.join("\n"));
    this.line = line;
    this.column = column;
  }

  /** @param source the line of the file, secrets masked; empty = not quoted. @param line, column from 1. */
  static placed(file: string, source: string, line: number, column: number, problem: string, hint: string) {
    const gutter = String(line).padStart(4);
    const blank = " ".repeat(gutter.length);
    const { shown, before } = cutSource(source, column);
    const where = harmless(`${file}:${line}:${column}: ${problem}`);
    const caret = `${before.replace(/[^\t]/g, " ")}^`;
    const quote = source === "" ? [] : [`${gutter} | ${shown}`, `${blank} | ${caret}`];
    return new ConfigError([where, ...quote, `  hint: ${harmless(hint)}`], line, column);
  }

  /** @param where file, flag or nothing. */
  static unplaced(where: string, problem: string, hint: string): ConfigError {
    const head = where === "" ? problem : `${where}: ${problem}`;
    return new ConfigError([harmless(head), `  hint: ${harmless(hint)}`], 0, 0);
  }
}

/** All mistakes of one reading of the configuration, in the order of the file. The process exits with 78. */
export class ConfigErrors extends AgentError {
  override readonly name = "ConfigErrors";
  readonly mistakes: readonly ConfigError[];

  constructor(mistakes: readonly ConfigError[]) {
    const sorted = mistakes.toSorted((a, b) => a.line - b.line || a.column - b.column);
    const told = sorted.slice(0, MISTAKES_TOLD_MAX).map((mistake) => mistake.message);
    if (sorted.length > told.length) told.push(`… and ${sorted.length - told.length} more mistakes`);
    super("config_invalid", told.join("\n"));
    this.mistakes = sorted;
  }
}

/** Without characters that could move the cursor, change colours or the direction of writing. */
function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}]/gu, (char) => (char === "\t" ? char : "?"));
}

/** The part of a line around a column that fits into a message. */
function cutSource(source: string, column: number): { shown: string; before: string } {
  const clean = harmless(source);
  const at = column - 1;
  const start = at < SOURCE_LENGTH_MAX - 20 ? 0 : at - SOURCE_LENGTH_MAX / 2;
  const shown = clean.slice(start, start + SOURCE_LENGTH_MAX);
  return { shown, before: clean.slice(start, at) };
}
