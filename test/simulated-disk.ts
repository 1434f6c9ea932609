import { dirname } from "node:path";
import { assert } from "../agent/base/assert.ts";
import type { Random } from "../agent/base/clock.ts";
import { type FileCall, fileError, shortFile } from "../agent/base/file-error.ts";
import type { FilePart, Files, ReadableFile, WritableFile } from "../agent/base/files.ts";
import { Inode } from "./simulated-inode.ts";

/** Calls that change the disk: none works while it is read-only. */
const CHANGING: ReadonlySet<FileCall> = new Set<FileCall>([
  "create",
  "createExclusive",
  "append",
  "map",
  "overwrite",
  "rename",
  "remove",
  "write",
  "truncate",
]);

/** Which calls of a plan fail, and how. */
export interface FaultPlan {
  /** The first call that fails, 1 = the next one; default 1. */
  nth?: number;
  /** How many fail from there on; default 1. */
  times?: number;
  /** Bytes a failing `write` still takes; default 0. */
  takes?: number;
  /** Only calls on this path and below; default all. */
  below?: string;
}

interface Fault extends Required<FaultPlan> {
  call: FileCall | "any";
  errno: string;
}

/** One step in the names of a directory; the step is kept whole or not at all. */
interface NameChange {
  directory: string;
  names: [path: string, inode: Inode | null][];
}

/**
 * A disk in memory: the contract of {@link Files}, with a size, a read-only switch, calls that fail on plan, and what a
 * killed process or a power loss leaves behind. `/` exists; directories are on the disk as soon as they are made.
 */
export class SimulatedDisk implements Files {
  /** Bytes all files may have together. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** Every change fails with EROFS; stores into mappings made before go on. */
  isReadOnly = false;
  /** Calls so far, failed ones included: plans that walk through all steps count with it. */
  calls = 0;
  /** Which calls failed by a plan. */
  readonly failed = new Set<FileCall>();
  private readonly directories = new Set<string>(["/"]);
  private files = new Map<string, Inode>();
  /** Names that a power loss cannot take. */
  private durableFiles = new Map<string, Inode>();
  private pending: NameChange[] = [];
  /** Files that lost a name, and may still have another, or get it back by a power loss. */
  private readonly unnamed = new Set<Inode>();
  private faults: Fault[] = [];
  /** Counts the processes that used this disk: handles of an earlier one are dead. */
  private life = 0;

  /** Makes calls fail from now on; several plans may run at once. */
  fail(call: FileCall | "any", errno: string, plan: FaultPlan = {}): void {
    this.faults.push({ nth: 1, times: 1, takes: 0, below: "/", ...plan, call, errno });
  }

  /** Ends all plans. */
  heal(): void {
    this.faults = [];
  }

  /** Bytes of all files with a name. */
  get usedBytes(): number {
    let bytes = 0;
    for (const inode of new Set(this.files.values())) bytes += inode.length;
    return bytes;
  }

  /** What `kill -9` leaves: all that was written or stored. Open files and mappings of before are dead. */
  crash(): void {
    this.life++;
    for (const inode of this.files.values()) if (inode.isMapped) inode.settle(inode.snapshot());
  }

  /** What a power loss leaves of everything that was not flushed: any part of it. */
  powerLoss(random: Random): void {
    this.life++;
    this.files = new Map(this.durableFiles);
    for (const change of this.pending) if (random() < 0.5) applyNames(this.files, change);
    this.pending = [];
    this.durableFiles = new Map(this.files);
    for (const inode of new Set(this.files.values())) {
      inode.losePower(random);
      inode.makeDurable(inode.copyToFlush());
    }
  }

  /** What the kernel does by itself from time to time: all content and all names get to the disk. */
  writeBack(): void {
    this.durableFiles = new Map(this.files);
    this.pending = [];
    this.releaseUnnamed();
    for (const inode of this.files.values()) inode.makeDurable(inode.copyToFlush());
  }

  list(directory: string): string[] {
    this.begin("list", directory);
    if (this.problemOfParent(directory) === "ENOENT") return [];
    if (this.problemOfParent(directory) !== "" || this.files.has(directory))
      throw failure("list", directory, "ENOTDIR");
    const names: string[] = [];
    for (const path of [...this.files.keys(), ...this.directories])
      if (path !== "/" && dirname(path) === directory) names.push(path.slice(path.lastIndexOf("/") + 1));
    return names.sort();
  }

