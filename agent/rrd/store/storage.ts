import { dirname, join } from "node:path";
import { AgentError, errorText } from "../../base/errors.ts";
import type { Files } from "../../base/files.ts";
import { parseGuid } from "../../base/guid.ts";
import type { ProcessFacts } from "../../base/process-facts.ts";
import { ByteBudget } from "../byte-budget.ts";
import type { Database } from "../database.ts";
import type { Host } from "../host.ts";
import type { HostDirectories } from "../host-directories.ts";
import type { HostOptions } from "../host-options.ts";
import type { StoredHost } from "./catalogue-format.ts";
import type { CatalogueContent } from "./catalogue-read.ts";
import { lockDirectory } from "./directory-lock.ts";
import type { DirectoryShare, RestoreEvents, StorageCounters } from "./directory-share.ts";
import { HostDirectory } from "./host-directory.ts";
import { readHostCatalogue } from "./restore-host.ts";
import { segmentNumber } from "./segment-file.ts";

/** A host that cannot use its files tries again this often. */
const RETRY_SEC = 60;
/** Blocks are sealed, and catalogues looked at, once in this time for each host. */
const UPKEEP_SEC = 64;
/** Hosts whose files are closed side by side at the end. */
const CLOSERS_MAX = 16;
/** Share of the free space that is left to others when there is no limit. */
const FREE_SHARE_LEFT = 0.1;

export interface StorageOptions {
  /** `<state>/db`. */
  readonly directory: string;
  readonly files: Files;
  readonly database: Database;
  /** `db.disk_limit_bytes`; 0 = what the files have, and the space that is free now less 10 %. */
  readonly diskLimitBytes: number;
  /** Every so many seconds; 0 = never. */
  readonly flushEverySec: number;
  /** Every so many seconds; 0 = only at the end. */
  readonly saveEverySec: number;
  readonly processes: ProcessFacts;
  readonly nowSec: () => number;
  readonly events: StorageEvents;
}

export interface StorageEvents extends RestoreEvents {
  /** A host cannot use its files. */
  degraded(hostname: string, directory: string, problem: string): void;
  /** It can again, and what it kept in memory is in them. */
  recovered(hostname: string, directory: string): void;
}

/** What is done for all hosts from time to time. */
type Round = "marks" | "flush" | "save" | "retry";

/** The database's directory: who may use it, which hosts are in it, and what their files need from time to time. */
export class Storage implements HostDirectories, AsyncDisposable {
  readonly counters: StorageCounters = { mappings: 0, bytesWritten: 0, degradedHosts: 0, filesSetAside: 0 };
  readonly disk: ByteBudget;
  private readonly options: StorageOptions;
  private readonly share: DirectoryShare;
  private readonly hosts = new Map<string, HostDirectory>();
  /** Hosts that have left, and whose files are still to be closed. */
  private readonly leaving = new Map<string, HostDirectory>();
  /** Those that nobody closes yet, the next one first; some may be back in the database. */
  private readonly unclosed: [machineGuid: string, directory: HostDirectory][] = [];
  private readonly closers = new Set<Promise<void>>();
  /** By machine GUID: bytes of the files of hosts that are not in the database. They take space all the same. */
  private readonly closedBytes: Map<string, number>;
  /** Catalogues that were read and not yet restored. */
  private readonly contents = new Map<string, CatalogueContent>();
  /** Machine GUIDs of hosts that are still to be restored, the next one last; null = nobody has asked for them. */
  private archived: string[] | null = null;
  private lock: Disposable | null = null;
  private second = 0;
  private readonly rounds = new Map<Round, Promise<void>>();

  /** @throws AgentError `database_in_use` when another process uses the directory. */
  constructor(options: StorageOptions) {
    const { files, database, directory, processes, nowSec, events } = options;
    this.options = options;
    this.takeLock();
    this.closedBytes = storedBytes(files, directory);
    const usedBytes = this.closedBytes.values().reduce((sum, bytes) => sum + bytes, 0);
    const freeBytes = () => Math.floor(freeSpace(files, directory) * (1 - FREE_SHARE_LEFT));
    this.disk = new ByteBudget(options.diskLimitBytes || usedBytes + freeBytes());
    this.disk.hold(usedBytes);
    this.share = {
      files,
      memory: database.store,
      disk: this.disk,
      bootCrc: Bun.hash.crc32(processes.bootId),
      nowSec,
      events,
      io: this.counters,
      degraded: (host, problem) => {
        if (problem === "") events.recovered(host.hostname, host.path);
        else events.degraded(host.hostname, host.path, problem);
      },
    };
    database.useDirectories(this);
  }

