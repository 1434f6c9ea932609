import { AgentError, errorText } from "../base/errors.ts";
import { systemEnvironment, systemReader } from "../config/system-reader.ts";
import { CONFIG_USAGE, configVerb } from "./config.ts";
import { DEMO_USAGE, demo } from "./demo.ts";
import { EXIT } from "./exit.ts";
import { newKey } from "./key.ts";
import { licenses } from "./licenses.ts";
import { print, printError, usageError } from "./output.ts";
import { RUN_USAGE, run } from "./run.ts";
import { STATUS_USAGE, status } from "./status.ts";
import { COMMIT, VERSION } from "./version.ts";

/** One verb of the command line. */
interface Verb {
  /** What follows the verb, as shown in the help. */
  usage: string;
  summary: string;
  /** @returns the exit code. */
  run(args: string[]): number | Promise<number>;
}

const VERBS: Record<string, Verb> = {
  run: { usage: RUN_USAGE, summary: "run the agent (the default verb)", run },
  config: { usage: CONFIG_USAGE, summary: "check, show or explain the configuration", run: config },
  key: {
    usage: "",
    summary: "print a new API key",
    run: noArguments(() => newKey(crypto.getRandomValues(new Uint8Array(16)))),
  },
  status: { usage: STATUS_USAGE, summary: "hosts, links, exporters, losses of a running agent", run: status },
  demo: { usage: DEMO_USAGE, summary: "child → proxy → parent on loopback, from this same file", run: demo },
  licenses: { usage: "", summary: "licence texts of everything inside this file", run: noArguments(licenses) },
  version: { usage: "", summary: "version and commit", run: noArguments(version) },
  help: { usage: "[VERB]", summary: "this text, or one verb", run: help },
};
const VERB_DEFAULT = "run";

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
  const [first = VERB_DEFAULT] = argv;
  const isBare = first.startsWith("-") && ALIASES[first] === undefined;
  const [word, ...args] = isBare || argv.length === 0 ? [VERB_DEFAULT, ...argv] : argv;
  const verb = findVerb(word!);
  if (verb === undefined) return usageError(`unknown verb "${word}"`);
  try {
    return await verb.run(args);
  } catch (error) {
    if (error instanceof AgentError) {
      printError(`tributary: ${error.message}`);
      return error.code === "identity_unstable" ? EXIT.config : EXIT.runtime;
    }
    printError(error instanceof Error ? (error.stack ?? error.message) : errorText(error));
    return EXIT.bug;
  }
}

function findVerb(word: string): Verb | undefined {
  const name = ALIASES[word] ?? word;
  return Object.hasOwn(VERBS, name) ? VERBS[name] : undefined;
}

function config(args: string[]): number {
  const { exitCode: code, out, err } = configVerb(args, { reader: systemReader, environment: systemEnvironment() });
  print(out);
  if (err !== "") printError(err.trimEnd());
  return code;
}

function noArguments(text: () => string): (args: string[]) => number {
  return (args) => {
    if (args.length > 0) return usageError(`unexpected "${args[0]}"`);
    print(text());
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
    const lines = Object.entries(VERBS).map(([verb, { summary }]) => `  ${verb.padEnd(10)} ${summary}\n`);
    print(`usage: tributary [VERB] …\n\n${lines.join("")}\n"tributary help VERB" shows its options.\n`);
    return EXIT.ok;
  }
  const verb = findVerb(name);
  if (verb === undefined) return usageError(`unknown verb "${name}"`);
  print(`usage: tributary ${`${name} ${verb.usage}`.trimEnd()}\n${verb.summary}\n`);
  return EXIT.ok;
}