  makeDirectory(directory: string): void {
    this.begin("makeDirectory", directory);
    if (this.directories.has(directory)) return;
    if (this.files.has(directory)) throw failure("makeDirectory", directory, "EEXIST");
    if (this.problemOfParent(directory) === "ENOTDIR") throw failure("makeDirectory", directory, "ENOTDIR");
    if (this.isReadOnly) throw failure("makeDirectory", directory, "EROFS");
    for (let made = directory; !this.directories.has(made); made = dirname(made)) this.directories.add(made);
  }

  syncDirectory(directory: string): void {
    this.begin("syncDirectory", directory);
    if (!this.directories.has(directory)) throw failure("syncDirectory", directory, "ENOENT");
    for (const change of this.pending) if (change.directory === directory) applyNames(this.durableFiles, change);
    this.pending = this.pending.filter((change) => change.directory !== directory);
    this.releaseUnnamed();
  }

  read(path: string): Buffer | null {
    this.begin("read", path);
    const inode = this.find("read", path);
    return inode === null ? null : Buffer.from(inode.snapshot().buffer);
  }

  open(path: string): ReadableFile | null {
    this.begin("open", path);
    const inode = this.find("open", path);
    if (inode === null) return null;
    inode.isHeld = true;
    return {
      bytes: inode.length,
      readInto: (target, offset) => {
        this.begin("read", path);
        const end = offset + target.length;
        if (end > inode.length) throw shortFile(path, inode.length);
        target.set(inode.content.subarray(offset, end));
      },
      [Symbol.dispose]: () => {},
    };
  }

  size(path: string): number | null {
    this.begin("size", path);
    return this.find("size", path)?.length ?? null;
  }

  create(path: string): WritableFile {
    this.begin("create", path);
    this.requireParent("create", path);
    if (this.find("create", path) !== null) this.change(dirname(path), [[path, null]]);
    return this.handle(path, this.make(path));
  }

  createExclusive(path: string, bytes: Uint8Array): boolean {
    this.begin("createExclusive", path);
    this.requireParent("createExclusive", path);
    if (this.files.has(path) || this.directories.has(path)) return false;
    if (this.room() < bytes.length) throw failure("createExclusive", path, "ENOSPC");
    const inode = this.make(path);
    inode.resize(bytes.length);
    inode.content.set(bytes);
    return true;
  }

  append(path: string): WritableFile {
    this.begin("append", path);
    this.requireParent("append", path);
    return this.handle(path, this.find("append", path) ?? this.make(path));
  }

  map(path: string): Uint8Array<ArrayBuffer> {
    this.begin("map", path);
    const inode = this.find("map", path);
    if (inode === null) throw failure("map", path, "ENOENT");
    if (inode.length === 0) throw failure("map", path, "EINVAL");
    return inode.map();
  }

  overwrite(path: string, parts: readonly FilePart[]): void {
    this.begin("overwrite", path);
    const inode = this.find("overwrite", path);
    if (inode === null) throw failure("overwrite", path, "ENOENT");
    for (const { at, bytes } of parts) {
      assert(at + bytes.length <= inode.length, "a file that is written over grows: who maps it does not see the rest");
      inode.overwrite(bytes, at);
    }
  }

  rename(from: string, to: string): void {
    this.begin("rename", from);
    this.requireParent("rename", to);
    const inode = this.find("rename", from);
    if (inode === null) throw failure("rename", from, "ENOENT");
    if (this.directories.has(to)) throw failure("rename", from, "EISDIR");
    if (from === to) return;
    this.change(dirname(to), [
      [from, null],
      [to, inode],
    ]);
  }

  remove(path: string): void {
    this.begin("remove", path);
    if (this.find("remove", path) !== null) this.change(dirname(path), [[path, null]]);
  }

  removeDirectory(directory: string): void {
    this.begin("remove", directory);
    if (this.list(directory).length === 0) this.directories.delete(directory);
  }

  async sync(path: string): Promise<void> {
    this.begin("sync", path);
    const inode = this.find("sync", path);
    if (inode === null) throw failure("sync", path, "ENOENT");
    // The least a kernel does: what is stored while it writes waits for the next time.
    const { life } = this;
    const flushed = inode.copyToFlush();
    await Promise.resolve();
    if (life === this.life) inode.makeDurable(flushed);
  }

