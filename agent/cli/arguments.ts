import { nearest } from "../config/suggest.ts";

/** Options and operands of one verb. */
export interface Arguments {
  /** By name without dashes; a repeated option counts as said last. */
  readonly options: ReadonlyMap<string, string>;
  readonly operands: readonly string[];
}

/**
 * Reads `--name VALUE`, `--name=VALUE` and operands.
 * @param known option names that take a value. @param switches option names that stand alone.
 * @returns the problem as text when an option is unknown or lacks its value.
 */
export function parseArguments(
  args: readonly string[],
  known: readonly string[],
  switches: readonly string[] = [],
): Arguments | string {
  const options = new Map<string, string>();
  const operands: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const word = args[index]!;
    if (!word.startsWith("-")) {
      operands.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = word.slice(2, equals < 0 ? undefined : equals);
    if (switches.includes(name) && equals < 0) {
      options.set(name, "");
      continue;
    }
    if (!known.includes(name) || !word.startsWith("--")) return unknownOption(word, [...known, ...switches]);
    const value = equals < 0 ? args[++index] : word.slice(equals + 1);
    if (value === undefined) return `option "--${name}" needs a value`;
    options.set(name, value);
  }
  return { options, operands };
}

function unknownOption(word: string, names: readonly string[]): string {
  const name = word.replace(/^-+/, "").replace(/=.*$/s, "");
  const close = names.includes(name) ? name : nearest(name, names, 2);
  return `unknown option "${word}"${close === undefined ? "" : `, did you mean "--${close}"?`}`;
}
