import { parseInteger } from "../../base/number.ts";
import type { HostFiles, ProcFile } from "../../base/proc-file.ts";

/** After a failed read an attribute is left alone for this time. */
const RETRY_MS = 60_000;
const NEWLINE = 0x0a;

/** One small file below /sys that may be absent, or unreadable in some states of its device. */
export class Attribute implements Disposable {
  private readonly files: HostFiles;
  private readonly path: string;
  private readonly keepsOpen: boolean;
  private file: ProcFile | undefined;
  private retryAtMs = Number.NEGATIVE_INFINITY;
  private lineBytes = 0;

  /** @param path below `/sys`. @param keepsOpen false: opened for each read, to spare descriptors. */
  constructor(files: HostFiles, path: string, keepsOpen: boolean) {
    this.files = files;
    this.path = path;
    this.keepsOpen = keepsOpen;
  }

  /** @param nowMs monotonic. @returns NaN while it cannot be read or is no integer. */
  readInteger(nowMs: number): number {
    const file = this.read(nowMs);
    return file === undefined ? Number.NaN : parseInteger(file.bytes, 0, this.lineBytes);
  }

  /** @returns index of the word in `words`, the last one for any other word; NaN while it cannot be read. */
  readWord(nowMs: number, words: readonly Uint8Array[]): number {
    const file = this.read(nowMs);
    return file === undefined ? Number.NaN : indexOfWord(file.bytes, this.lineBytes, words);
  }

  [Symbol.dispose](): void {
    this.file?.[Symbol.dispose]();
    this.file = undefined;
  }

  /** Reads the first line into the file's bytes. */
  private read(nowMs: number): ProcFile | undefined {
    if (nowMs < this.retryAtMs) return undefined;
    try {
      this.file ??= this.files.openSys(this.path);
      const { file } = this;
      const length = file.readSome();
      const newline = file.bytes.indexOf(NEWLINE);
      this.lineBytes = newline >= 0 && newline < length ? newline : length;
      if (!this.keepsOpen) this[Symbol.dispose]();
      return file;
    } catch {
      // Absent, or not to be read now (EINVAL while a link is down): usual, so neither an error nor a log line.
      this[Symbol.dispose]();
      this.retryAtMs = nowMs + RETRY_MS;
      return undefined;
    }
  }
}

function indexOfWord(bytes: Uint8Array, end: number, words: readonly Uint8Array[]): number {
  for (let i = 0; i < words.length; i++) if (isWord(bytes, end, words[i]!)) return i;
  return words.length - 1;
}

function isWord(bytes: Uint8Array, end: number, word: Uint8Array): boolean {
  if (word.length !== end) return false;
  for (let i = 0; i < end; i++) if (bytes[i] !== word[i]) return false;
  return true;
}