  open({ machineGuid, memoryMode }: HostOptions): HostDirectory | null {
    if (memoryMode !== "save" && memoryMode !== "map") return null;
    this.endLeaving(machineGuid);
    // What is opened is counted anew.
    this.disk.give(this.closedBytes.get(machineGuid) ?? 0);
    this.closedBytes.delete(machineGuid);
    const path = join(this.options.directory, machineGuid);
    const content = this.contents.get(machineGuid) ?? this.catalogueOf(path, machineGuid);
    this.contents.delete(machineGuid);
    const directory = new HostDirectory(path, machineGuid, memoryMode, content, this.share);
    this.hosts.set(machineGuid, directory);
    return directory;
  }

  /**
   * A host leaves the database: its files are written and closed, one host after the other, or at once when it comes
   * back. @param isDeleted they are removed instead.
   */
  closeHost(machineGuid: string, isDeleted: boolean): void {
    const directory = this.hosts.get(machineGuid);
    if (directory === undefined) return;
    this.hosts.delete(machineGuid);
    if (isDeleted) directory.remove();
    else this.leave(machineGuid, directory);
    // Its memory is free at once then.
    if (directory.isWritten) this.endLeaving(machineGuid);
    if (this.closers.size === 0) this.addCloser();
  }

  /**
   * Puts the hosts that an earlier run kept into the database, those that it has already left out: readable at once,
   * not connected. One after the other, for as long as there is time; the next call goes on where this one ended.
   * @param optionsOf decides on mode and history of a stored host; null = leave it on the disk.
   * @param hasTime asked before each further host. @returns true when none is left.
   */
  restoreArchived(optionsOf: (stored: StoredHost) => HostOptions | null, hasTime: () => boolean = () => true): boolean {
    this.archived ??= this.storedGuids();
    for (let machineGuid = this.archived.pop(); machineGuid !== undefined; machineGuid = this.archived.pop()) {
      this.restoreHost(machineGuid, optionsOf);
      if (!hasTime()) break;
    }
    return this.archived.length === 0;
  }

  /** Call once a second: whatever files need from time to time, a share of the hosts each time. */
  tick(): void {
    this.second++;
    let index = 0;
    for (const directory of this.hosts.values()) {
      if ((this.second + index++) % UPKEEP_SEC === 0) {
        directory.seal();
        directory.tidy();
      }
    }
    if (this.second % RETRY_SEC === 0 && this.mayWrite()) void this.inTurn("retry", (one) => one.recover());
    for (const directory of this.hosts.values()) {
      if (directory.hasMarks) void this.inTurn("marks", (one) => one.syncMarks());
    }
    const { flushEverySec, saveEverySec } = this.options;
    if (flushEverySec > 0 && this.second % flushEverySec === 0) void this.inTurn("flush", (one) => one.flush());
    if (saveEverySec > 0 && this.second % saveEverySec === 0) void this.save();
  }

  /** Mode `save`: writes everything now. Nothing happens while the last time still goes on. */
  async save(): Promise<void> {
    await this.inTurn("save", (directory) => directory.save());
  }

  /** Hosts in mode `save` that left and are not written yet: a process that ends now loses what they hold. */
  get unsavedHosts(): number {
    return this.leaving.values().reduce((sum, { mode }) => sum + Number(mode === "save"), 0);
  }

  /** Writes and closes everything. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const [machineGuid, directory] of this.hosts) this.leave(machineGuid, directory);
    this.hosts.clear();
    while (this.closers.size < CLOSERS_MAX && this.unclosed.length > 0) this.addCloser();
    await Promise.all(this.closers);
    this.lock?.[Symbol.dispose]();
  }

  /** Machine GUIDs of the hosts in the directory, in reverse order. */
  private storedGuids(): string[] {
    const { files, directory, events } = this.options;
    try {
      return files
        .list(directory)
        .filter((name) => parseGuid(name) === name)
        .reverse();
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      events.leftOut(directory, errorText(error));
      return [];
    }
  }

  private restoreHost(machineGuid: string, optionsOf: (stored: StoredHost) => HostOptions | null): void {
    const { directory, database } = this.options;
    // Its child was faster: it has connected meanwhile.
    if (database.host(machineGuid) !== undefined) return;
    const content = this.catalogueOf(join(directory, machineGuid), machineGuid);
    const options = content?.host == null ? null : optionsOf(content.host);
    if (content?.host == null || options === null) return;
    this.contents.set(machineGuid, content);
    const host = database.addArchived(options);
    this.contents.delete(machineGuid);
    if (host !== null) describeArchived(host, content.host);
  }

