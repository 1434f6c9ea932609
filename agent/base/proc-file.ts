import { closeSync, existsSync, openSync, readdirSync, readSync, statfsSync, statSync } from "node:fs";
import { errorCode } from "./errors.ts";
import { SourceError, toSourceError } from "./source-error.ts";

/** The system calls behind {@link ProcFile}; tests give calls that fail or return little. */
export interface FileCalls {
  open(path: string): number;
  /** @returns bytes read into `[offset, offset + length)`, 0 at the end. */
  read(fd: number, bytes: Buffer, offset: number, length: number, position: number): number;
  close(fd: number): void;
}

/** The machine's own calls. */
export const systemFileCalls: FileCalls = {
  open: (path) => openSync(path, "r"),
  read: (fd, bytes, offset, length, position) => readSync(fd, bytes, offset, length, position),
  close: (fd) => closeSync(fd),
};

/** First size of the buffer for /proc: every usual file fits. */
const PROC_BUFFER_BYTES = 65_536;
/** First size of the buffer for /sys: an attribute is at most a page. */
const SYS_BUFFER_BYTES = 16_384;
/** Largest file: /proc/interrupts of a 128-core host is 200 KiB, /proc/self/mountinfo of a full node about 1 MiB. */
const FILE_BYTES_MAX = 8_388_608;
/** Room offered to each read. Files made of records return at most about a page of whole records. */
const ROOM_BYTES_MIN = 8192;
/** A shorter read ended the file: a record file returns at least half a page while it has more (collectors.md §2.3). */
const SHORT_READ_BYTES = 2048;
/** Failures of a kept descriptor after which opening the path again can help. */
const REOPEN_CODES: ReadonlySet<string> = new Set(["ESTALE", "ENODEV", "EBADF", "EINVAL", "ENOENT"]);

/** A buffer that many files are read into, one after the other. */
class ReadBuffer {
  bytes: Buffer;

  constructor(sizeBytes: number) {
    this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
  }

  /** Doubles the buffer, keeping the first `used` bytes. */
  grow(path: string, used: number): void {
    if (this.bytes.length >= FILE_BYTES_MAX) {
      throw new SourceError("source_read", `${path}: larger than ${FILE_BYTES_MAX} bytes`);
    }
    const larger = Buffer.allocUnsafeSlow(this.bytes.length * 2);
    this.bytes.copy(larger, 0, 0, used);
    this.bytes = larger;
  }
}

/** A file of /proc or /sys whose descriptor stays open between reads. Owner disposes it. */
export class ProcFile implements Disposable {
  readonly path: string;
  private readonly calls: FileCalls;
  private readonly buffer: ReadBuffer;
  private fd = -1;

  /** Opens `path`. @throws SourceError */
  constructor(path: string, calls: FileCalls, buffer: ReadBuffer) {
    this.path = path;
    this.calls = calls;
    this.buffer = buffer;
    this.fd = this.open();
  }

  /** Content of the last read: valid in `[0, length)`, until the next read of any file of the same tree. */
  get bytes(): Buffer {
    return this.buffer.bytes;
  }

  /**
   * Reads the whole file from its start into {@link bytes}. A descriptor that went stale is opened again once.
   * @returns its length; 0 means "no data", never "all zero". @throws SourceError
   */
  read(): number {
    if (this.fd >= 0) {
      try {
        return this.readAll(this.fd);
      } catch (error) {
        if (error instanceof SourceError) throw error;
        this.close();
        if (!REOPEN_CODES.has(errorCode(error))) throw toSourceError(this.path, error);
      }
    }
    this.fd = this.open();
    try {
      return this.readAll(this.fd);
    } catch (error) {
      this.close();
      throw toSourceError(this.path, error);
    }
  }

