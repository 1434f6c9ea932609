import { basename, dirname, join } from "node:path";
import { AgentError, errorCode } from "../base/errors.ts";
import { createFiles, type Files } from "../base/files.ts";
import { parseGuid } from "../base/guid.ts";
import { createProcessFacts, type ProcessFacts } from "../base/process-facts.ts";
import { directoryHolder } from "../rrd/store/directory-lock.ts";
import { HostReader, type ReaderShare } from "../rrd/store/host-reader.ts";

/** The machine as a reader of a database sees it; a test gives another one. */
export interface InspectWorld {
  readonly files: Pick<Files, "list" | "read" | "open" | "size">;
  readonly processes: Pick<ProcessFacts, "bootId" | "startTicks">;
  readonly nowSec: () => number;
}

/** The machine's own. */
export function systemInspectWorld(): InspectWorld {
  return { files: createFiles(), processes: createProcessFacts(), nowSec: () => Date.now() / 1000 };
}

/**
 * The database of an agent that runs or has ended. Nothing is changed in it.
 * @throws AgentError `database_missing`, `database_empty`, or `file_…`; the calls of the hosts too.
 */
export class DatabaseFiles {
  /** `<state>/db`. */
  readonly directory: string;
  /** The agent that uses it now; null = none. */
  readonly holderPid: number | null;
  private readonly hostNames: readonly string[];
  private readonly share: ReaderShare;

  /** @param given absolute: a state directory, its `db`, or the directory of a host in it. */
  constructor(given: string, { files, processes, nowSec }: InspectWorld) {
    this.share = { files, nowSec, bootCrc: Bun.hash.crc32(processes.bootId) };
    if (isFile(files, given)) {
      throw new AgentError("database_missing", `${given}: it is a file; give the agent's state directory`);
    }
    const name = basename(given);
    const isHost = parseGuid(name) === name;
    this.directory = isHost ? dirname(given) : databaseDirectory(files, given);
    this.hostNames = isHost ? [name] : hostNames(files, this.directory);
    if (isHost && files.list(given).length === 0) throw nothingThere(files, given);
    this.holderPid = directoryHolder(files, this.directory, processes);
  }

  /** Each host in turn, those that nothing was kept of left out; one at a time is in memory. */
  *hosts(): Generator<HostReader> {
    for (const name of this.hostNames) {
      const host = new HostReader(join(this.directory, name), this.share);
      if (!host.isEmpty) yield host;
    }
  }
}

function databaseDirectory(files: InspectWorld["files"], given: string): string {
  for (const directory of [join(given, "db"), given]) {
    if (hostNames(files, directory).length > 0) return directory;
  }
  throw nothingThere(files, given);
}

function hostNames(files: InspectWorld["files"], directory: string): string[] {
  return files.list(directory).filter((name) => parseGuid(name) === name);
}

function nothingThere(files: InspectWorld["files"], given: string): AgentError {
  if (isFile(files, given) === undefined) {
    const hint = "give the agent's state directory; that of an agent that runs as root is /var/lib/tributary";
    return new AgentError("database_missing", `${given}: no such directory\n  hint: ${hint}`);
  }
  const hint = "an agent keeps one in its state directory with db.mode or --memory map, or save";
  return new AgentError("database_empty", `${given}: no host is stored in it\n  hint: ${hint}`);
}

/** @returns undefined when there is nothing of that name. */
function isFile(files: InspectWorld["files"], path: string): boolean | undefined {
  try {
    return files.size(path) === null ? undefined : true;
  } catch (error) {
    if (errorCode(error) === "file_eisdir") return false;
    throw error;
  }
}
