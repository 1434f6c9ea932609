import { writeSync } from "node:fs";
import { Agent } from "../app/agent.ts";
import { createSystemClock } from "../base/clock.ts";
import { Logger } from "../base/log.ts";
import { ConfigErrors } from "../config/config-error.ts";
import { type LoadedConfig, loadConfig } from "../config/load.ts";
import { systemEnvironment, systemReader } from "../config/system-reader.ts";
import { parseArguments } from "./arguments.ts";
import { EXIT } from "./exit.ts";
import { print, printError, usageError } from "./output.ts";
import { VERSION } from "./version.ts";

const OPTIONS = ["config", "listen", "parent", "key", "memory", "history", "state"] as const;

/** What follows `tributary run`. */
export const RUN_USAGE =
  "[--config FILE] [--listen ADDR:PORT] [--parent HOST:PORT --key GUID]\n" +
  "      [--memory none|ram|save|map] [--history N] [--state DIR]";

/** The options of `tributary run`, for its help. */
export const RUN_DETAILS = `
  --config FILE       configuration; left out: /etc/tributary/tributary.toml if it exists, else all defaults
  --listen ADDR:PORT  address of HTTP and streaming, several separated by commas; * = all addresses, port 0 = any
                      free one; default 127.0.0.1:19999
  --parent HOST:PORT  stream this host to a parent; several separated by commas are tried in turn
  --key GUID          the API key for the parent, which must have it enabled ("tributary key" makes one)
  --memory MODE       none: keep nothing, only pass values on · ram: a ring in memory, the default · save: in files at
                      the end and on SIGUSR1 too · map: in mapped files, which survive a kill
  --history N         points kept of every dimension; default 3600, an hour
  --state DIR         directory of machine.guid and of the database's files; default /var/lib/tributary as root, else
                      $XDG_STATE_HOME/tributary or ~/.local/state/tributary

Flags beat the file. One line on stdout says when it is ready and where; the log goes to stderr, one line an event.
SIGTERM or SIGINT: orderly stop within 5 s (mode save: once all is written), a second signal stops at once.
SIGHUP: the file is read again. SIGUSR1: hosts in mode save are written to their files.
`;

const UNSAVED_TEXT = "mode save: they are still being written; a second signal ends this at once and loses what is not";
/** An orderly stop takes no longer than this, but for what only mode `save` still has. */
const STOP_MS = 5000;
/** Signals closer together than this are one. */
const SAME_SIGNAL_MS = 500;

/** Runs the agent until a signal ends it. @returns the exit code. */
export async function run(args: string[]): Promise<number> {
  const parsed = parseArguments(args, OPTIONS);
  if (typeof parsed === "string") return usageError(parsed, "run");
  if (parsed.operands.length > 0) return usageError(`unexpected "${parsed.operands[0]}"`, "run");
  const { options } = parsed;
  const load = () => {
    return loadConfig({
      file: options.get("config"),
      flags: {
        listen: options.get("listen"),
        parent: options.get("parent"),
        key: options.get("key"),
        memory: options.get("memory"),
        history: options.get("history"),
        state: options.get("state"),
      },
      environment: systemEnvironment(),
      reader: systemReader,
    });
  };
  const loaded = load();
  if (loaded instanceof ConfigErrors) {
    printError(loaded.message);
    return EXIT.config;
  }
  return runUntilSignal(loaded, load);
}

async function runUntilSignal(loaded: LoadedConfig, load: () => LoadedConfig | ConfigErrors): Promise<number> {
  const clock = createSystemClock();
  const { level, format } = loaded.config.log;
  const log = new Logger({ clock, level, format, write: writeLogLine });
  for (const { level: noticeLevel, event, text } of loaded.notices) log[noticeLevel](event, { text });
  let agent: Agent | null = null;
  const stopped = Promise.withResolvers<number>();
  onBug(log);
  let stoppingSinceMs = Number.POSITIVE_INFINITY;
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.on(signal, () => {
      // A terminal's Ctrl-C reaches us twice when a launcher passes it on: that is one wish, not two.
      if (clock.monotonicMs() - stoppingSinceMs > SAME_SIGNAL_MS) process.exit(EXIT.runtime);
      if (stoppingSinceMs !== Number.POSITIVE_INFINITY) return;
      stoppingSinceMs = clock.monotonicMs();
      log.info("app.stopping", { signal });
      setTimeout(() => {
        const hosts = agent?.unsavedHosts ?? 0;
        // What is not in a file in mode save is nowhere else.
        if (hosts > 0) log.warn("app.stop_late", { hosts, text: UNSAVED_TEXT });
        else stopped.resolve(EXIT.ok);
      }, STOP_MS).unref();
      void agent?.stop().then(() => stopped.resolve(EXIT.ok), stopped.reject);
      if (agent === null) stopped.resolve(EXIT.ok);
    });
  }
  // Without a listener the signal would end the process: one that comes during the start is only told.
  process.on("SIGHUP", () => {
    if (agent === null) log.warn("config.reload_too_early", { text: "the agent is starting" });
    else reload(agent, load(), log);
  });
  process.on("SIGUSR1", () => void agent?.save());
  agent = await Agent.start(loaded, { clock, log, version: VERSION });
  if (stoppingSinceMs !== Number.POSITIVE_INFINITY) {
    await agent.stop();
    return EXIT.ok;
  }
  const where = agent.url === null ? "ready, not listening" : `ready on ${agent.url}`;
  print(`tributary ${VERSION} ${where} (${agent.role})\n`);
  return stopped.promise;
}

/**
 * A full disk or a reader that went away must not stop the agent: the line is lost, everything else goes on. A pipe
 * may take a part of a line; the rest follows at once or is lost with it.
 */
function writeLogLine(line: string): void {
  try {
    const bytes = Buffer.from(line);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(2, bytes, offset);
  } catch {
    // Nobody is left who could be told.
  }
}

/** Reads the configuration again; a bad one changes nothing and says why. */
function reload(agent: Agent, loaded: LoadedConfig | ConfigErrors, log: Logger): void {
  if (loaded instanceof ConfigErrors) {
    printError(loaded.message);
    log.error("config.reload_refused", { mistakes: loaded.mistakes.length, text: "the old configuration stays" });
    return;
  }
  agent.reload(loaded);
}

/** A broken invariant ends the process: a supervisor starts it anew from a sane state. */
function onBug(log: Logger): void {
  const end = (error: unknown) => {
    log.error("app.bug", { text: error instanceof Error ? error.message : String(error) });
    writeLogLine(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(EXIT.bug);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}
