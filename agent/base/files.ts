import { randomUUID } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmdirSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname } from "node:path";
import { assert } from "./assert.ts";
import { errorCode } from "./errors.ts";
import { type FileCall, fileError, shortFile } from "./file-error.ts";
import { measureFilesystem } from "./proc-file.ts";

/**
 * The file system as rooms that keep data see it. Paths are absolute.
 * All calls throw AgentError of code `file_<errno in lower case>` (`file_enospc`, `file_erofs` …).
 */
export interface Files {
  /** Names in a directory, sorted; none when it does not exist. */
  list(directory: string): string[];
  /**
   * Makes a directory with its parents, mode 0700; one that exists stays as it is. New ones are flushed to the disk
   * where the file system allows that.
   */
  makeDirectory(directory: string): void;
  /** Flushes the names in a directory to the disk (creations, renames, removals); blocks. */
  syncDirectory(directory: string): void;
  /** Whole content; null = no such file. */
  read(path: string): Buffer | null;
  /** Opened for reading alone; null = no such file. */
  open(path: string): ReadableFile | null;
  /** Size in bytes; null = no such file. */
  size(path: string): number | null;
  /** A new empty file, mode 0600. An old one of that name is removed, never cut: mappings of it stay whole. */
  create(path: string): WritableFile;
  /**
   * A new file that appears with all its content or not at all, mode 0600.
   * @returns false when something of that name exists, which stays as it is.
   */
  createExclusive(path: string, bytes: Uint8Array): boolean;
  /** Opened for appending, made if absent, mode 0600. */
  append(path: string): WritableFile;
  /**
   * Shared mapping of a whole existing file, which must not be empty: stores reach the file even if the process is
   * killed. The caller keeps the returned array alive as long as it uses it; the file must never become shorter.
   */
  map(path: string): Uint8Array<ArrayBuffer>;
  /**
   * Writes over parts of an existing file within its size; mappings of it show that at once. The kernel reads nothing
   * for whole pages, which stores into a mapping make it do: they wait for the disk when the page is not in memory.
   */
  overwrite(path: string, parts: readonly FilePart[]): void;
  /** An old file of the name `to` is replaced in the same step. */
  rename(from: string, to: string): void;
  /** Nothing happens when there is no such file. */
  remove(path: string): void;
  /** Removes an empty directory; nothing happens when there is none, or when it is not empty. */
  removeDirectory(directory: string): void;
  /** Asks the kernel to write a file, and with it its mappings, to the disk; does not block the caller. */
  sync(path: string): Promise<void>;
  /** Bytes that may still be written below a directory. */
  freeBytes(directory: string): number;
}

/**
 * A file open for reading: the same file, whatever becomes of its name. Owner disposes it; reading throws as the calls
 * of {@link Files} do.
 */
export interface ReadableFile extends Disposable {
  /** Size when it was opened. */
  readonly bytes: number;
  /** Fills `target` from an offset on. @throws AgentError `file_short` too, when the file ends before. */
  readInto(target: Uint8Array, offset: number): void;
}

/** Bytes for a place in a file. */
export interface FilePart {
  /** From the start of the file. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** A file open for writing at its end. Owner disposes it; all other calls throw as those of {@link Files} do. */
export interface WritableFile extends Disposable {
  /** Writes all bytes or throws; what a failed call wrote before it failed stays in the file. */
  write(bytes: Uint8Array): void;
  /** Flushes the content to the disk; blocks. */
  sync(): void;
  /** Cuts the file, so that no half line stays after a failed write; the next write follows there. */
  truncate(bytes: number): void;
}

/** System calls that fail or do half of their work in ways a test cannot bring about on a real disk. */
export interface FlushCalls {
  /** @returns bytes taken of `[offset, offset + length)`. */
  write(fd: number, bytes: Uint8Array, offset: number, length: number): number;
  sync(fd: number): void;
}

const systemCalls: FlushCalls = {
  write: (fd, bytes, offset, length) => writeSync(fd, bytes, offset, length, null),
  sync: fsyncSync,
};

const DIRECTORY_MODE = 0o700;
const FILE_MODE = 0o600;

/** The machine's files. */
export function createFiles(calls: FlushCalls = systemCalls): Files {
  return {
    list: (directory) => orIfAbsent([], directory, "list", () => readdirSync(directory).sort()),
    makeDirectory: (directory) => makeDirectory(directory, calls),
    syncDirectory: (directory) => attempt(directory, "syncDirectory", () => syncDirectory(directory, calls)),
    read: (path) => orIfAbsent(null, path, "read", () => readFileSync(path)),
    open: (path) => orIfAbsent(null, path, "open", () => new OpenForReading(path)),
    size: (path) => orIfAbsent(null, path, "size", () => sizeOfFile(path)),
    create(path) {
      // Opening with O_TRUNC would cut a file that may be mapped: the next store into the mapping kills the process.
      orIfAbsent(undefined, path, "create", () => unlinkSync(path));
      return new OpenFile(path, "create", "ax", calls);
    },
    createExclusive: (path, bytes) => createExclusive(path, bytes, calls),
    append: (path) => new OpenFile(path, "append", "a", calls),
    map: (path) => attempt(path, "map", () => Bun.mmap(path)),
    overwrite: (path, parts) => attempt(path, "overwrite", () => overwrite(path, parts)),
    rename(from, to) {
      attempt(from, "rename", () => renameSync(from, to), ` to ${to}`);
    },
    remove: (path) => orIfAbsent(undefined, path, "remove", () => unlinkSync(path)),
    removeDirectory(directory) {
      if (existsSync(directory) && readdirSync(directory).length === 0) {
        attempt(directory, "remove", () => rmdirSync(directory));
      }
    },
    sync,
    freeBytes: (directory) => freeBytes(directory),
  };
}

class OpenForReading implements ReadableFile {
  readonly bytes: number;
  private readonly path: string;
  private readonly fd: number;

