import { writeSync } from "node:fs";
import { AgentError, errorText } from "../base/errors.ts";
import { licenses } from "./licenses.ts";
import { COMMIT, VERSION } from "./version.ts";

/** Exit codes of every verb. */
export const EXIT = { ok: 0, runtime: 1, usage: 2, bug: 70, config: 78 } as const;

/** One verb of the command line. */
interface Verb {
  /** What follows the verb, as shown in the help. */
  usage: string;
  summary: string;
  /** @returns the exit code. */
  run(args: string[]): number | Promise<number>;
}

const VERBS: Record<string, Verb> = {
  licenses: { usage: "", summary: "licence texts of everything inside this file", run: noArguments(licenses) },
  version: { usage: "", summary: "version and commit", run: noArguments(version) },
  help: { usage: "[VERB]", summary: "this text, or one verb", run: help },
};

/** Spellings people try first. */
const ALIASES: Record<string, string> = { "--version": "version", "--help": "help", "-h": "help" };

/**
 * Runs one command line and ends the process with its exit code. The only caller of `process.exit`.
 * @param argv words after the program's name.
 */
export async function runCli(argv: string[]): Promise<never> {
  process.exit(await exitCode(argv));
}

/** @returns the exit code of a command line; errors are told on stderr. */
export async function exitCode(argv: string[]): Promise<number> {
  const [word = "help", ...args] = argv;
  const verb = findVerb(word);
  if (verb === undefined) return usageError(`unknown verb "${word}"`);
  try {
    return await verb.run(args);
  } catch (error) {
    if (error instanceof AgentError) {
      printError(error.message);
      return EXIT.runtime;
    }
    printError(error instanceof Error ? (error.stack ?? error.message) : errorText(error));
    return EXIT.bug;
  }
}

function findVerb(word: string): Verb | undefined {
  const name = ALIASES[word] ?? word;
  return Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
}

function noArguments(run: () => string): (args: string[]) => number {
  return (args) => {
    if (args.length > 0) return usageError(`unexpected "${args[0]}"`);
    print(run());
    return EXIT.ok;
  };
}

function version(): string {
  return `tributary ${VERSION} (${COMMIT}, Bun ${Bun.version})\n`;
}

function help(args: string[]): number {
  const [name, ...rest] = args;
  if (rest.length > 0) return usageError(`unexpected "${rest[0]}"`);
  if (name === undefined) {
    const lines = Object.entries(VERBS).map(([verb, { usage, summary }]) => helpLine(`${verb} ${usage}`, summary));
    print(`usage: tributary VERB …\n\n${lines.join("")}`);
    return EXIT.ok;
  }
  const verb = findVerb(name);
  if (verb === undefined) return usageError(`unknown verb "${name}"`);
  print(`usage: tributary ${`${name} ${verb.usage}`.trimEnd()}\n${verb.summary}\n`);
  return EXIT.ok;
}

function helpLine(head: string, summary: string): string {
  return `  ${head.padEnd(32)} ${summary}\n`;
}

function usageError(problem: string): number {
  printError(`tributary: ${problem}; "tributary help" lists the verbs`);
  return EXIT.usage;
}

/** Whole text or nothing lost: a pipe takes a long text in pieces, and the process exits right after. */
function print(text: string): void {
  writeAll(1, text);
}

function printError(text: string): void {
  writeAll(2, `${text}\n`);
}

function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  let offset = 0;
  try {
    while (offset < bytes.length) offset += writeSync(fd, bytes, offset);
  } catch (error) {
    // The reader went away (`tributary licenses | head`): nobody is left to tell.
    if (!(error instanceof Error && "code" in error && error.code === "EPIPE")) throw error;
  }
}
