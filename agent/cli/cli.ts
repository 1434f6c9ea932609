import { AgentError, errorText } from "../base/errors.ts";
import { nearest } from "../config/suggest.ts";
import { systemEnvironment, systemReader } from "../config/system-reader.ts";
import { CONFIG_DETAILS, CONFIG_USAGE, configVerb } from "./config.ts";
import { DB_DETAILS, DB_USAGE, db } from "./db.ts";
import { DEMO_DETAILS, DEMO_USAGE, demo } from "./demo.ts";
import { EXIT } from "./exit.ts";
import { newKey } from "./key.ts";
import { licenses } from "./licenses.ts";
import { print, printError, usageError } from "./output.ts";
import { RUN_DETAILS, RUN_USAGE, run } from "./run.ts";
import { STATUS_DETAILS, STATUS_USAGE, status } from "./status.ts";
import { COMMIT, VERSION } from "./version.ts";

/** One verb of the command line. */
interface Verb {
  /** What follows the verb, as shown in the help. */
  usage: string;
  summary: string;
  /** Options and what else the help of the verb says; lines, the first one empty. */
  details?: string;
  /** @returns the exit code. */
  run(args: string[]): number | Promise<number>;
}

const VERBS: Record<string, Verb> = {
  run: { usage: RUN_USAGE, summary: "run the agent (the default verb)", details: RUN_DETAILS, run },
  config: {
    usage: CONFIG_USAGE,
    summary: "check, show or explain the configuration",
    details: CONFIG_DETAILS,
    run: config,
  },
  key: {
    usage: "",
    summary: "print a new API key",
    details: '\nThe parent enables it in [api_key."GUID"], its children give it as [stream] api_key or with --key.\n',
    run: noArguments("key", () => newKey(crypto.getRandomValues(new Uint8Array(16)))),
  },
  status: {
    usage: STATUS_USAGE,
    summary: "hosts, links, exporters, losses of a running agent",
    details: STATUS_DETAILS,
    run: status,
  },
  db: {
    usage: DB_USAGE,
    summary: "look into the files of the database, also while an agent uses them",
    details: DB_DETAILS,
    run: db,
  },
  demo: {
    usage: DEMO_USAGE,
    summary: "child → proxy → parent on loopback, from this same file",
    details: DEMO_DETAILS,
    run: demo,
  },
  licenses: {
    usage: "",
    summary: "licence texts of everything inside this file",
    run: noArguments("licenses", licenses),
  },
  version: { usage: "", summary: "version and commit", run: noArguments("version", version) },
  help: { usage: "[VERB]", summary: "this text, or one verb", run: help },
};
const VERB_DEFAULT = "run";

/** Spellings people try first. */
const ALIASES: Record<string, string> = {
  "--version": "version",
  "-V": "version",
  "-v": "version",
  "--help": "help",
  "-h": "help",
};
const HELP_WORDS = ["--help", "-h"];
const HELP_CLOSING = `
"tributary help VERB" shows its options.
With no verb it runs: collects this machine every second, keeps an hour in memory, shows it on http://127.0.0.1:19999.
Configuration: --config FILE, else /etc/tributary/tributary.toml if it exists; "tributary config reference --sample".
Exit codes: 0 ok, 1 it failed, 2 wrong use, 70 a bug of ours, 78 mistakes in the configuration.
`;

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
  if (verb === undefined) return unknownVerb(word!);
  if (args.some((arg) => HELP_WORDS.includes(arg))) return help([word!]);
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

function unknownVerb(word: string): number {
  const close = nearest(word, Object.keys(VERBS), 2);
  return usageError(`unknown verb "${word}"${close === undefined ? "" : `, did you mean "${close}"?`}`);
}

function noArguments(name: string, text: () => string): (args: string[]) => number {
  return (args) => {
    if (args.length > 0) return usageError(`unexpected "${args[0]}"`, name);
    print(text());
    return EXIT.ok;
  };
}

function version(): string {
  return `tributary ${VERSION} (${COMMIT}, Bun ${Bun.version})\n`;
}

function help(args: string[]): number {
  const [name, ...rest] = args;
  if (rest.length > 0) return usageError(`unexpected "${rest[0]}"`, "help");
  if (name === undefined) {
    const lines = Object.entries(VERBS).map(([verb, { summary }]) => `  ${verb.padEnd(10)} ${summary}\n`);
    print(`usage: tributary [VERB] [OPTION …]\n\n${lines.join("")}${HELP_CLOSING}`);
    return EXIT.ok;
  }
  const verb = findVerb(name);
  if (verb === undefined) return unknownVerb(name);
  const use = `${ALIASES[name] ?? name} ${verb.usage}`.trimEnd();
  print(`usage: tributary ${use}\n${verb.summary}\n${verb.details ?? ""}`);
  return EXIT.ok;
}
