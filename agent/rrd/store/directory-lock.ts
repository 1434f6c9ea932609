import { createHash } from "node:crypto";
import { AgentError, errorCode } from "../../base/errors.ts";
import type { Files } from "../../base/files.ts";
import type { ProcessFacts } from "../../base/process-facts.ts";

const NAME = ".lock";
/** Names of links: successors of a dead holder's lock. */
const SUCCESSOR_PREFIX = `${NAME}-`;
/** Tries to get hold of a lock that changes hands at the same time; each needs another agent to start or stop. */
const ATTEMPTS_MAX = 16;
/** `pid start-ticks boot-id`, ended by a newline so that a cut record is none. */
const RECORD = /^(\d{1,10}) (\d{1,15}) ([\w-]*)\n$/;

/**
 * Makes this process the only owner of a database directory, which is made if absent. The lock of a process that does
 * not run any more (ended, its number given to another one, or the machine restarted) is taken over.
 *
 * A dead holder's lock is never removed, for in between it might have become a living one's. Whoever wants it creates
 * its successor `.lock-<digest of the dead record>`, which only one can; the successor of a dead successor likewise.
 * The living end of this chain owns the directory and puts its record in place of `.lock`. A starter that followed an
 * older chain meanwhile notices, because it walks the chain again after it has created its own link.
 *
 * @returns the lock; dispose it to let go.
 * @throws AgentError `database_in_use` while a living process holds it, `process_unknown` when this process cannot be
 *   told from others, or a code of {@link Files}.
 */
export function lockDirectory(files: Files, directory: string, processes: ProcessFacts): Disposable {
  const record = ownRecord(processes);
  files.makeDirectory(directory);
  for (let attempt = 1; ; attempt++) {
    try {
      if (acquire(files, directory, processes, record)) return new DirectoryLock(files, directory, record);
    } catch (error) {
      // The owner tidied up while we were at it: look again who that is.
      if (errorCode(error) !== "file_enoent" || attempt === ATTEMPTS_MAX) throw error;
    }
    if (attempt === ATTEMPTS_MAX) throw inUse(directory, "processes that start and stop");
  }
}

/** Number of the living process that owns a database directory; null = none does. Reads only. */
export function directoryHolder(
  files: Pick<Files, "read">,
  directory: string,
  processes: Pick<ProcessFacts, "bootId" | "startTicks">,
): number | null {
  return chainEnd(files, directory, processes).holder;
}

class DirectoryLock implements Disposable {
  private readonly files: Files;
  private readonly path: string;
  private readonly record: Buffer;

  constructor(files: Files, directory: string, record: Buffer) {
    this.files = files;
    this.path = `${directory}/${NAME}`;
    this.record = record;
  }

  /** Removes the lock, unless another process has it by now. */
  [Symbol.dispose](): void {
    try {
      if (this.files.read(this.path)?.equals(this.record)) this.files.remove(this.path);
    } catch {
      // The disk fails. The lock that stays is a dead process's as soon as this one ends.
    }
  }
}

/** @returns false when the lock changed hands meanwhile: try again. */
function acquire(files: Files, directory: string, processes: ProcessFacts, record: Buffer): boolean {
  const head = `${directory}/${NAME}`;
  const { path, holder } = chainEnd(files, directory, processes);
  // A link of our own is what an attempt left that could neither go on nor tidy up: this one goes on from there.
  const isBegun = holder === processes.pid && path !== head;
  if (holder !== null && !isBegun) throw inUse(directory, `the process ${holder}`);
  if (!isBegun && !files.createExclusive(path, record)) return false;
  if (path !== head) {
    try {
      if (!isChainEnd(files, directory, record)) {
        files.remove(path);
        return false;
      }
      files.rename(path, head);
    } catch (error) {
      tryRemove(files, path);
      throw error;
    }
  }
  removeLeftovers(files, directory);
  return true;
}

/** @returns the first link that is absent, or the first one held by a living process (its number is `holder`). */
function chainEnd(
  files: Pick<Files, "read">,
  directory: string,
  processes: Pick<ProcessFacts, "bootId" | "startTicks">,
): { path: string; holder: number | null } {
  let path = `${directory}/${NAME}`;
  while (true) {
    const record = files.read(path);
    if (record === null) return { path, holder: null };
    const holder = livingHolder(record, processes);
    if (holder !== null) return { path, holder };
    path = successor(directory, path, record);
  }
}

function isChainEnd(files: Files, directory: string, own: Buffer): boolean {
  let path = `${directory}/${NAME}`;
  while (true) {
    const record = files.read(path);
    if (record === null) return false;
    if (record.equals(own)) return true;
    path = successor(directory, path, record);
  }
}

/** The path is part of the digest, so that two unreadable records do not succeed each other in a circle. */
function successor(directory: string, path: string, record: Buffer): string {
  const digest = createHash("sha256").update(path).update("\0").update(record).digest("hex");
  return `${directory}/${SUCCESSOR_PREFIX}${digest.slice(0, 16)}`;
}

/** @returns its number; null when it does not run any more, or when the record is unreadable: half of it was lost. */
function livingHolder(
  record: Buffer,
  { bootId, startTicks }: Pick<ProcessFacts, "bootId" | "startTicks">,
): number | null {
  const match = RECORD.exec(record.toString("latin1"));
  if (match === null || match[3] !== bootId) return null;
  const pid = Number(match[1]);
  const ticks = startTicks(pid);
  if (ticks === null) return null;
  return Number.isNaN(ticks) || ticks === Number(match[2]) ? pid : null;
}

function ownRecord({ pid, bootId, startTicks }: ProcessFacts): Buffer {
  const ticks = startTicks(pid);
  if (ticks !== null && Number.isSafeInteger(ticks)) return Buffer.from(`${pid} ${ticks} ${bootId}\n`, "latin1");
  const problem = `/proc/${pid}/stat: the start time of this process cannot be read`;
  throw new AgentError("process_unknown", `${problem}, so no database can be locked; mount /proc`);
}

function inUse(directory: string, holder: string): AgentError {
  const hint = "stop it, or give this agent a state directory of its own (--state DIR)";
  return new AgentError("database_in_use", `${directory}: in use by ${holder}; ${hint}`);
}

/** Links of older chains and half-made files. The lock is ours: whatever is created from now on is void. */
function removeLeftovers(files: Files, directory: string): void {
  try {
    for (const name of files.list(directory)) {
      if (name.startsWith(NAME) && name !== NAME) files.remove(`${directory}/${name}`);
    }
  } catch {
    // They stand in nobody's way; the next owner tries again.
  }
}

function tryRemove(files: Files, path: string): void {
  try {
    files.remove(path);
  } catch {
    // Void once this process has ended.
  }
}
