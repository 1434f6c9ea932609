import { type FileCall, fileError } from "../../agent/base/file-error.ts";
import type { Files, ReadableFile, WritableFile } from "../../agent/base/files.ts";
import type { SimulatedDisk } from "../simulated-disk.ts";
import type { Life } from "./life.ts";
import type { SimulatedTime } from "./simulated-time.ts";

/** What a disk needs to write a file that is flushed in the background. */
const SYNC_US = 20_000;

/**
 * A disk as one run of an agent sees it: nothing the agent does after its death reaches the disk, and the death itself
 * may be put right before one of its calls.
 */
export class MortalFiles implements Files {
  /** Calls until {@link doom}; infinite = none is planned. */
  callsLeft = Number.POSITIVE_INFINITY;
  /** Ends the life. */
  doom: () => void = () => {};
  private readonly disk: SimulatedDisk;
  private readonly life: Life;
  private readonly time: SimulatedTime;

  constructor(disk: SimulatedDisk, life: Life, time: SimulatedTime) {
    this.disk = disk;
    this.life = life;
    this.time = time;
  }

  list = (directory: string) => this.call("list", directory, () => this.disk.list(directory));
  makeDirectory = (directory: string) =>
    this.call("makeDirectory", directory, () => this.disk.makeDirectory(directory));
  syncDirectory = (directory: string) =>
    this.call("syncDirectory", directory, () => this.disk.syncDirectory(directory));
  read = (path: string) => this.call("read", path, () => this.disk.read(path));
  size = (path: string) => this.call("size", path, () => this.disk.size(path));
  map = (path: string) => this.call("map", path, () => this.disk.map(path));
  remove = (path: string) => this.call("remove", path, () => this.disk.remove(path));
  removeDirectory = (directory: string) => this.call("remove", directory, () => this.disk.removeDirectory(directory));
  freeBytes = (directory: string) => this.call("freeBytes", directory, () => this.disk.freeBytes(directory));
  create = (path: string) =>
    this.file(
      path,
      this.call("create", path, () => this.disk.create(path)),
    );
  append = (path: string) =>
    this.file(
      path,
      this.call("append", path, () => this.disk.append(path)),
    );

  createExclusive(path: string, bytes: Uint8Array): boolean {
    return this.call("createExclusive", path, () => this.disk.createExclusive(path, bytes));
  }

  overwrite(path: string, parts: Parameters<Files["overwrite"]>[1]): void {
    this.call("overwrite", path, () => this.disk.overwrite(path, parts));
  }

  rename(from: string, to: string): void {
    this.call("rename", from, () => this.disk.rename(from, to));
  }

  open(path: string): ReadableFile | null {
    const file = this.call("open", path, () => this.disk.open(path));
    if (file === null) return null;
    return {
      bytes: file.bytes,
      readInto: (target, offset) => this.call("read", path, () => file.readInto(target, offset)),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  }

  /** Takes its time, in which the agent may die: then nobody hears of it any more. */
  sync(path: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.time.after(SYNC_US, () => {
      if (this.life.isDead) return;
      const tell = (then: () => void) => this.life.run(then);
      this.disk.sync(path).then(
        () => tell(resolve),
        (error: unknown) => tell(() => reject(error)),
      );
    });
    return promise;
  }

  private file(path: string, file: WritableFile): WritableFile {
    return {
      write: (bytes) => this.call("write", path, () => file.write(bytes)),
      sync: () => this.call("flush", path, () => file.sync()),
      truncate: (bytes) => this.call("truncate", path, () => file.truncate(bytes)),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  }

  private call<T>(call: FileCall, path: string, run: () => T): T {
    if (--this.callsLeft < 0 && !this.life.isDead) this.doom();
    // Whoever comes to hear of this is dead.
    if (this.life.isDead) throw fileError(path, call, Object.assign(new Error("dead"), { code: "EIO" }));
    return run();
  }
}
