import { resolve } from "node:path";
import { systemInspectWorld } from "../app/database-files.ts";
import { type ExportOptions, exportDatabase } from "../app/export-database.ts";
import { statDatabase } from "../app/stat-database.ts";
import { verifyDatabase } from "../app/verify-database.ts";
import { AgentError } from "../base/errors.ts";
import { SimplePattern } from "../base/pattern.ts";
import { ConfigErrors } from "../config/config-error.ts";
import { loadConfig } from "../config/load.ts";
import { systemEnvironment, systemReader } from "../config/system-reader.ts";
import { type Arguments, parseArguments } from "./arguments.ts";
import { renderFinding, renderStat, renderSummary, statJson } from "./db-report.ts";
import { EXIT } from "./exit.ts";
import { isoLocal, parseMoment } from "./moment.ts";
import { print, printBytes, printError, usageError } from "./output.ts";

/** What follows `tributary db`. */
export const DB_USAGE =
  "stat [DIR] [--json]\n       tributary db verify [DIR]\n" +
  "       tributary db export [DIR] [--host NAME|GUID] [--chart PATTERN] [--after T] [--before T]\n" +
  "                           [--format csv|jsonl] [--unix]";

/** What the verbs of `tributary db` do, for its help. */
export const DB_DETAILS = `
They only read, and may run beside the agent that owns the files: nothing is locked, changed or repaired.

  stat        what is stored of each host, from when to when, and how the files were left; --json: for programs
  verify      checks every line, header, record and sealed block; names each problem, its file and what it costs;
              exit code 1 when there is one
  export      stored values as CSV on stdout: time,host,chart,dimension,value; charts and dimensions by their ids,
              one chart after the other, oldest value first, empty slots left out

  DIR               state directory, its db/, or the directory of one host; left out: the state directory of the agent
                    that this user would start
  --host NAME|GUID  one host; left out: all
  --chart PATTERN   ids or names of charts, several separated by blanks; * = any characters, a leading ! = not
  --after T         first time; left out: from the oldest value on
  --before T        last time; left out: up to the newest; both are included. T is 2026-11-28T05:30 (local time),
                    2026-11-28T05:30:00Z, Unix seconds, or back from now: -90s, -10m, -2h, -7d
  --format FORMAT   csv, or jsonl: one JSON object a line
  --unix            times as Unix seconds; left out: ISO 8601 in UTC

What an agent in mode save has collected since its last save is not in its files. Values are written
as /api/v1/data writes them.
`;

const FORMATS = ["csv", "jsonl"] as const;
const EXPORT_OPTIONS = ["host", "chart", "after", "before", "format"];

/** `tributary db …`. Exit code 1: the files cannot be read, `verify` found a problem, `export` left something out. */
export function db(args: string[]): number {
  const [verb = "", ...rest] = args;
  if (verb === "stat") return withArguments(parseArguments(rest, [], ["json"]), stat);
  if (verb === "verify") return withArguments(parseArguments(rest, []), verify);
  if (verb === "export") return withArguments(parseArguments(rest, EXPORT_OPTIONS, ["unix"]), exportValues);
  return usageError(verb === "" ? "say what to do with the database" : `unknown verb "db ${verb}"`, "db");
}

/** Finds the directory and runs one of the verbs on it. */
function withArguments(parsed: Arguments | string, run: (directory: string, parsed: Arguments) => number): number {
  if (typeof parsed === "string") return usageError(parsed, "db");
  const [given, ...rest] = parsed.operands;
  if (rest.length > 0) return usageError(`unexpected "${rest[0]}"`, "db");
  const directory = given === undefined ? stateDirectory() : resolve(given);
  if (directory instanceof ConfigErrors) {
    printError(`${directory.message}\nor say where the database is: tributary db VERB DIR`);
    return EXIT.config;
  }
  try {
    return run(directory, parsed);
  } catch (error) {
    if (!(error instanceof AgentError) || error.code !== "file_eacces") throw error;
    const hint = "the files belong to the agent: run this as its user, or as root";
    throw new AgentError(error.code, `${error.message}\n  hint: ${hint}`, { cause: error });
  }
}

function stat(directory: string, { options }: Arguments): number {
  const found = statDatabase(directory, systemInspectWorld());
  print(options.has("json") ? statJson(found) : renderStat(found));
  return EXIT.ok;
}

function verify(directory: string): number {
  const steps = verifyDatabase(directory, systemInspectWorld());
  const progress = new ProgressLine();
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) {
      progress.clear();
      print(renderSummary(value));
      return value.problems === 0 ? EXIT.ok : EXIT.runtime;
    }
    if (value.kind === "progress") progress.show(`checking ${value.file}`);
    else {
      progress.clear();
      print(renderFinding(value));
    }
  }
}

function exportValues(directory: string, { options }: Arguments): number {
  const world = systemInspectWorld();
  const wanted = exportOptions(options, world.nowSec());
  if (typeof wanted === "string") return usageError(wanted, "db");
  const pieces = exportDatabase(directory, wanted, world);
  for (;;) {
    const { done, value } = pieces.next();
    if (done !== true) {
      // The reader has seen enough (`| head`).
      if (!printBytes(value)) return EXIT.ok;
      continue;
    }
    for (const problem of value.leftOut) printError(`tributary: left out: ${problem}`);
    if (value.rows === 0) printError(`tributary: no values${heldText(value.oldestSec, value.newestSec)}`);
    return value.leftOut.length === 0 ? EXIT.ok : EXIT.runtime;
  }
}

/** @returns the problem as text when an option has no meaning. */
function exportOptions(options: ReadonlyMap<string, string>, nowSec: number): ExportOptions | string {
  const format = FORMATS.find((name) => name === (options.get("format") ?? "csv"));
  if (format === undefined) return "--format takes csv or jsonl";
  const fromSec = parseMoment(options.get("after") ?? "0", nowSec);
  if (fromSec === undefined) return momentProblem("after", options);
  const toSec = parseMoment(options.get("before") ?? String(Number.MAX_SAFE_INTEGER), nowSec);
  if (toSec === undefined) return momentProblem("before", options);
  if (fromSec > toSec) return "--after is later than --before";
  const chart = options.get("chart");
  const charts = chart === undefined ? null : new SimplePattern(chart);
  return { format, isUnix: options.has("unix"), host: options.get("host") ?? null, charts, fromSec, toSec };
}

function momentProblem(name: string, options: ReadonlyMap<string, string>): string {
  return `--${name} takes a time such as 2026-11-28T05:30, 1795843800 or -2h, not "${options.get(name)}"`;
}

function heldText(oldestSec: number, newestSec: number): string {
  if (newestSec === 0) return " are stored";
  return ` in that time; what is stored goes from ${isoLocal(oldestSec)} to ${isoLocal(newestSec)}`;
}

/** That of an agent which this user starts without options. */
function stateDirectory(): string | ConfigErrors {
  const loaded = loadConfig({ flags: {}, environment: systemEnvironment(), reader: systemReader });
  return loaded instanceof ConfigErrors ? loaded : loaded.config.agent.state_dir;
}

/** A line on a terminal that is written over again and again; nothing where stderr is no terminal. */
class ProgressLine {
  private isShown = false;

  show(text: string): void {
    if (!process.stderr.isTTY) return;
    const columns = process.stderr.columns || 80;
    process.stderr.write(`\r\x1b[K${text.length < columns ? text : `…${text.slice(2 - columns)}`}`);
    this.isShown = true;
  }

  clear(): void {
    if (this.isShown) process.stderr.write("\r\x1b[K");
    this.isShown = false;
  }
}