  /** Does something for all hosts, one after the other; a round that still goes on is not begun anew. */
  private inTurn(round: Round, work: (directory: HostDirectory) => Promise<void>): Promise<void> {
    const going = this.rounds.get(round) ?? this.goRound(work).finally(() => this.rounds.delete(round));
    this.rounds.set(round, going);
    return going;
  }

  private async goRound(work: (directory: HostDirectory) => Promise<void>): Promise<void> {
    for (const [machineGuid, directory] of [...this.hosts]) {
      if (this.hosts.get(machineGuid) === directory) await work(directory);
    }
  }

  private leave(machineGuid: string, directory: HostDirectory): void {
    directory.leave();
    this.leaving.set(machineGuid, directory);
    this.unclosed.push([machineGuid, directory]);
  }

  private addCloser(): void {
    const closer = this.closeLeaving();
    this.closers.add(closer);
    void closer.finally(() => this.closers.delete(closer));
  }

  private async closeLeaving(): Promise<void> {
    for (let next = this.unclosed.shift(); next !== undefined; next = this.unclosed.shift()) {
      const [machineGuid, directory] = next;
      // Somebody may have opened the files before, or does so meanwhile.
      const isLeaving = () => this.leaving.get(machineGuid) === directory;
      if (isLeaving()) await directory.close();
      if (isLeaving()) this.endLeaving(machineGuid);
    }
  }

  private endLeaving(machineGuid: string): void {
    const directory = this.leaving.get(machineGuid);
    if (directory === undefined) return;
    this.leaving.delete(machineGuid);
    this.closedBytes.set(machineGuid, directory.finish());
  }

  /** A directory that cannot be written has no lock: its hosts find that out for themselves. */
  private takeLock(): void {
    if (this.lock !== null) return;
    const { files, directory, processes, events } = this.options;
    try {
      this.lock = lockDirectory(files, directory, processes);
    } catch (error) {
      if (!(error instanceof AgentError) || error.code === "database_in_use") throw error;
      events.leftOut(directory, errorText(error));
    }
  }

  /** A directory that could not be locked at the start may be somebody else's by now: then it is left alone. */
  private mayWrite(): boolean {
    try {
      this.takeLock();
      return true;
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.options.events.leftOut(this.options.directory, errorText(error));
      return false;
    }
  }

  private catalogueOf(path: string, machineGuid: string): CatalogueContent | null {
    try {
      return readHostCatalogue(path, machineGuid, this.share);
    } catch (error) {
      if (!(error instanceof AgentError)) throw error;
      this.options.events.leftOut(path, errorText(error));
      return null;
    }
  }
}

/** What a host that is not connected is known by. */
function describeArchived(host: Host, stored: StoredHost): void {
  host.program = stored.program;
  host.version = stored.version;
  host.timezone = stored.timezone;
  host.abbrevTimezone = stored.abbrevTimezone;
  host.utcOffsetSec = stored.utcOffsetSec;
  host.tags = stored.tags;
  host.registryHostname = stored.registryHostname;
  host.systemInfo = stored.systemInfo;
  host.hops = stored.hops;
  host.lastCollectedUs = stored.lastSeenSec * 1e6;
}

/** Bytes of the segment files of each host, by machine GUID. */
function storedBytes(files: Files, directory: string): Map<string, number> {
  const bytes = new Map<string, number>();
  try {
    for (const host of files.list(directory)) {
      if (parseGuid(host) !== host) continue;
      const path = join(directory, host);
      const segments = files.list(path).filter((name) => segmentNumber(name) >= 0);
      bytes.set(
        host,
        segments.reduce((sum, name) => sum + (files.size(join(path, name)) ?? 0), 0),
      );
    }
  } catch (error) {
    // What cannot be listed cannot be used either: nothing of it will be counted.
    if (!(error instanceof AgentError)) throw error;
  }
  return bytes;
}

/** Of the disk that a directory is on, or will be once it can be made. */
function freeSpace(files: Files, directory: string): number {
  try {
    return files.freeBytes(directory);
  } catch (error) {
    if (!(error instanceof AgentError)) throw error;
    const parent = dirname(directory);
    return parent === directory ? 0 : freeSpace(files, parent);
  }
}
