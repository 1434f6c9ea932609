import { ConfigErrors } from "../config/config-error.ts";
import { renderJsonSchema } from "../config/json-schema.ts";
import { type ConfigEnvironment, type ConfigReader, loadConfig } from "../config/load.ts";
import { renderReference, renderSample } from "../config/reference.ts";
import { renderConfig } from "../config/show.ts";

/** What follows `tributary config`. */
export const CONFIG_USAGE = "check [FILE] | show [FILE] | reference [--sample] | schema";

/** The verbs of `tributary config`, for its help. */
export const CONFIG_DETAILS = `
  check [FILE]          names every mistake with its place and what to write; exit code 78 if there is one
  show [FILE]           what an agent started with it follows and where each value comes from, secrets masked;
                        what a running agent does not follow before a restart: tributary status
  reference [--sample]  every key with its meaning, limits and default; --sample: as a commented file to start from
  schema                JSON Schema of the file, for editors

FILE left out: /etc/tributary/tributary.toml if it exists, else the defaults.
`;

/** What a verb says and how it ends; the caller prints it. */
export interface VerbResult {
  readonly exitCode: number;
  /** For stdout. */
  readonly out: string;
  /** For stderr. */
  readonly err: string;
}

/** The machine as the verbs see it. */
export interface ConfigVerbContext {
  readonly reader: ConfigReader;
  readonly environment: ConfigEnvironment;
}

const EXIT_USAGE = 2;
const EXIT_CONFIG = 78;

/** `tributary config …`. Exit codes: 0, 2 usage, 78 mistakes in the configuration. */
export function configVerb(args: readonly string[], context: ConfigVerbContext): VerbResult {
  const [verb = "", ...rest] = args;
  const [operand] = rest;
  if (rest.length > 1) return usage(`unexpected "${rest[1]}"`);
  if (verb === "check" || verb === "show") {
    if (operand?.startsWith("-")) return usage(`unknown option "${operand}"`);
    return readConfig(verb, operand, context);
  }
  if (verb === "reference" && operand === "--sample") return done(renderSample());
  if (operand !== undefined) return usage(`unexpected "${operand}"`);
  if (verb === "reference") return done(renderReference());
  if (verb === "schema") return done(`${JSON.stringify(renderJsonSchema(), null, 2)}\n`);
  return usage(verb === "" ? "say what to do with the configuration" : `unknown verb "config ${verb}"`);
}

function readConfig(verb: "check" | "show", file: string | undefined, context: ConfigVerbContext): VerbResult {
  const loaded = loadConfig({ file, flags: {}, ...context });
  if (loaded instanceof ConfigErrors) {
    const count = loaded.mistakes.length;
    const closing = `${count} mistake${count === 1 ? "" : "s"}; "tributary config reference" lists every key`;
    return { exitCode: EXIT_CONFIG, out: "", err: `${loaded.message}\n${closing}\n` };
  }
  const err = loaded.notices.map((notice) => `${notice.level}: ${notice.text}\n`).join("");
  if (verb === "show") return { exitCode: 0, out: renderConfig(loaded), err };
  return { exitCode: 0, out: `${loaded.fileName ?? "defaults"}: no mistakes\n`, err };
}

function done(out: string): VerbResult {
  return { exitCode: 0, out, err: "" };
}

function usage(problem: string): VerbResult {
  return { exitCode: EXIT_USAGE, out: "", err: `tributary: ${problem}; usage: tributary config ${CONFIG_USAGE}\n` };
}