  constructor(path: string) {
    this.path = path;
    this.fd = openSync(path, "r");
    const status = fstatSync(this.fd);
    this.bytes = status.size;
    if (!status.isDirectory()) return;
    closeSync(this.fd);
    throw Object.assign(new Error("not a file"), { code: "EISDIR" });
  }

  readInto(target: Uint8Array, offset: number): void {
    for (let have = 0; have < target.length; ) {
      const left = target.length - have;
      const count = attempt(this.path, "read", () => readSync(this.fd, target, have, left, offset + have));
      if (count === 0) throw shortFile(this.path, offset + have);
      have += count;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}

/** Descriptor in append mode: after a cut, the next write lands at the new end. */
class OpenFile implements WritableFile {
  private readonly path: string;
  private readonly calls: FlushCalls;
  private fd: number;

  constructor(path: string, call: FileCall, flags: string, calls: FlushCalls) {
    this.path = path;
    this.calls = calls;
    this.fd = attempt(path, call, () => openSync(path, flags, FILE_MODE));
  }

  write(bytes: Uint8Array): void {
    assert(this.fd >= 0, "write to a closed file");
    let offset = 0;
    while (offset < bytes.length) {
      const count = attempt(this.path, "write", () => this.calls.write(this.fd, bytes, offset, bytes.length - offset));
      // No disk does that; if one did, going on would never end.
      if (count <= 0) throw fileError(this.path, "write", Object.assign(new Error("0 bytes taken"), { code: "EIO" }));
      offset += count;
    }
  }

  sync(): void {
    assert(this.fd >= 0, "flush of a closed file");
    attempt(this.path, "flush", () => this.calls.sync(this.fd));
  }

  truncate(bytes: number): void {
    assert(this.fd >= 0, "truncation of a closed file");
    attempt(this.path, "truncate", () => ftruncateSync(this.fd, bytes));
  }

  [Symbol.dispose](): void {
    if (this.fd < 0) return;
    const { fd } = this;
    this.fd = -1;
    try {
      closeSync(fd);
    } catch {
      // The descriptor is gone either way; who must know that the content is on the disk has flushed it before.
    }
  }
}

function attempt<T>(path: string, call: FileCall, run: () => T, detail = ""): T {
  try {
    return run();
  } catch (error) {
    throw fileError(path, call, error, detail);
  }
}

function orIfAbsent<T>(absent: T, path: string, call: FileCall, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return absent;
    throw fileError(path, call, error);
  }
}

function makeDirectory(directory: string, calls: FlushCalls): void {
  const mode = DIRECTORY_MODE;
  const first = attempt(directory, "makeDirectory", () => mkdirSync(directory, { recursive: true, mode }));
  if (first === undefined) return;
  for (let made = directory; made.length >= first.length && made !== "/"; made = dirname(made)) {
    try {
      syncDirectory(dirname(made), calls);
    } catch {
      // A parent may be closed to us for reading. The directory is there, which is what was asked for.
    }
  }
}

function syncDirectory(directory: string, calls: FlushCalls): void {
  const fd = openSync(directory, "r");
  try {
    calls.sync(fd);
  } catch (error) {
    // Some network file systems cannot flush a directory and say so; they keep names safe in their own way.
    if (errorCode(error) !== "EINVAL") throw error;
  } finally {
    closeSync(fd);
  }
}

function sizeOfFile(path: string): number {
  const status = statSync(path);
  if (status.isDirectory()) throw Object.assign(new Error("not a file"), { code: "EISDIR" });
  return status.size;
}

/** A hard link is the one step that both refuses an existing name and shows the whole content at once. */
function createExclusive(path: string, bytes: Uint8Array, calls: FlushCalls): boolean {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    using file = new OpenFile(temporary, "createExclusive", "ax", calls);
    file.write(bytes);
    linkSync(temporary, path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    if (errorCode(error).startsWith("file_")) throw error;
    throw fileError(path, "createExclusive", error, " through a hard link");
  } finally {
    tryRemove(temporary);
  }
}

function overwrite(path: string, parts: readonly FilePart[]): void {
  const fd = openSync(path, "r+");
  try {
    for (const { at, bytes } of parts) {
      let offset = 0;
      while (offset < bytes.length) {
        const count = writeSync(fd, bytes, offset, bytes.length - offset, at + offset);
        if (count <= 0) throw Object.assign(new Error("0 bytes taken"), { code: "EIO" });
        offset += count;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function tryRemove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Never made, or the disk fails: what matters has been said by then.
  }
}

async function sync(path: string): Promise<void> {
  try {
    await using handle = await open(path, "r");
    await handle.sync();
  } catch (error) {
    throw fileError(path, "sync", error);
  }
}

function freeBytes(directory: string): number {
  try {
    const { blocksAvailable, blockBytes } = measureFilesystem(directory);
    return blocksAvailable * blockBytes;
  } catch (error) {
    throw fileError(directory, "freeBytes", error instanceof Error ? error.cause : error);
  }
}