  /** As {@link read}, but an empty file is an error too. @throws SourceError */
  readSome(): number {
    const length = this.read();
    if (length === 0) throw new SourceError("source_empty", `${this.path}: empty`);
    return length;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  private readAll(fd: number): number {
    let length = 0;
    while (true) {
      if (this.buffer.bytes.length - length < ROOM_BYTES_MIN) this.buffer.grow(this.path, length);
      const { bytes } = this.buffer;
      const count = this.calls.read(fd, bytes, length, bytes.length - length, length);
      length += count;
      if (count < SHORT_READ_BYTES) return length;
    }
  }

  private open(): number {
    try {
      return this.calls.open(this.path);
    } catch (error) {
      throw toSourceError(this.path, error);
    }
  }

  private close(): void {
    if (this.fd < 0) return;
    const { fd } = this;
    this.fd = -1;
    try {
      this.calls.close(fd);
    } catch {
      // The descriptor is gone either way; there is nothing left to release.
    }
  }
}

/** Sizes of one file system. Blocks of `blockBytes`. */
export interface FilesystemSize {
  blockBytes: number;
  blocks: number;
  blocksFree: number;
  blocksAvailable: number;
  files: number;
  filesFree: number;
}

/** `/proc`, `/sys` and the file systems of the host under observation. Paths start at its root. */
export interface HostFiles {
  /** Where that root is seen from here; `""` = here. */
  readonly prefix: string;
  /** @param path below `/proc`. @throws SourceError */
  openProc(path: string): ProcFile;
  /** @param path below `/sys`. @throws SourceError */
  openSys(path: string): ProcFile;
  exists(path: string): boolean;
  isDirectory(path: string): boolean;
  /** First line of a small file without its line end; undefined when it cannot be read. */
  readLine(path: string): string | undefined;
  /** Names in a directory; none when it cannot be read. */
  list(path: string): string[];
  /** Blocks for as long as the file system does. @throws SourceError */
  measureFilesystem(path: string): FilesystemSize;
}

/** @param prefix where the host's root is mounted, without a trailing slash; `""` = this root. */
export function createHostFiles(prefix: string, calls: FileCalls = systemFileCalls): HostFiles {
  // One buffer for each tree and one for single lines: a collector looks at attributes while it walks a file of /proc.
  const procBuffer = new ReadBuffer(PROC_BUFFER_BYTES);
  const sysBuffer = new ReadBuffer(SYS_BUFFER_BYTES);
  const lineBuffer = new ReadBuffer(SYS_BUFFER_BYTES);
  return {
    prefix,
    openProc: (path) => new ProcFile(`${prefix}/proc/${path}`, calls, procBuffer),
    openSys: (path) => new ProcFile(`${prefix}/sys/${path}`, calls, sysBuffer),
    exists: (path) => existsSync(prefix + path),
    isDirectory: (path) => isDirectory(prefix + path),
    readLine: (path) => readLine(() => new ProcFile(prefix + path, calls, lineBuffer)),
    list: (path) => listDirectory(prefix + path),
    measureFilesystem: (path) => measureFilesystem(prefix + path),
  };
}

/** Whether the root of a host is seen at `prefix`. */
export function isHostPrefix(prefix: string): boolean {
  try {
    using file = createHostFiles(prefix).openProc("stat");
    return file.read() > 0;
  } catch {
    return false; // whatever the reason, nothing can be collected there
  }
}

/** Sizes of the file system that holds `path`. Blocks for as long as it does. @throws SourceError */
export function measureFilesystem(path: string): FilesystemSize {
  try {
    const { frsize, bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
    return {
      blockBytes: frsize > 0 ? frsize : bsize,
      blocks,
      blocksFree: bfree,
      blocksAvailable: bavail,
      files,
      filesFree: ffree,
    };
  } catch (error) {
    throw toSourceError(path, error);
  }
}

function readLine(open: () => ProcFile): string | undefined {
  try {
    using file = open();
    const length = file.read();
    const newline = file.bytes.indexOf(0x0a);
    return file.bytes.toString("utf8", 0, newline >= 0 && newline < length ? newline : length);
  } catch {
    return undefined; // an absent attribute is the usual case: the caller has a rule for it
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false; // absent or hidden: either way nothing to measure there
  }
}

function listDirectory(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // as above
  }
}