  freeBytes(directory: string): number {
    this.begin("freeBytes", directory);
    if (!this.directories.has(directory)) throw failure("freeBytes", directory, "ENOENT");
    return this.room();
  }

  private handle(path: string, inode: Inode): WritableFile {
    const { life } = this;
    let isOpen = true;
    const begin = (call: FileCall, takes?: (bytes: number) => void): void => {
      assert(isOpen, "a closed file is used");
      assert(life === this.life, "a file of a dead process is used");
      this.begin(call, path, takes);
    };
    const append = (bytes: Uint8Array): void => {
      const end = inode.length;
      inode.resize(end + bytes.length);
      inode.content.set(bytes, end);
    };
    return {
      write: (bytes) => {
        begin("write", (takes) => append(bytes.subarray(0, takes)));
        const taken = Math.min(bytes.length, this.room());
        append(bytes.subarray(0, taken));
        if (taken < bytes.length) throw failure("write", path, "ENOSPC");
      },
      sync: () => {
        begin("flush");
        inode.makeDurable(inode.copyToFlush());
      },
      truncate: (bytes) => {
        begin("truncate");
        inode.resize(bytes);
      },
      [Symbol.dispose]: () => {
        isOpen = false;
      },
    };
  }

  /** Counts the call and fails it if a plan or the read-only switch says so. */
  private begin(call: FileCall, path: string, takes?: (bytes: number) => void): void {
    assert(path.startsWith("/"), `an absolute path, not ${path}`);
    this.calls++;
    if (this.isReadOnly && CHANGING.has(call)) throw failure(call, path, "EROFS");
    for (const fault of this.faults) {
      const isBelow = fault.below === "/" || path === fault.below || path.startsWith(`${fault.below}/`);
      if (!isBelow || (fault.call !== "any" && fault.call !== call) || fault.times === 0) continue;
      if (--fault.nth > 0) continue;
      fault.times--;
      this.failed.add(call);
      takes?.(fault.takes);
      throw failure(call, path, fault.errno);
    }
  }

  private find(call: FileCall, path: string): Inode | null {
    if (this.problemOfParent(path) === "ENOTDIR") throw failure(call, path, "ENOTDIR");
    if (this.directories.has(path)) throw failure(call, path, "EISDIR");
    return this.files.get(path) ?? null;
  }

  private requireParent(call: FileCall, path: string): void {
    const problem = this.problemOfParent(path);
    if (problem !== "") throw failure(call, path, problem);
  }

  private problemOfParent(path: string): "" | "ENOENT" | "ENOTDIR" {
    for (let above = dirname(path); above !== "/"; above = dirname(above)) if (this.files.has(above)) return "ENOTDIR";
    return this.directories.has(dirname(path)) ? "" : "ENOENT";
  }

  private make(path: string): Inode {
    const inode = new Inode();
    this.change(dirname(path), [[path, inode]]);
    return inode;
  }

  private change(directory: string, names: NameChange["names"]): void {
    const change: NameChange = { directory, names };
    for (const [path] of names) if (this.files.has(path)) this.unnamed.add(this.files.get(path)!);
    applyNames(this.files, change);
    this.pending.push(change);
  }

  private releaseUnnamed(): void {
    const changing = this.pending.flatMap(({ names }) => names.map(([, inode]) => inode));
    const named = new Set([...this.files.values(), ...this.durableFiles.values(), ...changing]);
    for (const inode of this.unnamed) {
      if (named.has(inode)) continue;
      inode.release();
      this.unnamed.delete(inode);
    }
  }

  private room(): number {
    // Without a limit nothing needs to be added up: simulations write often, into many files.
    if (this.capacityBytes === Number.MAX_SAFE_INTEGER) return this.capacityBytes;
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }
}

function applyNames(files: Map<string, Inode>, { names }: NameChange): void {
  for (const [path, inode] of names) {
    if (inode === null) files.delete(path);
    else files.set(path, inode);
  }
}

function failure(call: FileCall, path: string, errno: string): Error {
  return fileError(path, call, Object.assign(new Error(`${errno}: simulated`), { code: errno }));
}
