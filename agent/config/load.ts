import { errorCode, errorText } from "../base/errors.ts";
import { ConfigError, ConfigErrors } from "./config-error.ts";
import { applyFlags, type ConfigFlags } from "./flags.ts";
import { type ConfigNotice, findNotices } from "./notices.ts";
import { Placer } from "./placer.ts";
import { readToml } from "./read-toml.ts";
import type { Config } from "./schema.ts";
import type { ConfigPath } from "./shape.ts";
import { validate } from "./validate.ts";

/** The file that is read when none is named and it exists. */
export const FILE_DEFAULT = "/etc/tributary/tributary.toml";
/** Longest file read: a thousand times the longest sensible one. */
const FILE_BYTES_MAX = 1_048_576;

/** Reads files for the configuration. */
export interface ConfigReader {
  /** The first `bytesMax` bytes; undefined if there is no such file. @throws a system error when it cannot be read. */
  read(path: string, bytesMax: number): Uint8Array | undefined;
}

/** What the process inherited. */
export interface ConfigEnvironment {
  readonly isRoot: boolean;
  readonly variables: Readonly<Record<string, string | undefined>>;
}

/** A configuration that is right as a whole. */
export interface LoadedConfig {
  readonly config: Config;
  /** For the log, once. */
  readonly notices: readonly ConfigNotice[];
  /** The file that was read; undefined if none. */
  readonly fileName: string | undefined;
  /** Where the value at a path of the configuration comes from: `default`, `FILE:LINE`, `--flag`, `environment`. */
  readonly origin: (path: ConfigPath) => string;
}

/** The text of a file → configuration, with nothing from outside: no flags, no environment. */
export function parseConfig(text: string, fileName: string): LoadedConfig | ConfigErrors {
  return build(text, fileName, {});
}

/**
 * Reads the configuration as `run` and `config` do: flags beat the file, the file beats the defaults.
 * @param options.file named by `--config`; without it {@link FILE_DEFAULT}, if there is one.
 * @returns every mistake at once when something is wrong; never throws for bad input.
 */
export function loadConfig(options: {
  file?: string | undefined;
  flags: ConfigFlags;
  environment: ConfigEnvironment;
  reader: ConfigReader;
}): LoadedConfig | ConfigErrors {
  const fileName = options.file ?? FILE_DEFAULT;
  const text = readText(fileName, options.reader);
  if (text instanceof ConfigError) return new ConfigErrors([text]);
  if (text === undefined && options.file !== undefined) {
    const hint = "check the name, or leave --config out to run with the defaults";
    return new ConfigErrors([ConfigError.unplaced(fileName, "there is no such file", hint)]);
  }
  const loaded = build(text ?? "", text === undefined ? undefined : fileName, options.flags);
  if (loaded instanceof ConfigErrors) return loaded;
  const absent = {
    level: "info",
    event: "config.file_absent",
    text: `no file at ${FILE_DEFAULT}: all defaults`,
  } as const;
  const notices = text === undefined ? [absent, ...loaded.notices] : loaded.notices;
  return withStateDir({ ...loaded, notices }, options.environment);
}

function build(text: string, fileName: string | undefined, flags: ConfigFlags): LoadedConfig | ConfigErrors {
  const file = fileName ?? "";
  const reading = readToml(text, file);
  const flagged = applyFlags(reading.document, flags);
  const { config, mistakes } = validate(flagged.document, reading.errors.length === 0);
  const placer = new Placer(text, file, reading.places, flagged.overridden);
  const placed = [...flagged.mistakes, ...mistakes].map((mistake) => placer.place(mistake));
  const errors = [...reading.errors, ...placed];
  if (errors.length > 0) return new ConfigErrors(errors);
  return { config, notices: findNotices(config), fileName, origin: (path) => placer.origin(path) };
}

/** @returns undefined when there is no such file. */
function readText(fileName: string, reader: ConfigReader): string | ConfigError | undefined {
  let bytes: Uint8Array | undefined;
  try {
    bytes = reader.read(fileName, FILE_BYTES_MAX + 1);
  } catch (error) {
    const hint = errorCode(error) === "EACCES" ? "let the user of the agent read it" : "check what it is";
    return ConfigError.unplaced(fileName, `cannot be read: ${errorText(error)}`, hint);
  }
  if (bytes === undefined) return undefined;
  if (bytes.length > FILE_BYTES_MAX) {
    return ConfigError.unplaced(fileName, `longer than ${FILE_BYTES_MAX} bytes`, "is this the configuration?");
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const line = firstBadLine(bytes);
    return ConfigError.unplaced(`${fileName}:${line}`, "not UTF-8 text", "save the file in UTF-8");
  }
}

function firstBadLine(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let start = 0;
  for (let line = 1; ; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    if (newline < 0) return line;
    start = newline + 1;
  }
}

/** Fills in `agent.state_dir`, whose default depends on the user (config.md §2.1). */
function withStateDir(loaded: LoadedConfig, environment: ConfigEnvironment): LoadedConfig | ConfigErrors {
  if (loaded.config.agent.state_dir !== "") return loaded;
  const { HOME: home = "", XDG_STATE_HOME: state = "" } = environment.variables;
  let directory = "/var/lib/tributary";
  if (!environment.isRoot) {
    // A relative XDG_STATE_HOME counts as not set, as its specification wants.
    const base = state.startsWith("/") ? state : home.startsWith("/") ? `${home}/.local/state` : "";
    if (base === "") {
      const hint = "give --state DIR, or state_dir in [agent]";
      const problem = "no directory for the agent's state: neither XDG_STATE_HOME nor HOME is set";
      return new ConfigErrors([ConfigError.unplaced("", problem, hint)]);
    }
    directory = `${base}/tributary`;
  }
  const config = { ...loaded.config, agent: { ...loaded.config.agent, state_dir: directory } };
  const isState = (path: ConfigPath) => path[0] === "agent" && path[1] === "state_dir";
  const origin = (path: ConfigPath) => (isState(path) && !environment.isRoot ? "environment" : loaded.origin(path));
  return { ...loaded, config, origin };
}
